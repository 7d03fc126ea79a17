//! `list` beside ss(8), over sockets of real programs.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{Process, Signal, not_run, private_network, python, tool};

use crate::harness::sockeye;
use crate::terminal::Terminal;

/// Brings sockets into every state that can be held still, prints `held`, and keeps them.
const STATES: &str = r"
import socket, time, sys
held = []
def listener(family, host, backlog=5):
    s = socket.socket(family)
    s.bind((host, 0))
    s.listen(backlog)
    held.append(s)
    return s
def pair(l):
    c = socket.socket(l.family)
    c.connect(l.getsockname()[:2])
    a, _ = l.accept()
    held.extend([c, a])
    return c, a
l4 = listener(socket.AF_INET, '127.0.0.1')
l6 = listener(socket.AF_INET6, '::1')
# Unread bytes, at both kinds of address.
for l in (l4, l6):
    c, a = pair(l)
    c.sendall(b'x' * 1000)
# FIN-WAIT-2 and CLOSE-WAIT, with something unread before the end.
c, a = pair(l4)
c.sendall(b'bye')
c.shutdown(socket.SHUT_WR)
# TIME-WAIT.
c, a = pair(l4)
c.close()
a.recv(1)
a.close()
# A connection that waits to be accepted, and SYN-SENT behind it: one more does not fit.
full = listener(socket.AF_INET, '127.0.0.1', 0)
for _ in range(2):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(full.getsockname())
    held.append(s)
# UDP: unread, and connected.
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname()); v.send(b'x' * 100)
w = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); w.bind(('::1', 0))
# Unix: pairs of each type, a listener with one connection that waits.
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    a.send(b'hello')
    held.extend([a, b])
x = socket.socket(socket.AF_UNIX); x.bind('\0sockeye-' + sys.argv[1]); x.listen(7)
y = socket.socket(socket.AF_UNIX); y.connect('\0sockeye-' + sys.argv[1])
# Raw and packet sockets.
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
p = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); p.bind(('lo', 3))
time.sleep(0.2)
print('held', flush=True)
sys.stdin.read()
";

#[track_caller]
fn listed(args: &[&str]) -> Vec<Value> {
    let exit = Process::run(&mut sockeye(&[&["list", "--json"], args].concat()));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let lines = exit.stdout_text();
    let events = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| event["ev"] == "listed")
        .collect()
}

#[track_caller]
fn lines_of(program: &std::path::Path, flags: &str) -> Vec<Vec<String>> {
    let exit = Process::run(Command::new(program).args([flags, "-H"]));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let text = exit.stdout_text();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().map(words).collect()
}

/// State, both queues, both addresses, process: what both programs say of an IP socket.
type Row = (String, u64, u64, String, String, Option<u64>);

fn ours(socket: &Value) -> Row {
    let text = |name: &str| socket[name].as_str().unwrap_or_default().to_owned();
    (
        text("state").replace("ESTABLISHED", "ESTAB"),
        socket["recv_queue"].as_u64().unwrap(),
        socket["send_queue"].as_u64().unwrap(),
        text("local"),
        text("remote"),
        socket["programs"][0]["pid"].as_u64(),
    )
}

fn theirs(words: &[String]) -> Row {
    let pid = words.get(5).and_then(|users| {
        let (_, rest) = users.split_once("pid=")?;
        rest.split_once(',')?.0.parse().ok()
    });
    // What has no other end has `0.0.0.0:*` there.
    let remote = Some(&words[4]).filter(|remote| !remote.ends_with(":*"));
    (
        words[0].clone(),
        words[1].parse().unwrap(),
        words[2].parse().unwrap(),
        words[3].clone(),
        remote.cloned().unwrap_or_default(),
        pid,
    )
}

