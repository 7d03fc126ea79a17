//! Which layer adds which bytes of a frame, drawn with both stacks side by side.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr as _;

use super::row::Host;
use super::{
    Body, FCS, FRAME_MIN, Packet, Protocol, ether_type, icmp_message, igmp_message, ip_protocol,
    link_type,
};
use crate::Lang;

/// Bytes of one header, or of what the headers carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is: `Ethernet`, `TCP`, `data` …
    pub name: Name,
    /// Where it lies in the frame on the wire; may reach beyond what was captured.
    pub bytes: Range<u32>,
    /// The layer of OSI's model, from 1 (physical) to 7 (application).
    pub osi: u8,
    /// Not seen: the hardware adds it, and it is computed here.
    pub computed: bool,
}

/// The name of a layer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Name {
    /// A protocol, by the name that it has in every language.
    Protocol(&'static str),
    /// An IP protocol, by its number.
    Ip(u8),
    /// A tag of a VLAN.
    Vlan,
    /// The link's header of a capture on several interfaces, or on a loopback.
    Cooked,
    /// Extension headers of IP.
    Extensions,
    /// What the programs sent.
    Data,
    /// A part of a datagram: its header was in another fragment.
    FragmentData,
    /// What could not be taken apart.
    Unknown,
    /// Bytes that only fill the frame.
    Padding,
    /// The frame check sequence.
    CheckSum,
}

impl Name {
    /// For people.
    pub fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Protocol(name) => name,
            Self::Ip(number) => ip_protocol(number).unwrap_or("IP"),
            Self::Vlan => lang.pick("VLAN tag", "VLAN 标签"),
            Self::Cooked => lang.pick("cooked link", "捕获链路头"),
            Self::Extensions => lang.pick("IP extensions", "IP 扩展首部"),
            Self::Data => lang.pick("data", "数据"),
            Self::FragmentData => lang.pick("part of a datagram", "数据报的一部分"),
            Self::Unknown => lang.pick("not understood", "无法解析"),
            Self::Padding => lang.pick("padding", "填充"),
            Self::CheckSum => lang.pick("check sum", "校验和"),
        }
    }
}

/// The layers of OSI's model, from the first.
const OSI: [[&str; 2]; 7] = [
    ["physical", "物理层"],
    ["data link", "数据链路层"],
    ["network", "网络层"],
    ["transport", "传输层"],
    ["session", "会话层"],
    ["presentation", "表示层"],
    ["application", "应用层"],
];

/// The name of a layer of OSI's model, from 1 to 7; nothing for other numbers.
pub fn osi_name(layer: u8, lang: Lang) -> &'static str {
    let index = usize::from(layer).wrapping_sub(1);
    OSI.get(index).map_or("", |[en, zh]| lang.pick(en, zh))
}

/// The layer of TCP/IP's four (RFC 1122, section 1.1.3) that does the work of a layer of OSI's.
pub const fn tcpip_name(osi: u8, lang: Lang) -> &'static str {
    match osi {
        1 | 2 => lang.pick("link", "链路层"),
        3 => lang.pick("internet", "网际层"),
        4 => lang.pick("transport", "传输层"),
        _ => lang.pick("application", "应用层"),
    }
}

