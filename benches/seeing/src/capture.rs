//! What a capture leaves of a UDP echo at full speed, and what it loses: `sockeye capture` and
//! tcpdump(8), each beside the echo without either, in turns.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use remote::plan::Plan;

use crate::{echo, network};

/// How long the echo runs in each round.
const TIME: Duration = Duration::from_secs(2);

/// A capture that runs beside the echo.
struct Kind {
    job: &'static str,
    target: &'static str,
    command: fn(&Plan, &str) -> Command,
    /// To `/dev/null` rather than into its own file.
    prints: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        job: "`capture -w FILE -s 128` beside a UDP echo",
        target: "≥ 0.85",
        command: |plan, file| ours(plan, &["-w", file, "-s", "128"]),
        prints: false,
    },
    Kind {
        job: "`tcpdump -w FILE -s 128` beside it",
        target: "",
        command: |_, file| theirs(&["-w", file, "-s", "128", "-Z", "root"]),
        prints: false,
    },
    Kind {
        job: "`capture` as text, beside it",
        target: "≥ 0.6",
        command: |plan, _| ours(plan, &[]),
        prints: true,
    },
    Kind {
        job: "`tcpdump` as text, beside it",
        target: "",
        command: |_, _| theirs(&["-Z", "root"]),
        prints: true,
    },
];

fn ours(plan: &Plan, flags: &[&str]) -> Command {
    let mut command = Command::new(&plan.sockeye);
    command.args(["capture", "-i", "lo"]).args(flags);
    command
}

fn theirs(flags: &[&str]) -> Command {
    let mut command = Command::new("tcpdump");
    command.args(["-n", "-i", "lo"]).args(flags);
    command
}

/// What one round came to: the share of the echo that was left, and of the packets that was seen.
struct Round {
    left: f64,
    seen: f64,
}

pub(crate) fn measure(plan: &Plan) -> io::Result<()> {
    network::enter()?;
    // Memory, as tmpfs is: no disk is measured.
    let file = format!("/dev/shm/sockeye-seeing-{}", std::process::id());
    let rounds = (0..plan.rounds)
        .map(|_| KINDS.iter().map(|kind| round(plan, kind, &file)).collect())
        .collect::<io::Result<Vec<Vec<Round>>>>();
    let _ = std::fs::remove_file(&file);
    let rounds = rounds?;
    for (place, kind) in KINDS.iter().enumerate() {
        let median = |of: fn(&Round) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(|round| of(&round[place])).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (left, seen) = (median(|round| round.left), median(|round| round.seen));
        let Kind { job, target, .. } = kind;
        println!(
            "| {job} | the echo alone | {target} | {left:.2} | {:.1} % seen | |",
            seen * 100.0
        );
    }
    Ok(())
}

/// The echo alone, then beside a capture.
fn round(plan: &Plan, kind: &Kind, file: &str) -> io::Result<Round> {
    let alone = echo::run(TIME)?;
    let mut command = (kind.command)(plan, file);
    if kind.prints {
        command.stdout(File::create("/dev/null")?);
    }
    let (mut child, mut says) = begin(&mut command)?;
    let beside = echo::run(TIME)?;
    // SAFETY: the call takes no pointers, and the child has not been waited for.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
    let mut said = String::new();
    says.read_to_string(&mut said)?;
    child.wait()?;
    let captured = captured(&said).ok_or_else(|| io::Error::other(said.clone()))?;
    Ok(Round {
        left: beside.rate / alone.rate,
        seen: captured / beside.packets as f64,
    })
}

/// Starts a capture, and waits until it says that it has begun.
fn begin(command: &mut Command) -> io::Result<(Child, BufReader<std::process::ChildStderr>)> {
    let mut child = command.env("LANG", "C").stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().expect("it is a pipe");
    let mut says = BufReader::new(stderr);
    loop {
        let mut line = String::new();
        if says.read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("{command:?} did not begin")));
        }
        if line.contains("listening on") || line.contains("capturing on") {
            return Ok((child, says));
        }
    }
}

/// The number ahead of `packets`, of ours, or of `packets captured`, of tcpdump.
fn captured(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains(" packets"))?;
    line.split(' ').next()?.replace(',', "").parse().ok()
}
