//! The engine against rooms of the tests' own, honest and otherwise.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sockeye_net::Net;
use sockeye_trace::Recorder;

use super::{AROUND_TEXT, Chat, Dialect};
use crate::exit::Exit;
use crate::verb::bench::dial::Dialler;
use crate::verb::bench::error::BenchError;
use crate::verb::bench::message::Messages;
use crate::verb::bench::plan::{Job, Plan};
use crate::verb::bench::round::{self, Round, Side};
use crate::verb::bench::server::Server;
use crate::verb::bench::{idle, verdict};

const LINE_BYTES: usize = 64;

fn plan() -> Plan {
    Plan {
        job: Job::Chat,
        connections: 6,
        depth: 8,
        messages: Messages::new(LINE_BYTES - AROUND_TEXT),
        chat: Some(Chat {
            batch: 4,
            stuck: 1,
            line_bytes: LINE_BYTES,
        }),
        rate: None,
        duration: Duration::from_millis(400),
        warmup: Duration::ZERO,
        timeout: Duration::from_secs(5),
        threads: 1,
        verify: true,
        gso: false,
    }
}

async fn side(endpoint: &str, dialect: Dialect) -> Side {
    let net = Net::new(Recorder::new());
    let endpoint = endpoint.parse().expect("the test's endpoint");
    Side {
        dialler: Dialler::new(&net, endpoint)
            .await
            .expect("an endpoint that can be loaded"),
        framing: "raw".parse().expect("the test's framing"),
        dialect,
        also: None,
        server: Server::default(),
    }
}

async fn run(plan: &Plan, endpoint: &str) -> Result<(Round, Exit), BenchError> {
    run_at(plan, &side(endpoint, Dialect::Irc).await)
}

fn run_at(plan: &Plan, side: &Side) -> Result<(Round, Exit), BenchError> {
    let round = round::run(plan, side, &AtomicBool::new(false), &mut |_| {})?;
    let exit = verdict(plan, side, &round);
    Ok((round, exit))
}

/// Who is in the one room of a server.
type Members = Arc<Mutex<Vec<TcpStream>>>;

/// What a server says to a member for a line that another has said; the number counts such lines.
type Relay = fn(&str, usize) -> String;

/// A server of IRC with one room. It asks everybody whether he is there, and has a message of the
/// day; the third to come has to choose another nick.
fn room(relay: Relay) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    let members = Members::default();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let members = Arc::clone(&members);
            thread::spawn(move || serve(&stream?, number, &members, relay));
        }
    });
    endpoint
}

