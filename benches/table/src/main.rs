//! Measures sockeye beside its limits, in turns, and prints the table of docs/performance.md.
//!
//! The first core has the server, the second the client. Each row runs A B A B …; what is printed
//! is the median of the ratios of neighbouring rounds, because a busy machine changes the figures
//! from minute to minute but spares the ratio of two seconds that follow each other.

mod callgrind;
mod figures;
mod row;
mod server;

use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use figures::Figures;
use row::{Contender, Cores, Peer, Place, ROWS, Row};
use serde_json::Value;
use server::{Programs, Server, pinned};

/// The figures of a row; see [`Figures`].
const FIGURES: &str = "rate | server CPU | p50 | calm pairs";
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
        println!("| job | target | {FIGURES} | |\n|---|---|---|---|---|---|---|");
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
        println!("| job | by the limit | {FIGURES} |\n|---|---|---|---|---|---|");
        let jobs = ROWS
            .iter()
            .filter(|row| PEERS_DO.contains(&row.name) && self.wants(row.name));
        for row in jobs {
            for peer in Peer::ALL {
                let first = Contender::Peer(peer);
                let figures = self.turns(&Row { first, ..*row })?;
                println!("| {} | {} | {} |", row.job, peer.name(), figures.cells());
            }
        }
        Ok(())
    }

    fn measure(&self, row: &Row) -> io::Result<()> {
        let figures = self.turns(row)?;
        let targets: Vec<String> = row.targets.iter().map(ToString::to_string).collect();
        let short: Vec<String> = row
            .targets
            .iter()
            .filter(|target| figures.meets(**target) == Some(false))
            .map(|target| format!("{} **short**", target.name()))
            .collect();
        let verdict = match (targets.is_empty(), short.is_empty()) {
            (true, _) => String::new(),
            (false, true) => "met".into(),
            (false, false) => short.join(", "),
        };
        let targets = targets.join(", ");
        println!(
            "| {} | {targets} | {} | {verdict} |",
            row.job,
            figures.cells()
        );
        Ok(())
    }

    /// Runs both servers of a row in turns and returns the medians.
    fn turns(&self, row: &Row) -> io::Result<Figures> {
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
        let figures = Figures::of(&events, row.cores == Cores::One);
        figures.ok_or_else(|| io::Error::other(format!("{}: no result", row.name)))
    }

    /// Idle connections are not compared in turns: what they cost does not depend on the time.
    fn measure_idle(&self) -> io::Result<()> {
        println!(
            "\n| idle connections of | how many | its own, each | the kernel's, each | both |"
        );
        println!("|---|---|---|---|---|");
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
    println!(
        "| {name} | {} | {own:.2} KiB | {kernel:.2} KiB | {:.2} KiB |",
        idle["connections"],
        own + kernel
    );
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