#[test]
fn every_state_is_listed_as_ss_lists_it() {
    private_network(|| {
        let Some(ss) = tool("ss") else { return };
        let name = std::process::id().to_string();
        let Some(holder) = python(STATES, &[&name]) else {
            return;
        };
        holder.wait_stdout("held");

        let mine: BTreeSet<Row> = listed(&["--tcp"]).iter().map(ours).collect();
        let ss_tcp: BTreeSet<Row> = lines_of(&ss, "-tanp").iter().map(|it| theirs(it)).collect();
        assert_eq!(mine, ss_tcp);
        let states: BTreeSet<&str> = mine.iter().map(|row| row.0.as_str()).collect();
        let all = [
            "CLOSE-WAIT",
            "ESTAB",
            "FIN-WAIT-2",
            "LISTEN",
            "SYN-SENT",
            "TIME-WAIT",
        ];
        assert_eq!(states, BTreeSet::from(all));

        let mine: BTreeSet<Row> = listed(&["--udp"]).iter().map(ours).collect();
        let ss_udp: BTreeSet<Row> = lines_of(&ss, "-uanp").iter().map(|it| theirs(it)).collect();
        assert_eq!(mine, ss_udp);
        assert_eq!(mine.len(), 3);

        // Unix sockets by inode: kind, state, queues, the other end.
        let words = |socket: &Value| {
            let kind = match socket["transport"].as_str().unwrap() {
                "unix" => "u_str",
                "unix-dgram" => "u_dgr",
                _ => "u_seq",
            };
            let state = socket["state"]
                .as_str()
                .unwrap()
                .replace("ESTABLISHED", "ESTAB");
            let queue = |name: &str| socket[name].to_string();
            let name = socket["local"].as_str().unwrap_or("*").to_owned();
            let inode = socket["inode"].to_string();
            [
                kind.into(),
                state,
                queue("recv_queue"),
                queue("send_queue"),
                name,
                inode,
            ]
            .to_vec()
        };
        let is_held = |pid: &Value| *pid == u64::from(holder.id());
        let all = listed(&["--unix"]);
        let held = all
            .iter()
            .filter(|socket| is_held(&socket["programs"][0]["pid"]));
        let mine: BTreeSet<Vec<String>> = held.map(words).collect();
        let mark = format!("pid={},", holder.id());
        let ss_unix = lines_of(&ss, "-xanp").into_iter();
        let ss_unix = ss_unix.filter(|it| it.last().is_some_and(|last| last.contains(&mark)));
        let ss_unix: BTreeSet<Vec<String>> = ss_unix.map(|it| it[..6].to_vec()).collect();
        assert_eq!(mine, ss_unix);
        assert_eq!(mine.len(), 8);

        let raw = listed(&["--raw", "--packet"]);
        let kinds: Vec<_> = raw
            .iter()
            .map(|it| (&it["transport"], &it["protocol"]))
            .collect();
        assert_eq!(
            kinds,
            [(&"raw".into(), &1.into()), (&"packet".into(), &3.into())]
        );
        assert!(raw.iter().all(|it| is_held(&it["programs"][0]["pid"])));
    });
}

#[test]
fn filters_orders_and_pairs_choose_what_is_shown() {
    private_network(|| {
        let name = std::process::id().to_string();
        let Some(holder) = python(STATES, &[&name]) else {
            return;
        };
        holder.wait_stdout("held");
        let count = |args: &[&str]| listed(args).len();
        let all = count(&["--tcp"]);
        assert_eq!(count(&["--tcp", "-4"]) + count(&["--tcp", "-6"]), all);
        assert_eq!(count(&["--state", "TIME_WAIT,close-wait"]), 2);
        assert_eq!(count(&["--tcp", "--listening"]), 3);
        assert_eq!(count(&["--tcp", "--host", "::1"]), 3);
        assert_eq!(count(&["--host", "10.0.0.0/8"]), 0);
        assert_eq!(
            count(&["--tcp", "--pid", &holder.id().to_string()]),
            all - 2
        );
        assert_eq!(count(&["--tcp", "--program", "no-such-program"]), 0);
        assert_eq!(count(&["--tcp", "--user", "root"]), all - 1);
        let fullest = listed(&["--tcp", "--sort", "recv-q:desc"]);
        assert_eq!(fullest[0]["recv_queue"], 1000);

        // The other end of what fits is on the line, in whatever state it is.
        let pairs = ["list", "--state", "close-wait", "--pairs"];
        let exit = Process::run(&mut sockeye(&pairs));
        let text = exit.stdout_text();
        let row = text.lines().last().unwrap();
        assert!(
            row.contains("CLOSE-WAIT") && row.contains("FIN-WAIT-2"),
            "{text}"
        );
        assert_eq!(
            row.matches(&format!("({})", holder.id())).count(),
            2,
            "{text}"
        );

        let details = Process::run(&mut sockeye(&["list", "--tcp", "--details"])).stdout_text();
        assert!(details.contains("1.00 kB unread, in "), "{details}");
        assert!(details.contains("connections wait to be accepted, of 5 (backlog)"));
        let summary = Process::run(&mut sockeye(&["list", "--tcp", "--summary"])).stdout_text();
        assert!(summary.contains("1 in TIME-WAIT: "), "{summary}");
        let none = Process::run(&mut sockeye(&["list", "--port", "9", "--check"]));
        assert_eq!(none.code, Some(3));
    });
}

