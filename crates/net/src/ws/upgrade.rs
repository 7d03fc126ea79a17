//! How an HTTP connection becomes a WebSocket: RFC 6455, section 4, both sides.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as Tungstenite;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::{Response, generate_key};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::{self, HeaderMap, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::socket::{Manner, WebSocket};
use crate::endpoint::WsPath;
use crate::errno::Errno;
use crate::secure::{FIRST_WORDS, HandshakeError};

/// Bytes that the head of an upgrade request may have.
pub(crate) const HEAD_LIMIT: usize = 16 * 1024;

/// Characters of what a peer says about itself that an error repeats.
const SHOWN: usize = 200;

/// How long a peer that was refused may take to read why, and how many bytes it may send meanwhile.
const PARTING_TIMEOUT: Duration = Duration::from_secs(1);
const PARTING_BYTES: usize = 256 * 1024;

/// Who is let in.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// What has to be asked for; `/` lets everything be asked for.
    pub(crate) path: WsPath,
    /// The pages from which a browser may come.
    pub(crate) origins: Vec<String>,
    pub(crate) manner: Manner,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    /// Header lines that belong to this status.
    adds: &'static str,
    why: String,
}

impl Refusal {
    fn new(status: StatusCode, adds: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { status, adds, why }
    }

    fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", why)
    }

    /// The whole answer.
    fn answer(&self) -> String {
        let Self { status, adds, why } = self;
        let connection = if *status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110, section 7.8: who sends Upgrade lists it in Connection.
            "upgrade, close"
        } else {
            "close"
        };
        let length = why.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: {connection}\r\n{adds}\r\n{why}\n"
        )
    }
}

/// Lets a client in: waits for its request, answers it, and speaks WebSocket from there on.
pub(crate) async fn accept<S>(mut stream: S, gate: &Gate) -> Result<WebSocket<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let judged = match read_head(&mut stream, begins_like_request).await? {
        Head::Whole { head, ahead } => judge(&head, gate).map(|accept| (accept, ahead)),
        Head::Foreign(first) => Err(refuse_foreign(&first)),
        Head::TooLong => Err(refuse_too_long()),
    };
    match judged {
        Ok((key, ahead)) => {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
            );
            say(&mut stream, &answer).await?;
            Ok(WebSocket::new(stream, ahead, Role::Server, gate.manner).await)
        }
        Err(refusal) => {
            say(&mut stream, &refusal.answer()).await?;
            leave(&mut stream).await;
            Err(HandshakeError::Turned {
                status: refusal.status.as_u16(),
                why: refusal.why,
            })
        }
    }
}

/// What was read of a request or an answer.
#[derive(Debug)]
enum Head {
    /// All of it, and what came behind.
    Whole {
        head: Vec<u8>,
        ahead: Vec<u8>,
    },
    /// It does not begin as it should.
    Foreign(Vec<u8>),
    TooLong,
}

/// Reads to the first empty line. What does not begin as it should need not be waited for.
async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    begins_well: fn(&[u8]) -> bool,
) -> Result<Head, HandshakeError> {
    let mut head = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let got = stream
            .read(&mut chunk)
            .await
            .map_err(|error| broken(&error))?;
        if got == 0 {
            return Err(HandshakeError::Closed);
        }
        let looked = head.len();
        head.extend_from_slice(&chunk[..got]);
        if !begins_well(&head) {
            head.truncate(FIRST_WORDS + 1);
            return Ok(Head::Foreign(head));
        }
        let end = head_end(&head, looked);
        if end.unwrap_or(head.len()) > HEAD_LIMIT {
            return Ok(Head::TooLong);
        }
        if let Some(end) = end {
            let ahead = head.split_off(end);
            return Ok(Head::Whole { head, ahead });
        }
    }
}

/// The first byte of a TLS connection: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 0x16;

fn refuse_foreign(first: &[u8]) -> Refusal {
    if first.starts_with(&[TLS_HANDSHAKE]) {
        let why = "this is ws:// without TLS, and what came is TLS: wss:// listens for that";
        return Refusal::bad(why);
    }
    let first = &first[..first.len().min(FIRST_WORDS)];
    Refusal::bad(format!(
        "no HTTP request begins with \"{}\"",
        first.escape_ascii()
    ))
}

fn refuse_too_long() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "",
        format!("the head of a request may have {HEAD_LIMIT} bytes"),
    )
}

/// Whether a request line can begin so: a method, which is a word of letters and hyphens, and a blank.
fn begins_like_request(head: &[u8]) -> bool {
    const LONGEST_METHOD: usize = 24;
    let method = head.split(|byte| *byte == b' ').next().unwrap_or(head);
    !head.starts_with(b" ")
        && method.len() <= LONGEST_METHOD
        && method
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
}

