//! Every setting that is looked at, in the order in which they are shown.

use super::Group::{Accept, Buffers, Close, Connect, Silence, Wire};
use super::Purpose::{Datagrams, Dial, Far, Serve};
use super::Want::{AtLeast, AtMost, Is, Range, Third, Unless};
use super::{Group, Purpose, Setting, Want};

/// The one that left Linux with 4.12, and that advice on the web still names.
pub(super) const GONE: &str = "net.ipv4.tcp_tw_recycle";

/// Where most of them are described: Documentation/networking/ip-sysctl.rst of the kernel.
const IP: &str = "ip-sysctl.rst";
/// Documentation/admin-guide/sysctl/net.rst.
const NET: &str = "sysctl/net.rst";

/// What one connection may hold for 1 Gbit/s over 250 ms, or 10 Gbit/s over 25 ms: 31 MB.
const FAR: u64 = 32 << 20;
/// What comes in 60 ms at 1 Gbit/s, while a program is not scheduled: 7.5 MB.
const BURST: u64 = 8 << 20;

const fn row(name: &'static str, group: Group, defaults: &'static [&'static str]) -> Setting {
    Setting {
        name,
        group,
        defaults,
        sound: None,
        wants: &[],
        source: IP,
    }
}

impl Setting {
    const fn sound(mut self, want: Want) -> Self {
        self.sound = Some(want);
        self
    }

    const fn wants(mut self, wants: &'static [(Purpose, Want)]) -> Self {
        self.wants = wants;
        self
    }

    const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    row("net.ipv4.tcp_syncookies", Accept, &["1"]).sound(Unless { is: 0, then: 1 }),
    row("net.core.somaxconn", Accept, &["4096", "128"])
        .sound(AtLeast(1024))
        .wants(&[(Serve, AtLeast(4096))])
        .source("listen(2)"),
    row("net.ipv4.tcp_max_syn_backlog", Accept, &[]).wants(&[(Serve, AtLeast(4096))]),
    row("net.ipv4.tcp_synack_retries", Accept, &["5"]),
    row("net.ipv4.tcp_abort_on_overflow", Accept, &["0"]).sound(Is(0)),
    row("net.ipv4.tcp_tw_reuse", Close, &["2", "0"]).wants(&[(Dial, Is(1))]),
    row("net.ipv4.tcp_fin_timeout", Close, &["60"])
        .sound(AtMost(60))
        .wants(&[(Serve, AtMost(30))]),
    row("net.ipv4.tcp_max_tw_buckets", Close, &[]).sound(AtLeast(4096)),
    row(GONE, Close, &[]).source("commit 4396e46187ca"),
    row("net.ipv4.ip_local_port_range", Connect, &["32768 60999"])
        .wants(&[(Dial, Range(10_240, 65_535))]),
    row("net.ipv4.tcp_syn_retries", Connect, &["6"]),
    row("net.core.rmem_default", Buffers, &["212992"])
        .wants(&[(Datagrams, AtLeast(1 << 20))])
        .source(NET),
    row("net.core.rmem_max", Buffers, &["4194304", "212992"])
        .wants(&[(Datagrams, AtLeast(BURST))])
        .source(NET),
    row("net.core.wmem_default", Buffers, &["212992"]).source(NET),
    row("net.core.wmem_max", Buffers, &["4194304", "212992"])
        .wants(&[(Datagrams, AtLeast(BURST))])
        .source(NET),
    row(
        "net.ipv4.tcp_rmem",
        Buffers,
        &["4096 131072 33554432", "4096 131072 6291456"],
    )
    .wants(&[(Far, Third(FAR))])
    .source("tcp(7)"),
    row("net.ipv4.tcp_wmem", Buffers, &["4096 16384 4194304"])
        .wants(&[(Far, Third(FAR))])
        .source("tcp(7)"),
    row("net.ipv4.tcp_moderate_rcvbuf", Buffers, &["1"]).sound(Is(1)),
    row("net.ipv4.tcp_keepalive_time", Silence, &["7200"]).wants(&[(Serve, AtMost(600))]),
    row("net.ipv4.tcp_keepalive_intvl", Silence, &["75"]).wants(&[(Serve, AtMost(30))]),
    row("net.ipv4.tcp_keepalive_probes", Silence, &["9"]),
    // RFC 1122, 4.2.3.5: a connection is kept for 100 s at least, which 8 retransmissions take.
    row("net.ipv4.tcp_retries2", Silence, &["15"]).sound(AtLeast(8)),
    row("net.ipv4.tcp_congestion_control", Wire, &["cubic"]).source("tcp(7)"),
    row("net.ipv4.tcp_window_scaling", Wire, &["1"]).sound(Is(1)),
    row("net.ipv4.tcp_timestamps", Wire, &["1"]).sound(Unless { is: 0, then: 1 }),
    row("net.ipv4.tcp_sack", Wire, &["1"]).sound(Is(1)),
    row("net.ipv4.tcp_mtu_probing", Wire, &["0"]).wants(&[(Far, AtLeast(1))]),
    row("net.ipv4.tcp_slow_start_after_idle", Wire, &["1"]).wants(&[(Far, Is(0))]),
];
