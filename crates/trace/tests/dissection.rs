//! Our dissection against tshark's, field by field and packet by packet.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use etherparse::err::packet::BuildWriteError;
use etherparse::{
    IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, PacketBuilder, UdpHeader,
};
use sockeye_testkit::{Process, Signal, private_network, tool};
use sockeye_trace::packet::row::Seq;
use sockeye_trace::packet::{Body, Packet, Rows, dissect};
use sockeye_trace::pcapng::{CaptureReader, PacketRecord, PcapngWriter};
use sockeye_trace::{Interface, Kind, Time};

/// What is compared: Wireshark's name of a field, in the order in which both write a packet.
const FIELDS: [&str; 30] = [
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "vlan.id",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.proto",
    "ip.id",
    "ip.frag_offset",
    "ip.flags.mf",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.window_size_value",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
    "tcp.options.timestamp.tsval",
    "tcp.hdr_len",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "messages",
    "tcp.seq",
];
/// Fields of messages, of which a packet has one kind: compared as one.
const MESSAGES: [&str; 8] = [
    "icmp.type",
    "icmp.code",
    "icmpv6.type",
    "icmpv6.code",
    "igmp.type",
    "arp.opcode",
    "arp.src.proto_ipv4",
    "arp.dst.proto_ipv4",
];

/// One packet, as lines of `field=value` where there is a value.
fn lines_of(values: impl Iterator<Item = (&'static str, String)>) -> String {
    let mut text = String::new();
    for (field, value) in values.filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{field}={value}");
    }
    text
}

/// What tshark says of a file: the first of each field, which is the outer header's.
fn theirs(tshark: &Path, file: &Path) -> Vec<String> {
    let names: Vec<_> = FIELDS
        .iter()
        .filter(|field| **field != "messages")
        .chain(&MESSAGES)
        .collect();
    let mut command = Command::new(tshark);
    command.args(["-n", "-T", "fields", "-E", "occurrence=f"]);
    // One packet after the other, none put together with others, and numbers as we unwrap them.
    for option in [
        "ip.defragment",
        "ipv6.defragment",
        "tcp.desegment_tcp_streams",
    ] {
        command.args(["-o", &format!("{option}:FALSE")]);
    }
    for name in &names {
        command.args(["-e", name]);
    }
    let exit = Process::run(command.arg("-r").arg(file));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let stdout = exit.stdout_text();
    let packet = |line: &str| {
        let values: Vec<_> = line.split('\t').collect();
        let value = |field: &str| {
            let index = names.iter().position(|name| **name == field);
            index
                .and_then(|index| values.get(index))
                .map_or(String::new(), |it| (*it).to_owned())
        };
        lines_of(FIELDS.into_iter().map(|field| match field {
            "messages" => (field, MESSAGES.map(value).join(" ").trim().to_owned()),
            field => (field, value(field)),
        }))
    };
    stdout.lines().map(packet).collect()
}

/// What we say of it.
fn ours(file: &Path) -> Vec<String> {
    let mut reader = CaptureReader::new(BufReader::new(File::open(file).unwrap())).unwrap();
    let (mut rows, mut links, mut seen) = (Rows::new(), vec![], vec![]);
    while let Some(fact) = reader.next_fact().unwrap() {
        match fact.kind() {
            Kind::Interface => links.push(fact.describes::<Interface>().unwrap().link_type),
            Kind::Packet => {
                let link = links[fact.event.conn().number() as usize];
                let packet = dissect(link, fact.data, fact.moved() as u32);
                seen.push(of_packet(&packet, fact.event.time, &mut rows));
            }
            other => panic!("{other:?}"),
        }
    }
    seen
}

fn of_packet(packet: &Packet<'_>, time: Time, rows: &mut Rows) -> String {
    let row = rows.row(packet, time);
    let value = |field: &'static str| (field, field_of(packet, field).unwrap_or_default());
    lines_of(FIELDS.into_iter().map(|field| match (field, row.seq) {
        ("frame.time_epoch", _) => (field, time.to_string()),
        ("tcp.seq", Some(Seq::Relative(seq))) => (field, seq.to_string()),
        (field, _) => value(field),
    }))
}

