//! What TCP knows about a connection.

use super::netlink::{u32_at, u64_at};

/// Numbers of `struct tcp_info` (linux/tcp.h), and the name of the congestion control.
///
/// What an older kernel does not tell is 0. Times are microseconds unless their name says otherwise,
/// rates are bytes a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TcpDetails {
    /// Smoothed round-trip time.
    pub rtt_us: u32,
    /// How much that varies.
    pub rtt_var_us: u32,
    /// The shortest round trip of the last minutes.
    pub min_rtt_us: u32,
    /// How long an acknowledgement is waited for before something is sent again.
    pub rto_us: u32,
    /// Largest segment that is sent.
    pub send_mss: u32,
    /// Largest segment that came.
    pub recv_mss: u32,
    /// The path's MTU, as far as known.
    pub path_mtu: u32,
    /// Congestion window, in segments.
    pub cwnd: u32,
    /// Slow-start threshold, in segments; nothing until the first loss.
    pub ssthresh: Option<u32>,
    /// Segments sent and not acknowledged.
    pub unacked_segments: u32,
    /// Bytes written and not yet sent.
    pub unsent: u32,
    /// Segments sent again and not yet acknowledged.
    pub retransmitting: u32,
    /// Segments sent again, all in all.
    pub retransmits: u32,
    /// Segments that are taken for lost.
    pub lost: u32,
    /// Bytes that the peer has room for (0: its window is closed; older kernels: not told).
    pub send_window: u32,
    /// Rate at which segments are sent at most; nothing if not limited.
    pub pacing_rate: Option<u64>,
    /// Rate at which data arrived there lately.
    pub delivery_rate: u64,
    /// Bytes sent, again sent ones included.
    pub bytes_sent: u64,
    /// Bytes acknowledged; one more than data after the handshake's SYN.
    pub bytes_acked: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent again.
    pub bytes_retransmitted: u64,
    /// Segments sent, empty ones too.
    pub segments_out: u32,
    /// Segments received, empty ones too.
    pub segments_in: u32,
    /// Segments with data sent.
    pub data_segments_out: u32,
    /// Segments with data received.
    pub data_segments_in: u32,
    /// Time in which there was something to send.
    pub busy_us: u64,
    /// Time in which the peer's window held sending up.
    pub rwnd_limited_us: u64,
    /// Time in which our own send buffer held sending up.
    pub sndbuf_limited_us: u64,
    /// Segments that came out of order.
    pub out_of_order: u32,
    /// Milliseconds since data was last sent.
    pub last_sent_ms: u32,
    /// Milliseconds since data last came.
    pub last_received_ms: u32,
    /// The name of the congestion control: `bbr`, `cubic`.
    pub congestion: Name,
}

/// A short name of the kernel's (`TCP_CA_NAME_MAX`, 16 bytes with its end).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; 15],
    length: u8,
}

impl Name {
    pub(super) fn read(content: &[u8]) -> Self {
        let end = content.iter().position(|byte| *byte == 0);
        let text = &content[..end.unwrap_or(content.len()).min(15)];
        let mut name = Self::default();
        if text.is_ascii() {
            name.bytes[..text.len()].copy_from_slice(text);
            name.length = text.len() as u8;
        }
        name
    }

    /// As text; empty if not told.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

/// `TCP_INFINITE_SSTHRESH` (include/net/tcp.h).
const NO_THRESHOLD: u32 = 0x7fff_ffff;

impl TcpDetails {
    /// Reads `struct tcp_info`, of which kernels only ever add to the end.
    pub(super) fn read(info: &[u8]) -> Self {
        let at32 = |at| u32_at(info, at);
        let at64 = |at| u64_at(info, at);
        Self {
            rto_us: at32(8),
            send_mss: at32(16),
            recv_mss: at32(20),
            unacked_segments: at32(24),
            lost: at32(32),
            retransmitting: at32(36),
            last_sent_ms: at32(44),
            last_received_ms: at32(52),
            path_mtu: at32(60),
            rtt_us: at32(68),
            rtt_var_us: at32(72),
            ssthresh: Some(at32(76)).filter(|threshold| *threshold < NO_THRESHOLD),
            cwnd: at32(80),
            retransmits: at32(100),
            pacing_rate: Some(at64(104)).filter(|rate| *rate != u64::MAX),
            bytes_acked: at64(120),
            bytes_received: at64(128),
            segments_out: at32(136),
            segments_in: at32(140),
            unsent: at32(144),
            min_rtt_us: at32(148),
            data_segments_in: at32(152),
            data_segments_out: at32(156),
            delivery_rate: at64(160),
            busy_us: at64(168),
            rwnd_limited_us: at64(176),
            sndbuf_limited_us: at64(184),
            bytes_sent: at64(200),
            bytes_retransmitted: at64(208),
            out_of_order: at32(224),
            send_window: at32(228),
            congestion: Name::default(),
        }
    }
}