impl Packet<'_> {
    /// Its layers in the order of the wire; without gaps, from the first byte to the last of
    /// [`Packet::frame_len_with_fcs`] (or of the frame, where the link is not Ethernet).
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Layers {
            list: vec![],
            at: 0,
        };
        self.link_layers(&mut layers);
        self.inner_layers(&mut layers);
        let end = self.payload.start as u32 + self.payload_len;
        // What lies behind the end that the headers give only fills the frame.
        layers.to(end.max(layers.at), Name::Unknown, 7);
        layers.to(self.original_len, Name::Padding, 2);
        if self.link.kind == link_type::ETHERNET {
            layers.computed(FRAME_MIN, Name::Padding);
            layers.computed(layers.at.saturating_add(FCS), Name::CheckSum);
        }
        layers.list
    }

    fn link_layers(&self, layers: &mut Layers) {
        let end = self.net_at as u32;
        if self.link.kind == link_type::ETHERNET {
            layers.to(end.min(14), Name::Protocol("Ethernet"), 2);
            layers.to(end, Name::Vlan, 2);
        } else {
            layers.to(end, Name::Cooked, 2);
        }
    }

    fn inner_layers(&self, layers: &mut Layers) {
        let data = self.payload.start as u32 + self.payload_len;
        if let Some(net) = self.net {
            let (name, fixed) = if net.source.is_ipv6() {
                ("IPv6", 40)
            } else {
                let length = self.bytes.get(self.net_at).map_or(20, |first| first & 15);
                ("IPv4", u32::from(length) * 4)
            };
            let end = self.transport_at as u32;
            layers.to(end.min(layers.at + fixed), Name::Protocol(name), 3);
            layers.to(end, Name::Extensions, 3);
        }
        // Where the payload begins, less what was not captured of the header before it.
        let header = |length: u32| (self.transport_at as u32 + length).min(self.original_len);
        match &self.body {
            Body::Tcp(tcp) => {
                let start = header(tcp.header_len.into());
                layers.to(start, Name::Protocol("TCP"), 4);
                layers.to(start + self.payload_len, Name::Data, 7);
            }
            Body::Udp(_) => {
                let start = header(8);
                layers.to(start, Name::Protocol("UDP"), 4);
                layers.to(start + self.payload_len, Name::Data, 7);
            }
            Body::Icmp { v6, .. } => {
                let name = if *v6 { "ICMPv6" } else { "ICMP" };
                layers.to(data, Name::Protocol(name), 3);
            }
            Body::Igmp { .. } => layers.to(data, Name::Protocol("IGMP"), 3),
            Body::Arp { .. } => layers.to(header(28), Name::Protocol("ARP"), 2),
            Body::Fragment => layers.to(data, Name::FragmentData, 4),
            Body::Other(number) => layers.to(data, Name::Ip(*number), 4),
            Body::Link(kind) => match ether_type(*kind) {
                Some(name) => layers.to(data, Name::Protocol(name), 3),
                None => layers.to(data, Name::Unknown, 3),
            },
            Body::Damaged(_) => layers.to(data, Name::Unknown, 3),
        }
    }
}

/// Layers as they pile up.
struct Layers {
    list: Vec<Layer>,
    at: u32,
}

impl Layers {
    /// Adds what reaches up to `end`, if that is anything.
    fn to(&mut self, end: u32, name: Name, osi: u8) {
        if end > self.at {
            self.list.push(Layer {
                name,
                bytes: self.at..end,
                osi,
                computed: false,
            });
            self.at = end;
        }
    }

    fn computed(&mut self, end: u32, name: Name) {
        let count = self.list.len();
        self.to(end, name, 2);
        if let Some(layer) = self.list.get_mut(count) {
            layer.computed = true;
        }
    }
}

/// Draws the layers of a packet: the sum of its bytes, then OSI's seven layers beside TCP/IP's four,
/// with what this frame has of each.
pub fn write(packet: &Packet<'_>, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
    let layers = packet.layers();
    write_sum(&layers, lang, out)?;
    let osi_width = 2
        + (1..=7)
            .map(|osi| osi_name(osi, lang).width())
            .max()
            .unwrap_or(0);
    let tcpip_width = (1..=7)
        .map(|osi| tcpip_name(osi, lang).width())
        .max()
        .unwrap_or(0);
    let columns = |osi: &str, tcpip: &str, bytes: &str, what: &str, out: &mut dyn fmt::Write| {
        let line = [pad(osi, osi_width), pad(tcpip, tcpip_width)].join("  ");
        let gap = " ".repeat(6usize.saturating_sub(bytes.width()));
        let line = format!("  {line}  {gap}{bytes}  {what}");
        writeln!(out, "{}", line.trim_end())
    };
    columns("OSI", "TCP/IP", lang.pick("bytes", "字节"), "", out)?;
    for osi in (1..=7).rev() {
        // TCP/IP's name stands beside the topmost of the layers that it covers.
        let tcpip = match osi {
            1 | 5 | 6 => "",
            osi => tcpip_name(osi, lang),
        };
        let mut name = format!("{osi} {}", osi_name(osi, lang));
        let mut tcpip = tcpip;
        let of_layer: Vec<_> = layers.iter().filter(|layer| layer.osi == osi).collect();
        if of_layer.is_empty() {
            columns(&name, tcpip, "", role(osi, lang), out)?;
        }
        for layer in of_layer {
            let bytes = (layer.bytes.end - layer.bytes.start).to_string();
            columns(&name, tcpip, &bytes, &describe(packet, layer, lang), out)?;
            name.clear();
            tcpip = "";
        }
        if osi == 5 {
            let socket = lang.pick(
                "the socket: programs above, the kernel below",
                "套接字：上面是程序，下面是内核",
            );
            let rule = "─".repeat(osi_width + 2 + tcpip_width + 8);
            writeln!(out, "  {rule}  {socket}")?;
        }
    }
    Ok(())
}

