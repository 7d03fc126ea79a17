//! Link types that are taken apart (<https://www.tcpdump.org/linktypes.html>).

/// BSD loopback: an address family of four bytes.
pub const NULL: u32 = 0;
/// Ethernet.
pub const ETHERNET: u32 = 1;
/// IP without a link's header.
pub const RAW: u32 = 101;
/// OpenBSD loopback.
pub const LOOP: u32 = 108;
/// Linux cooked, version 1.
pub const LINUX_SLL: u32 = 113;
/// IPv4 without a link's header.
pub const IPV4: u32 = 228;
/// IPv6 without a link's header.
pub const IPV6: u32 = 229;
/// What Wireshark exports of protocols inside of others; the calls of programs in our files.
pub const UPPER_PDU: u32 = 252;
/// Linux cooked, version 2.
pub const LINUX_SLL2: u32 = 276;
