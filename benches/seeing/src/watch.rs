//! `sockeye watch` beside strace(1): what watching redis-server costs redis-benchmark's SET.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use remote::beside::Row;
use remote::plan::Plan;

use crate::network;

const REQUESTS: &str = "20000";
const CLIENTS: &str = "20";
/// How long a server may take to start and to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure(plan: &Plan) -> io::Result<()> {
    network::enter()?;
    let sockeye = plan.sockeye.to_string_lossy().into_owned();
    let ours = [sockeye.as_str(), "watch", "--text", "--"];
    let theirs = ["strace", "-f", "-e", "trace=network", "-o", "/dev/null"];
    let row = Row {
        job: "`watch` of redis-server: time added to 20,000 SET of 20 clients",
        beside: "`strace -f -e trace=network`",
        target: "time ≤ 0.55",
    };
    row.measure(plan.rounds, 1, || added(&ours), || added(&theirs))
}

/// What a watcher adds to the benchmark.
fn added(watcher: &[&str]) -> io::Result<Duration> {
    let bare = benchmark(&[])?;
    Ok(benchmark(watcher)?.saturating_sub(bare))
}

/// How long the benchmark takes against a server that `watcher` started.
fn benchmark(watcher: &[&str]) -> io::Result<Duration> {
    // Nobody else is in this network, so a port that was free stays free.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let number = port.to_string();
    let server = [
        "redis-server",
        "--port",
        &number,
        "--save",
        "",
        "--appendonly",
        "no",
    ];
    let mut words = watcher.iter().chain(&server);
    let first = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut server = quiet(first, words.copied())?;
    let took = against(port, &number);
    // It ends its server, and the watcher ends with it.
    let _ = quiet("redis-cli", ["-p", &number, "shutdown", "nosave"])?.wait();
    let ended = ends(&mut server);
    let took = took?;
    ended.map(|()| took)
}

fn against(port: u16, number: &str) -> io::Result<Duration> {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other("redis-server does not come up"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    let begin = Instant::now();
    let load = [
        "-p", number, "-t", "set", "-n", REQUESTS, "-c", CLIENTS, "-q",
    ];
    let status = quiet("redis-benchmark", load)?.wait()?;
    if status.success() {
        return Ok(begin.elapsed());
    }
    Err(io::Error::other(format!(
        "redis-benchmark ended with {status}"
    )))
}

fn ends(server: &mut Child) -> io::Result<()> {
    let begin = Instant::now();
    while server.try_wait()?.is_none() {
        if begin.elapsed() > PATIENCE {
            server.kill()?;
            server.wait()?;
            return Err(io::Error::other("the server does not end"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn quiet<'a>(program: &str, words: impl IntoIterator<Item = &'a str>) -> io::Result<Child> {
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
