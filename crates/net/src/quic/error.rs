//! Why a connection could not be made, or was lost, in the words of sockets.

use std::io;

use quinn::{ConnectionError, ReadError, TransportErrorCode, WriteError};
use rustls::AlertDescription;

use crate::secure::HandshakeError;
use crate::tls::of_tls;

/// CRYPTO_ERROR with an alert of TLS in its lowest byte: RFC 9001, section 4.8.
const CRYPTO: std::ops::Range<u64> = 0x100..0x200;

/// The alert `no_application_protocol`: RFC 7301, section 3.2.
const NO_PROTOCOL: u64 = 0x100 + 120;

/// What became of a handshake.
pub(super) fn failed(error: &ConnectionError) -> HandshakeError {
    let other_purpose = || HandshakeError::Failed {
        why: "the two ends speak QUIC, but no protocol over it that both know (ALPN)".into(),
    };
    match error {
        ConnectionError::VersionMismatch => HandshakeError::Failed {
            why: "the peer speaks none of our versions of QUIC".into(),
        },
        ConnectionError::TransportError(error) if u64::from(error.code) == NO_PROTOCOL => {
            other_purpose()
        }
        ConnectionError::TransportError(error) => HandshakeError::Failed {
            why: error.to_string(),
        },
        ConnectionError::ConnectionClosed(close) => match close.error_code {
            TransportErrorCode::CONNECTION_REFUSED => HandshakeError::Refused {
                why: "it takes no more connections".into(),
            },
            code if u64::from(code) == NO_PROTOCOL => other_purpose(),
            code if CRYPTO.contains(&u64::from(code)) => of_tls(&rustls::Error::AlertReceived(
                AlertDescription::from((u64::from(code) - CRYPTO.start) as u8),
            )),
            _ => HandshakeError::Refused {
                why: close.to_string(),
            },
        },
        ConnectionError::ApplicationClosed(_) => HandshakeError::Closed,
        lost => HandshakeError::Broken(broken(lost).into()),
    }
}

/// A connection that is lost, as reading or writing a TCP connection would say it.
pub(super) fn broken(error: &ConnectionError) -> io::Error {
    errno(match error {
        ConnectionError::TimedOut => libc::ETIMEDOUT,
        ConnectionError::VersionMismatch | ConnectionError::TransportError(_) => libc::EPROTO,
        ConnectionError::LocallyClosed => libc::ECONNABORTED,
        ConnectionError::CidsExhausted => libc::ENOBUFS,
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset => libc::ECONNRESET,
    })
}

pub(super) fn unread(error: &ReadError) -> io::Error {
    match error {
        ReadError::ConnectionLost(error) => broken(error),
        ReadError::Reset(_) | ReadError::ZeroRttRejected => errno(libc::ECONNRESET),
        ReadError::ClosedStream | ReadError::IllegalOrderedRead => errno(libc::EBADF),
    }
}

pub(super) fn unwritten(error: &WriteError) -> io::Error {
    match error {
        WriteError::ConnectionLost(error) => broken(error),
        // The peer reads no more, or we have ended this direction ourselves.
        WriteError::Stopped(_) | WriteError::ClosedStream => errno(libc::EPIPE),
        WriteError::ZeroRttRejected => errno(libc::ECONNRESET),
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