/// One field as tshark writes it; of an ICMP error, the ports of what it quotes.
fn field_of(packet: &Packet<'_>, field: &str) -> Option<String> {
    let net = packet.net;
    let v4 = net.filter(|net| net.source.is_ipv4());
    let v6 = net.filter(|net| net.source.is_ipv6());
    let tcp = match &packet.body {
        Body::Tcp(tcp) => Some(tcp),
        _ => None,
    };
    let quoted = |protocol: u8| {
        let quoted = packet
            .quoted
            .filter(|quoted| quoted.net.protocol == protocol)?;
        quoted.ports
    };
    let udp = match &packet.body {
        Body::Udp(udp) => Some((udp.source, udp.destination)),
        _ => quoted(17),
    };
    Some(match field {
        "frame.len" => packet.original_len.to_string(),
        "frame.cap_len" => packet.bytes.len().to_string(),
        "vlan.id" => packet.link.vlan?.to_string(),
        "ip.src" => v4?.source.to_string(),
        "ip.dst" => v4?.destination.to_string(),
        "ip.ttl" => v4?.ttl.to_string(),
        "ip.proto" => v4?.protocol.to_string(),
        "ip.id" => format!("0x{:04x}", v4?.id?),
        // As the header has it: in units of eight bytes.
        "ip.frag_offset" => (v4?.fragment.map_or(0, |fragment| fragment.offset) / 8).to_string(),
        "ip.flags.mf" => u8::from(v4?.fragment.is_some_and(|fragment| fragment.more)).to_string(),
        "ipv6.src" => v6?.source.to_string(),
        "ipv6.dst" => v6?.destination.to_string(),
        "ipv6.hlim" => v6?.ttl.to_string(),
        "tcp.srcport" => tcp.map(|tcp| (tcp.source, 0)).or(quoted(6))?.0.to_string(),
        "tcp.dstport" => tcp
            .map(|tcp| (0, tcp.destination))
            .or(quoted(6))?
            .1
            .to_string(),
        "tcp.flags" => format!("0x{:04x}", tcp?.flags.0),
        "tcp.seq_raw" => tcp?.seq.to_string(),
        "tcp.ack_raw" => tcp?.ack.to_string(),
        "tcp.len" => {
            tcp?;
            packet.payload_len.to_string()
        }
        "tcp.window_size_value" => tcp?.window.to_string(),
        "tcp.options.mss_val" => tcp?.options.mss?.to_string(),
        "tcp.options.wscale.shift" => tcp?.options.scale?.to_string(),
        "tcp.options.timestamp.tsval" => tcp?.options.timestamps?.0.to_string(),
        "tcp.hdr_len" => tcp?.header_len.to_string(),
        "udp.srcport" => udp?.0.to_string(),
        "udp.dstport" => udp?.1.to_string(),
        "udp.length" => match &packet.body {
            Body::Udp(udp) => (udp.len + 8).to_string(),
            _ => return None,
        },
        "messages" => message(packet)?,
        _ => return None,
    })
}

fn message(packet: &Packet<'_>) -> Option<String> {
    Some(match packet.body {
        Body::Icmp { kind, code, .. } => format!("{kind} {code}"),
        Body::Igmp { kind } => format!("0x{kind:02x}"),
        Body::Arp {
            operation,
            sender,
            target,
        } => format!("{operation} {sender} {target}"),
        _ => return None,
    })
}

/// Compares a file, and says at which packet the two differ.
fn compare(tshark: &Path, file: &Path) -> Vec<String> {
    let (theirs, ours) = (theirs(tshark, file), ours(file));
    for (index, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        // A quoted packet has lengths and numbers too, which we do not give.
        let message = theirs.contains("messages=");
        // Where the beginning was not seen, tshark takes the first number it meets for it.
        let midway = !ours.contains("tcp.seq=");
        let of_ours = |line: &&str| {
            let ports = ["srcport", "dstport"]
                .iter()
                .any(|word| line.contains(word));
            let numbers = line.starts_with("tcp.") || line.starts_with("udp.");
            !(message && numbers && !ports || midway && line.starts_with("tcp.seq="))
        };
        let kept = theirs.lines().filter(of_ours);
        let theirs = kept.fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(*ours, theirs, "packet {}: ours, then tshark's", index + 1);
    }
    assert_eq!(ours.len(), theirs.len());
    ours
}