/// Where the head ends: behind the first empty line. `looked` bytes have been searched before.
fn head_end(head: &[u8], looked: usize) -> Option<usize> {
    let from = looked.saturating_sub(3);
    let mut rest = head[from..]
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    rest.find_map(|(at, _)| match &head[from + at + 1..] {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Whether a request becomes a WebSocket, and what it is answered then: `Sec-WebSocket-Accept`.
fn judge(head: &[u8], gate: &Gate) -> Result<String, Refusal> {
    let request = match Request::try_parse(head) {
        Ok(Some((_, request))) => request,
        Ok(None) => return Err(Refusal::bad("the request is not complete")),
        Err(error) => return Err(refuse_unread(&error)),
    };
    let asked = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    if !matches(&gate.path, asked) {
        let why = format!("nothing is at {}", shown(asked));
        return Err(Refusal::new(StatusCode::NOT_FOUND, "", why));
    }
    let headers = request.headers();
    one(headers, &header::HOST)?;
    if !has_token(headers, &header::UPGRADE, "websocket")
        || !has_token(headers, &header::CONNECTION, "upgrade")
    {
        let why = "this is a WebSocket: connect with ws:// or wss://, not by a plain request";
        return Err(upgrade_required(why));
    }
    if one(headers, &header::SEC_WEBSOCKET_VERSION)? != "13" {
        return Err(upgrade_required("only version 13 of WebSocket is spoken"));
    }
    let key = one(headers, &header::SEC_WEBSOCKET_KEY)?;
    // 16 bytes in base64: RFC 6455, section 4.1.
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    match key.as_bytes().split_last_chunk::<2>() {
        Some((digits, b"==")) if digits.len() == 22 && digits.iter().all(|b| is_base64(*b)) => {}
        _ => return Err(Refusal::bad("Sec-WebSocket-Key is not 16 bytes in base64")),
    }
    check_origin(headers, gate)?;
    Ok(derive_accept_key(key.as_bytes()))
}

/// Only browsers send an origin, and they send it always: a page from elsewhere must not reach what
/// listens here for the person who reads it (RFC 6455, section 10.2).
fn check_origin(headers: &HeaderMap, gate: &Gate) -> Result<(), Refusal> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = one(headers, &header::ORIGIN)?;
    if gate
        .origins
        .iter()
        .any(|listed| listed.eq_ignore_ascii_case(origin))
    {
        return Ok(());
    }
    let origin = shown(origin);
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "",
        format!(
            "pages of {origin} are not let in; the listener's option origin={origin} would let them"
        ),
    ))
}

/// A path is that of the listener, with any query unless the listener has one.
fn matches(listener: &WsPath, asked: &str) -> bool {
    let listener = listener.as_str();
    let path = asked.split('?').next().unwrap_or(asked);
    listener == "/" || listener == asked || listener == path
}

fn upgrade_required(why: &str) -> Refusal {
    Refusal::new(
        StatusCode::UPGRADE_REQUIRED,
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        why,
    )
}

/// A request that could not be read.
fn refuse_unread(error: &Tungstenite) -> Refusal {
    match error {
        Tungstenite::Protocol(ProtocolError::WrongHttpMethod) => Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Allow: GET\r\n",
            "a WebSocket is asked for with GET",
        ),
        Tungstenite::Protocol(ProtocolError::WrongHttpVersion) => Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "",
            "a WebSocket is asked for with HTTP/1.1",
        ),
        Tungstenite::Capacity(CapacityError::TooManyHeaders) => Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "",
            "the request has too many header lines",
        ),
        _ => Refusal::bad("this is no HTTP request"),
    }
}

/// The value of a header that stands in a request exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(http::HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Ok(value.trim()),
        (None, _) => Err(Refusal::bad(format!("the request has no {name}"))),
        _ => Err(Refusal::bad(format!(
            "{name} has to stand there once, in ASCII"
        ))),
    }
}

/// Whether a list of words holds this one, in whatever case.
fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}

/// What the peer said about itself, cut.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Result<(), HandshakeError> {
    stream
        .write_all(text.as_bytes())
        .await
        .map_err(|error| broken(&error))?;
    stream.flush().await.map_err(|error| broken(&error))
}

/// Closes so that the answer survives: a close with unread bytes is a reset, which can destroy it.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let drained = async {
        stream.shutdown().await?;
        let (mut chunk, mut left) = ([0; 4096], PARTING_BYTES);
        loop {
            let got = stream.read(&mut chunk).await?;
            if got == 0 || got >= left {
                return Ok::<_, io::Error>(());
            }
            left -= got;
        }
    };
    // Whatever comes of it, the connection is over.
    let _ = timeout(PARTING_TIMEOUT, drained).await;
}

fn broken(error: &io::Error) -> HandshakeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => HandshakeError::Closed,
        _ => HandshakeError::Broken(Errno::of(error)),
    }
}

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
