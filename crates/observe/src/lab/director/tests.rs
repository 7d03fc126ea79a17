//! Scripts over the loopback device, with actors in threads.

use std::cell::{Cell, RefCell};
use std::io::pipe;

use sockeye_fault::Rule;
use sockeye_testkit::private_network;
use sockeye_trace::{Address, TcpState, Transport};

use super::*;
use crate::lab::Seen;
use crate::lab::actor::converse;
use crate::sockets::{Diag, Family, Part, Query, Socket};

const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

/// An actor in a thread; `exit` is the end of its pipes.
fn actor() -> Pipes {
    let (orders_rx, orders) = pipe().unwrap();
    let (answers, answers_tx) = pipe().unwrap();
    thread::spawn(move || converse(orders_rx, answers_tx, || {}));
    Pipes {
        orders: orders.into(),
        answers: answers.into(),
    }
}

/// A kernel that says what it is told to say: one list after the other, the last again and again.
#[derive(Default)]
struct Says {
    sockets: RefCell<Vec<Vec<Socket>>>,
    looks: Cell<i64>,
    set: RefCell<Vec<String>>,
}

impl Kernel for Says {
    fn sockets(&self) -> Result<Vec<Socket>, String> {
        let mut sockets = self.sockets.borrow_mut();
        match sockets.len() {
            0 => Ok(vec![]),
            1 => Ok(sockets[0].clone()),
            _ => Ok(sockets.remove(0)),
        }
    }

    /// Grows by one with each look.
    fn counters(&self) -> Result<BTreeMap<String, i64>, String> {
        self.looks.set(self.looks.get() + 1);
        let counted = [("Tcp.Looks", 100 + self.looks.get()), ("Tcp.Still", 7)];
        Ok(counted.map(|(name, count)| (name.to_owned(), count)).into())
    }

    fn sysctl(&self, name: &str, value: &str) -> Result<(), String> {
        if value == "nonsense" {
            return Err(format!("{name} cannot be set to {value}"));
        }
        self.set.borrow_mut().push(format!("{name}={value}"));
        Ok(())
    }
}

/// A wire that a packet comes to whenever somebody looks.
#[derive(Default)]
struct Passes {
    count: Cell<u64>,
    asked: RefCell<Vec<String>>,
}

impl Cable for Passes {
    fn faults(&self, rules: &[Rule]) -> Result<(), String> {
        let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
        self.asked.borrow_mut().push(rules.join(" "));
        Ok(())
    }

    fn passed(&self, to: Option<Host>, flags: Option<&str>) -> u64 {
        self.asked.borrow_mut().push(format!("{to:?} {flags:?}"));
        self.count.set(self.count.get() + 1);
        self.count.get()
    }
}

/// Goes through the steps, with a deadline after `ms`.
fn play(steps: &str, kernels: [&dyn Kernel; 2], ms: u64) -> (Result<(), Stuck>, Vec<Note>) {
    let cable = Passes::default();
    play_over(steps, kernels, Some(&cable), ms)
}

fn play_over(
    steps: &str,
    kernels: [&dyn Kernel; 2],
    cable: Option<&dyn Cable>,
    ms: u64,
) -> (Result<(), Stuck>, Vec<Note>) {
    #[derive(serde::Deserialize)]
    struct Script {
        step: Vec<Step>,
    }
    let script: Script = toml::from_str(steps).unwrap();
    let stage = Stage {
        addresses: ADDRESSES,
        actors: &[actor(), actor()],
        kernels,
        cable,
    };
    let mut notes = vec![];
    let deadline = Instant::now() + Duration::from_millis(ms);
    let director = Director::new(stage, deadline, |note| notes.push(note)).unwrap();
    let outcome = director.play(&script.step, Run::Plain);
    (outcome, notes)
}

/// A minute, for what has to come.
const PATIENT: u64 = 60_000;

