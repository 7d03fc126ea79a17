//! Measures sockeye beside its limits, in turns, and prints the table of docs/performance.md.
//!
//! The first core has the server, the second the client. Each row runs A B A B …; what is printed
//! is the median of the ratios of neighbouring rounds, because a busy machine changes the figures
//! from minute to minute but spares the ratio of two seconds that follow each other.

mod callgrind;
mod row;
mod server;

use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use row::{Contender, Cores, Peer, Place, ROWS, Row, Target};
use serde_json::Value;
use server::{Programs, Server, pinned};

/// The jobs that other people's echo servers do.
const PEERS_DO: [&str; 4] = ["depth1", "depth16", "large", "connect"];

const USAGE: &str = "\
usage: table [--row NAME]… [--rounds N] [--duration TIME] [--sockeye PATH] [--idle N]
       table --peers            other people's echo servers against the limit
       table --callgrind PATH   instructions a message, against another build of `rings`

  --row NAME       only this row; again for more (depth1 depth16 line16 large connect pingpong
                   unix udp udp-gso gso gro up down observed fanout idle)
  --rounds N       pairs of rounds a row (21)
  --duration TIME  of a round (300ms): short, so that the median of many pairs passes over
                   what the neighbours do
  --sockeye PATH   the program to measure (target/release/sockeye)
  --idle N         idle connections (10000)";

struct Options {
    rows: Vec<String>,
    rounds: String,
    duration: String,
    idle: String,
    programs: Programs,
    peers: bool,
    callgrind: Option<PathBuf>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let here = std::env::current_exe().ok()?;
        // benches/target/release/table stands three folders below the workspace of benches.
        let benches = here.ancestors().nth(3)?;
        let mut options = Self {
            rows: vec![],
            rounds: "21".into(),
            duration: "300ms".into(),
            idle: "10000".into(),
            programs: Programs {
                sockeye: benches.parent()?.join("target/release/sockeye"),
                limit: here.with_file_name("limit"),
                rings: here.with_file_name("rings"),
            },
            peers: false,
            callgrind: None,
        };
        while let Some(flag) = words.next() {
            match flag.as_str() {
                "--row" => options.rows.push(words.next()?),
                "--rounds" => options.rounds = words.next()?,
                "--duration" => options.duration = words.next()?,
                "--idle" => options.idle = words.next()?,
                "--sockeye" => options.programs.sockeye = words.next()?.into(),
                "--peers" => options.peers = true,
                "--callgrind" => options.callgrind = Some(words.next()?.into()),
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == name)
    }

    fn run(&self) -> io::Result<()> {
        if let Some(other) = &self.callgrind {
            return callgrind::compare(&self.programs.rings, other);
        }
        if self.peers {
            return self.measure_peers();
        }
        println!("| job | figure | target | measured | |\n|---|---|---|---|---|");
        for row in ROWS.iter().filter(|row| self.wants(row.name)) {
            self.measure(row)?;
        }
        if self.wants("idle") {
            self.measure_idle()
        } else {
            Ok(())
        }
    }

    /// A limit must win its own table.
    fn measure_peers(&self) -> io::Result<()> {
        println!("| job | by the limit | rate | server CPU a message |\n|---|---|---|---|");
        let jobs = ROWS
            .iter()
            .filter(|row| PEERS_DO.contains(&row.name) && self.wants(row.name));
        for row in jobs {
            for peer in Peer::ALL {
                let row = Row {
                    first: Contender::Peer(peer),
                    ..*row
                };
                let end = self.turns(&row)?;
                let of = |field| shown(ratio(&end, field));
                let (rate, cpu) = (of("rate_ratio_ppm"), of("server_cpu_ratio_ppm"));
                println!("| {} | {} | {rate} | {cpu} |", row.job, peer.name());
            }
        }
        Ok(())
    }

    fn measure(&self, row: &Row) -> io::Result<()> {
        let end = &self.turns(row)?;
        for target in row.targets {
            print_target(row, *target, end);
        }
        if row.targets.is_empty() {
            let rate = ratio(end, "rate_ratio_ppm");
            println!("| {} | rate | - | {} | |", row.job, shown(rate));
        }
        Ok(())
    }