/// `1518 = 14 Ethernet + 20 IPv4 + 32 TCP + 1448 data + 4 check sum`.
fn write_sum(layers: &[Layer], lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
    let total = layers.last().map_or(0, |layer| layer.bytes.end);
    write!(out, "  {total}")?;
    for (index, layer) in layers.iter().enumerate() {
        let sign = if index == 0 { "=" } else { "+" };
        let bytes = layer.bytes.end - layer.bytes.start;
        write!(out, " {sign} {bytes} {}", layer.name.words(lang))?;
    }
    writeln!(out)
}

/// What a layer without bytes of its own does.
fn role(osi: u8, lang: Lang) -> &'static str {
    match osi {
        6 => lang.pick(
            "framing: where messages begin and end",
            "分帧：消息从哪里开始、到哪里结束",
        ),
        5 => lang.pick("the program's own affair", "由程序自己负责"),
        1 => lang.pick("the cable, the fibre, the air", "电缆、光纤、空气"),
        _ => lang.pick("-", "-"),
    }
}

/// What this frame says at a layer.
fn describe(packet: &Packet<'_>, layer: &Layer, lang: Lang) -> String {
    let name = layer.name.words(lang);
    match (layer.name, &packet.net) {
        _ if layer.computed => {
            let note = lang.pick(" (computed, not captured)", "（推算，未捕获）");
            format!("{name}{note}")
        }
        (Name::Protocol("Ethernet"), _) => {
            let host = |address: Option<[u8; 6]>| address.map_or(Host::None, Host::Mac);
            let (from, to) = (host(packet.link.source), host(packet.link.destination));
            format!("{name} {from} > {to}")
        }
        (Name::Protocol("IPv4" | "IPv6"), Some(net)) => {
            format!("{name} {} > {}", net.source, net.destination)
        }
        (Name::Vlan, _) => format!("{name} {}", packet.link.vlan.unwrap_or_default()),
        (Name::Ip(number), _) => Protocol::Ip(number).words(lang).to_string(),
        (Name::Protocol(_), _) => format!("{name} {}", message(packet, lang)),
        _ => name.to_owned(),
    }
    .trim_end()
    .to_owned()
}