fn socket(transport: Transport, state: TcpState, ports: [u16; 2], queues: [u32; 2]) -> Socket {
    let address = |port| match port {
        0 => Address::None,
        port => Address::Ip((ADDRESSES[0], port).into()),
    };
    Socket {
        local: address(ports[0]),
        remote: address(ports[1]),
        recv_queue: queues[0],
        send_queue: queues[1],
        inode: 1,
        ..Socket::of(transport, Family::V4, state)
    }
}

fn steps_of(notes: &[Note]) -> Vec<(usize, &str, Vec<i64>)> {
    let step = |note| match note {
        &Note::Step {
            index,
            ref name,
            ref done,
        } => Some((
            index,
            name.as_str(),
            done.iter().map(|done| done.result).collect(),
        )),
        _ => None,
    };
    notes.iter().filter_map(step).collect()
}

#[test]
fn steps_follow_one_another_and_only_those_of_their_run() {
    let kernel = Says::default();
    let (outcome, notes) = play(
        r#"
        [[step]]
        server = { socket = { socket = "inbox", kind = "udp", port = 0 } }
        as = "bound"
        [[step]]
        client = { socket = {} }
        only = "cure"
        [[step]]
        client = { pause = 1 }
        [[step]]
        server = { sysctl = { name = "net.ipv4.tcp_syncookies", value = "0" } }
        "#,
        [&kernel, &kernel],
        PATIENT,
    );
    assert_eq!(outcome, Ok(()));
    let expected = [(0, "bound", vec![0]), (2, "", vec![]), (3, "", vec![])];
    assert_eq!(steps_of(&notes), expected);
    assert_eq!(*kernel.set.borrow(), ["net.ipv4.tcp_syncookies=0"]);
    let grown = BTreeMap::from([("Tcp.Looks".to_owned(), 2)]);
    let counters = |host| Note::Counters {
        host,
        grown: grown.clone(),
    };
    assert_eq!(notes[3..], [counters(Host::Client), counters(Host::Server)]);
}

#[test]
fn what_cannot_be_done_stops_the_script_and_is_told() {
    let kernel = Says::default();
    for (steps, why) in [
        (
            "[[step]]\nserver = { recv = {} }",
            "the server: no socket here is called `socket`; there is none",
        ),
        (
            "[[step]]\nserver = { sysctl = { name = 'net.x', value = 'nonsense' } }",
            "net.x cannot be set to nonsense",
        ),
        ("[[step]]", "is of neither host nor the wire, or of several"),
        (
            "[[step]]\nclient = { exit = {} }\n[[step]]\nclient = { socket = {} }",
            "the client's program has ended",
        ),
    ] {
        let (outcome, notes) = play(steps, [&kernel, &kernel], PATIENT);
        let Err(Stuck { index, why: told }) = outcome else {
            panic!("{steps}")
        };
        assert_eq!(told, why);
        let why = why.to_owned();
        assert!(notes.contains(&Note::Stuck { index, why }), "{notes:?}");
    }
}

#[test]
fn what_does_not_come_is_said_with_what_was_there() {
    let kernel = Says::default();
    let listener = socket(Transport::Tcp, TcpState::Listen, [9000, 0], [0, 128]);
    let open = socket(Transport::Tcp, TcpState::Established, [9000, 4000], [3, 0]);
    kernel.sockets.borrow_mut().push(vec![open, listener]);
    let there = "there is tcp LISTEN :9000, tcp ESTAB :9000-:4000 3 unread";
    for (wait, why) in [
        (
            "client = { wait = { state = 'CLOSE-WAIT' } }",
            format!("the client waits for 1 sockets in CLOSE-WAIT; {there}"),
        ),
        (
            "server = { wait = { unread = 10 } }",
            format!("the server waits for 10 unread bytes; {there}"),
        ),
        (
            "server = { wait = { counter = 'TcpExt.ListenOverflows', min = 2 } }",
            "the server waits for TcpExt.ListenOverflows to grow by 2; it has grown by 0".into(),
        ),
        (
            "wire = { wait = { packets = 1000000, to = 'client', flags = 'R' } }",
            "the wire waits for 1000000 packets `R` to the client; ".into(),
        ),
    ] {
        let (outcome, _) = play(&format!("[[step]]\n{wait}"), [&kernel, &kernel], 20);
        let Err(Stuck {
            index: 0,
            why: told,
        }) = outcome
        else {
            panic!("{wait}")
        };
        assert!(told.starts_with(&why), "{told}");
    }
}

