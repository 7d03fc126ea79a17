//! Over the loopback device, with the kernel's own answers.

use std::env;
use std::io::{self, BufRead as _, PipeReader, PipeWriter, pipe};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use sockeye_testkit::{DEADLINE, Process, python};

use super::*;

const PLACES: Places = Places {
    client: Ipv4Addr::LOCALHOST,
    server: Ipv4Addr::new(127, 0, 0, 2),
    own: Host::Client,
};

fn on(own: Host) -> Table {
    Table::new(Places { own, ..PLACES })
}

/// Does one action that is written as a scenario has it.
#[track_caller]
fn done(table: &Table, action: &str) -> Vec<Done> {
    act(table, &written(action)).unwrap_or_else(|Cannot(why)| panic!("{action}: {why}"))
}

#[track_caller]
fn written(action: &str) -> Action {
    #[derive(Deserialize)]
    struct Line {
        action: Action,
    }
    let line: Line = toml::from_str(&format!("action = {action}")).unwrap();
    line.action
}

/// Does it, and tells each call in a few words.
#[track_caller]
fn told(table: &Table, action: &str) -> Vec<String> {
    let words = |done: Done| {
        let Done {
            call,
            result,
            errno,
            data,
        } = done;
        match (errno.as_str(), data.as_str()) {
            ("", "") => format!("{call} {result}"),
            ("", data) => format!("{call} {result} {data}"),
            (errno, _) => format!("{call} {errno}"),
        }
    };
    done(table, action).into_iter().map(words).collect()
}

#[track_caller]
fn check(table: &Table, action: &str, expected: &[&str]) {
    assert_eq!(told(table, action), expected, "{action}");
}

/// Two tables with a connection between them, each end called `socket`.
fn connected() -> (Table, Table) {
    let (client, server) = (on(Host::Client), on(Host::Server));
    check(&server, "{ listen = { port = 0 } }", &["listen 0"]);
    let port = port_of(&server, "listener");
    check(
        &client,
        &format!("{{ connect = {{ port = {port} }} }}"),
        &["connect 0"],
    );
    check(&server, "{ accept = {} }", &["accept 0"]);
    (client, server)
}

fn port_of(table: &Table, name: &str) -> u16 {
    let held = table.held(name).unwrap();
    let address = held.call(|fd| rustix::net::getsockname(fd)).unwrap();
    std::net::SocketAddrV4::try_from(address).unwrap().port()
}

#[test]
fn bytes_go_there_and_back_and_end() {
    let (client, server) = connected();
    check(
        &client,
        r#"{ send = { data = { texts = ["hello", "feng"] } } }"#,
        &["send 5", "send 4"],
    );
    check(&server, "{ recv = { size = 5 } }", &["recv 5 hello"]);
    check(&server, "{ recv = { until = 4 } }", &["recv 4 feng"]);
    check(&client, "{ shutdown = {} }", &["shutdown 0"]);
    check(&server, "{ recv = { to_end = true } }", &["recv 0"]);
    check(
        &server,
        r#"{ sendall = { data = { text = "bye" } } }"#,
        &["send 3"],
    );
    check(&server, "{ close = {} }", &["close 0"]);
    check(
        &client,
        "{ recv = { times = 9 } }",
        &["recv 3 bye", "recv 0"],
    );
    check(&client, "{ close = {} }", &["close 0"]);
    check(&client, "{ close = {} }", &["close EBADF"]);
    check(&client, "{ recv = {} }", &["recv EBADF"]);
}

#[test]
fn nobody_listens_and_addresses_in_use_are_values() {
    let (client, server) = (on(Host::Client), on(Host::Server));
    check(&server, "{ socket = { port = 0 } }", &["bind 0"]);
    let port = port_of(&server, "socket");
    let connect = format!("{{ connect = {{ port = {port}, times = 2 }} }}");
    check(
        &client,
        &connect,
        &["connect ECONNREFUSED", "connect ECONNREFUSED"],
    );
    let listen = format!("{{ listen = {{ port = {port} }} }}");
    check(&server, &listen, &["bind EADDRINUSE"]);
}

