//! QUIC: streams of bytes over UDP, encrypted, any number of them over one connection.
//!
//! ALPN [`ALPN`], no 0-RTT; each bidirectional stream that the dialler opens is a link of its own and
//! begins with the byte [`PREFACE`]. docs/endpoints.md has the rest.

mod config;
mod connection;
mod crypto;
mod dial;
mod error;
mod listen;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use connection::{Afterlife, Opener};
pub(crate) use dial::connect;
pub(crate) use listen::listen;

/// What both ends have to name in the handshake (ALPN, RFC 7301), unless `alpn=` says otherwise.
pub const ALPN: &[u8] = b"sockeye/1";

/// What each stream opens with. A stream exists for the peer only once something was sent on it
/// (RFC 9000, section 2.1), and some conversations are begun by the listener.
pub const PREFACE: u8 = 0x01;

/// A connection on which nothing was heard for this long is lost. RFC 9308, section 3.2 advises
/// against less.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent connection shows that it is alive: twice may get lost.
pub const KEEP_ALIVE: Duration = Duration::from_secs(9);

/// How many streams a dialler may have open at once on one connection.
pub const MAX_STREAMS: u32 = 128;

/// How long a listener keeps a connection on which no stream is open.
pub const STREAMLESS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long what was written to a stream that was let go is still sent to a peer who does not take
/// it.
pub const LINGER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the end of the process waits for that.
pub const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// With more handshakes than this under way, a peer first has to show that it can receive at the
/// address that it writes from (RFC 9000, section 8.1.2).
pub const UNPROVEN_HANDSHAKES: usize = 32;

/// Handshakes that may wait for being accepted, and the bytes that are held for each and for all.
pub const WAITING_HANDSHAKES: usize = 4096;
pub(crate) const WAITING_BYTES: u64 = 16 * 1024;
pub(crate) const WAITING_BYTES_TOTAL: u64 = 8 * 1024 * 1024;

/// What the connections of a listener share: one alone may make us hold [`MAX_WINDOW`], the tenth a
/// tenth of this, in each direction, and none less than a minimum.
pub const WINDOW_BUDGET: u64 = 8 * 1024 * 1024;

/// What is held for one stream at most, in each direction.
pub const STREAM_WINDOW: u64 = 2 * 1024 * 1024;

/// What is held for one connection at most, in each direction, and at least.
pub const MAX_WINDOW: u64 = 4 * 1024 * 1024;
pub(crate) const MIN_WINDOW: u64 = 32 * 1024;

/// Why we close a connection or a stream: RFC 9000, section 20.2. Zero means that all is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Code {
    /// Nothing is wrong.
    Done = 0,
    /// A stream began with something else than [`PREFACE`].
    BadPreface = 1,
    /// A limit turned the stream away, or the listener ends.
    Refused = 2,
    /// The conversation was cut short: what a reset is to TCP.
    Aborted = 3,
}

impl From<Code> for quinn::VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code as u32)
    }
}
