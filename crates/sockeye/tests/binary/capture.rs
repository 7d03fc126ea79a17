//! `sockeye capture` on real packets, in a network of the test's own, beside dumpcap and tshark.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{DEADLINE, Exit, Process, Signal, private_network, tool};
use tempfile::TempDir;

use crate::harness::sockeye;
use crate::schema::names_in;

/// Lets the loopback device carry 1500 bytes at once, as Ethernet does: SIOCSIFMTU (0x8922).
const SET_MTU: &str = "\
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8922, struct.pack('16si12s', b'lo', 1500, b''))
";

/// Takes the loopback device down: SIOCSIFFLAGS (0x8914) without flags.
const SET_DOWN: &str = "\
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack('16sH14s', b'lo', 0, b''))
";

fn ethernet_mtu() {
    let run = Process::run(Command::new("python3").args(["-c", SET_MTU]));
    assert_eq!(run.code, Some(0), "{}", run.stderr_text());
}

/// A capture that is under way.
fn capture(args: &[&str]) -> Process {
    let process = Process::start(&mut sockeye(&[&["capture"], args].concat()));
    process.wait_stderr("Ctrl-C ends");
    process
}

/// Ends a capture as a person does.
fn ended(mut process: Process) -> Exit {
    process.signal(Signal::INT);
    let exit = process.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    exit
}

/// Reads a file, and what came of that.
fn read(file: &Path, args: &[&str]) -> Exit {
    let file = file.to_str().unwrap();
    Process::run(&mut sockeye(&[&["capture", "-r", file], args].concat()))
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nodelay(true).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    (client, server)
}

/// The tutorial's seven writes, each read before the next, then the end from both sides.
fn seven_writes() {
    let (mut client, mut server) = pair();
    for bytes in [17, 1, 300, 1, 200, 1, 2000] {
        client.write_all(&vec![b'x'; bytes]).unwrap();
        server.read_exact(&mut vec![0; bytes]).unwrap();
    }
    drop(client);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

/// A datagram that was received.
fn datagram(bytes: &[u8]) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(DEADLINE)).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender
        .send_to(bytes, receiver.local_addr().unwrap())
        .unwrap();
    assert_eq!(receiver.recv(&mut [0; 4096]).unwrap(), bytes.len());
}

#[test]
fn m22_the_table_is_the_tutorials() {
    private_network(|| {
        ethernet_mtu();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pcapng");
        let process = capture(&["-i", "lo", "-w", file.to_str().unwrap(), "--print"]);
        seven_writes();
        datagram(&[b'y'; 2000]);
        datagram(b"z");
        let live = ended(process).stdout_text();
        assert_eq!(live, read(&file, &[]).stdout_text());

        let rows: Vec<Vec<&str>> = live
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        // Number, source, destination, frame, time, protocol, ports, flags, seq, length.
        let data: Vec<_> = rows
            .iter()
            .filter(|row| row.get(9).is_some_and(|len| row[5] == "TCP" && *len != "0"))
            .map(|row| (row[3], row[7], row[8], row[9]))
            .collect();
        let expected = [
            ("83", ".AP...", "1", "17"),
            ("67", ".AP...", "18", "1"),
            ("366", ".AP...", "19", "300"),
            ("67", ".AP...", "319", "1"),
            ("266", ".AP...", "320", "200"),
            ("67", ".AP...", "520", "1"),
            ("1514", ".A....", "521", "1448"),
            ("618", ".AP...", "1969", "552"),
        ];
        assert_eq!(data, expected, "{live}");
        let flags: Vec<&str> = rows[1..4].iter().map(|row| row[7]).collect();
        assert_eq!(flags, ["....S.", ".A..S.", ".A...."]);
        assert!(live.contains(".A...F"), "{live}");
        assert!(live.contains("1472 first fragment of a datagram of 2000 bytes"));
        let fragment = rows
            .iter()
            .find(|row| row.contains(&"fragment") && row[5] == "IP");
        assert_eq!(fragment.unwrap()[7..], ["528"]);

        let summed = read(&file, &["--fcs", "--flags", "tcpdump"]).stdout_text();
        let frames: Vec<&str> = summed
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().nth(3).unwrap())
            .collect();
        for expected in ["78", "70", "1518", "622", "566", "64"] {
            assert!(frames.contains(&expected), "{expected} in {summed}");
        }
        assert!(summed.contains("Frame+FCS") && summed.contains("[S.]") && summed.contains("[P.]"));
        let whole = read(&file, &["--whole"]).stdout_text();
        assert!(whole.contains(" 2066 "), "{whole}");
    });
}

