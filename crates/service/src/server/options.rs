//! What a server allows and how it treats its peers.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;

use super::Cidr;

/// Connections a server holds at once unless told otherwise: below the descriptor limit of 20,000
/// that is common for services, with room for everything else.
pub const MAX_CONNECTIONS: usize = 16_384;

/// A frame that was begun has to be complete after this long.
pub const FRAME_TIMEOUT: Duration = Duration::from_mins(1);

/// After the signal to end, replies may still be sent for this long.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// When we close first, what the peer still sends is read and thrown away for this long, because a
/// close with unread bytes is a reset that can destroy the answer on its way (RFC 9293, 3.10.4;
/// RFC 1122, 4.2.2.13).
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// And for no more bytes than this: two full socket buffers at their default limits
/// (`net.ipv4.tcp_wmem`, `tcp_rmem`).
pub const LINGER_BYTES: u64 = 16 * 1024 * 1024;

/// How a server treats its peers. A reload takes effect for new connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// How byte streams are cut into messages where the endpoint does not say.
    pub framing: Framing,
    /// More connections than this are accepted and closed at once, so that the peer learns it. Of
    /// datagram peers the one that was idle longest makes room.
    pub max_connections: usize,
    /// A connection on which nothing was read or written for this long is closed; sessions of
    /// datagram peers end after a minute unless this says otherwise.
    pub idle_timeout: Option<Duration>,
    /// A frame that was begun has to be complete after this long.
    pub frame_timeout: Duration,
    /// How long replies may still be sent after the signal to end.
    pub drain_timeout: Duration,
    /// Only internet peers from these ranges may connect, if there are any; Unix peers always may.
    pub allow_from: Vec<Cidr>,
    /// Answer datagram peers outside this machine more often, and with more bytes, than they send.
    pub amplify: bool,
    /// Serve one peer, then end.
    pub once: bool,
    /// Close a connection after this many answers, and go on accepting.
    pub requests: Option<u64>,
    /// As a whole message this is answered with itself and ends the conversation.
    pub quit_on: Option<Arc<[u8]>>,
    /// Read at most this much at once.
    pub read_size: Option<NonZeroUsize>,
    /// Wait for a random time in this range before each read.
    pub read_pause: Option<RangeInclusive<Duration>>,
    /// Where the random times come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            framing: Framing::raw(),
            max_connections: MAX_CONNECTIONS,
            idle_timeout: None,
            frame_timeout: FRAME_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
            allow_from: vec![],
            amplify: false,
            once: false,
            requests: None,
            quit_on: None,
            read_size: None,
            read_pause: None,
            seed: 0,
        }
    }
}

impl Options {
    /// What ends a conversation early: the farewell, and how many answers there may be.
    pub(crate) fn bounds(&self) -> (Option<Arc<[u8]>>, Option<u64>) {
        (self.quit_on.clone(), self.requests)
    }

    /// Why a peer from this address may not connect, if it may not.
    pub(crate) fn refusal_of(&self, address: Option<IpAddr>) -> Option<&'static str> {
        let address = address.filter(|_| !self.allow_from.is_empty())?;
        let allowed = self.allow_from.iter().any(|range| range.contains(address));
        (!allowed).then_some("its address is not in --allow-from")
    }
}