#[test]
fn a_call_that_does_not_return_is_not_waited_for_for_ever() {
    let kernel = Says::default();
    let bound = "[[step]]\nserver = { socket = { kind = 'udp', port = 0 } }\n";
    let (outcome, _) = play(
        &format!("{bound}[[step]]\nserver = {{ recv = {{}} }}"),
        [&kernel, &kernel],
        50,
    );
    let why = "the server's call has not returned; there are no sockets".into();
    assert_eq!(outcome, Err(Stuck { index: 1, why }));
    let (outcome, notes) = play(
        &format!(
            "{bound}[[step]]\nserver = {{ recv = {{}} }}\nbackground = true\n\
            [[step]]\nclient = {{ socket = {{}} }}"
        ),
        [&kernel, &kernel],
        2_000,
    );
    let Err(Stuck { index: 1, why }) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        why.contains("the server's call has not returned by the end (step 2)"),
        "{why}"
    );
    assert_eq!(steps_of(&notes), [(0, "", vec![0]), (2, "", vec![0])]);
}

#[test]
fn waits_hold_once_all_of_it_does() {
    let kernel = Says::default();
    let tcp =
        |state, unread, unacked| socket(Transport::Tcp, state, [9000, 4000], [unread, unacked]);
    *kernel.sockets.borrow_mut() = vec![
        vec![],
        vec![tcp(TcpState::Established, 4, 0)],
        vec![tcp(TcpState::CloseWait, 5, 1)],
        vec![tcp(TcpState::CloseWait, 5, 0)],
    ];
    let (outcome, _) = play(
        r#"
        [[step]]
        server = { wait = { count = 0 } }
        [[step]]
        server = { wait = { state = "CLOSE-WAIT", unread = 5, acked = true } }
        [[step]]
        server = { wait = { state = "ESTAB", count = 0, unacked = 0 } }
        [[step]]
        server = { wait = { counter = "Tcp.Looks", min = 5 } }
        "#,
        [&kernel, &kernel],
        PATIENT,
    );
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        kernel.sockets.borrow().len(),
        1,
        "each of the lists was looked at"
    );
}

#[test]
fn the_wire_is_changed_and_waited_for() {
    let (kernel, cable) = (Says::default(), Passes::default());
    let (outcome, _) = play_over(
        r#"
        [[step]]
        wire = { faults = ["loss:100%"] }
        [[step]]
        wire = { wait = { packets = 2, to = "server", flags = "S" } }
        "#,
        [&kernel, &kernel],
        Some(&cable),
        PATIENT,
    );
    assert_eq!(outcome, Ok(()));
    let asked = cable.asked.borrow();
    assert_eq!(
        asked[1..],
        ["Some(Server) Some(\"S\")", "Some(Server) Some(\"S\")"]
    );
    assert_eq!(asked[0].parse::<Rule>(), "loss:100%".parse());
}

#[test]
fn without_a_wire_nothing_is_waited_for_on_it() {
    let kernel = Says::default();
    let play = |steps| play_over(steps, [&kernel, &kernel], None, PATIENT).0;
    assert_eq!(play("[[step]]\nwire = { wait = { packets = 2 } }"), Ok(()));
    assert_eq!(play("[[step]]\nwire = { pause = 1 }"), Ok(()));
    let why = "there is no wire here".into();
    let stuck = play("[[step]]\nwire = { faults = ['loss:1%'] }");
    assert_eq!(stuck, Err(Stuck { index: 0, why }));
}