/// The same packets for three programs: in number, in length, byte for byte.
#[test]
fn a_file_of_ours_holds_what_dumpcap_saw() {
    private_network(|| {
        let (Some(dumpcap), Some(tshark)) = (tool("dumpcap"), tool("tshark")) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (ours, theirs) = (path("ours.pcapng"), path("theirs.pcap"));
        let mut other = Process::start(
            Command::new(dumpcap)
                .args(["-i", "lo", "-P", "-w"])
                .arg(&theirs),
        );
        other.wait_stderr("File: ");
        let process = capture(&["-i", "lo", "-w", ours.to_str().unwrap()]);
        seven_writes();
        for bytes in [0, 1, 500, 4000] {
            datagram(&vec![7; bytes]);
        }
        ended(process);
        let told = |file: &PathBuf| {
            let fields = [
                "frame.len",
                "ip.id",
                "tcp.seq_raw",
                "tcp.flags",
                "udp.length",
                "data.data",
            ];
            let mut command = Command::new(&tshark);
            command.args(["-n", "-T", "fields", "-r"]).arg(file);
            for field in fields {
                command.args(["-e", field]);
            }
            let exit = Process::run(&mut command);
            assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
            exit.stdout_text()
        };
        let told_ours = told(&ours);
        // What it has not counted yet, it forgets when it is told to end.
        other.wait_stderr(&format!("Packets: {} ", told_ours.lines().count()));
        other.signal(Signal::INT);
        assert_eq!(other.exit().code, Some(0));
        assert_eq!(told_ours, told(&theirs));
        // Ours reads theirs as it reads its own.
        let rows = |file: &Path| read(file, &["--whole", "--time", "delta"]).stdout_text();
        let without_time = |table: String| -> Vec<String> {
            let cells = table.lines().map(|line| {
                let cells = line.split_whitespace().enumerate();
                let cells = cells.filter(|(place, _)| *place != 4).map(|(_, cell)| cell);
                cells.collect::<Vec<_>>().join(" ")
            });
            cells.collect()
        };
        assert_eq!(without_time(rows(&ours)), without_time(rows(&theirs)));
    });
}

#[test]
fn what_is_said_is_shown_message_by_message() {
    private_network(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said.pcapng");
        let process = capture(&["-i", "lo", "-w", file.to_str().unwrap()]);
        let (mut client, mut server) = pair();
        for part in ["he", "llo\nfe", "ng\n\x1b[31m\n"] {
            client.write_all(part.as_bytes()).unwrap();
            server.read_exact(&mut vec![0; part.len()]).unwrap();
        }
        server.write_all("你好\n".as_bytes()).unwrap();
        client.read_exact(&mut [0; 7]).unwrap();
        drop((client, server));
        datagram(b"ping");
        ended(process);
        let shown = read(&file, &["--streams", "--frame", "line"]).stdout_text();
        let said: Vec<&str> = shown
            .lines()
            .map(|line| line.split_once('#').unwrap().1)
            .filter(|line| !line.contains("127.0.0.1"))
            .collect();
        let expected = [
            "1 >      5  hello",
            "1 >      4  feng",
            "1 >      5  \\x1b[31m",
            "1 <      6  你好",
            "1 >         (end)",
            "1 <         (end)",
            "2 >      4  ping",
        ];
        assert_eq!(said, expected, "{shown}");
        let json = read(&file, &["--streams", "--frame", "line", "--json"]).stdout_text();
        let names = names_in(&json);
        for name in ["stream_opened", "stream_message", "stream_end", "captured"] {
            assert!(names.iter().any(|seen| seen == name), "{name} in {names:?}");
        }
        let first: Value = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .find(|event: &Value| event["ev"] == "stream_message")
            .unwrap();
        assert_eq!(
            (&first["text"], &first["way"]),
            (&"hello".into(), &"to-server".into())
        );
    });
}