fn serve(
    stream: &TcpStream,
    number: usize,
    members: &Members,
    relay: Relay,
) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let (mut nicks, mut said) = (0, 0);
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let word = line.split(' ').next().unwrap_or_default();
        match word {
            "NICK" => {
                nicks += 1;
                if number == 2 && nicks == 1 {
                    write!(writer, ":s 433 * x :in use\r\n")?;
                }
            }
            "USER" if number != 2 || nicks > 1 => write!(
                writer,
                "PING :there?\r\n:s 001 x :hi\r\n:s 375 x :day\r\n:s 372 x :366\r\n:s 376 x :end\r\n"
            )?,
            "JOIN" => {
                let mut all = members.lock().expect("no thread panics");
                all.push(stream.try_clone()?);
                // Of an earlier run somebody may be gone.
                all.retain_mut(|member| write!(member, ":x!b@h {line}\r\n").is_ok());
                write!(writer, ":s 353 x = #r :x\r\n:s 366 x #r :end\r\n")?;
            }
            "PRIVMSG" => {
                let heard = relay(&line, said);
                said += 1;
                let me = stream.peer_addr()?;
                let mut all = members.lock().expect("no thread panics");
                all.retain_mut(|member| {
                    member.peer_addr().is_ok_and(|other| {
                        other == me || member.write_all(heard.as_bytes()).is_ok()
                    })
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn honest(line: &str, number: usize) -> String {
    // Some server wants to know now and then whether one is there.
    let ping = if number % 5 == 3 {
        "PING :again\r\n"
    } else {
        ""
    };
    format!("{ping}:x!b@h {line}\r\n")
}

#[tokio::test]
async fn what_one_member_says_all_others_hear() {
    for (depth, batch, rate) in [(8, 4, None), (1, 1, None), (64, 16, Some(300))] {
        let mut plan = plan();
        plan.depth = depth;
        plan.rate = rate;
        plan.chat.as_mut().expect("a room").batch = batch;
        let (round, exit) = run(&plan, &room(honest)).await.expect("an honest server");
        let tally = &round.tally;
        assert_eq!(
            (exit, tally.unanswered),
            (Exit::Done, 0),
            "{:?}",
            tally.why_broken
        );
        // A timetable lets nobody say more than is due.
        let due = rate.map_or(u64::MAX, |rate| 5 * (rate * 4 / 10 + 1));
        assert!(tally.messages <= due, "{}", tally.messages);
        assert!(tally.messages >= 5, "{}", tally.messages);
        assert_eq!(tally.bytes, tally.messages * LINE_BYTES as u64);
    }
}

#[tokio::test]
async fn a_hub_that_greets_nobody_is_a_room_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    thread::spawn(move || -> std::io::Result<()> {
        let speaker = listener.accept()?.0;
        // The five who hear, and the one who never reads.
        let all: Vec<_> = (0..6)
            .map(|_| listener.accept())
            .collect::<Result<_, _>>()?;
        for line in BufReader::new(speaker).lines() {
            let line = line? + "\r\n";
            for (mut member, _) in all.iter().map(|(stream, peer)| (stream, peer)) {
                member.write_all(line.as_bytes())?;
            }
        }
        Ok(())
    });
    let side = side(&endpoint, Dialect::Bare).await;
    let (round, exit) = run_at(&plan(), &side).expect("a hub");
    assert_eq!((exit, round.tally.unanswered), (Exit::Done, 0));
    assert!(round.tally.messages >= 5);
}

/// Two servers that share a room: here it is one that listens twice.
#[tokio::test]
async fn members_can_be_at_two_servers() {
    let endpoint = room(honest);
    let mut both = side(&endpoint, Dialect::Irc).await;
    both.also = Some(both.dialler.clone());
    let (round, exit) = run_at(&plan(), &both).expect("an honest server");
    assert_eq!((exit, round.tally.unanswered), (Exit::Done, 0));
    // At another one, which does not share it, nobody hears anything.
    both.also = Some(side(&room(honest), Dialect::Irc).await.dialler);
    let mut plan = plan();
    plan.timeout = Duration::from_millis(50);
    let (round, exit) = run_at(&plan, &both).expect("nothing is wrong");
    assert_eq!((exit, round.tally.unanswered), (Exit::Timeout, 3));
}

#[tokio::test]
async fn lines_that_are_lost_or_change_end_the_run() {
    let cheats: [(Relay, &str); 3] = [
        (
            |line, n| {
                if n == 20 {
                    String::new()
                } else {
                    honest(line, n)
                }
            },
            "lost",
        ),
        (
            |line, n| honest(line, n).repeat(if n == 20 { 2 } else { 1 }),
            "twice",
        ),
        (
            |line, n| honest(line, n).replace(if n == 20 { "AAAA" } else { "\0" }, "aaaa"),
            "changed",
        ),
    ];
    for (relay, what) in cheats {
        let error = run(&plan(), &room(relay)).await.expect_err(what);
        assert!(
            matches!(error, BenchError::Wrong(_) | BenchError::Unasked { .. }),
            "{what}: {error}"
        );
    }
}

#[tokio::test]
async fn a_line_that_never_comes_is_told() {
    let relay: Relay = |line, n| {
        if n < 20 {
            honest(line, n)
        } else {
            String::new()
        }
    };
    let mut plan = plan();
    plan.timeout = Duration::from_millis(100);
    let (round, exit) = run(&plan, &room(relay)).await.expect("nothing is wrong");
    assert_eq!(exit, Exit::Timeout);
    assert!(round.tally.unanswered > 0);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    let full = thread::spawn(move || -> std::io::Result<_> {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"ERROR :full\x1b house\r\n")?;
        // The listener's end would reset those that wait in it, which may be heard first.
        Ok((stream, listener))
    });
    let error = run(&plan(), &endpoint).await.expect_err("a full house");
    assert_eq!(
        error.to_string(),
        "connection 0 is not let in: ERROR :full\\u{1b} house"
    );
    full.join().expect("does not panic").expect("has written");
}

#[tokio::test]
async fn idle_members_are_in() {
    let plan = Plan {
        job: Job::Idle,
        connections: 105,
        duration: Duration::ZERO,
        ..plan()
    };
    let mut side = side(&room(honest), Dialect::Irc).await;
    side.server = Server::of(vec![std::process::id()]);
    let idle = idle::run(&plan, &side, &AtomicBool::new(false), &mut |_| {});
    let idle = idle.expect("an honest server");
    assert_eq!(idle.connections, 105);
    assert!(idle.own_bytes().is_some(), "the server is this process");
}