#[test]
fn a_look_is_sorted_and_tells_orphans_from_what_waits_to_be_accepted() {
    let udp = socket(Transport::Udp, TcpState::Close, [53, 0], [768, 0]);
    let listener = socket(Transport::Tcp, TcpState::Listen, [9000, 0], [1, 5]);
    let mut waits = socket(Transport::Tcp, TcpState::CloseWait, [9000, 4001], [0, 0]);
    let mut gone = socket(Transport::Tcp, TcpState::FinWait2, [9000, 4000], [0, 0]);
    (waits.inode, gone.inode) = (0, 0);
    let seen = look::seen(&[waits, gone, udp, listener]);
    let words = |seen: &Seen| (seen.state.clone(), seen.port, seen.peer, seen.orphan);
    assert_eq!(
        seen.iter().map(words).collect::<Vec<_>>(),
        [
            ("LISTEN".to_owned(), 9000, 0, false),
            ("UNCONN".to_owned(), 53, 0, false),
            ("FIN-WAIT-2".to_owned(), 9000, 4000, true),
            ("CLOSE-WAIT".to_owned(), 9000, 4001, false),
        ]
    );
}

/// The kernel of one of the two addresses of the loopback device.
struct Loopback(Ipv4Addr);

impl Kernel for Loopback {
    fn sockets(&self) -> Result<Vec<Socket>, String> {
        let query = Query {
            parts: vec![Part::Tcp4, Part::Udp4],
            ..Query::default()
        };
        let table = Diag::open().map_err(|why| why.to_string())?.list(&query);
        let own = |socket: &Socket| match &socket.local {
            Address::Ip(local) => local.ip() == self.0,
            _ => false,
        };
        Ok(table.sockets.into_iter().filter(own).collect())
    }

    fn counters(&self) -> Result<BTreeMap<String, i64>, String> {
        Ok(BTreeMap::new())
    }

    fn sysctl(&self, name: &str, _: &str) -> Result<(), String> {
        Err(format!("{name} is the reader's own"))
    }
}

#[test]
fn a_whole_script_over_the_loopback_device() {
    private_network(|| {
        let (outcome, notes) = play(
            r#"
            [[step]]
            server = { listen = {} }
            [[step]]
            client = { connect = {} }
            [[step]]
            server = { accept = {} }
            [[step]]
            server = { recv = {} }
            as = "read"
            background = true
            [[step]]
            client = { send = { data = { text = "hello" } } }
            [[step]]
            server = { wait = { step = "read" } }
            [[step]]
            client = { close = {} }
            [[step]]
            server = { wait = { state = "CLOSE-WAIT" } }
            [[step]]
            client = { wait = { state = "FIN-WAIT-2" } }
            [[step]]
            server = { look = {} }
            as = "after"
            [[step]]
            server = { close = {} }
            [[step]]
            client = { wait = { state = "TIME-WAIT" } }
            "#,
            [&Loopback(ADDRESSES[0]), &Loopback(ADDRESSES[1])],
            PATIENT,
        );
        assert_eq!(outcome, Ok(()));
        let data = notes.iter().find_map(|note| match note {
            Note::Step { name, done, .. } if name == "read" => Some(done[0].data.as_str()),
            _ => None,
        });
        assert_eq!(data, Some("hello"));
        let states = notes.iter().find_map(|note| match note {
            Note::Look { name, sockets, .. } if name == "after" => Some(
                sockets
                    .iter()
                    .map(|seen| seen.state.as_str())
                    .collect::<Vec<_>>(),
            ),
            _ => None,
        });
        assert_eq!(states.unwrap(), ["LISTEN", "CLOSE-WAIT"]);
        let order: Vec<usize> = steps_of(&notes).iter().map(|(index, ..)| *index).collect();
        assert_eq!(
            order.iter().position(|index| *index == 3).map(|at| at > 3),
            Some(true)
        );
    });
}