#[test]
fn every_line_of_a_capture_is_as_documented() {
    private_network(|| {
        let process = Process::start(&mut sockeye(&["capture", "--json", "--hex"]));
        process.event("capturing");
        seven_writes();
        datagram(b"x");
        process.wait_events("frame", 20);
        let seen = names_in(&ended(process).stdout_text());
        assert_eq!(seen.first().map(String::as_str), Some("capturing"));
        assert_eq!(seen.last().map(String::as_str), Some("captured"));
    });
}

#[test]
fn only_what_is_wanted_is_captured() {
    private_network(|| {
        let (wanted, other) = (
            UdpSocket::bind("127.0.0.1:0"),
            UdpSocket::bind("127.0.0.1:0"),
        );
        let (wanted, other) = (wanted.unwrap(), other.unwrap());
        let to = wanted.local_addr().unwrap();
        let port = to.port().to_string();
        let filter = [
            "--port",
            &port,
            "--protocol",
            "udp",
            "--host",
            "127.0.0.0/8",
        ];
        let process = capture(&[&["-i", "lo", "-c", "2"], &filter[..]].concat());
        seven_writes();
        for message in [b"one", b"two", b"six"] {
            other
                .send_to(b"to itself", other.local_addr().unwrap())
                .unwrap();
            other.send_to(message, to).unwrap();
        }
        // Two were asked for: nobody has to end it.
        let mut process = process;
        let exit = process.exit();
        assert_eq!(exit.code, Some(0));
        assert_eq!(
            exit.stdout_text().lines().count(),
            3,
            "{}",
            exit.stdout_text()
        );
        assert!(
            exit.stderr_text().contains("2 packets, 0 dropped"),
            "{}",
            exit.stderr_text()
        );
    });
}

#[test]
fn a_pipe_is_shown_as_it_comes_and_ends_in_peace() {
    private_network(|| {
        let (Some(shell), Some(tshark)) = (tool("sh"), tool("tshark")) else {
            return;
        };
        let ours = env!("CARGO_BIN_EXE_sockeye");
        let script = format!(
            "'{ours}' capture -i lo --protocol udp -w - --duration 600s | '{}' -l -n -i - -c 3",
            tshark.display()
        );
        let mut process = Process::start(Command::new(shell).args(["-c", &script]));
        process.wait_stderr("Capturing on");
        datagram(b"one");
        datagram(b"two");
        datagram(b"three");
        process.wait_stdout("Len=5");
        // The reader has had enough, and that is no failure.
        assert_eq!(process.exit().code, Some(0));
    });
}

/// What is kept of a packet has nothing to do with how long it was; a pipe is read as a file is.
#[test]
fn a_short_snap_keeps_lengths_and_a_pipe_can_be_read() {
    private_network(|| {
        let Some(shell) = tool("sh") else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("short.pcapng");
        let file = file.to_str().unwrap();
        let process = capture(&["-i", "lo", "-s", "64", "-w", file, "--protocol", "udp"]);
        datagram(&[b'x'; 1000]);
        assert!(ended(process).stderr_text().contains("1 packet, 0 dropped"));
        assert!(std::fs::metadata(file).unwrap().len() < 500);
        let ours = env!("CARGO_BIN_EXE_sockeye");
        let script = format!("'{ours}' capture -r - < {file}");
        let piped = Process::run(Command::new(shell).args(["-c", &script]));
        let shown = read(Path::new(file), &[]).stdout_text();
        assert_eq!((piped.code, piped.stdout_text()), (Some(0), shown.clone()));
        let row: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!((row[3], row[5], row[7]), ("1042", "UDP", "1000"));
    });
}

