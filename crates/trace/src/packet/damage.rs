//! What is wrong with a packet, in words.

use std::fmt;

use crate::Lang;

/// Why a header makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Damage {
    /// Too few bytes were kept of the frame (a snap length) to see this header.
    Cut(Part),
    /// The frame itself, or what encloses the header, ends inside it.
    Ends(Part),
    /// A length in this header does not fit what is there.
    Lies(Part),
    /// A version of IP that is neither 4 nor 6.
    Version(u8),
    /// A link whose headers are not known here (LINKTYPE_ of pcap).
    LinkType(u32),
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The link's header.
    Link,
    /// ARP.
    Arp,
    /// IP's own header.
    Ip,
    /// An extension header of IP.
    Extension,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or `ICMPv6`.
    Icmp,
    /// IGMP.
    Igmp,
}

impl Part {
    /// Its name; in Chinese with the spaces that Latin letters take.
    const fn name(self, lang: Lang) -> &'static str {
        match self {
            Self::Link => lang.pick("the link", "链路层"),
            Self::Arp => lang.pick("ARP", " ARP "),
            Self::Ip => lang.pick("IP", " IP "),
            Self::Extension => lang.pick("an extension of IP", " IP 扩展"),
            Self::Tcp => lang.pick("TCP", " TCP "),
            Self::Udp => lang.pick("UDP", " UDP "),
            Self::Icmp => lang.pick("ICMP", " ICMP "),
            Self::Igmp => lang.pick("IGMP", " IGMP "),
        }
    }
}

impl Damage {
    /// For people.
    pub fn words(self, lang: Lang) -> String {
        let part = |part: Part| part.name(lang);
        match (lang, self) {
            (Lang::En, Self::Cut(at)) => {
                format!("the capture ends inside the header of {}", part(at))
            }
            (Lang::Zh, Self::Cut(at)) => format!("捕获内容在{}首部内截止", part(at)),
            (Lang::En, Self::Ends(at)) => {
                format!("the frame ends inside the header of {}", part(at))
            }
            (Lang::Zh, Self::Ends(at)) => format!("帧在{}首部内结束", part(at)),
            (Lang::En, Self::Lies(at)) => {
                format!(
                    "a length in the header of {} does not fit the frame",
                    part(at)
                )
            }
            (Lang::Zh, Self::Lies(at)) => format!("{}首部中的长度与帧不符", part(at).trim_start()),
            (Lang::En, Self::Version(version)) => format!("version {version} of IP is unknown"),
            (Lang::Zh, Self::Version(version)) => format!("未知的 IP 版本 {version}"),
            (Lang::En, Self::LinkType(number)) => format!("link type {number} is not known"),
            (Lang::Zh, Self::LinkType(number)) => format!("未知的链路类型 {number}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(Lang::En))
    }
}
