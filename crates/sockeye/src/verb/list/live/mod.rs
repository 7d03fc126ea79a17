//! `list --live`: the same again and again.

use std::time::Duration;

use sockeye_observe::sockets::Diag;

use super::List;
use super::snapshot::{Snapshot, Wanted};
use crate::context::Context;
use crate::exit::{Exit, unless_closed};
use crate::signals::{Asked, Signals};
use crate::ui::write_stdout;

/// Looks again and again until a signal asks for the end, or nobody reads any more.
pub(super) async fn run(
    list: &List,
    context: &Context,
    diag: &mut Diag,
    wanted: Wanted,
    interval: Duration,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let mut beat = tokio::time::interval(interval.max(LEAST_INTERVAL));
    let mut out = String::new();
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            asked = signals.next() => match asked {
                Asked::End(_) => return Ok(Exit::Done),
                Asked::Reload => continue,
            },
        }
        let snapshot = Snapshot::take(diag, &wanted, context.net.recorder.now());
        // An empty line between two looks.
        let is_later = !out.is_empty();
        out.clear();
        if is_later && !list.json {
            out.push('\n');
        }
        list.report(&snapshot, context, &mut out);
        if let Err(error) = write_stdout(out.as_bytes()) {
            unless_closed(error)?;
            return Ok(Exit::Done);
        }
        if !is_later {
            list.remarks(&snapshot, context);
        }
    }
}

/// Looking costs tens of milliseconds where there are many sockets.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);