    /// Runs both servers of a row in turns and returns the medians.
    fn turns(&self, row: &Row) -> io::Result<Value> {
        let first = Server::start(&self.programs, row.first, row.place)?;
        let second = Server::start(&self.programs, row.second, row.place)?;
        let core = usize::from(row.cores == Cores::Split);
        let mut command = pinned(core, &self.programs.sockeye);
        command
            .args([
                "bench",
                &first.endpoint,
                "--against",
                &second.endpoint,
                "--json",
            ])
            .args([
                "--rounds",
                &self.rounds,
                "-t",
                &self.duration,
                "--warmup",
                "100ms",
            ])
            .args(["--pid", &first.pid(), "--against-pid", &second.pid()])
            .args(row.load);
        let events = lines(&mut command)?;
        let end = events.into_iter().rfind(|event| event["ev"] == "bench");
        end.ok_or_else(|| io::Error::other(format!("{}: no result", row.name)))
    }

    /// Idle connections are not compared in turns: what they cost does not depend on the time.
    fn measure_idle(&self) -> io::Result<()> {
        for (name, contender) in [
            ("sockeye", Contender::Sockeye(&["echo"])),
            ("limit", Contender::Limit(&["echo"])),
        ] {
            let server = Server::start(&self.programs, contender, Place::Tcp)?;
            let mut command = pinned(1, &self.programs.sockeye);
            command
                .args([
                    "bench",
                    &server.endpoint,
                    "--idle",
                    &self.idle,
                    "-t",
                    "1ms",
                    "--json",
                ])
                .args(["--pid", &server.pid()]);
            let events = lines(&mut command)?;
            let idle = events.iter().find(|event| event["ev"] == "bench_idle");
            let idle = idle.ok_or_else(|| io::Error::other("idle: no result"))?;
            print_idle(name, idle);
        }
        Ok(())
    }
}

fn print_idle(name: &str, idle: &Value) {
    let number = |field: &str| idle[field].as_f64().unwrap_or(f64::NAN);
    let each = |bytes: f64| bytes / number("connections") / 1024.0;
    let own = each(number("server_rss_bytes") - number("server_rss_before_bytes"));
    let kernel = each(number("kernel_bytes") / 2.0);
    let target = if name == "sockeye" {
        "own ≤ 1.7 KiB"
    } else {
        "-"
    };
    let verdict = if name == "sockeye" {
        verdict(own <= 1.7)
    } else {
        ""
    };
    println!(
        "| {} idle connections, one echo each: {name} | memory each | {target} | {own:.2} KiB own + {kernel:.2} KiB kernel | {verdict} |",
        idle["connections"]
    );
}

fn print_target(row: &Row, target: Target, end: &Value) {
    let (figure, field, text, fits): (_, _, _, Box<dyn Fn(f64) -> bool>) = match target {
        Target::Rate(least) => (
            "rate",
            "rate_ratio_ppm",
            format!("≥ {least:.2}"),
            Box::new(move |r| r >= least),
        ),
        Target::Cpu(most) => {
            let text = format!("≤ {most:.2}");
            (
                "server CPU a message",
                "server_cpu_ratio_ppm",
                text,
                Box::new(move |r| r <= most),
            )
        }
        Target::P50(most) => (
            "p50",
            "p50_ratio_ppm",
            format!("≤ {most:.2}"),
            Box::new(move |r| r <= most),
        ),
    };
    let measured = ratio(end, field);
    let verdict = measured.map_or("", |measured| verdict(fits(measured)));
    println!(
        "| {} | {figure} | {text} | {} | {verdict} |",
        row.job,
        shown(measured)
    );
    if field == "rate_ratio_ppm" && !row.targets.iter().any(|t| matches!(t, Target::Cpu(_))) {
        let cpu = ratio(end, "server_cpu_ratio_ppm");
        println!("| | server CPU | - | {} | |", shown(cpu));
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**short**" }
}

fn ratio(end: &Value, field: &str) -> Option<f64> {
    Some(end[field].as_f64()? / 1e6)
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"))
}

/// Runs a command to its end and reads its JSON Lines. One that ended badly after it told its result
/// met a server that stalls or hangs up: that is said, and the figures stand.
fn lines(command: &mut std::process::Command) -> io::Result<Vec<Value>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        eprintln!("table: {}: {command:?}", output.status);
    }
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match options.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("table: {error}");
            ExitCode::from(1)
        }
    }
}