/// A program of one process with as many sockets as its limit allows.
const MANY: &str = r"
import resource, socket, sys
count = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
l = socket.socket()
l.bind(('127.0.0.1', 0))
l.listen(64)
held = []
for _ in range(count // 2):
    c = socket.create_connection(l.getsockname())
    held.append((c, l.accept()[0]))
print('held', flush=True)
sys.stdin.read()
";

#[test]
fn nineteen_thousand_sockets_of_one_process_are_listed_with_it() {
    const SOCKETS: usize = 19_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < SOCKETS as u64 + 50) {
        return not_run("needs a process with 19,050 descriptors");
    }
    private_network(|| {
        let Some(holder) = python(MANY, &[&SOCKETS.to_string()]) else {
            return;
        };
        holder.wait_stdout("held");
        let all = listed(&["--tcp", "--state", "established"]);
        assert_eq!(all.len(), SOCKETS);
        let is_whole = |socket: &Value| {
            socket["programs"][0]["pid"] == holder.id() && socket["peer_cookie"].is_u64()
        };
        assert!(all.iter().all(is_whole));
        let text = Process::run(&mut sockeye(&["list", "--tcp"])).stdout_text();
        let mark = format!("python3 ({})", holder.id());
        assert_eq!(
            text.lines().filter(|line| line.ends_with(&mark)).count(),
            SOCKETS + 1
        );
    });
}

#[test]
fn a_name_that_steers_a_terminal_is_shown_and_does_nothing() {
    private_network(|| {
        let script = "import socket, sys\n\
                      s = socket.socket(socket.AF_UNIX)\n\
                      s.bind('\\0\\x1b[2J-' + sys.argv[1])\n\
                      s.listen()\n\
                      print('held', flush=True)\n\
                      sys.stdin.read()";
        let name = std::process::id().to_string();
        let Some(holder) = python(script, &[&name]) else {
            return;
        };
        holder.wait_stdout("held");
        let text = Process::run(&mut sockeye(&["list", "--unix"])).stdout_text();
        assert!(text.contains(&format!("@\\x1b[2J-{name}")), "{text}");
        assert!(!text.contains('\x1b'));
    });
}

#[test]
fn looks_follow_each_other_until_somebody_has_had_enough() {
    let live = ["list", "--tcp", "--live", "50ms", "--json"];
    let mut list = Process::start(&mut sockeye(&live));
    list.wait_events("looked", 3);
    list.signal(Signal::TERM);
    assert_eq!(list.exit().code, Some(0));

    let mut plain = Process::start(&mut sockeye(&["list", "--tcp", "--live", "50ms"]));
    plain.wait_stdout("\n\nKIND");
    plain.signal(Signal::INT);
    assert_eq!(plain.exit().code, Some(0));
}

#[test]
fn the_screen_sorts_filters_follows_and_puts_the_terminal_back() {
    private_network(|| {
        let name = std::process::id().to_string();
        let Some(holder) = python(STATES, &[&name]) else {
            return;
        };
        holder.wait_stdout("held");
        let mut screen = Terminal::start(&mut sockeye(&["list", "--tcp", "--live", "50ms"]));
        screen.wait_for("KIND");
        screen.wait_for("LISTEN");
        screen.type_in("/close-wait\r");
        // Only what changes is written: the last letter that was typed, and the cursor behind it.
        screen.wait_for("t▏");
        screen.type_in("\r");
        // Its buffers, and below them the other end.
        screen.wait_for("unread");
        screen.wait_for("FIN-WAIT-2");
        screen.wait_for("Esc back");
        screen.type_in("\x1b");
        screen.wait_for("KIND");
        screen.type_in("s");
        screen.wait_for("local");
        screen.type_in("q");
        screen.wait_for("\x1b[?1049l");
        assert_eq!(screen.end(), Some(0));
    });
}
