//! How an HTTP connection becomes a WebSocket: RFC 6455, section 4, both sides.

mod ask;
mod gate;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::{HeaderMap, header};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::socket::WebSocket;
use crate::errno::Errno;
use crate::secure::{FIRST_WORDS, HandshakeError};

pub(crate) use ask::{Asking, ask};
pub(crate) use gate::Gate;

/// Bytes that the head of an upgrade request may have.
pub(crate) const HEAD_LIMIT: usize = 16 * 1024;

/// Characters of what a peer says about itself that an error repeats.
const SHOWN: usize = 200;

/// How long a peer that was refused may take to read why, and how many bytes it may send meanwhile.
const PARTING_TIMEOUT: Duration = Duration::from_secs(1);
const PARTING_BYTES: usize = 256 * 1024;

/// Lets a client in: waits for its request, answers it, and speaks WebSocket from there on.
pub(crate) async fn accept<S>(mut stream: S, gate: &Gate) -> Result<WebSocket<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let judged = match read_head(&mut stream, gate::begins_like_request).await? {
        Head::Whole { head, ahead } => gate::judge(&head, gate).map(|admission| (admission, ahead)),
        Head::Foreign(first) => Err(gate::refuse_foreign(&first)),
        Head::TooLong => Err(gate::refuse_too_long()),
    };
    match judged {
        Ok((admission, ahead)) => {
            say(&mut stream, &admission.answer()).await?;
            let socket = WebSocket::new(stream, ahead, Role::Server, gate.manner).await;
            Ok(socket.speaking(admission.subprotocol))
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
