//! Measures rooms beside the least that the kernel needs for them, and beside other servers, in
//! turns, and prints the rows of docs/performance.md.
//!
//! The first core has the server, the second the members (`sockeye bench --chat`, the same for all).
//! Each row runs A B A B …; what is printed is the median of the ratios of neighbouring rounds.

mod figures;
mod server;

use std::io;
use std::process::{ExitCode, Stdio};

use figures::{Figure, Rounds};
use serde_json::Value;
use server::{Contender, Programs, Server, pinned};

const USAGE: &str = "\
usage: chat [--row NAME]… [--rounds N] [--duration TIME] [--sockeye PATH] [--idle N]

  --row NAME       only this row; again for more (many kept single stuck p99 idle cluster
                   peers-many peers-single)
  --rounds N       pairs of rounds a row (11)
  --duration TIME  of a round (500ms)
  --sockeye PATH   the program to measure (target/release/sockeye)
  --idle N         idle members (10000)";

const OFF: Contender = Contender::Sockeye { history: false };
const ON: Contender = Contender::Sockeye { history: true };
/// One speaks to 900: a window of 64, 16 lines a write, as they are when nothing else is said.
const MANY: &[&str] = &["-c", "901"];
/// One line at a time to 100.
const SINGLE: &[&str] = &["-c", "101", "-d", "1"];
const HUNDRED: &[&str] = &["-c", "101"];

struct Options {
    rows: Vec<String>,
    rounds: usize,
    duration: String,
    idle: String,
    programs: Programs,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let here = std::env::current_exe().ok()?;
        // benches/target/release/chat stands three folders below the workspace of benches.
        let benches = here.ancestors().nth(3)?;
        let mut options = Self {
            rows: vec![],
            rounds: 11,
            duration: "500ms".into(),
            idle: "10000".into(),
            programs: Programs {
                sockeye: benches.parent()?.join("target/release/sockeye"),
                limit: here.with_file_name("limit"),
            },
        };
        while let Some(flag) = words.next() {
            match flag.as_str() {
                "--row" => options.rows.push(words.next()?),
                "--rounds" => options.rounds = words.next()?.parse().ok().filter(|&n| n > 0)?,
                "--duration" => options.duration = words.next()?,
                "--idle" => options.idle = words.next()?,
                "--sockeye" => options.programs.sockeye = words.next()?.into(),
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == name)
    }

    fn run(&self) -> io::Result<()> {
        println!("| job | target | rate | server CPU | p50 | p99 | calm pairs |");
        println!("|---|---|---|---|---|---|---|");
        self.against_limit("many", "1 → 900, history off", OFF, MANY, "rate ≥ 0.8")?;
        self.against_limit("kept", "1 → 900, history on", ON, MANY, "rate ≥ 0.6")?;
        let job = "1 → 100, one line at a time, history off";
        self.against_limit("single", job, OFF, SINGLE, "rate ≥ 0.95")?;
        for peer in Contender::PEERS {
            let job = format!("1 → 900, {}", peer.name());
            self.against_limit("peers-many", &job, peer, MANY, "")?;
        }
        for peer in Contender::PEERS {
            let job = format!("1 → 100, one line at a time, {}", peer.name());
            self.against_limit("peers-single", &job, peer, SINGLE, "")?;
        }
        if self.wants("stuck") {
            self.stuck()?;
        }
        if self.wants("p99") {
            self.p99()?;
        }
        if self.wants("cluster") {
            self.cluster()?;
        }
        if self.wants("idle") {
            self.idle()?;
        }
        Ok(())
    }