#[test]
fn flags_change_what_a_call_does() {
    let (client, server) = connected();
    check(
        &server,
        r#"{ recv = { flags = ["MSG_DONTWAIT"] } }"#,
        &["recv EAGAIN"],
    );
    check(
        &client,
        "{ send = { data = { bytes = 10 } } }",
        &["send 10"],
    );
    let all = r#"{ recv = { size = 4, flags = ["MSG_PEEK", "MSG_WAITALL"] } }"#;
    check(&server, all, &["recv 4 abcd"]);
    check(
        &server,
        r#"{ recv = { size = 4, flags = ["MSG_TRUNC"] } }"#,
        &["recv 4"],
    );
    check(&server, "{ recv = {} }", &["recv 6 efghij"]);
    let Err(Cannot(why)) = act(&server, &written(r#"{ recv = { flags = ["PEEK"] } }"#)) else {
        panic!("a flag that nobody knows")
    };
    assert!(
        why.starts_with("no flag is called `PEEK`; known are MSG_OOB,"),
        "{why}"
    );
}

#[test]
fn waiting_is_as_the_program_has_set_it() {
    let (client, server) = connected();
    check(&server, "{ timeout = { ms = 5 } }", &["ioctl 0"]);
    check(&server, "{ recv = {} }", &["recv timeout"]);
    check(&server, "{ blocking = { on = false } }", &["ioctl 0"]);
    check(&server, "{ recv = {} }", &["recv EAGAIN"]);
    check(&server, "{ timeout = { ms = 0 } }", &["ioctl 0"]);
    check(&server, "{ recv = {} }", &["recv EAGAIN"]);
    check(
        &client,
        "{ set = { options = { sndbuf = 4096 } } }",
        &["setsockopt 0"],
    );
    check(&client, "{ timeout = { ms = 5 } }", &["ioctl 0"]);
    // Both buffers together are smaller than this, and nobody reads.
    let all = done(&client, "{ sendall = { data = { bytes = 30_000_000 } } }");
    assert_eq!(all.last().unwrap().errno, "timeout");
    assert!(all[0].result > 0, "{all:?}");
    check(&client, "{ blocking = { on = false } }", &["ioctl 0"]);
    check(
        &client,
        "{ send = { data = { bytes = 1 } } }",
        &["send EAGAIN"],
    );
}

#[test]
fn a_connection_is_begun_without_waiting_or_waited_for() {
    let (client, server) = (on(Host::Client), on(Host::Server));
    check(
        &server,
        "{ listen = { port = 0, backlog = 0 } }",
        &["listen 0"],
    );
    let port = port_of(&server, "listener");
    let connect = |more: &str| format!("{{ connect = {{ port = {port} {more} }} }}");
    check(&client, &connect(", timeout_ms = 60000"), &["connect 0"]);
    // The listener's queue is full now: whoever comes is not answered.
    check(
        &client,
        &connect(", socket = 'late', timeout_ms = 5"),
        &["connect timeout"],
    );
    check(&client, "{ socket = { socket = 'third' } }", &["socket 0"]);
    check(
        &client,
        "{ blocking = { socket = 'third', on = false } }",
        &["ioctl 0"],
    );
    check(
        &client,
        &connect(", socket = 'third'"),
        &["connect EINPROGRESS"],
    );
    // A refusal that comes later is the result all the same.
    check(&server, "{ close = { socket = 'listener' } }", &["close 0"]);
    check(
        &client,
        &connect(", socket = 'refused', timeout_ms = 60000"),
        &["connect ECONNREFUSED"],
    );
}

#[test]
fn options_have_the_kernels_values() {
    let table = on(Host::Client);
    let options = "{ nodelay = 1, linger = 0, keepidle = 7, sndtimeo = 1500, sndbuf = 5000 }";
    check(
        &table,
        &format!("{{ socket = {{ options = {options} }} }}"),
        &["socket 0"],
    );
    for (option, value) in [
        ("nodelay", 1),
        ("linger", 0),
        ("keepidle", 7),
        ("sndtimeo", 1500),
        ("sndbuf", 10_000),
        ("error", 0),
    ] {
        let get = format!("{{ get = {{ option = '{option}' }} }}");
        check(&table, &get, &[&format!("getsockopt {value}")]);
    }
    check(
        &table,
        "{ set = { options = { linger = -1 } } }",
        &["setsockopt 0"],
    );
    check(
        &table,
        "{ get = { option = 'linger' } }",
        &["getsockopt -1"],
    );
    check(
        &table,
        "{ set = { options = { maxseg = 1 } } }",
        &["setsockopt EINVAL"],
    );
    let Err(Cannot(why)) = act(&table, &written("{ get = { option = 'TCP_NODELAY' } }")) else {
        panic!("an option that nobody knows")
    };
    assert!(why.contains("known are reuseaddr, "), "{why}");
}

#[test]
fn an_error_that_waits_on_a_socket_is_read_once() {
    let (client, server) = connected();
    check(
        &server,
        "{ set = { options = { linger = 0 } } }",
        &["setsockopt 0"],
    );
    check(&server, "{ close = {} }", &["close 0"]);
    check(
        &client,
        "{ get = { option = 'error' } }",
        &["getsockopt 104 ECONNRESET"],
    );
    check(&client, "{ get = { option = 'error' } }", &["getsockopt 0"]);
    check(
        &client,
        "{ send = { data = { bytes = 1 }, times = 2 } }",
        &["send EPIPE"],
    );
}

#[test]
fn datagrams_keep_their_ends_and_their_senders() {
    let (client, server) = (on(Host::Client), on(Host::Server));
    check(
        &server,
        "{ socket = { kind = 'udp', port = 0 } }",
        &["bind 0"],
    );
    let port = port_of(&server, "socket");
    let sendto = format!("{{ sendto = {{ port = {port}, data = {{ sizes = [3, 0, 9] }} }} }}");
    check(&client, &sendto, &["sendto 3", "sendto 0", "sendto 9"]);
    check(
        &server,
        "{ recvfrom = { times = 2 } }",
        &["recvfrom 3 abc", "recvfrom 0"],
    );
    let cut = r#"{ recv = { size = 4, flags = ["MSG_TRUNC"] } }"#;
    check(&server, cut, &["recv 9 defg"]);
    check(
        &server,
        "{ sendto = { to = 'sender', data = { text = 'ok' } } }",
        &["sendto 2"],
    );
    check(&client, "{ recvfrom = {} }", &["recvfrom 2 ok"]);
    // Nobody there: only a connected socket hears of it.
    check(&server, "{ close = {} }", &["close 0"]);
    let connect = format!("{{ connect = {{ port = {port}, kind = 'udp' }} }}");
    check(&client, &connect, &["connect 0"]);
    check(
        &client,
        "{ send = { data = { text = 'hi' } } }",
        &["send 2"],
    );
    check(&client, "{ recv = {} }", &["recv ECONNREFUSED"]);
}

#[test]
fn lines_and_messages_come_whole_out_of_any_chunks() {
    let (client, server) = connected();
    check(
        &client,
        r#"{ send = { data = { text = "one\ntwo\nthr" } } }"#,
        &["send 11"],
    );
    let two = "{ readline = { times = 2, size = 3 } }";
    check(&server, two, &["readline 4 one\n", "readline 4 two\n"]);
    check(&client, "{ shutdown = {} }", &["shutdown 0"]);
    check(
        &server,
        "{ readline = { times = 2 } }",
        &["readline 3 thr", "readline 0"],
    );
    let send = r#"{ send-messages = { frame = "u16be", texts = ["a", "", "bcd"] } }"#;
    check(&server, send, &["send 3", "send 2", "send 5"]);
    let sizes = r#"{ send-messages = { frame = "u16be", data = { sizes = [1, 2] } } }"#;
    check(&server, sizes, &["send 3", "send 4"]);
    check(&server, "{ shutdown = {} }", &["shutdown 0"]);
    check(
        &client,
        r#"{ recv-messages = { frame = "u16be", times = 9, size = 2 } }"#,
        &[
            "recv 1 a",
            "recv 0",
            "recv 3 bcd",
            "recv 1 a",
            "recv 2 bc",
            "recv 0",
        ],
    );
}

#[test]
fn what_is_no_message_says_so() {
    let (client, server) = connected();
    check(
        &client,
        r#"{ send = { data = { text = "\u0000\u0005ab" } } }"#,
        &["send 4"],
    );
    check(&client, "{ close = {} }", &["close 0"]);
    let action = r#"{ recv-messages = { frame = "u16be" } }"#;
    let cut = done(&server, action);
    assert_eq!(cut[0].errno, "bad-frame");
    assert!(
        cut[0].data.contains("ended at least 3 bytes before"),
        "{}",
        cut[0].data
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let table = on(Host::Client);
    check(&table, "{ socket = { socket = 'first' } }", &["socket 0"]);
    let Err(Cannot(why)) = act(
        &table,
        &written("{ accept = { listener = 'first', times = 20001 } }"),
    ) else {
        panic!("too many calls")
    };
    assert_eq!(
        why,
        "20001 calls are more than the 20000 that a step may make"
    );
    let Err(Cannot(why)) = act(&table, &written("{ recv = { socket = 'second' } }")) else {
        panic!("a socket that is not there")
    };
    assert_eq!(why, "no socket here is called `second`; there is first");
    let Err(Cannot(why)) = act(&table, &written("{ connect = { to = '10.0.0.9' } }")) else {
        panic!("an address that is not here")
    };
    assert_eq!(why, "10.0.0.9 is not on the loopback device");
}

/// Set for the run of the test below that has few descriptors.
const FEW: &str = "SOCKEYE_TEST_FEW_DESCRIPTORS";

#[test]
fn running_out_of_descriptors_is_a_value() {
    if env::var_os(FEW).is_some() {
        let done = done(&on(Host::Client), "{ connect = { times = 64 } }");
        let last = done.last().unwrap();
        assert_eq!(
            (done.len(), &*last.call, &*last.errno),
            (64, "socket", "EMFILE")
        );
        return;
    }
    let this = env::current_exe().unwrap();
    let name = "lab::actor::tests::running_out_of_descriptors_is_a_value";
    let exit = Process::run(
        Command::new("sh")
            .args(["-c", "ulimit -n 32 && exec \"$0\" \"$@\""])
            .arg(this)
            .args(["--exact", name])
            .env(FEW, "1"),
    );
    assert!(exit.stdout_text().contains("1 passed"), "{exit:?}");
}

#[test]
fn python_sees_what_the_actor_sends() {
    let script = "import socket\n\
        s = socket.create_server(('127.0.0.2', 0))\n\
        print('port', s.getsockname()[1], flush=True)\n\
        c, _ = s.accept()\n\
        f = c.makefile('r')\n\
        print(repr(f.readline()), flush=True)\n\
        c.sendall(b'x' * 300000)\n\
        c.close()\n";
    let Some(mut peer) = python(script, &[]) else {
        return;
    };
    let port = peer.port();
    let client = on(Host::Client);
    check(
        &client,
        &format!("{{ connect = {{ port = {port} }} }}"),
        &["connect 0"],
    );
    check(
        &client,
        r#"{ send = { data = { text = "hi\n" } } }"#,
        &["send 3"],
    );
    peer.wait_stdout("'hi\\n'");
    let all = done(&client, "{ recv = { to_end = true } }");
    assert_eq!(all.iter().map(|done| done.result).sum::<i64>(), 300_000);
    assert_eq!(all.last().unwrap().result, 0);
    assert_eq!(peer.exit().code, Some(0));
}

/// An actor that is spoken to through pipes, as the director does.
struct Spoken {
    orders: Option<PipeWriter>,
    answers: BufReader<PipeReader>,
    ended: mpsc::Receiver<()>,
    exit: mpsc::Receiver<()>,
}

impl Spoken {
    fn start(first: &str) -> Self {
        let (orders_rx, orders) = pipe().unwrap();
        let (answers, answers_tx) = pipe().unwrap();
        let (tell, ended) = mpsc::channel();
        let (exit_tell, exit) = mpsc::channel();
        thread::spawn(move || {
            let exit = move || exit_tell.send(()).unwrap();
            let _ = converse(orders_rx, answers_tx, exit);
            drop(tell);
        });
        let mut spoken = Self {
            orders: Some(orders),
            answers: BufReader::new(answers),
            ended,
            exit,
        };
        spoken.say(first);
        spoken
    }

    fn say(&mut self, line: &str) {
        let orders = self.orders.as_mut().unwrap();
        match writeln!(orders, "{line}") {
            // It has read enough to end: the rest of the line is for nobody.
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.unwrap(),
        }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn a_call_that_waits_keeps_nobody_from_the_next() {
    let peer = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = peer.local_addr().unwrap().port();
    let mut actor = Spoken::start(&serde_json::to_string(&PLACES).unwrap());
    actor.say(&format!(
        r#"{{"id":1,"action":{{"connect":{{"port":{port}}}}}}}"#
    ));
    let connected = r#"{"id":1,"done":[{"call":"connect","result":0,"errno":"","data":""}]}"#;
    assert_eq!(actor.hear(), connected);
    actor.say(r#"{"id":2,"background":true,"action":{"recv":{}}}"#);
    assert_eq!(actor.hear(), r#"{"id":2,"begun":null}"#);
    actor.say(r#"{"id":3,"action":{"shutdown":{"how":"both"}}}"#);
    let mut both = [actor.hear(), actor.hear()];
    both.sort();
    assert_eq!(
        both,
        [
            r#"{"id":2,"done":[{"call":"recv","result":0,"errno":"","data":""}]}"#,
            r#"{"id":3,"done":[{"call":"shutdown","result":0,"errno":"","data":""}]}"#,
        ]
    );
    actor.say(r#"{"id":4,"action":{"close":{"socket":"nobody"}}}"#);
    let refused = r#"{"id":4,"cannot":"no socket here is called `nobody`; there is socket"}"#;
    assert_eq!(actor.hear(), refused);
    actor.orders = None;
    actor
        .exit
        .recv_timeout(DEADLINE)
        .expect("it ends with its input");
}

#[test]
fn exit_is_the_end_and_says_no_more() {
    let mut actor = Spoken::start(&serde_json::to_string(&PLACES).unwrap());
    actor.say(r#"{"id":1,"action":{"exit":{}}}"#);
    actor.exit.recv_timeout(DEADLINE).expect("it exits");
    assert_eq!(actor.hear(), "");
}

#[test]
fn what_is_no_order_ends_the_conversation() {
    for first in ["nonsense".to_owned(), "x".repeat(LINE)] {
        let mut actor = Spoken::start(&first);
        assert_eq!(actor.hear(), "");
        let ended = actor.ended.recv_timeout(DEADLINE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_datagram_from_elsewhere_is_answered() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let server = on(Host::Server);
    check(
        &server,
        "{ socket = { kind = 'udp', port = 0 } }",
        &["bind 0"],
    );
    let port = port_of(&server, "socket");
    peer.send_to(b"who", ("127.0.0.2", port)).unwrap();
    check(&server, "{ recvfrom = {} }", &["recvfrom 3 who"]);
    check(
        &server,
        "{ sendto = { to = 'sender', data = { text = 'me' } } }",
        &["sendto 2"],
    );
    let mut answer = [0; 9];
    let (count, from) = peer.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..count], from.port()), (&b"me"[..], port));
}