#[test]
fn an_interface_that_goes_down_ends_the_capture_with_what_it_had() {
    private_network(|| {
        let mut process = capture(&["-i", "lo", "--protocol", "udp"]);
        datagram(b"last words");
        let run = Process::run(Command::new("python3").args(["-c", SET_DOWN]));
        assert_eq!(run.code, Some(0), "{}", run.stderr_text());
        let exit = process.exit();
        let told = exit.stderr_text();
        assert_eq!(exit.code, Some(1), "{told}");
        assert!(told.contains("1 packet, 0 dropped"), "{told}");
        assert!(
            told.contains("sockeye: capturing on lo: ") && told.contains("down"),
            "{told}"
        );
        assert_eq!(exit.stdout_text().lines().count(), 2);
    });
}

/// Both families, and what a port without a listener answers.
#[test]
fn errors_of_icmp_and_ipv6_are_rows() {
    private_network(|| {
        let process = capture(&["-i", "lo"]);
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let gone = UdpSocket::bind(any).unwrap().local_addr().unwrap();
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(gone).unwrap();
            socket.send(b"anybody?").unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            let error = socket.recv(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        let shown = ended(process).stdout_text();
        let protocols: Vec<&str> = shown
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().nth(5).unwrap())
            .collect();
        assert_eq!(protocols, ["UDP", "ICMP", "UDP", "ICMPv6"], "{shown}");
        assert!(shown.contains("port unreachable"), "{shown}");
    });
}

fn without_end(file: &Path, folder: &TempDir, keep: usize) -> PathBuf {
    let bytes = std::fs::read(file).unwrap();
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &bytes[..keep.min(bytes.len())]).unwrap();
    cut
}

#[test]
fn a_file_that_is_no_capture_is_one_line() {
    private_network(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pcapng");
        let process = capture(&["-i", "lo", "-w", file.to_str().unwrap()]);
        seven_writes();
        ended(process);
        let whole = std::fs::read(&file).unwrap().len();
        let one_line = |exit: Exit, code: i32, says: &str| {
            let text = exit.stderr_text();
            assert_eq!((exit.code, text.lines().count()), (Some(code), 1), "{text}");
            assert!(text.contains(says), "{text}");
            exit.stdout_text()
        };
        let shown = one_line(
            read(&without_end(&file, &folder, whole / 2), &[]),
            3,
            "ends in the middle",
        );
        assert!(shown.lines().count() > 5, "what is whole is shown: {shown}");
        one_line(read(&without_end(&file, &folder, 0), &[]), 3, "it is empty");
        let noise = folder.path().join("noise");
        std::fs::write(&noise, b"GET / HTTP/1.1\r\n\r\n").unwrap();
        one_line(read(&noise, &[]), 3, "not a capture file");
        one_line(read(&folder.path().join("none"), &[]), 2, "ENOENT");
        one_line(
            Process::run(&mut sockeye(&["capture", "-i", "none"])),
            2,
            "there is no interface 'none', there are lo",
        );
        one_line(
            Process::run(&mut sockeye(&["capture", "--port", "http"])),
            2,
            "'http' is no port",
        );
        one_line(
            Process::run(&mut sockeye(&["capture", "-w", "-", "--json"])),
            2,
            "both want standard output",
        );
    });
}

/// A capture that may not be says what would permit it.
#[test]
fn without_privilege_the_way_is_told() {
    let Some(setpriv) = tool("setpriv") else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        let exit = Process::run(&mut sockeye(&["capture"]));
        return assert!(
            exit.stderr_text().contains("setcap"),
            "{}",
            exit.stderr_text()
        );
    }
    let exit = Process::run(
        Command::new(setpriv)
            .args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw", "--"])
            .args([env!("CARGO_BIN_EXE_sockeye"), "capture", "--lang", "en"]),
    );
    let text = exit.stderr_text();
    assert_eq!((exit.code, text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains("setcap cap_net_raw+ep /"), "{text}");
    assert!(text.contains("sockeye watch --isolate"), "{text}");
}
