//! One host: its command is as if it ran here.

use std::cell::RefCell;
use std::io::IsTerminal as _;

use indicatif::ProgressBar;
use sockeye_service::exec::Output;
use sockeye_service::exec::client::{End, Ended};

use super::guide::{Commands, orders};
use super::input::Input;
use super::job::Job;
use super::output::Outputs;
use super::screen::Screen;
use super::signals::Signals;
use super::terminal::Raw;
use super::{Exec, Host, command, terminal};
use crate::catalogue as say;
use crate::context::Context;
use crate::exit::{CheckFailed, Exit, TimedOut};
use crate::journal::Journal;

/// Runs it; its status is ours.
pub(super) async fn run(
    exec: &Exec,
    context: &Context,
    journal: &Journal,
    host: &Host,
) -> anyhow::Result<Exit> {
    if exec.tty {
        terminal::require()?;
    }
    let request = command::request(exec, !exec.no_stdin)?;
    let mut signals = Signals::listen()?;
    let output = Outputs::start(
        exec.style(Output::Stdout),
        exec.style(Output::Stderr),
        ProgressBar::hidden(),
    )?;
    let job = Job {
        context,
        journal,
        host,
        request: &request,
    };
    let commands = Commands::default();
    // Outlives the work, so that the terminal is put back after the last byte was written.
    let raw = RefCell::new(None);
    let (command, orders) = orders();
    let on_start = || {
        commands.add(command);
        if exec.tty {
            *raw.borrow_mut() = Some(Raw::enter()?);
        }
        Ok(())
    };
    let input = input(exec).await?;
    let work = job.run(input, orders, Screen::Whole(output), on_start);
    let ended = commands.guide(work, &mut signals, journal).await;
    drop(raw.take());
    passed_on(&ended??, exec, context)
}

async fn input(exec: &Exec) -> anyhow::Result<Option<Input>> {
    if exec.no_stdin {
        return Ok(None);
    }
    let typed = std::io::stdin().is_terminal();
    let charset = exec.encoding.filter(|_| typed);
    Input::open(charset.map(|charset| charset.0))
        .await
        .map(Some)
}

/// The command's own end as ours.
fn passed_on(ended: &Ended, exec: &Exec, context: &Context) -> anyhow::Result<Exit> {
    if ended.left_running && !context.global.quiet {
        context
            .ui
            .complain(say::EXEC_LEFT_RUNNING.get(context.lang()));
    }
    if ended.timed_out {
        let after = exec.timeout.map_or(ended.took, |time| time.0);
        return Err(TimedOut::command(after).into());
    }
    match (ended.end.code(), &ended.end) {
        (Some(code), _) => Ok(Exit::Passed(code)),
        (None, End::Signal(name)) => {
            let why = format!("the command was ended by a signal unknown here: {name}");
            Err(CheckFailed(why).into())
        }
        (None, End::Status(_)) => unreachable!("every status is a code"),
    }
}
