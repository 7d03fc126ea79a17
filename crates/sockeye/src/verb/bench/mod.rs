//! `sockeye bench`: load and latency, with every answer checked.

mod args;
mod chat;
mod dial;
mod error;
mod fanout;
mod idle;
mod kernel;
mod message;
mod oneway;
mod pace;
mod packet;
mod picture;
mod plan;
mod poller;

mod reconnect;
mod report;
mod round;
mod server;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use args::Bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use self::args::Task;
use self::error::BenchError;
use self::plan::{Job, Plan};
use self::report::Report;
use self::round::{Round, Side};
use crate::context::Context;
use crate::exit::{CheckFailed, Exit, Interrupted, TimedOut};
use crate::signals::{Asked, Signals};

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let task = self.task(context).await?;
        let report = Report::new(context, self.json, &task);
        let stop = Arc::new(AtomicBool::new(false));
        let signal = Arc::new(AtomicI32::new(0));
        let listening = tokio::spawn(wait_for_signal(Arc::clone(&stop), Arc::clone(&signal)));
        let work = tokio::task::spawn_blocking(move || measure(&task, report, &stop));
        let result = work.await?;
        listening.abort();
        match signal.load(Ordering::Relaxed) {
            0 => result,
            number => result.and(Err(Interrupted(number).into())),
        }
    }
}

/// A signal ends the run early; what was measured until then is still told.
async fn wait_for_signal(stop: Arc<AtomicBool>, signal: Arc<AtomicI32>) {
    let Ok(mut signals) = Signals::listen() else {
        return;
    };
    signal.store(number(signals.next().await), Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    // Whoever asks twice does not want to wait for answers that are still missing.
    let number = number(signals.next().await);
    std::process::exit(Exit::Signal(number).code().into());
}

fn number(asked: Asked) -> i32 {
    match asked {
        Asked::End(number) => number,
        // There is no config to read again: the terminal was closed.
        Asked::Reload => libc::SIGHUP,
    }
}

/// Runs all rounds and tells what they came to.
fn measure(task: &Task, mut report: Report, stop: &AtomicBool) -> anyhow::Result<Exit> {
    let Task {
        plan,
        sides,
        rounds,
    } = task;
    if plan.job == Job::Idle {
        return hold(plan, &sides[0], &report, stop);
    }
    report.begin()?;
    let mut exit = Exit::Done;
    for number in 1..=*rounds {
        for (index, side) in sides.iter().enumerate() {
            let tell = &mut |progress| report.progress(index, number, progress);
            let result = round::run(plan, side, stop, tell);
            report.clear_progress();
            let round = result.map_err(explain)?;
            exit = worse(exit, verdict(plan, side, &round));
            report.round(index, number, round)?;
            if stop.load(Ordering::Relaxed) {
                return report.end().map(|()| exit);
            }
        }
    }
    report.end()?;
    Ok(exit)
}

fn hold(plan: &Plan, side: &Side, report: &Report, stop: &AtomicBool) -> anyhow::Result<Exit> {
    report.begin()?;
    let idle = idle::run(plan, side, stop, &mut |open| report.opened(open));
    report.clear_progress();
    report.idle(&idle.map_err(explain)?)?;
    Ok(Exit::Done)
}

/// What a round's troubles mean for the exit code.
fn verdict(plan: &Plan, side: &Side, round: &Round) -> Exit {
    let tally = &round.tally;
    let nothing = tally.messages == 0 && tally.bytes == 0;
    // On sockets that may lose messages a loss is a figure; losing all of them is a failure.
    let lossy = side.dialler.is_messages() && plan.job == Job::RoundTrip;
    if tally.broken > 0 {
        Exit::Network
    } else if tally.unanswered > 0 || (lossy && nothing && tally.lost > 0) {
        Exit::Timeout
    } else {
        Exit::Done
    }
}

/// The first trouble decides.
fn worse(before: Exit, now: Exit) -> Exit {
    if before == Exit::Done { now } else { before }
}

/// Wrong bytes are a check that failed; everything else is what the kernel said.
fn explain(error: BenchError) -> anyhow::Error {
    match error {
        BenchError::Wrong(_) | BenchError::Unasked { .. } | BenchError::NoFrame { .. } => {
            CheckFailed(format!("{:#}", anyhow::Error::new(error))).into()
        }
        BenchError::Connect(error) => error.into(),
        BenchError::Silent { conn, timeout } => {
            anyhow::Error::new(TimedOut::answer(timeout)).context(format!("connection {conn}"))
        }
        error => error.into(),
    }
}
