//! Protocols and messages by name.

use std::fmt;

use etherparse::IpNumber;

use super::Body;
use super::Packet;
use super::dissect::{ETHER_ARP, ETHER_IPV4, ETHER_IPV6, ICMPV6};
use crate::Lang;

/// What a packet is, as one short name: `TCP`, `SCTP 132`, `IP fragment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// A name that says all.
    Named(&'static str),
    /// A fragment behind the first of its datagram.
    Fragment,
    /// An IP protocol, by its number.
    Ip(u8),
    /// An EtherType.
    Ether(u16),
    /// What cannot be told.
    Damaged,
}

impl Packet<'_> {
    /// What it is.
    pub const fn protocol(&self) -> Protocol {
        match self.body {
            Body::Tcp(_) => Protocol::Named("TCP"),
            Body::Udp(_) => Protocol::Named("UDP"),
            Body::Fragment => Protocol::Fragment,
            Body::Icmp { v6: false, .. } => Protocol::Named("ICMP"),
            Body::Icmp { v6: true, .. } => Protocol::Named("ICMPv6"),
            Body::Igmp { .. } => Protocol::Named("IGMP"),
            Body::Arp { .. } => Protocol::Named("ARP"),
            Body::Other(number) => Protocol::Ip(number),
            Body::Link(kind) => Protocol::Ether(kind),
            Body::Damaged(_) => Protocol::Damaged,
        }
    }
}

impl Protocol {
    /// Its name in a language.
    pub fn words(self, lang: Lang) -> ProtocolText {
        ProtocolText(self, lang)
    }
}

/// A protocol's name, to be printed.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolText(Protocol, Lang);

impl fmt::Display for ProtocolText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(protocol, lang) = *self;
        match protocol {
            Protocol::Named(name) => f.pad(name),
            Protocol::Fragment => f.pad(lang.pick("IP fragment", "IP 分片")),
            Protocol::Damaged => f.pad(lang.pick("damaged", "已损坏")),
            Protocol::Ip(number) => match ip_protocol(number) {
                Some(name) => f.pad(&format!("{name} {number}")),
                None => f.pad(&format!("IP {number}")),
            },
            Protocol::Ether(kind) => match ether_type(kind) {
                Some(name) => f.pad(name),
                None => f.pad(&format!("0x{kind:04x}")),
            },
        }
    }
}

/// The name of an IP protocol, where IANA has one.
pub fn ip_protocol(number: u8) -> Option<&'static str> {
    match number {
        ICMPV6 => Some("ICMPv6"),
        number => IpNumber(number).keyword_str(),
    }
}

/// The name of an EtherType that is likely to be met (IANA, "IEEE 802 numbers").
pub const fn ether_type(kind: u16) -> Option<&'static str> {
    Some(match kind {
        0 => return None,
        1..=0x05dc => "802.3",
        ETHER_IPV4 => "IPv4",
        ETHER_ARP => "ARP",
        ETHER_IPV6 => "IPv6",
        0x0842 => "Wake-on-LAN",
        0x8035 => "RARP",
        0x8100 | 0x88a8 | 0x9100 => "VLAN",
        0x8847 | 0x8848 => "MPLS",
        0x8863 | 0x8864 => "PPPoE",
        0x888e => "802.1X",
        0x8899 => "Realtek",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x8906 => "FCoE",
        _ => return None,
    })
}

/// What a message of ICMP (RFC 792, RFC 1191) or `ICMPv6` (RFC 4443, RFC 4861, RFC 2710, RFC 3810) says.
pub const fn icmp_message(v6: bool, kind: u8, code: u8, lang: Lang) -> Option<&'static str> {
    if v6 {
        icmpv6(kind, code, lang)
    } else {
        icmpv4(kind, code, lang)
    }
}

