//! Measures the wire of a lab beside a bare loop over packet sockets between the same two hosts, in
//! turns, and prints the table of docs/performance.md.

mod bare;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use remote::beside::Row;
use remote::plan::Plan;
use sockeye_observe::lab::{HostNetwork, Link, Setting, Wire, WireOptions};
use sockeye_observe::namespace::{self, Isolation};
use sockeye_trace::{Head, Writer};

use bare::Bare;

const USAGE: &str = "\
usage: wire [--row NAME]… [--rounds N] [--bytes N]

  --row NAME   only this row; again for more (segments, offload, rule, trips)
  --rounds N   pairs of rounds a row (9)
  --bytes N    length of what is bulk (268435456)";

/// Bytes of each packet that are told: headers, and the beginning of what they carry.
const SNAP: u32 = 256;
/// Round trips of one byte.
const TRIPS: usize = 5_000;
/// For the links of a round before to go.
const PATIENCE: Duration = Duration::from_secs(10);
const PIECE: usize = 256 << 10;

fn main() -> ExitCode {
    let words = std::env::args().skip(1);
    let Some(plan) = Plan::parse(9, 256 << 20, words, |_, _| None) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wire: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> io::Result<()> {
    let isolation = Isolation {
        processes: false,
        ..Isolation::default()
    };
    namespace::enter(&isolation).map_err(io::Error::other)?;
    plan.head();
    let rows = [
        (
            "segments",
            "bulk in true segments, each told",
            "≥ 0.9",
            false,
            None,
        ),
        (
            "offload",
            "bulk with offload, each told",
            "≥ 0.9",
            true,
            None,
        ),
        // A rule that is asked and does nothing.
        (
            "rule",
            "bulk in true segments, past a rule",
            "",
            false,
            Some("drop:flags=R"),
        ),
    ];
    for (name, job, target, fast, rule) in rows {
        if plan.wants(name) {
            let row = Row {
                job,
                beside: "a bare loop",
                target,
            };
            let bytes = plan.bytes;
            row.bulk(
                plan.rounds,
                bytes,
                || ours(fast, rule, |client, server| bulk(client, server, bytes)),
                || theirs(fast, |client, server| bulk(client, server, bytes)),
            )?;
        }
    }
    if plan.wants("trips") {
        let row = Row {
            job: "5,000 round trips of one byte, each told",
            beside: "a bare loop",
            target: "time ≤ 1.1",
        };
        row.measure(
            plan.rounds,
            1,
            || ours(false, None, trips),
            || theirs(false, trips),
        )?;
    }
    Ok(())
}

/// Over the wire, which tells each packet into a session as `--trace` writes it.
fn ours(
    fast: bool,
    rule: Option<&str>,
    job: impl Fn(&HostNetwork, &HostNetwork) -> io::Result<Duration>,
) -> io::Result<Duration> {
    let link = lay(fast)?;
    let nowhere = std::fs::File::create("/dev/null")?;
    let mut session = Writer::new(io::BufWriter::new(nowhere), &Head::default())?;
    let rules = rule.map(|rule| rule.parse().map_err(io::Error::other));
    let options = WireOptions {
        rules: rules.transpose()?.into_iter().collect(),
        seed: 1,
        snap: SNAP,
    };
    let wire = Wire::start(link.ends, options, move |facts| {
        for fact in facts {
            let _ = session.write(&fact);
        }
    });
    let wire = wire.map_err(io::Error::other)?;
    let took = job(&link.client, &link.server)?;
    settle(&link.client, &link.server)?;
    let statistics = wire.finish().map_err(io::Error::other)?;
    if statistics.missed + statistics.refused > 0 {
        return Err(io::Error::other(format!(
            "packets were lost: {statistics:?}"
        )));
    }
    Ok(took)
}

/// Over a bare loop, in the same surroundings.
fn theirs(
    fast: bool,
    job: impl Fn(&HostNetwork, &HostNetwork) -> io::Result<Duration>,
) -> io::Result<Duration> {
    let Link {
        client,
        server,
        ends,
    } = lay(fast)?;
    drop(ends);
    let _bare = Bare::start(fast)?;
    let took = job(&client, &server)?;
    settle(&client, &server)?;
    Ok(took)
}

/// Waits for connections to end: one that has not keeps its host, and the links of that.
fn settle(client: &HostNetwork, server: &HostNetwork) -> io::Result<()> {
    let begun = Instant::now();
    for host in [client, server] {
        let lives = |socket: &sockeye_observe::sockets::Socket| socket.state_name() != "TIME-WAIT";
        while host.sockets().map_err(io::Error::other)?.iter().any(lives) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other("a connection does not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn lay(fast: bool) -> io::Result<Link> {
    let setting = Setting {
        fast: Some(fast),
        ..Setting::default()
    };
    let begun = Instant::now();
    loop {
        // The links of a round before go with its hosts, a little after those.
        match Link::build(&setting) {
            Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            made => return made.map_err(io::Error::other),
        }
    }
}

fn connect(client: &HostNetwork, server: &HostNetwork) -> io::Result<(TcpStream, TcpStream)> {
    let listener = server.inside(|| TcpListener::bind("10.0.0.2:80"));
    let listener = listener.map_err(io::Error::other)??;
    let stream = client.inside(|| TcpStream::connect("10.0.0.2:80"));
    let stream = stream.map_err(io::Error::other)??;
    stream.set_nodelay(true)?;
    let (accepted, _) = listener.accept()?;
    accepted.set_nodelay(true)?;
    Ok((stream, accepted))
}

/// From the first write to the end that the other has seen.
fn bulk(client: &HostNetwork, server: &HostNetwork, bytes: u64) -> io::Result<Duration> {
    let (mut stream, mut accepted) = connect(client, server)?;
    let begun = Instant::now();
    let reader = std::thread::spawn(move || {
        let mut room = vec![0; PIECE];
        let mut total = 0;
        loop {
            match accepted.read(&mut room)? {
                0 => return io::Result::Ok(total),
                got => total += got as u64,
            }
        }
    });
    let piece = vec![7; PIECE];
    let mut left = bytes as usize;
    while left > 0 {
        left -= stream.write(&piece[..left.min(PIECE)])?;
    }
    stream.shutdown(Shutdown::Write)?;
    let total = reader
        .join()
        .map_err(|_| io::Error::other("reading failed"))??;
    if total == bytes {
        return Ok(begun.elapsed());
    }
    Err(io::Error::other(format!(
        "{total} of {bytes} bytes arrived"
    )))
}

fn trips(client: &HostNetwork, server: &HostNetwork) -> io::Result<Duration> {
    let (mut stream, mut accepted) = connect(client, server)?;
    let echo = std::thread::spawn(move || {
        let mut byte = [0];
        while accepted.read(&mut byte)? == 1 {
            accepted.write_all(&byte)?;
        }
        io::Result::Ok(())
    });
    let begun = Instant::now();
    for _ in 0..TRIPS {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
    }
    let took = begun.elapsed();
    drop(stream);
    echo.join()
        .map_err(|_| io::Error::other("answering failed"))??;
    Ok(took)
}