/// Frames of everything that is taken apart, from Ethernet on.
fn frames() -> Vec<Vec<u8>> {
    let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let v4 = || ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 61);
    let v6 = || ethernet().ipv6([0xfd; 16], [0xfc; 16], 62);
    let mut frames = vec![];
    let mut add = |build: &dyn Fn(&mut Vec<u8>) -> Result<(), BuildWriteError>| {
        let mut frame = vec![];
        build(&mut frame).unwrap();
        frames.push(frame);
    };
    let options = [
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let syn = || v4().tcp(4000, 5000, u32::MAX - 1, 64240).syn();
    add(&|frame| syn().options_raw(&options).unwrap().write(frame, b""));
    let back = || ethernet().ipv4([10, 0, 0, 2], [10, 0, 0, 1], 60);
    let back = || back().tcp(5000, 4000, 77, 65160).syn().ack(u32::MAX);
    add(&|frame| back().write(frame, b""));
    let data = |seq: u32| v4().tcp(4000, 5000, seq, 502).ack(78);
    let stamps = [1, 1, 8, 10, 0, 0, 1, 1, 0, 0, 0, 9];
    add(&|frame| {
        let step = data(u32::MAX).psh().options_raw(&stamps).unwrap();
        step.write(frame, b"hello")
    });
    // Across the wrap of sequence numbers, with options that are rare, then the end.
    let rare = [254, 4, 1, 2, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1];
    add(&|frame| {
        data(4)
            .urg(3)
            .options_raw(&rare)
            .unwrap()
            .write(frame, &[0; 1000])
    });
    add(&|frame| data(1004).fin().ece().cwr().write(frame, b""));
    add(&|frame| data(1005).rst().write(frame, b""));
    add(&|frame| v6().tcp(1, 65535, 9, 0).write(frame, b"x"));
    add(&|frame| v4().udp(40000, 9).write(frame, b""));
    add(&|frame| v6().udp(40000, 9).write(frame, &[7; 900]));
    let tagged = || ethernet().single_vlan(42.try_into().unwrap());
    add(&|frame| {
        tagged()
            .ipv4([1; 4], [2; 4], 1)
            .udp(1, 2)
            .write(frame, b"v")
    });
    add(&|frame| v4().icmpv4_echo_request(7, 1).write(frame, b"ping"));
    add(&|frame| v6().icmpv6_echo_reply(7, 1).write(frame, b"ping"));
    let quoted = |udp: bool| {
        let step = PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 3);
        let mut frame = vec![];
        let written = if udp {
            step.udp(53, 40000).write(&mut frame, b"lost")
        } else {
            step.tcp(80, 41000, 5, 5).write(&mut frame, b"lost")
        };
        written.map(|()| frame).unwrap()
    };
    add(&|frame| v4().icmpv4_raw(3, 3, [0; 4]).write(frame, &quoted(true)));
    add(&|frame| {
        v4().icmpv4_raw(11, 0, [0; 4])
            .write(frame, &quoted(false)[..28])
    });
    let query = [0x11, 10, 0, 0, 224, 0, 0, 1];
    add(&|frame| v4().write(frame, IpNumber::IGMP, &query));
    // SCTP, GRE, and a number that nobody uses.
    for number in [132, 47, 253] {
        add(&|frame| v4().write(frame, IpNumber(number), &[0; 40]));
    }
    frames.push(arp());
    frames.extend(fragments_v4());
    frames.extend(fragments_v6());
    frames
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    frame.extend([2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2]);
    // Padded, as hardware hands it over.
    frame.resize(60, 0);
    frame
}

fn udp_of(len: usize) -> Vec<u8> {
    let header = UdpHeader {
        source_port: 40000,
        destination_port: 5000,
        length: len as u16 + 8,
        checksum: 0x1234,
    };
    [&header.to_bytes()[..], &vec![1; len]].concat()
}

