//! `list --live`: the same again and again, as a screen where there is one.

mod draw;
mod view;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use sockeye_observe::sockets::Diag;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::List;
use super::snapshot::{Snapshot, Wanted};
use crate::context::Context;
use crate::exit::{Exit, unless_closed};
use crate::signals::{Asked, Signals};
use crate::ui::screen::{Input, Screen};
use crate::ui::write_stdout;
use view::{Reaction, View};

/// Looking costs tens of milliseconds where there are many sockets.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until somebody asks for the end, or nobody reads any more.
pub(super) async fn run(
    list: &List,
    context: &Context,
    diag: &mut Diag,
    wanted: &Wanted,
    every: Duration,
) -> anyhow::Result<Exit> {
    let mut beat = interval(every.max(LEAST_INTERVAL));
    // Whoever was stopped wants one look when he goes on, and not all that he missed.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if stdout().is_terminal() && !list.json && !list.summary && !list.details {
        on_screen(list, context, diag, wanted, beat).await
    } else {
        as_text(list, context, diag, wanted, beat).await
    }
}

async fn on_screen(
    list: &List,
    context: &Context,
    diag: &mut Diag,
    wanted: &Wanted,
    mut beat: Interval,
) -> anyhow::Result<Exit> {
    let mut screen = Screen::enter()?;
    let take = |diag: &mut Diag| Snapshot::take(diag, wanted, context.net.recorder.now());
    let mut view = View::new(take(diag), list.sort, context.lang(), beat.period());
    beat.reset();
    loop {
        screen.draw(|frame| view.draw(frame))?;
        tokio::select! {
            _ = beat.tick(), if !view.is_paused() => view.look(take(diag)),
            input = screen.next() => match input {
                Input::Key(key) if view.press(key) == Reaction::End => return Ok(Exit::Done),
                Input::Key(_) | Input::Paste(_) | Input::Redraw => {}
                Input::End(_) => return Ok(Exit::Done),
            },
        }
    }
}

async fn as_text(
    list: &List,
    context: &Context,
    diag: &mut Diag,
    wanted: &Wanted,
    mut beat: Interval,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let mut out = String::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            asked = signals.next() => match asked {
                Asked::End(_) => return Ok(Exit::Done),
                Asked::Reload => continue,
            },
        }
        let snapshot = Snapshot::take(diag, wanted, context.net.recorder.now());
        // An empty line between two looks.
        let is_first = out.is_empty();
        out.clear();
        if !is_first && !list.json {
            out.push('\n');
        }
        list.report(&snapshot, context, &mut out);
        if let Err(error) = write_stdout(out.as_bytes()) {
            unless_closed(error)?;
            return Ok(Exit::Done);
        }
        if is_first {
            list.remarks(&snapshot, context);
        }
    }
}
