//! Asking a server to speak WebSocket.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::client::{Response, generate_key};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Head, has_token, read_head, say, shown};
use crate::endpoint::WsPath;
use crate::secure::HandshakeError;
use crate::ws::socket::{Manner, WebSocket};

/// Asks a server to speak WebSocket. `host` is what stands in the endpoint, `origin` the page that
/// we say to come from.
pub(crate) async fn ask<S>(
    mut stream: S,
    host: &str,
    path: &WsPath,
    origin: Option<&str>,
    manner: Manner,
) -> Result<WebSocket<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = generate_key();
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n"));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{}\r\n",
        path.as_str(),
        origin.unwrap_or_default(),
    );
    say(&mut stream, &request).await?;
    let failed = |why: &str| HandshakeError::Failed { why: why.into() };
    let (head, ahead) = match read_head(&mut stream, begins_like_answer).await? {
        Head::Whole { head, ahead } => (head, ahead),
        Head::Foreign(got) => {
            let protocol = "HTTP";
            return Err(HandshakeError::Foreign { protocol, got });
        }
        Head::TooLong => return Err(failed("the head of the server's answer is too long")),
    };
    let Ok(Some((_, answer))) = Response::try_parse(&head) else {
        return Err(failed("the server's answer is no HTTP"));
    };
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The first line of the body, which is often one for people.
        let body = String::from_utf8_lossy(&ahead);
        return Err(HandshakeError::Answered {
            status: answer.status().to_string(),
            why: body.lines().next().map(shown).unwrap_or_default(),
        });
    }
    verify(answer.headers(), &key).map_err(failed)?;
    Ok(WebSocket::new(stream, ahead, Role::Client, manner).await)
}

fn begins_like_answer(head: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let len = head.len().min(START.len());
    head[..len] == START[..len]
}

/// Whether the server has understood what was asked: RFC 6455, section 4.1.
fn verify(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    if !has_token(headers, &header::UPGRADE, "websocket")
        || !has_token(headers, &header::CONNECTION, "upgrade")
    {
        return Err("the server switches to another protocol than WebSocket");
    }
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| *accept != *derive_accept_key(key.as_bytes())) {
        return Err("the server's Sec-WebSocket-Accept does not belong to our key");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err("the server uses an extension that was not offered");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Err("the server chose a sub-protocol although none was offered");
    }
    Ok(())
}
