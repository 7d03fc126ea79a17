//! Measures `sockeye exec` beside what people use instead, in turns, and prints the table of
//! docs/performance.md: a fork of one's own, ssh(1) and ncat(1), all on loopback.
//!
//! Each row runs A B A B …, A being sockeye; what is printed is the median of the ratios of
//! neighbouring rounds, because a busy machine changes the figures from minute to minute but spares
//! the ratio of two that follow each other. What commands print goes through a pipe and is counted.

mod ours;

use std::io::{self, Read};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ours::Sockeye;
use remote::beside::Row;
use remote::plan::Plan;
use remote::theirs::{Ncat, Ssh};

const USAGE: &str = "\
usage: remote [--row NAME]… [--rounds N] [--bytes N] [--sockeye PATH]

  --row NAME      only this row; again for more (standing fresh unix tls)
  --rounds N      pairs of rounds a row (9)
  --bytes N       what a bulk command prints (1073741824)
  --sockeye PATH  the program to measure (target/release/sockeye)";

/// Commands on a standing connection that make one round.
const STANDING: u32 = 50;

fn main() -> ExitCode {
    let plan = Plan::parse(9, 1 << 30, std::env::args().skip(1), |_, _| None);
    let Some(plan) = plan else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("remote: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let sockeye = Sockeye::start(&plan.sockeye, folder.path())?;
    let bytes = plan.bytes;
    let prints = ["head", "-c", &bytes.to_string(), "/dev/zero"].map(str::to_owned);
    plan.head();
    if plan.wants("standing") {
        let mut standing = sockeye.standing()?;
        let row = Row {
            job: "`echo hi` on a standing connection",
            beside: "fork and exec here",
            target: "time ≤ 2.5",
        };
        row.measure(
            plan.rounds,
            1,
            || standing.echo(STANDING),
            || forks(STANDING),
        )?;
    }
    if plan.wants("fresh") {
        let ssh = Ssh::start(folder.path())?;
        let row = Row {
            job: "`echo hi` from nothing, over TLS",
            beside: "`ssh`",
            target: "time ≤ 0.05",
        };
        let hi = ["echo", "hi"].map(str::to_owned);
        let ours = || counted(&mut sockeye.exec(&sockeye.tls, &hi), 3);
        row.measure(plan.rounds, 3, ours, || counted(&mut ssh.exec(&hi), 3))?;
    }
    if plan.wants("unix") {
        let ncat = Ncat::start(folder.path(), &prints)?;
        let row = Row {
            job: "`head -c 1G /dev/zero` over a Unix socket",
            beside: "`ncat -c`",
            target: "rate ≥ 1.0",
        };
        let ours = || counted(&mut sockeye.exec(&sockeye.unix, &prints), bytes);
        row.bulk(plan.rounds, bytes, ours, || {
            counted(&mut ncat.read(), bytes)
        })?;
    }
    if plan.wants("tls") {
        let ssh = Ssh::start(folder.path())?;
        let row = Row {
            job: "the same over TLS",
            beside: "`ssh`",
            target: "rate ≥ 1.5",
        };
        let ours = || counted(&mut sockeye.exec(&sockeye.tls, &prints), bytes);
        row.bulk(plan.rounds, bytes, ours, || {
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
