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
use crate::ws::subprotocol;

/// What a server is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    /// As it stands in the endpoint.
    pub(crate) host: &'a str,
    pub(crate) path: &'a WsPath,
    /// The page that we say to come from.
    pub(crate) origin: Option<&'a str>,
    /// What we would speak, the best first.
    pub(crate) subprotocols: Vec<&'a str>,
}

impl Asking<'_> {
    fn request(&self, key: &str) -> String {
        let line = |name: &str, value: &str| format!("{name}: {value}\r\n");
        let origin = self.origin.map(|origin| line("Origin", origin));
        let subprotocols = (!self.subprotocols.is_empty())
            .then(|| line("Sec-WebSocket-Protocol", &self.subprotocols.join(", ")));
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{}{}\r\n",
            self.path.as_str(),
            self.host,
            origin.unwrap_or_default(),
            subprotocols.unwrap_or_default(),
        )
    }
}

/// Asks a server to speak WebSocket.
pub(crate) async fn ask<S>(
    mut stream: S,
    asking: &Asking<'_>,
    manner: Manner,
) -> Result<WebSocket<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = generate_key();
    say(&mut stream, &asking.request(&key)).await?;
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
    let subprotocol =
        subprotocol::agreed(answer.headers(), &asking.subprotocols).map_err(failed)?;
    let socket = WebSocket::new(stream, ahead, Role::Client, manner).await;
    Ok(socket.speaking(subprotocol))
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
    Ok(())
}