    fn against_limit(
        &self,
        name: &str,
        job: &str,
        first: Contender,
        load: &[&str],
        target: &str,
    ) -> io::Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let first_server = Server::start(&self.programs, first, &[])?;
        let second = Server::start(&self.programs, Contender::Limit, &[])?;
        let rounds = self.turns((&first_server, first), (&second, Contender::Limit), load)?;
        print_row(&format!("{job}, by the limit"), target, &rounds);
        Ok(())
    }

    /// Two servers in turns.
    fn turns(
        &self,
        (first, contender): (&Server, Contender),
        (second, other): (&Server, Contender),
        load: &[&str],
    ) -> io::Result<Rounds> {
        let rounds = self.rounds.to_string();
        let mut words = vec!["--against", &second.endpoint, "--rounds", &rounds];
        words.extend(["--against-chat", other.dialect()]);
        let (pid, against) = (first.pid(), second.pid());
        words.extend(["--pid", &pid, "--against-pid", &against]);
        words.extend(load);
        Ok(Rounds::of(&self.bench(
            &first.endpoint,
            contender,
            &words,
        )?))
    }

    /// What members that never read cost the others, of the same server.
    fn stuck(&self) -> io::Result<()> {
        let server = Server::start(&self.programs, OFF, &[])?;
        let stuck = [HUNDRED, &["--stuck", "1"]].concat();
        let pid = server.pid();
        let mut pairs = vec![];
        for _ in 0..self.rounds {
            let round = |load: &[&str]| {
                let words = [&["--pid", &*pid], load].concat();
                self.round(&server.endpoint, OFF, &words)
            };
            pairs.push((round(&stuck)?, round(HUNDRED)?));
        }
        let job = "1 → 100 beside one that never reads, by the same without";
        print_row(job, "rate > 0.95", &Rounds::pairs(pairs));
        Ok(())
    }

    /// Latency at half the rate of which ngircd is capable.
    fn p99(&self) -> io::Result<()> {
        let ours = Server::start(&self.programs, OFF, &[])?;
        let theirs = Server::start(&self.programs, Contender::Ngircd, &[])?;
        let greatest = self.round(&theirs.endpoint, Contender::Ngircd, HUNDRED)?;
        let lines = Figure::Rate.of(&greatest).unwrap_or(0.0) / 100.0;
        let rate = format!("{:.0}", (lines / 2.0).max(1.0));
        let load = [HUNDRED, &["--rate", &rate]].concat();
        let both = ((&ours, OFF), (&theirs, Contender::Ngircd));
        let rounds = self.turns(both.0, both.1, &load)?;
        let job = format!("1 → 100, {rate} lines a second, by ngircd");
        print_row(&job, "p99 ≤ 1", &rounds);
        let (mine, its) = rounds.medians(Figure::P99);
        let micros = |nanos: Option<f64>| nanos.unwrap_or(f64::NAN) / 1000.0;
        println!(
            "| | | | | | {:.0} µs, {:.0} µs | |",
            micros(mine),
            micros(its)
        );
        Ok(())
    }

    /// Two servers that share their rooms, half of the members at each, by one that has them all.
    fn cluster(&self) -> io::Result<()> {
        let nats = Server::start(&self.programs, Contender::Nats, &["-js", "-sd", &scratch()])?;
        let nats_url = nats.endpoint.replace("tcp://", "nats://");
        let alone = Server::start(&self.programs, ON, &[])?;
        let of = |name: &str| {
            let more = ["--cluster", &nats_url, "--server-name", name];
            Server::start(&self.programs, ON, &more)
        };
        let (first, second) = (of("one.bench")?, of("two.bench")?);
        let (alone_pid, pids) = (
            alone.pid(),
            [first.pid(), second.pid(), nats.pid()].join(","),
        );
        let mut pairs = vec![];
        for _ in 0..self.rounds {
            let words = [MANY, &["--also", &*second.endpoint, "--pid", &*pids]].concat();
            let both = self.round(&first.endpoint, ON, &words)?;
            let words = [MANY, &["--pid", &*alone_pid]].concat();
            pairs.push((both, self.round(&alone.endpoint, ON, &words)?));
        }
        let job = "1 → 450 at each of two servers with NATS, both together by one with 900";
        print_row(job, "", &Rounds::pairs(pairs));
        drop(nats);
        let _ = std::fs::remove_dir_all(scratch());
        Ok(())
    }

    /// Idle members are not compared in turns: what they cost does not depend on the time.
    fn idle(&self) -> io::Result<()> {
        println!("\n| idle members of | how many | its own, each | the kernel's, each | both |");
        println!("|---|---|---|---|---|");
        let server = Server::start(&self.programs, OFF, &[])?;
        let words = ["--idle", &self.idle, "--pid", &server.pid()];
        let events = self.bench(&server.endpoint, OFF, &words)?;
        let idle = events.iter().find(|event| event["ev"] == "bench_idle");
        let idle = idle.ok_or_else(|| io::Error::other("idle: no result"))?;
        let number = |field: &str| idle[field].as_f64().unwrap_or(f64::NAN);
        let each = |bytes: f64| bytes / number("connections") / 1024.0;
        let own = each(number("server_rss_bytes") - number("server_rss_before_bytes"));
        let kernel = each(number("kernel_bytes") / 2.0);
        println!(
            "| {} | {} | {own:.2} KiB | {kernel:.2} KiB | {:.2} KiB |",
            OFF.name(),
            number("connections"),
            own + kernel
        );
        Ok(())
    }

    /// One round of one server.
    fn round(&self, endpoint: &str, contender: Contender, words: &[&str]) -> io::Result<Value> {
        let events = self.bench(endpoint, contender, words)?;
        let mut rounds = events.into_iter();
        let round = rounds.find(|event| event["ev"] == "bench_round");
        round.ok_or_else(|| io::Error::other(format!("{endpoint}: no result")))
    }

    fn bench(
        &self,
        endpoint: &str,
        contender: Contender,
        words: &[&str],
    ) -> io::Result<Vec<Value>> {
        let chat = format!("--chat={}", contender.dialect());
        let mut command = pinned(1, &self.programs.sockeye);
        command
            .args(["bench", endpoint, &chat, "--json"])
            .args(["-t", &self.duration, "--warmup", "200ms"])
            .args(words)
            .stderr(Stdio::inherit());
        let output = command.output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{command:?}: {}", output.status)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let events = text.lines().map(serde_json::from_str);
        events.collect::<Result<_, _>>().map_err(io::Error::other)
    }
}

/// Where NATS keeps its stream.
fn scratch() -> String {
    let name = format!("sockeye-bench-nats-{}", std::process::id());
    std::env::temp_dir().join(name).display().to_string()
}

fn print_row(job: &str, target: &str, rounds: &Rounds) {
    let cell = |figure| {
        let ratio = rounds.ratio(figure);
        ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"))
    };
    let figures = [Figure::Rate, Figure::Cpu, Figure::P50, Figure::P99];
    let cells = figures.map(cell).join(" | ");
    println!("| {job} | {target} | {cells} | {} |", rounds.calm());
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match options.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}
