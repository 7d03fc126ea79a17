//! What proxies say instead of connecting.

use std::fmt::Write as _;

use sockeye_frame::Blame;
use thiserror::Error;

use crate::context::PROXY_PASSWORD as PASSWORD;
use crate::errno::Errno;

/// How much of a reply that is none an error shows.
const SHOWN: usize = 16;

/// Why a proxy did not connect us.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It did not answer within `connect-timeout`.
    #[error("the proxy did not answer in time")]
    Timeout,
    /// The connection to it broke.
    #[error("the connection to the proxy broke")]
    Broken(#[source] Errno),
    /// It closed the connection instead of answering.
    #[error("the proxy closed the connection after {after} bytes of its reply")]
    Closed {
        /// How much of a reply had come.
        after: usize,
    },
    /// What it sent is no reply of its protocol.
    #[error("the proxy does not speak {protocol}: it sent {got}")]
    Malformed {
        /// What it should speak.
        protocol: &'static str,
        /// What it sent, in hex and ASCII.
        got: String,
    },
    /// It never ends its reply.
    #[error("the proxy's reply is longer than {limit} bytes")]
    TooLong {
        /// How much is read at most.
        limit: usize,
    },
    /// A SOCKS proxy refuses.
    #[error("the proxy answers {code}: {meaning}")]
    Refused {
        /// The reply code.
        code: u8,
        /// What it means (RFC 1928, section 6).
        meaning: &'static str,
    },
    /// An HTTP proxy refuses.
    #[error("the proxy answers {status} {reason}")]
    Status {
        /// The status code.
        status: u16,
        /// The proxy's own words, what is not printable left out.
        reason: String,
    },
    /// It takes none of the ways to log in that we have.
    #[error("the proxy wants a login; write via=socks5://USER@HOST:PORT and set {PASSWORD}")]
    WantsLogin,
    /// It does not take this user and password.
    #[error("the proxy refuses the login (status {status})")]
    LoginRefused {
        /// What it answered (RFC 1929, section 2).
        status: u8,
    },
    /// A user is given and no password.
    #[error("the proxy's password is expected in the variable {PASSWORD}")]
    NoPassword,
    /// Something that we would have to send does not fit the protocol.
    #[error("the {what} has {len} bytes, a proxy takes {limit}")]
    Unsendable {
        /// Which part.
        what: &'static str,
        /// Its length.
        len: usize,
        /// What fits.
        limit: usize,
    },
}

impl ProxyError {
    /// A reply that is none; `bytes` is what came instead.
    pub(super) fn malformed(protocol: &'static str, bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(SHOWN)];
        let mut got = String::new();
        for byte in bytes {
            let _ = write!(got, "{byte:02x} ");
        }
        let ascii = |byte: &u8| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let _ = write!(got, "({})", bytes.iter().map(ascii).collect::<String>());
        Self::Malformed { protocol, got }
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::WantsLogin
            | Self::LoginRefused { .. }
            | Self::NoPassword
            | Self::Unsendable { .. }
            | Self::Malformed { .. }
            // "not allowed by ruleset" (RFC 1928, section 6), and the same of HTTP.
            | Self::Refused { code: 2, .. }
            | Self::Status { status: 401 | 403 | 405 | 407, .. } => Blame::Caller,
            // "connection refused": the target did that.
            Self::Refused { code: 5, .. } => Blame::Peer,
            _ => Blame::Path,
        }
    }
}
