//! The engine against servers of the tests' own, which do what real ones do wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use sockeye_net::Net;
use sockeye_trace::Recorder;

use super::chat::Dialect;
use super::dial::Dialler;
use super::error::BenchError;
use super::message::Messages;
use super::plan::{Job, Plan};
use super::round::{self, Round, Side};
use super::server::Server;
use super::verdict;
use crate::exit::Exit;

/// A short run; what a test needs otherwise it changes.
fn plan() -> Plan {
    Plan {
        job: Job::RoundTrip,
        connections: 4,
        depth: 1,
        messages: Messages::new(64),
        chat: None,
        rate: None,
        duration: Duration::from_millis(100),
        warmup: Duration::ZERO,
        timeout: Duration::from_secs(5),
        threads: 1,
        verify: true,
        gso: false,
    }
}

async fn side(endpoint: &str, framing: &str) -> Side {
    let net = Net::new(Recorder::new());
    let endpoint = endpoint.parse().expect("the test's endpoint");
    Side {
        dialler: Dialler::new(&net, endpoint)
            .await
            .expect("an endpoint that can be loaded"),
        framing: framing.parse().expect("the test's framing"),
        dialect: Dialect::Irc,
        also: None,
        server: Server::default(),
    }
}

async fn run(plan: &Plan, endpoint: &str, framing: &str) -> Result<(Round, Exit), BenchError> {
    let side = side(endpoint, framing).await;
    let round = round::run(plan, &side, &AtomicBool::new(false), &mut |_| {})?;
    let exit = verdict(plan, &side, &round);
    Ok((round, exit))
}

/// Serves TCP with a thread a connection; the threads end with their connections.
fn serve(
    conversation: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let conversation = conversation.clone();
            thread::spawn(move || conversation(stream?));
        }
    });
    endpoint
}

/// Answers with what `change` makes of each read.
fn answering(mut stream: TcpStream, mut change: impl FnMut(&mut Vec<u8>)) -> std::io::Result<()> {
    let mut buffer = vec![0; 8192];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let mut answer = buffer[..read].to_vec();
        change(&mut answer);
        stream.write_all(&answer)?;
    }
}

fn echo() -> String {
    serve(|stream| answering(stream, |_| {}))
}

