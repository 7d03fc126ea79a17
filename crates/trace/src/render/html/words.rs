//! Packets that belong to no flow, in a few words.

use crate::packet::{Body, Packet};

/// What a packet that belongs to no flow is, in a few words.
pub(super) fn words(packet: &Packet<'_>) -> String {
    let between = packet.net.map_or(String::new(), |net| {
        format!(" {} → {}", net.source, net.destination)
    });
    match packet.body {
        Body::Tcp(tcp) => format!("TCP {} → {}{between}", tcp.source, tcp.destination),
        Body::Udp(udp) => format!("UDP {} → {}{between}", udp.source, udp.destination),
        Body::Fragment => format!("IP fragment{between}"),
        Body::Icmp { v6, kind, code, .. } => {
            format!(
                "{} {kind}/{code}{between}",
                if v6 { "ICMPv6" } else { "ICMP" }
            )
        }
        Body::Igmp { kind, .. } => format!("IGMP {kind}{between}"),
        Body::Arp {
            operation,
            sender,
            target,
            ..
        } => format!("ARP {operation} {sender} → {target}"),
        Body::Other(number) => format!("IP {number}{between}"),
        Body::Link(number) => format!("EtherType 0x{number:04x}"),
        Body::Damaged(_) => format!("?{between}"),
    }
}