const fn icmpv4(kind: u8, code: u8, lang: Lang) -> Option<&'static str> {
    Some(match (kind, code) {
        (0, _) => lang.pick("echo reply", "回显应答"),
        (3, 0) => lang.pick("network unreachable", "网络不可达"),
        (3, 1) => lang.pick("host unreachable", "主机不可达"),
        (3, 2) => lang.pick("protocol unreachable", "协议不可达"),
        (3, 3) => lang.pick("port unreachable", "端口不可达"),
        (3, 4) => lang.pick("too long, may not be fragmented", "过长且不允许分片"),
        (3, 9 | 10 | 13) => lang.pick("prohibited by an administrator", "被管理员禁止"),
        (3, _) => lang.pick("unreachable", "不可达"),
        (4, _) => lang.pick("source quench", "源抑制"),
        (5, _) => lang.pick("redirect", "重定向"),
        (8, _) => lang.pick("echo request", "回显请求"),
        (9, _) => lang.pick("router advertisement", "路由器通告"),
        (10, _) => lang.pick("router solicitation", "路由器请求"),
        (11, 0) => lang.pick("time to live exceeded", "生存时间超时"),
        (11, _) => lang.pick("reassembly time exceeded", "分片重组超时"),
        (12, _) => lang.pick("bad parameter", "参数错误"),
        (13, _) => lang.pick("timestamp request", "时间戳请求"),
        (14, _) => lang.pick("timestamp reply", "时间戳应答"),
        _ => return None,
    })
}

const fn icmpv6(kind: u8, code: u8, lang: Lang) -> Option<&'static str> {
    Some(match (kind, code) {
        (1, 0) => lang.pick("no route", "没有路由"),
        (1, 1) => lang.pick("prohibited by an administrator", "被管理员禁止"),
        (1, 3) => lang.pick("address unreachable", "地址不可达"),
        (1, 4) => lang.pick("port unreachable", "端口不可达"),
        (1, _) => lang.pick("unreachable", "不可达"),
        (2, _) => lang.pick("packet too big", "数据包过大"),
        (3, 0) => lang.pick("hop limit exceeded", "跳数超限"),
        (3, _) => lang.pick("reassembly time exceeded", "分片重组超时"),
        (4, _) => lang.pick("bad parameter", "参数错误"),
        (128, _) => lang.pick("echo request", "回显请求"),
        (129, _) => lang.pick("echo reply", "回显应答"),
        (130, _) => lang.pick("multicast listener query", "组播侦听者查询"),
        (131 | 143, _) => lang.pick("multicast listener report", "组播侦听者报告"),
        (132, _) => lang.pick("multicast listener done", "组播侦听者离开"),
        (133, _) => lang.pick("router solicitation", "路由器请求"),
        (134, _) => lang.pick("router advertisement", "路由器通告"),
        (135, _) => lang.pick("neighbour solicitation", "邻居请求"),
        (136, _) => lang.pick("neighbour advertisement", "邻居通告"),
        (137, _) => lang.pick("redirect", "重定向"),
        _ => return None,
    })
}

/// What a message of IGMP says (RFC 1112, RFC 2236, RFC 3376).
pub const fn igmp_message(kind: u8, lang: Lang) -> Option<&'static str> {
    Some(match kind {
        0x11 => lang.pick("membership query", "成员查询"),
        0x12 => lang.pick("membership report, version 1", "成员报告（第 1 版）"),
        0x16 => lang.pick("membership report, version 2", "成员报告（第 2 版）"),
        0x17 => lang.pick("leave group", "离开组"),
        0x22 => lang.pick("membership report, version 3", "成员报告（第 3 版）"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let name = |protocol: Protocol| protocol.words(Lang::En).to_string();
        assert_eq!(name(Protocol::Ip(132)), "SCTP 132");
        assert_eq!(name(Protocol::Ip(253)), "IP 253");
        assert_eq!(name(Protocol::Ip(47)), "GRE 47");
        assert_eq!(name(Protocol::Ether(0x88cc)), "LLDP");
        assert_eq!(name(Protocol::Ether(0x1234)), "0x1234");
        assert_eq!(Protocol::Fragment.words(Lang::Zh).to_string(), "IP 分片");
        assert_eq!(
            format!("{:<5}|", Protocol::Named("UDP").words(Lang::En)),
            "UDP  |"
        );
        assert_eq!(
            icmp_message(false, 3, 3, Lang::En),
            icmp_message(true, 1, 4, Lang::En)
        );
    }
}
