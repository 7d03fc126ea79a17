//! What is agreed on with a peer: limits, windows, packet sizes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::socket::{MAX_PAYLOAD, payload_to};
use super::{
    IDLE_TIMEOUT, KEEP_ALIVE, MAX_WINDOW, MIN_WINDOW, STREAM_WINDOW, STREAMLESS_TIMEOUT,
    WINDOW_BUDGET,
};

/// How long a connection may be silent, and how long a listener keeps one without a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) idle: Duration,
    pub(super) keep_alive: Duration,
    pub(super) streamless: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            idle: IDLE_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            streamless: STREAMLESS_TIMEOUT,
        }
    }
}

/// What one of so many connections may make us hold, in each direction. The first few get all that
/// speed can need; those that come while many are open get less.
pub(super) fn share(connections: usize) -> u64 {
    (WINDOW_BUDGET / (connections as u64).max(1)).clamp(MIN_WINDOW, MAX_WINDOW)
}

/// What we agree to with `peer` as one of so many connections that accept so many streams.
pub(super) fn transport(
    peer: SocketAddr,
    connections: usize,
    streams: u32,
    times: Times,
) -> Arc<TransportConfig> {
    let share = share(connections);
    let window = VarInt::from_u64(share).unwrap_or(VarInt::MAX);
    let stream = VarInt::from_u64(share.min(STREAM_WINDOW)).unwrap_or(VarInt::MAX);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(stream)
        .receive_window(window)
        .send_window(share)
        .keep_alive_interval(Some(times.keep_alive))
        .max_idle_timeout(IdleTimeout::try_from(times.idle).ok());
    // Larger packets are looked for, up to what the way there can carry: loopback and networks with
    // jumbo frames carry more than Ethernet.
    if let Some(payload) = payload_to(peer) {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(payload.max(quic_minimum()));
        config.mtu_discovery_config(Some(discovery));
    }
    Arc::new(config)
}

/// Every path carries this much: RFC 9000, section 14.
const fn quic_minimum() -> u16 {
    1200
}

/// What holds for all connections of a socket.
pub(super) fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(MAX_PAYLOAD)
        .expect("it is the largest that is allowed");
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_share_what_few_may_have() {
        assert_eq!(share(0), MAX_WINDOW);
        assert_eq!(share(1), MAX_WINDOW);
        assert_eq!(share(64), WINDOW_BUDGET / 64);
        assert_eq!(share(1_000_000), MIN_WINDOW);
        // What two hundred peers make us hold that all do their worst, in one direction.
        let held: u64 = (1..=200).map(share).sum();
        assert!(held < 48 << 20, "{held} bytes");
    }
}
