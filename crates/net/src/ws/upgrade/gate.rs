//! Who is let in, and what everybody else is told.

use tokio_tungstenite::tungstenite::Error as Tungstenite;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{HEAD_LIMIT, has_token, shown};
use crate::endpoint::WsPath;
use crate::secure::FIRST_WORDS;
use crate::ws::socket::Manner;
use crate::ws::subprotocol;

/// Who is let in.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// What has to be asked for; `/` lets everything be asked for.
    pub(crate) path: WsPath,
    /// The pages from which a browser may come.
    pub(crate) origins: Vec<String>,
    /// What may be spoken in it, if a client asks for that.
    pub(crate) subprotocols: Vec<Box<str>>,
    pub(crate) manner: Manner,
}

/// A request that becomes a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// `Sec-WebSocket-Accept`.
    accept: String,
    /// What is spoken, where the client asked for something that we know.
    pub(super) subprotocol: Option<Box<str>>,
}

impl Admission {
    /// The whole answer.
    pub(super) fn answer(&self) -> String {
        let subprotocol = self.subprotocol.as_deref().map_or(String::new(), |name| {
            format!("Sec-WebSocket-Protocol: {name}\r\n")
        });
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
            self.accept
        )
    }
}

/// Why a request does not become a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Header lines that belong to this status.
    adds: &'static str,
    pub(super) why: String,
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
    pub(super) fn answer(&self) -> String {
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

/// The first byte of a TLS connection: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 0x16;

pub(super) fn refuse_foreign(first: &[u8]) -> Refusal {
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

pub(super) fn refuse_too_long() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "",
        format!("the head of a request may have {HEAD_LIMIT} bytes"),
    )
}

/// Whether a request line can begin so: a method, which is a word of letters and hyphens, and a blank.
pub(super) fn begins_like_request(head: &[u8]) -> bool {
    const LONGEST_METHOD: usize = 24;
    let method = head.split(|byte| *byte == b' ').next().unwrap_or(head);
    !head.starts_with(b" ")
        && method.len() <= LONGEST_METHOD
        && method
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
}

/// Whether a request becomes a WebSocket, and what it is answered then.
pub(super) fn judge(head: &[u8], gate: &Gate) -> Result<Admission, Refusal> {
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
    Ok(Admission {
        accept: derive_accept_key(key.as_bytes()),
        subprotocol: subprotocol::choose(headers, &gate.subprotocols),
    })
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
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Ok(value.trim()),
        (None, _) => Err(Refusal::bad(format!("the request has no {name}"))),
        _ => Err(Refusal::bad(format!(
            "{name} has to stand there once, in ASCII"
        ))),
    }
}
