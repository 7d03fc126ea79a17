//! Others who look at the same: tcpdump(8), ss(8) and nstat(8), inside of a host.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sockeye_testkit::{not_run, tool};

use super::*;

/// Whether programs that are started in a room may capture there: those of root may.
fn may_capture() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        not_run("programs of other users than root have no CAP_NET_RAW in a room");
    }
    root
}

#[test]
fn tcpdump_sees_the_packets_that_are_told() {
    if tool("tcpdump").is_none() || !may_capture() {
        return;
    }
    check_as(As::Oneself, || {
        let laid = lay(&Setting::default(), &["drop:nth=2,flags=data,to=server"]);
        let tcpdump = laid.client.inside(|| {
            let mut tcpdump = Command::new("tcpdump");
            tcpdump.args([
                "-i",
                "eth0",
                "-n",
                "-l",
                "--immediate-mode",
                "-Z",
                "root",
                "tcp",
            ]);
            tcpdump
                .env("LANG", "C")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            tcpdump.spawn().unwrap()
        });
        let mut tcpdump = tcpdump.unwrap();
        let (seen, says) = (Printed::default(), Printed::default());
        seen.gather(tcpdump.stdout.take().unwrap());
        says.gather(tcpdump.stderr.take().unwrap());
        wait_for("tcpdump", || {
            says.lines()
                .iter()
                .any(|line| line.contains("listening on"))
        });
        laid.carry(3000);
        // What the client's interface sent and received: what came in from it, and what the wire let by.
        let mut told: Vec<String> = laid
            .told
            .lines()
            .iter()
            .filter(|line| {
                line.text.starts_with('1') || line.text.starts_with('2') && line.why.is_empty()
            })
            .map(|line| {
                let (flags, payload) = line.text[2..].split_once(' ').unwrap();
                let letter = |of: char| if of == 'A' { '.' } else { of };
                let mut flags: Vec<char> = flags.chars().map(letter).collect();
                flags.sort_unstable();
                format!("{} {payload}", flags.iter().collect::<String>())
            })
            .collect();
        wait_for("all that was told", || seen.packets().len() >= told.len());
        kill(Pid::from_raw(tcpdump.id().cast_signed()), Signal::SIGINT).unwrap();
        tcpdump.wait().unwrap();
        let mut seen: Vec<String> = seen.packets().iter().map(|line| of_tcpdump(line)).collect();
        // Between the two ways the order at the host is another than at the wire.
        told.sort();
        seen.sort();
        assert_eq!(told, seen);
    });
}

/// `… Flags [P.], seq 1:6, ack 1, win 63, length 5` as `.P 5`.
fn of_tcpdump(line: &str) -> String {
    let (_, rest) = line.split_once("Flags [").unwrap();
    let (flags, rest) = rest.split_once(']').unwrap();
    let (_, length) = rest.rsplit_once("length ").unwrap();
    let mut flags: Vec<char> = flags.chars().collect();
    flags.sort_unstable();
    let length = length.split(':').next().unwrap_or_default().trim();
    format!("{} {length}", flags.iter().collect::<String>())
}

/// Lines that a program has printed until now.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    fn gather(&self, from: impl std::io::Read + Send + 'static) {
        let lines = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from).lines();
            while let Some(Ok(line)) = from.next() {
                lines.lock().unwrap().push(line);
            }
        });
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Those of packets: some have more lines, about what they carry.
    fn packets(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.contains("Flags ["));
        lines
    }
}

#[test]
fn ss_and_nstat_say_the_same_of_a_host() {
    if tool("ss").is_none() || tool("nstat").is_none() {
        return;
    }
    check(|| {
        let laid = lay(&Setting::default(), &["drop:nth=1,flags=data,to=client"]);
        let (client, mut server) = laid.connect();
        server.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        wait_for("the second try", || {
            laid.server.counters().unwrap()["Tcp.RetransSegs"] == 1
        });
        wait_for("all to be acknowledged", || {
            let sockets = laid.server.sockets().unwrap();
            sockets
                .iter()
                .all(|socket| socket.is_listener() || socket.send_queue == 0)
        });
        for host in [&laid.client, &laid.server] {
            let mut ours: Vec<String> = host
                .sockets()
                .unwrap()
                .iter()
                .map(|socket| {
                    let state = socket.state_name().replace("ESTABLISHED", "ESTAB");
                    let (recv, send) = (socket.recv_queue, socket.send_queue);
                    format!("{state} {recv} {send} {}", socket.local)
                })
                .collect();
            let mut theirs: Vec<String> = output(host, &["ss", "-tanH"])
                .lines()
                .map(|line| {
                    line.split_whitespace()
                        .take(4)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs);
            let counters = host.counters().unwrap();
            let told = output(host, &["nstat", "-az"]);
            for (theirs, ours) in [
                ("TcpRetransSegs", "Tcp.RetransSegs"),
                ("TcpInSegs", "Tcp.InSegs"),
                ("TcpExtTCPTimeouts", "TcpExt.TCPTimeouts"),
                ("IpExtInOctets", "IpExt.InOctets"),
            ] {
                let line = told.lines().find(|line| line.starts_with(theirs)).unwrap();
                let value = line.split_whitespace().nth(1).unwrap();
                assert_eq!(counters[ours].to_string(), value, "{theirs}");
            }
        }
    });
}

/// What a program prints that is started on a host.
fn output(host: &HostNetwork, words: &'static [&'static str]) -> String {
    let output = host.inside(move || {
        let mut command = Command::new(words[0]);
        // nstat keeps what it said last in a file.
        command.args(&words[1..]).env("NSTAT_HISTORY", "/dev/null");
        command.output().unwrap()
    });
    String::from_utf8(output.unwrap().stdout).unwrap()
}