/// Serves UDP with what `change` makes of each datagram; an empty answer is none.
fn serve_udp(mut change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("udp://{}", socket.local_addr().expect("is bound"));
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((got, from)) = socket.recv_from(&mut buffer) {
            for answer in change(buffer[..got].to_vec()) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    endpoint
}

#[tokio::test]
async fn an_honest_echo_passes_in_every_framing_size_and_depth() {
    let endpoint = echo();
    for (framing, size, depth) in [
        ("raw", 1, 1),
        ("raw", 64, 16),
        ("raw", 5000, 4),
        ("raw", 200_000, 3),
        ("line", 64, 16),
        ("u32be", 100, 1),
        ("netstring", 10_000, 2),
        ("slip", 64, 4),
    ] {
        let (round, exit) = run_until_answered(&endpoint, framing, size, depth).await;
        assert_eq!(
            exit,
            Exit::Done,
            "{framing} {size}: {:?}",
            round.tally.why_broken
        );
        assert!(round.tally.messages > 0, "{framing} {size}");
        assert_eq!(
            round.tally.latency.len(),
            round.tally.messages,
            "a latency a message"
        );
        assert_eq!(round.tally.bytes, round.tally.messages * size as u64);
    }
}

/// Runs for as long as a busy machine needs to answer one message at all.
async fn run_until_answered(
    endpoint: &str,
    framing: &str,
    size: usize,
    depth: u64,
) -> (Round, Exit) {
    let mut duration = Duration::from_millis(30);
    loop {
        let plan = Plan {
            messages: Messages::new(size),
            depth,
            duration,
            ..plan()
        };
        let ran = run(&plan, endpoint, framing).await;
        let (round, exit) = ran.expect("an honest server");
        if round.tally.messages > 0 || duration > Duration::from_secs(4) {
            return (round, exit);
        }
        duration *= 4;
    }
}

#[tokio::test]
async fn several_threads_share_the_connections() {
    let plan = Plan {
        threads: 3,
        connections: 7,
        ..plan()
    };
    let (round, exit) = run(&plan, &echo(), "raw").await.expect("an honest server");
    assert_eq!((exit, round.tally.unanswered), (Exit::Done, 0));
    assert!(round.tally.messages > 0);
}

#[tokio::test]
async fn one_changed_byte_ends_the_run() {
    let endpoint = serve(|stream| {
        let mut answered = 0;
        answering(stream, move |answer| {
            answered += 1;
            if answered == 10 {
                answer[40] ^= 0x20;
            }
        })
    });
    let error = run(&plan(), &endpoint, "raw")
        .await
        .expect_err("byte 40 was changed");
    let BenchError::Wrong(mismatch) = error else {
        panic!("{error}")
    };
    assert_eq!((mismatch.number, mismatch.at), (9, 40));
    let without = Plan {
        verify: false,
        ..plan()
    };
    run(&without, &endpoint, "raw").await.expect("nobody looks");
}

#[tokio::test]
async fn an_answer_of_another_connection_is_wrong() {
    // Answers every message with the first message that anybody sent.
    let first = std::sync::Arc::new(std::sync::OnceLock::new());
    let endpoint = serve(move |stream| {
        let first = first.clone();
        answering(stream, move |answer| {
            *answer = first.get_or_init(|| answer.clone()).clone();
        })
    });
    let error = run(&plan(), &endpoint, "raw")
        .await
        .expect_err("answers were swapped");
    assert!(matches!(error, BenchError::Wrong(_)), "{error}");
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_end_the_run() {
    let endpoint =
        serve(|stream| answering(stream, |answer| answer.extend_from_slice(b"and more")));
    let error = run(&plan(), &endpoint, "raw")
        .await
        .expect_err("more came than was asked");
    assert!(error.to_string().contains("and more"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_frame_ends_the_run() {
    let endpoint = serve(|stream| answering(stream, |answer| answer.fill(0xff)));
    let error = run(&plan(), &endpoint, "u32be")
        .await
        .expect_err("the length is absurd");
    assert!(matches!(error, BenchError::NoFrame { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_network_failure() {
    let endpoint = serve(|mut stream| stream.read(&mut [0; 64]).map(drop));
    let (round, exit) = run(&plan(), &endpoint, "raw")
        .await
        .expect("counted, not fatal");
    assert_eq!((exit, round.tally.broken), (Exit::Network, 4));
    assert!(round.tally.why_broken.is_some());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let endpoint = serve(|mut stream| {
        while stream.read(&mut [0; 64])? > 0 {}
        Ok(())
    });
    let plan = Plan {
        timeout: Duration::from_millis(50),
        ..plan()
    };
    let (round, exit) = run(&plan, &endpoint, "raw")
        .await
        .expect("counted, not fatal");
    assert_eq!(
        (exit, round.tally.unanswered, round.tally.messages),
        (Exit::Timeout, 4, 0)
    );
}

#[tokio::test]
async fn nobody_listening_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    drop(listener);
    for job in [Job::RoundTrip, Job::Reconnect] {
        let plan = Plan {
            job,
            duration: Duration::from_mins(1),
            ..plan()
        };
        let error = run(&plan, &endpoint, "raw")
            .await
            .expect_err("nobody is there");
        assert!(matches!(error, BenchError::Connect(_)), "{error}");
    }
}

/// Without the correction only one message would be late: the one that met the stall.
#[tokio::test]
async fn a_stall_counts_for_all_who_should_have_left_meanwhile() {
    const STALL: Duration = Duration::from_millis(200);
    let endpoint = serve(|stream| {
        let mut answers = 0;
        answering(stream, move |_| {
            answers += 1;
            if answers == 10 {
                thread::sleep(STALL);
            }
        })
    });
    let plan = Plan {
        connections: 1,
        rate: Some(1000),
        duration: Duration::from_millis(300),
        ..plan()
    };
    let (round, exit) = run(&plan, &endpoint, "raw").await.expect("slow, not wrong");
    assert_eq!(exit, Exit::Done);
    assert_eq!(
        round.tally.latency.len(),
        300,
        "one latency for each that was due"
    );
    let late = round.tally.latency.count_between(50_000_000, u64::MAX);
    // Of those due in the 200 ms all but the last fifty waited at least 50 ms.
    assert!(late >= 140, "{late} were late");
    assert!(round.tally.latency.max() >= 190_000_000);
}

#[tokio::test]
async fn a_server_that_cannot_keep_up_is_told_by_what_was_not_sent() {
    let endpoint = serve(|stream| answering(stream, |_| thread::sleep(Duration::from_millis(20))));
    let plan = Plan {
        connections: 1,
        rate: Some(10_000),
        timeout: Duration::from_millis(100),
        ..plan()
    };
    let (round, _) = run(&plan, &endpoint, "raw").await.expect("slow, not wrong");
    assert!(
        round.tally.unsent > 900,
        "{} of 1000 were not sent",
        round.tally.unsent
    );
}

#[tokio::test]
async fn datagrams_come_back_and_losses_are_counted() {
    let mut seen = 0;
    let lossy = serve_udp(move |datagram| {
        seen += 1;
        if seen % 5 == 0 {
            vec![]
        } else {
            vec![datagram]
        }
    });
    for (size, depth, gso) in [(1, 4, false), (64, 16, false), (1400, 64, true)] {
        let messages = Messages::new(size);
        let timeout = Duration::from_millis(20);
        let plan = Plan {
            depth,
            messages,
            timeout,
            gso,
            ..plan()
        };
        let (round, exit) = run(&plan, &lossy, "raw")
            .await
            .expect("losing is no failure");
        assert_eq!(exit, Exit::Done);
        assert!(
            round.tally.messages > 0 && round.tally.lost > 0,
            "{size}: {:?}",
            round.tally.lost
        );
    }
}

#[tokio::test]
async fn datagrams_that_come_twice_are_counted_once() {
    let endpoint = serve_udp(|datagram| vec![datagram.clone(), datagram]);
    let (round, exit) = run(&plan(), &endpoint, "raw").await.expect("no failure");
    assert_eq!((exit, round.tally.lost), (Exit::Done, 0));
    assert!(round.tally.late > 0 && round.tally.messages > 0);
}

#[tokio::test]
async fn datagrams_that_were_joined_are_wrong() {
    let mut held = vec![];
    let endpoint = serve_udp(move |datagram| {
        held.extend_from_slice(&datagram);
        if held.len() < 128 {
            vec![]
        } else {
            vec![std::mem::take(&mut held)]
        }
    });
    let error = run(&plan(), &endpoint, "raw")
        .await
        .expect_err("two came as one");
    assert!(matches!(error, BenchError::Wrong(_)), "{error}");
}

#[tokio::test]
async fn a_port_without_a_server_loses_all_and_fails() {
    let endpoint = serve_udp(|_| vec![]);
    let plan = Plan {
        timeout: Duration::from_millis(20),
        ..plan()
    };
    let (round, exit) = run(&plan, &endpoint, "raw")
        .await
        .expect("counted, not fatal");
    assert_eq!((exit, round.tally.messages), (Exit::Timeout, 0));
    assert!(round.tally.lost > 0);
}

#[tokio::test]
async fn short_connections_carry_one_message_each() {
    let plan = Plan {
        job: Job::Reconnect,
        ..plan()
    };
    let (round, exit) = run(&plan, &echo(), "line").await.expect("an honest server");
    assert_eq!(exit, Exit::Done, "{:?}", round.tally.why_broken);
    assert!(round.tally.messages > 4, "{}", round.tally.messages);
}

#[tokio::test]
async fn bytes_go_up_and_down() {
    let sink = serve(|mut stream| {
        let mut buffer = vec![0; 65_536];
        while stream.read(&mut buffer)? > 0 {}
        Ok(())
    });
    let source = serve(|mut stream| {
        let bytes = vec![7; 65_536];
        loop {
            stream.write_all(&bytes)?;
        }
    });
    for (job, endpoint) in [(Job::Up, &sink), (Job::Down, &source)] {
        let plan = Plan {
            job,
            messages: Messages::new(65_536),
            ..plan()
        };
        let (round, exit) = run(&plan, endpoint, "raw").await.expect("nothing to check");
        assert_eq!(exit, Exit::Done, "{job:?}");
        assert!(round.tally.bytes > 65_536, "{job:?}");
    }
}

/// A hub whose speaker is whoever came first. It knows of the others only after `early` chunks.
fn hub(listeners: usize, early: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    thread::spawn(move || -> std::io::Result<()> {
        let (mut speaker, _) = listener.accept()?;
        let mut buffer = vec![0; 8192];
        for _ in 0..early {
            if speaker.read(&mut buffer)? == 0 {
                return Ok(());
            }
        }
        let all: Vec<_> = (0..listeners)
            .map(|_| listener.accept())
            .collect::<Result<_, _>>()?;
        loop {
            let read = speaker.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            for (mut stream, _) in all.iter().map(|(stream, peer)| (stream, peer)) {
                stream.write_all(&buffer[..read])?;
            }
        }
    });
    endpoint
}

#[tokio::test]
async fn what_one_says_all_others_hear() {
    for (depth, early) in [(1, 0), (64, 0), (1, 2)] {
        let plan = Plan {
            job: Job::FanOut,
            connections: 6,
            depth,
            ..plan()
        };
        let (round, exit) = run(&plan, &hub(5, early), "raw")
            .await
            .expect("an honest hub");
        assert_eq!(
            (exit, round.tally.unanswered),
            (Exit::Done, 0),
            "{:?}",
            round.tally.why_broken
        );
        assert!(round.tally.messages >= 5, "{}", round.tally.messages);
    }
}

#[tokio::test]
async fn idle_connections_are_opened_and_answered() {
    let plan = Plan {
        job: Job::Idle,
        connections: 20,
        duration: Duration::ZERO,
        ..plan()
    };
    let mut side = side(&echo(), "raw").await;
    side.server = Server::of(vec![std::process::id()]);
    let idle = super::idle::run(&plan, &side, &AtomicBool::new(false), &mut |_| {});
    let idle = idle.expect("an honest server");
    assert_eq!(idle.connections, 20);
    assert!(idle.own_bytes().is_some(), "the server is this process");
    assert!(idle.kernel_bytes.is_some());
}

/// Every kind of Unix socket, against a server of plain system calls.
#[tokio::test]
async fn unix_sockets_of_all_kinds_pass() {
    use socket2::{Domain, SockAddr, Socket, Type};
    let folder = tempfile::tempdir().expect("a folder");
    for (scheme, kind) in [
        ("unix-seqpacket", Type::SEQPACKET),
        ("unix-dgram", Type::DGRAM),
    ] {
        let path = folder.path().join(scheme);
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        socket
            .bind(&SockAddr::unix(&path).expect("a short path"))
            .expect("a free path");
        if kind == Type::SEQPACKET {
            socket.listen(16).expect("listens");
            thread::spawn(move || -> std::io::Result<()> {
                loop {
                    let (mut connection, _) = socket.accept()?;
                    thread::spawn(move || -> std::io::Result<()> {
                        let mut buffer = [0; 4096];
                        loop {
                            let read = connection.read(&mut buffer)?;
                            if read == 0 {
                                return Ok(());
                            }
                            connection.write_all(&buffer[..read])?;
                        }
                    });
                }
            });
        } else {
            thread::spawn(move || -> std::io::Result<()> {
                let socket =
                    std::os::unix::net::UnixDatagram::from(std::os::fd::OwnedFd::from(socket));
                let mut buffer = [0; 4096];
                loop {
                    let (read, from) = socket.recv_from(&mut buffer)?;
                    // A peer that went away, or whose queue is full, loses its answer.
                    let _ = socket.send_to_addr(&buffer[..read], &from);
                }
            });
        }
        let endpoint = format!("{scheme}:{}", path.display());
        let plan = Plan { depth: 4, ..plan() };
        let (round, exit) = run(&plan, &endpoint, "raw")
            .await
            .expect("an honest server");
        assert_eq!(exit, Exit::Done, "{scheme}: {:?}", round.tally.why_broken);
        assert!(
            round.tally.messages > 0 && round.tally.lost == 0,
            "{scheme}"
        );
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_ends_with_what_it_has() {
    let plan = Plan {
        duration: Duration::from_hours(1),
        ..plan()
    };
    let side = side(&echo(), "raw").await;
    let stop = AtomicBool::new(false);
    let round = thread::scope(|scope| {
        let running = scope.spawn(|| {
            round::run(&plan, &side, &stop, &mut |progress| {
                if progress.rate > 0.0 {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            })
        });
        running.join().expect("no panic")
    });
    assert!(round.expect("an honest server").tally.messages > 0);
}
