//! Our capture files as Wireshark's own tools read them.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::Command;

use sockeye_testkit::{Process, tool};
use sockeye_trace::pcapng::{self, PacketRecord, PcapngWriter};
use sockeye_trace::sample::{CLIENT, SERVER, Script};
use sockeye_trace::{Interface, Lang, Time, Timeline, finding, packet_flag};

/// Runs one of Wireshark's programs; its output by lines.
fn lines(program: &Path, args: &[&str], file: &Path) -> Vec<String> {
    let exit = Process::run(Command::new(program).args(args).arg(file));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    exit.stdout_text().lines().map(str::to_owned).collect()
}

fn record(nanos: u64, bytes: &[u8]) -> PacketRecord<'_> {
    PacketRecord {
        interface: 7,
        time: Time::from_nanos(1_700_000_000_000_000_000 + nanos),
        original_len: 1514,
        flags: 0,
        gso_size: 0,
        bytes,
    }
}

fn write(file: &Path) -> io::Result<()> {
    let mut writer = PcapngWriter::new(BufWriter::new(File::create(file)?), "made by a test")?;
    let mut interface = Interface {
        number: 7,
        name: "lo".into(),
        link_type: 1,
        snap: 64,
        dropped: 0,
    };
    writer.interface(&interface)?;
    writer.packet(&record(1, &[0; 61]))?;
    let outgoing = packet_flag::OUTGOING;
    writer.packet(&PacketRecord {
        flags: outgoing,
        gso_size: 1448,
        ..record(2, &[0; 64])
    })?;
    writer.commented(&record(1_000_000_003, &[]), &["the first", "第二"])?;
    interface.dropped = 5;
    writer.interface(&interface)?;
    writer.finish()
}

#[test]
fn what_was_written_is_what_wireshark_reads() {
    let (Some(tshark), Some(capinfos)) = (tool("tshark"), tool("capinfos")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written.pcapng");
    write(&file).unwrap();

    let fields = [
        "frame.time_epoch",
        "frame.cap_len",
        "frame.len",
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.comment",
    ];
    let mut args = vec!["-n", "-T", "fields"];
    args.extend(fields.iter().flat_map(|field| ["-e", field]));
    args.push("-r");
    assert_eq!(
        lines(&tshark, &args, &file),
        [
            "1700000000.000000001\t61\t1514\tlo\t0x00000001\t",
            "1700000000.000000002\t64\t1514\tlo\t0x00000002\tsegmentation offload, pieces of 1448 bytes",
            "1700000001.000000003\t0\t1514\tlo\t0x00000001\tthe first,第二",
        ]
    );
    let infos = lines(&capinfos, &[], &file).join("\n");
    for expected in [
        "Wireshark/... - pcapng",
        "nanoseconds (9)",
        "Capture application: sockeye",
        "Capture comment:     made by a test",
        "Name = lo",
        "Encapsulation = Ethernet",
        "Capture length = 64",
        "Number of stat entries = 1",
        "Number of packets = 3",
    ] {
        assert!(infos.contains(expected), "no {expected:?} in:\n{infos}");
    }
}

/// A packet longer than Wireshark would take is cut, and says how long it was.
#[test]
fn a_giant_packet_is_cut_to_what_wireshark_takes() {
    let Some(tshark) = tool("tshark") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("giant.pcapng");
    let giant = vec![7; sockeye_trace::pcapng::PACKET_LIMIT + 1];
    let mut writer = PcapngWriter::new(File::create(&file).unwrap(), "").unwrap();
    let interface = Interface {
        number: 7,
        link_type: 1,
        ..Interface::default()
    };
    writer.interface(&interface).unwrap();
    writer.packet(&record(1, &giant)).unwrap();
    writer.finish().unwrap();
    let args = [
        "-n",
        "-T",
        "fields",
        "-e",
        "frame.cap_len",
        "-e",
        "frame.len",
        "-r",
    ];
    assert_eq!(lines(&tshark, &args, &file), ["262144\t262145"]);
}

#[test]
fn a_packet_of_no_interface_is_an_error() {
    let mut writer = PcapngWriter::new(vec![], "").unwrap();
    let error = writer.packet(&record(1, b"x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a packet of interface 7, which was never described"
    );
}

/// A session's calls stand between its packets, with program, call and bytes.
#[test]
fn wireshark_shows_the_lanes_of_a_session() {
    let (Some(tshark), Some(capinfos)) = (tool("tshark"), tool("capinfos")) else {
        return;
    };
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"hello ");
    script.write(tcp, CLIENT, b"world");
    script.segment(tcp, CLIENT, 0..11);
    script.read(tcp, SERVER, 1024, 11);
    let session = script.session();
    let timeline = Timeline::build(&session);
    let findings = finding::find(&timeline);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lanes.pcapng");
    let out = BufWriter::new(File::create(&file).unwrap());
    pcapng::write(&timeline, &findings, Lang::En, out).unwrap();

    // As it stands in the table of packets: time, addresses, protocol, length, what it says.
    let table = lines(&tshark, &["-n", "-t", "e", "-r"], &file);
    let has = |words: &[&str]| {
        let found = table
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line with {words:?} in:\n{}", table.join("\n"));
    };
    has(&["127.0.0.1", "python3[100] sendto 6 [0..6)"]);
    has(&["python3[100] sendto 5 [6..11)"]);
    has(&["TCP", "40000", "5000", "Len=11"]);
    has(&["python3[200] recvfrom 11 [0..11)"]);
    assert!(!table.iter().any(|line| line.contains("Malformed")));

    let filter = [
        "-n",
        "-Y",
        "exported_pdu",
        "-T",
        "fields",
        "-e",
        "data.text",
        "-e",
        "exported_pdu.dst_port",
        "-e",
        "data.data",
        "-r",
    ];
    let calls = lines(&tshark, &filter, &file).join("\n");
    assert!(calls.contains("68656c6c6f20"), "{calls}");
    let comments = lines(
        &tshark,
        &["-n", "-T", "fields", "-e", "frame.comment", "-r"],
        &file,
    );
    let comments = comments.join("\n");
    assert!(
        comments.contains("flow 1, client→server: bytes 0..11 (writes 1 to 2)"),
        "{comments}"
    );
    assert!(comments.contains(&findings[0].sentence[0]), "{comments}");
    let infos = lines(&capinfos, &[], &file).join("\n");
    assert!(infos.contains("Number of interfaces in file: 2"), "{infos}");
}
