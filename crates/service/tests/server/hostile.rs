//! Peers that do what they like, and a machine that runs out of things.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_service::Options;
use sockeye_service::reply::{Chargen, Echo, Upper};
use sockeye_testkit::Process;
use sockeye_trace::Kind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::place::{Place, within};

/// Set where a test runs again in a process of its own.
const INSIDE: &str = "SOCKEYE_TEST_WITH_FEW_DESCRIPTORS";

/// One exchange of a line.
async fn exchange(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, text.to_uppercase().as_bytes());
}

/// The descriptor limit is the process's, so this test has a process of its own.
#[test]
fn accepting_pauses_without_descriptors_and_goes_on() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        return runtime.unwrap().block_on(use_up_the_descriptors());
    }
    let this = std::env::current_exe().unwrap();
    let name = "hostile::accepting_pauses_without_descriptors_and_goes_on";
    let exit = Process::run(
        Command::new(this)
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1"),
    );
    let (out, err) = (exit.stdout_text(), exit.stderr_text());
    assert!(
        exit.code == Some(0) && out.contains("1 passed"),
        "{out}{err}"
    );
}

async fn use_up_the_descriptors() {
    let mut place = Place::tcp(Upper::default(), Options::default()).await;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(100),
            ..limit
        },
    )
    .unwrap();
    let (mut clients, mut spare) = (vec![], vec![]);
    // Client and server share the process. What is connected but not accepted waits in the kernel.
    while !place.has_seen(Kind::AcceptPaused) {
        let Ok(socket) = TcpSocket::new_v4() else {
            // The last descriptor went to the server: one more elsewhere, and the next goes to us.
            drop(clients.pop());
            spare.push(std::fs::File::open("/dev/null").unwrap());
            continue;
        };
        clients.push(within(socket.connect(place.address())).await.unwrap());
        while place.control.open() < clients.len() && !place.has_seen(Kind::AcceptPaused) {
            tokio::task::yield_now().await;
        }
    }
    for client in clients.drain(..10) {
        drop(client);
    }
    // accept(2) looks for a descriptor first: it may have failed with nobody waiting.
    clients.push(place.connect().await);
    place.until(Kind::AcceptResumed, 1).await;
    for client in &mut clients {
        exchange(client, "still here").await;
    }
    drop(clients);
    place.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_clients_at_once() {
    let place = Place::tcp(Upper::default(), Options::default()).await;
    let mut clients = vec![];
    for _ in 0..2000 {
        clients.push(place.connect().await);
    }
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            for round in 0..3 {
                exchange(&mut client, &format!("client {number} round {round}\n")).await;
            }
            client
        });
    }
    let clients = within(tasks.join_all()).await;
    assert_eq!(place.control.open(), 2000);
    drop(clients);
    let summary = place.drain().await;
    assert_eq!(
        (
            summary.accepted,
            summary.read_messages,
            summary.written_messages
        ),
        (2000, 6000, 6000)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_costs_one_connection_each() {
    for framing in [
        "u32be",
        "json-header",
        "varint,max=4KiB",
        "netstring",
        "content-length",
        "cobs",
    ] {
        let endpoint = format!("tcp://127.0.0.1:0?frame={framing}");
        let mut place = Place::at(&[&endpoint], Echo, Options::default()).await;
        for seed in 0..50_u64 {
            let mut state = seed + 1;
            let garbage: Vec<u8> = (0..2000)
                .map(|_| {
                    // xorshift64 (Marsaglia, 2003)
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            let mut stream = place.connect().await;
            // The server may have closed in the middle of it.
            let _ = stream.write_all(&garbage).await;
            let _ = stream.shutdown().await;
            let mut rest = vec![];
            let _ = within(stream.read_to_end(&mut rest)).await;
        }
        place.until(Kind::Closed, 50).await;
        // Its end is told a moment before its place is free.
        let all_gone = async {
            while place.control.open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within(all_gone).await;
        place.drain().await;
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_cannot_hold_the_server_up() {
    let drain_timeout = Duration::from_millis(100);
    let mut place = Place::tcp(
        Chargen,
        Options {
            drain_timeout,
            ..Options::default()
        },
    )
    .await;
    let deaf = place.connect().await;
    place.until(Kind::Accepted, 1).await;
    let summary = place.drain().await;
    assert!(summary.written_bytes > 0);
    drop(deaf);
}

#[tokio::test]
async fn a_slow_peer_gets_all_of_its_answer_from_a_server_that_ends() {
    let place = Place::tcp(Echo, Options::default()).await;
    let mut stream = place.connect().await;
    let text = vec![b'x'; 10 << 20];
    let (mut from, mut to) = stream.split();
    let mut sent = 0;
    // Until both kernels and the server are full of it.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(200), to.write(&text[sent..])).await
    {
        sent += written.unwrap();
        if sent == text.len() {
            break;
        }
    }
    let control = place.control.clone();
    let drained = tokio::spawn(place.drain());
    let mut got = vec![];
    within(from.read_to_end(&mut got)).await.unwrap();
    let summary = within(drained).await.unwrap();
    assert_eq!(control.open(), 0);
    assert_eq!(got.len() as u64, summary.written_bytes);
    assert_eq!(
        summary.read_bytes, summary.written_bytes,
        "whatever was read was answered"
    );
}
