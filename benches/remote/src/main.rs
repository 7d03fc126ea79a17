//! Measures `sockeye exec` beside what people use instead, in turns, and prints the table of
//! docs/performance.md: a fork of one's own, ssh(1) and ncat(1), all on loopback.
//!
//! Each row runs A B A B …, A being sockeye; what is printed is the median of the ratios of
//! neighbouring rounds, because a busy machine changes the figures from minute to minute but spares
//! the ratio of two that follow each other. What commands print goes through a pipe and is counted.

mod ours;

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ours::Sockeye;
use remote::beside::Row;
use remote::theirs::{Ncat, Ssh};

const USAGE: &str = "\
usage: remote [--row NAME]… [--rounds N] [--bytes N] [--sockeye PATH]

  --row NAME      only this row; again for more (standing fresh unix tls)
  --rounds N      pairs of rounds a row (9)
  --bytes N       what a bulk command prints (1073741824)
  --sockeye PATH  the program to measure (target/release/sockeye)";

/// Commands on a standing connection that make one round.
const STANDING: u32 = 50;

struct Options {
    rows: Vec<String>,
    rounds: usize,
    bytes: u64,
    sockeye: PathBuf,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let here = std::env::current_exe().ok()?;
        // benches/target/release/remote stands four folders below the workspace.
        let workspace = here.ancestors().nth(4)?;
        let mut options = Self {
            rows: vec![],
            rounds: 9,
            bytes: 1 << 30,
            sockeye: workspace.join("target/release/sockeye"),
        };
        while let Some(flag) = words.next() {
            match flag.as_str() {
                "--row" => options.rows.push(words.next()?),
                "--rounds" => options.rounds = words.next()?.parse().ok()?,
                "--bytes" => options.bytes = words.next()?.parse().ok()?,
                "--sockeye" => options.sockeye = words.next()?.into(),
                _ => return None,
            }
        }
        (options.rounds > 0).then_some(options)
    }

    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("remote: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let sockeye = Sockeye::start(&options.sockeye, folder.path())?;
    let bytes = options.bytes;
    let prints = ["head", "-c", &bytes.to_string(), "/dev/zero"].map(str::to_owned);
    println!(
        "| job | beside | target | median of {} | sockeye | the other |",
        options.rounds
    );
    println!("|---|---|---|---|---|---|");
    if options.wants("standing") {
        let mut standing = sockeye.standing()?;
        let row = Row {
            job: "`echo hi` on a standing connection",
            beside: "fork and exec here",
            target: "time ≤ 2.5",
        };
        row.measure(
            options.rounds,
            1,
            || standing.echo(STANDING),
            || forks(STANDING),
        )?;
    }
    if options.wants("fresh") {
        let ssh = Ssh::start(folder.path())?;
        let row = Row {
            job: "`echo hi` from nothing, over TLS",
            beside: "`ssh`",
            target: "time ≤ 0.05",
        };
        let hi = ["echo", "hi"].map(str::to_owned);
        let ours = || counted(&mut sockeye.exec(&sockeye.tls, &hi), 3);
        row.measure(options.rounds, 3, ours, || counted(&mut ssh.exec(&hi), 3))?;
    }
    if options.wants("unix") {
        let ncat = Ncat::start(folder.path(), &prints)?;
        let row = Row {
            job: "`head -c 1G /dev/zero` over a Unix socket",
            beside: "`ncat -c`",
            target: "rate ≥ 1.0",
        };
        let ours = || counted(&mut sockeye.exec(&sockeye.unix, &prints), bytes);
        row.bulk(options.rounds, bytes, ours, || {
            counted(&mut ncat.read(), bytes)
        })?;
    }
    if options.wants("tls") {
        let ssh = Ssh::start(folder.path())?;
        let row = Row {
            job: "the same over TLS",
            beside: "`ssh`",
            target: "rate ≥ 1.5",
        };
        let ours = || counted(&mut sockeye.exec(&sockeye.tls, &prints), bytes);
        row.bulk(options.rounds, bytes, ours, || {
            counted(&mut ssh.exec(&prints), bytes)
        })?;
    }
    println!(
        "\nThe server's memory at its peak: {} KiB.",
        sockeye.peak_kib()?
    );
    Ok(())
}

/// How long a program takes that prints so many bytes, from its start to its end.
fn counted(command: &mut Command, bytes: u64) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdout = child.stdout.take().expect("it is a pipe");
    let mut chunk = vec![0; 256 * 1024];
    let mut got = 0;
    loop {
        match stdout.read(&mut chunk)? {
            0 => break,
            read => got += read as u64,
        }
    }
    let status = child.wait()?;
    let took = begin.elapsed();
    if got == bytes && status.success() {
        return Ok(took);
    }
    let why = format!("{command:?} printed {got} of {bytes} bytes and ended with {status}");
    Err(io::Error::other(why))
}

/// Runs `echo hi` here, so many times; how long one took.
fn forks(times: u32) -> io::Result<Duration> {
    let begin = Instant::now();
    for _ in 0..times {
        counted(Command::new("echo").arg("hi"), 3)?;
    }
    Ok(begin.elapsed() / times)
}
