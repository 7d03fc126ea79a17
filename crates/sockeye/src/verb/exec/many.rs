//! Many hosts at once: every line behind the name of its host, and a table of how it went.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sockeye_service::exec::Output;
use sockeye_service::exec::client::Ended;
use tokio::sync::Mutex;
use unicode_width::UnicodeWidthStr as _;

use super::guide::{Commands, orders};
use super::job::{Job, outcome};
use super::output::{Outputs, Style};
use super::screen::{Lines, Screen};
use super::signals::Signals;
use super::{Exec, Host, PARALLEL, command};
use crate::catalogue as say;
use crate::context::Context;
use crate::exit::{Exit, OWN_FAILURE, StdoutClosed};
use crate::journal::Journal;
use crate::ui::{Flow, Table, escape};

/// How it went on a host; nothing where it was not begun.
type Result = Option<anyhow::Result<Ended>>;

/// Runs the command on all of them, and says how it went on each.
pub(super) async fn run(
    exec: &Exec,
    context: &Context,
    journal: &Journal,
    hosts: &[Host],
) -> anyhow::Result<Exit> {
    let request = command::request(exec, false)?;
    let mut signals = Signals::listen()?;
    let progress = progress(hosts.len(), context);
    let outputs = Outputs::start(Style::Exact, Style::Exact, progress.clone())?;
    let outputs = Arc::new(Mutex::new(outputs));
    let jobs = hosts.iter().map(|host| Job {
        context,
        journal,
        host,
        request: &request,
    });
    let commands = Commands::default();
    let prefixes = prefixes(hosts);
    let work = jobs.zip(prefixes).map(|(job, prefix)| {
        let (command, orders) = orders();
        let screen = Screen::Lines(Lines::new(prefix, Arc::clone(&outputs), flows(exec)));
        let commands = &commands;
        async move {
            if commands.interrupted() {
                return None;
            }
            let on_start = || {
                commands.add(command);
                Ok(())
            };
            Some(job.run(None, orders, screen, on_start).await)
        }
    });
    let limit = exec.parallel.unwrap_or(PARALLEL).0.get();
    let (mut done, mut failed, unread) = (0, 0, Cell::new(false));
    let work = at_most(limit, work, |result: &Result| {
        done += 1;
        failed += usize::from(code(result) != 0);
        let counts: [(&str, &dyn std::fmt::Display); 3] =
            [("done", &done), ("all", &hosts.len()), ("failed", &failed)];
        progress.set_message(say::EXEC_PROGRESS.fill(context.lang(), &counts));
        progress.set_position(done as u64);
        unread.set(is_unread(result));
        if unread.get() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let results = commands.guide(work, &mut signals, journal).await;
    progress.finish_and_clear();
    let results = results?;
    if unread.get() {
        return Err(StdoutClosed.into());
    }
    let outputs = Arc::into_inner(outputs).expect("every host has ended");
    outputs.into_inner().finish().await?;
    if !context.global.quiet {
        let table = table(hosts, &results, context);
        // Nothing can be done when nobody reads it.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), table.as_bytes());
    }
    let worst = results.iter().map(code).max().unwrap_or(0);
    Ok(Exit::Passed(worst))
}

/// Whether nobody reads what the hosts print.
fn is_unread(result: &Result) -> bool {
    matches!(result, Some(Err(error)) if error.is::<StdoutClosed>())
}

/// What the exit code of one host would be.
fn code(result: &Result) -> u8 {
    match result {
        Some(Ok(ended)) if !ended.timed_out => ended.end.code().unwrap_or(OWN_FAILURE),
        _ => OWN_FAILURE,
    }
}

/// How lines become what is written, of each of the two outputs.
fn flows(exec: &Exec) -> [Option<Flow>; 2] {
    [Output::Stdout, Output::Stderr].map(|output| match exec.style(output) {
        Style::Text(flow) => Some(*flow),
        Style::Exact | Style::Decoded(_) => None,
    })
}

/// The names of the hosts, all as wide as the widest.
fn prefixes(hosts: &[Host]) -> Vec<String> {
    let names: Vec<_> = hosts.iter().map(|host| escape(&host.name)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let padded =
        |name: &std::borrow::Cow<str>| format!("{name}{} | ", " ".repeat(width - name.width()));
    names.iter().map(padded).collect()
}

/// A line on the terminal that says how far we are; hidden where there is no terminal.
fn progress(hosts: usize, context: &Context) -> ProgressBar {
    if context.global.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg}").expect("the template is one word");
    let bar = ProgressBar::with_draw_target(Some(hosts as u64), ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar
}

/// Runs at most `limit` of these at once, in their order, until all are done or `on_end` has had
/// enough; the results in the same order.
async fn at_most<F: Future>(
    limit: usize,
    work: impl Iterator<Item = F>,
    mut on_end: impl FnMut(&F::Output) -> ControlFlow<()>,
) -> Vec<F::Output> {
    let mut work = work.enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = vec![];
    let mut results = vec![];
    poll_fn(|cx| {
        loop {
            while running.len() < limit
                && let Some((place, one)) = work.next()
            {
                running.push((place, Box::pin(one)));
            }
            let before = results.len();
            let mut enough = false;
            running.retain_mut(|(place, one)| match one.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    enough |= on_end(&result).is_break();
                    results.push((*place, result));
                    false
                }
            });
            if enough || running.is_empty() && work.size_hint().1 == Some(0) {
                return Poll::Ready(());
            }
            // What begins now has to be polled once as well.
            if results.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

fn table(hosts: &[Host], results: &[Result], context: &Context) -> String {
    let lang = context.lang();
    let mut table = Table::default();
    table.row([say::EXEC_HOST, say::EXEC_EXIT, say::EXEC_TOOK].map(|text| text.get(lang)));
    for (host, result) in hosts.iter().zip(results) {
        let took = match result {
            Some(Ok(ended)) => format!("{} ms", ended.took.as_millis()),
            _ => String::new(),
        };
        let what = match result {
            Some(Ok(ended)) if code(result) == 0 && !ended.left_running => String::new(),
            Some(Ok(ended)) if ended.left_running => say::EXEC_LEFT_RUNNING.get(lang).to_owned(),
            Some(result) => outcome(result, context),
            None => say::EXEC_NOT_RUN.get(lang).to_owned(),
        };
        let name = escape(&host.name).into_owned();
        let what = escape(&what).into_owned();
        table.row([name, code(result).to_string(), took, what]);
    }
    table.render("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_run_at_once_than_allowed_and_results_keep_their_order() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let work = (0..10u64).map(|place| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                for _ in place..20 {
                    tokio::task::yield_now().await;
                }
                now.set(now.get() - 1);
                place
            }
        });
        let mut ended = 0;
        let count = |_: &_| {
            ended += 1;
            ControlFlow::Continue(())
        };
        let results = at_most(3, work, count).await;
        assert_eq!(results, (0..10).collect::<Vec<_>>());
        assert_eq!((most.get(), ended), (3, 10));
    }

    #[tokio::test]
    async fn enough_is_enough() {
        let work = (0..10).map(|place| async move { place });
        let enough = |place: &i32| match place {
            1 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert_eq!(at_most(1, work, enough).await, [0, 1]);
    }

    #[test]
    fn names_line_up_by_their_width_on_a_terminal() {
        let host = |name: &str| Host {
            name: name.to_owned(),
            endpoint: "unix:/x".parse().unwrap(),
        };
        let hosts = [host("unix:/网络"), host("unix:/web-12"), host("a\x1b:1")];
        let expected = ["unix:/网络   | ", "unix:/web-12 | ", "a\\x1b:1      | "];
        assert_eq!(prefixes(&hosts), expected);
    }
}