/// What the header of a transport, or a message of ICMP and its like, says.
fn message(packet: &Packet<'_>, lang: Lang) -> String {
    match &packet.body {
        Body::Tcp(tcp) => {
            let flags = tcp.flags.as_tcpdump();
            format!("{} > {} {flags}", tcp.source, tcp.destination)
        }
        Body::Udp(udp) => format!("{} > {}", udp.source, udp.destination),
        Body::Icmp { v6, kind, code } => {
            let message = icmp_message(*v6, *kind, *code, lang);
            message.map_or_else(|| format!("{kind}/{code}"), str::to_owned)
        }
        Body::Igmp { kind } => igmp_message(*kind, lang).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::packet::dissect;

    fn segment(payload: usize) -> Vec<u8> {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(40000, 5000, 1, 100)
            .ack(1)
            .psh()
            .options_raw(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8])
            .unwrap()
            .write(&mut bytes, &vec![0; payload])
            .unwrap();
        bytes
    }

    fn drawn(bytes: &[u8], lang: Lang) -> String {
        let mut text = String::new();
        write(&dissect(1, bytes, bytes.len() as u32), lang, &mut text).unwrap();
        text
    }

    #[test]
    fn the_sum_of_the_tutorial() {
        insta::assert_snapshot!(drawn(&segment(1448), Lang::En), @r"
        1518 = 14 Ethernet + 20 IPv4 + 32 TCP + 1448 data + 4 check sum
        OSI             TCP/IP        bytes
        7 application   application    1448  data
        6 presentation                       framing: where messages begin and end
        5 session                            the program's own affair
        ───────────────────────────────────  the socket: programs above, the kernel below
        4 transport     transport        32  TCP 40000 > 5000 [P.]
        3 network       internet         20  IPv4 10.0.0.1 > 10.0.0.2
        2 data link     link             14  Ethernet 02:02:02:02:02:02 > 03:03:03:03:03:03
                                          4  check sum (computed, not captured)
        1 physical                           the cable, the fibre, the air
        ");
        insta::assert_snapshot!(drawn(&segment(1448), Lang::Zh), @r"
        1518 = 14 Ethernet + 20 IPv4 + 32 TCP + 1448 数据 + 4 校验和
        OSI           TCP/IP    字节
        7 应用层      应用层    1448  数据
        6 表示层                      分帧：消息从哪里开始、到哪里结束
        5 会话层                      由程序自己负责
        ────────────────────────────  套接字：上面是程序，下面是内核
        4 传输层      传输层      32  TCP 40000 > 5000 [P.]
        3 网络层      网际层      20  IPv4 10.0.0.1 > 10.0.0.2
        2 数据链路层  链路层      14  Ethernet 02:02:02:02:02:02 > 03:03:03:03:03:03
                                   4  校验和（推算，未捕获）
        1 物理层                      电缆、光纤、空气
        ");
    }

    #[test]
    fn a_short_datagram_is_padded_by_the_hardware() {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(40000, 5000)
            .write(&mut bytes, b"x")
            .unwrap();
        insta::assert_snapshot!(drawn(&bytes, Lang::En), @r"
        64 = 14 Ethernet + 20 IPv4 + 8 UDP + 1 data + 17 padding + 4 check sum
        OSI             TCP/IP        bytes
        7 application   application       1  data
        6 presentation                       framing: where messages begin and end
        5 session                            the program's own affair
        ───────────────────────────────────  the socket: programs above, the kernel below
        4 transport     transport         8  UDP 40000 > 5000
        3 network       internet         20  IPv4 10.0.0.1 > 10.0.0.2
        2 data link     link             14  Ethernet 02:02:02:02:02:02 > 03:03:03:03:03:03
                                         17  padding (computed, not captured)
                                          4  check sum (computed, not captured)
        1 physical                           the cable, the fibre, the air
        ");
        let packet = dissect(1, &bytes, 43);
        assert_eq!(packet.frame_len_with_fcs(), Some(64));
    }

    #[test]
    fn a_frame_without_ip() {
        let mut frame = [0xff; 6].to_vec();
        frame.extend([2, 0, 0, 0, 0, 1, 8, 6]);
        frame.extend([
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
        ]);
        insta::assert_snapshot!(drawn(&frame, Lang::En), @r"
        64 = 14 Ethernet + 28 ARP + 18 padding + 4 check sum
        OSI             TCP/IP        bytes
        7 application   application          -
        6 presentation                       framing: where messages begin and end
        5 session                            the program's own affair
        ───────────────────────────────────  the socket: programs above, the kernel below
        4 transport     transport            -
        3 network       internet             -
        2 data link     link             14  Ethernet 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff
                                         28  ARP
                                         18  padding (computed, not captured)
                                          4  check sum (computed, not captured)
        1 physical                           the cable, the fibre, the air
        ");
    }

    proptest! {
        /// Whatever the bytes: the layers lie end to end and make up the whole frame.
        #[test]
        fn layers_make_up_the_frame(
            kind in prop::sample::select(vec![0u32, 1, 101, 113, 276, 147]),
            mut bytes in prop::collection::vec(any::<u8>(), 0..120),
            real: bool, original: u16,
        ) {
            if real {
                let start = segment(5);
                let shared = start.len().min(bytes.len());
                bytes[..shared].copy_from_slice(&start[..shared]);
            }
            let packet = dissect(kind, &bytes, original.into());
            let layers = packet.layers();
            let mut at = 0;
            for layer in &layers {
                prop_assert_eq!(layer.bytes.start, at);
                prop_assert!(layer.bytes.end > at);
                at = layer.bytes.end;
            }
            prop_assert_eq!(at, packet.frame_len_with_fcs().unwrap_or(packet.original_len));
            let mut text = String::new();
            write(&packet, Lang::Zh, &mut text).unwrap();
            prop_assert!(text.lines().count() >= 9);
        }
    }
}