fn fragments_v4() -> Vec<Vec<u8>> {
    let datagram = udp_of(2000);
    let cut = |from: usize, to: usize| {
        let mut header =
            Ipv4Header::new(0, 64, IpNumber::UDP, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        header.set_payload_len(to - from).unwrap();
        header.identification = 0x8350;
        header.more_fragments = to < datagram.len();
        header.fragment_offset = IpFragOffset::try_new((from / 8) as u16).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let link = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        [&link[..], &header.to_bytes(), &datagram[from..to]].concat()
    };
    vec![cut(0, 1480), cut(1480, 2008)]
}

/// With a header of destination options ahead of the fragment header.
fn fragments_v6() -> Vec<Vec<u8>> {
    let datagram = udp_of(1500);
    let cut = |from: usize, to: usize| {
        let fragment = Ipv6FragmentHeader {
            next_header: IpNumber::UDP,
            fragment_offset: IpFragOffset::try_new((from / 8) as u16).unwrap(),
            more_fragments: to < datagram.len(),
            identification: 0x00ab_cdef,
        };
        // Padding of four bytes (RFC 8200, section 4.2), ahead of a fragment header.
        let options = [44, 0, 1, 4, 0, 0, 0, 0];
        let mut header = Ipv6Header {
            next_header: IpNumber(60),
            hop_limit: 64,
            source: [0xfd; 16],
            destination: [0xfc; 16],
            ..Ipv6Header::default()
        };
        header.set_payload_length(16 + to - from).unwrap();
        let link = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        let parts = [
            &link[..],
            &header.to_bytes(),
            &options,
            &fragment.to_bytes(),
        ];
        [&parts.concat()[..], &datagram[from..to]].concat()
    };
    vec![cut(0, 1232), cut(1232, 1508)]
}

#[test]
fn frames_of_every_kind_are_what_tshark_says() {
    let Some(tshark) = tool("tshark") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for snap in [usize::MAX, 96] {
        let file = folder.path().join("frames.pcapng");
        let mut writer = PcapngWriter::new(File::create(&file).unwrap(), "").unwrap();
        let interface = Interface {
            link_type: 1,
            ..Interface::default()
        };
        writer.interface(&interface).unwrap();
        for (index, frame) in frames().iter().enumerate() {
            let record = PacketRecord {
                time: Time::from_nanos(1_700_000_000_000_000_001 + index as u64),
                original_len: frame.len() as u32,
                bytes: &frame[..frame.len().min(snap)],
                ..PacketRecord::default()
            };
            writer.packet(&record).unwrap();
        }
        writer.finish().unwrap();
        let seen = compare(&tshark, &file);
        assert_eq!(seen.len(), frames().len());
    }
}

/// Real traffic of the kernel, captured by Wireshark's own dumpcap, in both kinds of file.
#[test]
fn what_dumpcap_captured_is_what_tshark_says() {
    private_network(|| {
        let (Some(tshark), Some(dumpcap), Some(ip)) = (tool("tshark"), tool("dumpcap"), tool("ip"))
        else {
            return;
        };
        // So that datagrams come in fragments.
        let shortened = Command::new(ip)
            .args(["link", "set", "lo", "mtu", "1500"])
            .status();
        assert!(shortened.unwrap().success());
        let folder = tempfile::tempdir().unwrap();
        for (name, kind) in [("new.pcapng", "-n"), ("old.pcap", "-P")] {
            let file = folder.path().join(name);
            let mut capture = Command::new(&dumpcap);
            capture.args(["-q", "-i", "lo", kind, "-w"]).arg(&file);
            let mut capture = Process::start(&mut capture);
            capture.wait_stderr("File: ");
            traffic().unwrap();
            wait_for_last_word(&file);
            capture.signal(Signal::INT);
            assert_eq!(capture.exit().code, Some(0));
            let seen = compare(&tshark, &file);
            let count = |word: &str| seen.iter().filter(|packet| packet.contains(word)).count();
            // Handshake, data and end of a connection; fragments; errors that quote; both versions.
            assert!(count("tcp.srcport") >= 8, "{seen:#?}");
            assert!(
                count("ip.flags.mf=1") >= 1 && count("ip.frag_offset=185") >= 1,
                "{seen:#?}"
            );
            assert!(count("messages=3 3") >= 1, "{seen:#?}");
            assert!(
                count("tcp.seq=1") >= 2 && count("ipv6.src=::1") >= 1,
                "{seen:#?}"
            );
        }
    });
}

/// What is sent last, so that all before it is known to be in the file.
const LAST_WORD: &[u8] = b"the last word of this capture";

fn traffic() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(&[7; 5000])?;
    io::Read::read_exact(&mut server, &mut [0; 5000])?;
    server.write_all(b"answer")?;
    drop(server);
    io::Read::read_to_end(&mut client, &mut vec![])?;
    drop(client);
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for len in [0, 17, 2000] {
        sender.send_to(&vec![1; len], receiver.local_addr()?)?;
    }
    // To nobody: a port that was free a moment ago.
    let nobody = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    sender.send_to(b"anybody?", nobody)?;
    let six = UdpSocket::bind("[::1]:0")?;
    six.send_to(b"six", six.local_addr()?)?;
    sender.send_to(LAST_WORD, receiver.local_addr()?)?;
    Ok(())
}

/// dumpcap writes by blocks of the kernel's ring: waits until the last word is in the file.
fn wait_for_last_word(file: &Path) {
    let deadline = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    loop {
        let bytes = std::fs::read(file).unwrap_or_default();
        if bytes
            .windows(LAST_WORD.len())
            .any(|window| window == LAST_WORD)
        {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "dumpcap wrote only {} bytes",
            bytes.len()
        );
        std::thread::yield_now();
    }
}
