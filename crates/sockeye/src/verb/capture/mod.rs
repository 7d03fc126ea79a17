//! `sockeye capture`: packets of an interface, or of a file.

mod args;
mod bytes;
mod digits;
mod file;
mod lines;
mod listing;
mod output;
mod streams;
mod table;
mod view;

pub(crate) use args::Capture;
pub(crate) use listing::Listing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye_observe::capture::{self, CaptureError, Statistics};
use sockeye_trace::{Head, WireSource};

use self::view::Views;
use crate::catalogue::capture as say;
use crate::context::{Context, host_name};
use crate::exit::{Exit, StdoutClosed, usage};
use crate::signals::Signals;
use crate::ui::{Ui, quantity};
use crate::values::Wait;

/// How often a capture without packets looks whether it was asked to end.
const GLANCE: Duration = Duration::from_millis(100);

impl Capture {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.check()?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // Caught from here on, so that no early Ctrl-C costs the summary.
        let signals = Signals::listen()?;
        let listening = tokio::spawn(end_on_signal(signals, asked));
        let ui = context.ui;
        let work = tokio::task::spawn_blocking(move || match &self.read {
            Some(path) => file::run(&self, path, ui, &stop),
            None => self.live(ui, &stop),
        });
        let result = work.await?;
        listening.abort();
        result
    }

    /// Packets of an interface, until somebody or something asks to end.
    fn live(&self, ui: Ui, stop: &AtomicBool) -> anyhow::Result<Exit> {
        let mut capture =
            capture::Capture::open(&self.options()).map_err(|why| explain(why, ui))?;
        let all = self.interface.is_none();
        let mut views = Views::new(self, &head(), all, ui.lang)?;
        self.begin(&capture, &mut views, ui)?;
        let until = self.duration.map(|Wait(time)| Instant::now() + time);
        let ended = follow(&mut capture, &mut views, stop, until);
        let drained = match &ended {
            Ok(Ending::Asked | Ending::Interface(_)) => drain(&mut capture, &mut views, true),
            _ => Ok(()),
        };
        let statistics = capture.statistics();
        let end = ended.and_then(|end| drained.map(|()| end));
        match end {
            Ok(end) => {
                views.finish(statistics.dropped)?;
                summary(&views, statistics, ui);
                match end {
                    Ending::Interface(error) => Err(error),
                    Ending::Asked | Ending::Full => Ok(Exit::Done),
                }
            }
            Err(error) => {
                // What could be written stays; nobody reads a report of it where stdout is closed.
                let _ = views.flush();
                Err(error)
            }
        }
    }

    /// Says what is captured, before the first packet.
    fn begin(&self, capture: &capture::Capture, views: &mut Views, ui: Ui) -> anyhow::Result<()> {
        let names: Vec<&str> = capture.interfaces().iter().map(|one| &*one.name).collect();
        let names = names.join(", ");
        let text = match &self.interface {
            Some(_) => say::CAPTURING.fill(ui.lang, &[("interface", &names)]),
            None => say::CAPTURING_ALL.fill(ui.lang, &[("interfaces", &names)]),
        };
        ui.say(&text);
        if let Some(path) = self.write.as_ref().filter(|_| !self.writes_to_stdout()) {
            ui.say(&say::WRITING.fill(ui.lang, &[("file", &path.display())]));
        }
        if self.fcs {
            ui.say(say::FCS_IS_COMPUTED.get(ui.lang));
        }
        if self.json {
            return views.line(&lines::begin(capture.interfaces()));
        }
        views.flush()
    }
}

/// Says what it came to.
fn summary(views: &Views, statistics: Statistics, ui: Ui) {
    let packets = quantity::count(views.packets());
    let dropped = quantity::count(statistics.dropped);
    let values: [(&str, &dyn std::fmt::Display); 2] =
        [("packets", &packets), ("dropped", &dropped)];
    let text = if views.packets() == 1 {
        say::SUMMARY_ONE
    } else {
        say::SUMMARY
    };
    ui.say(&text.fill(ui.lang, &values));
    if statistics.dropped > 0 {
        ui.say(say::DROPPED_HINT.get(ui.lang));
    }
}

/// Why a capture is over.
enum Ending {
    /// Somebody asked, or the time is over.
    Asked,
    /// There are as many packets as were wanted.
    Full,
    /// The interface is gone.
    Interface(anyhow::Error),
}

fn follow(
    capture: &mut capture::Capture,
    views: &mut Views,
    stop: &AtomicBool,
    until: Option<Instant>,
) -> anyhow::Result<Ending> {
    loop {
        let left = until.map_or(GLANCE, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if stop.load(Ordering::Relaxed) || left.is_zero() {
            return Ok(Ending::Asked);
        }
        match capture.wait(left.min(GLANCE)) {
            Ok(true) => drain(capture, views, false)?,
            Ok(false) if views.is_unread() => return Err(StdoutClosed.into()),
            Ok(false) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {
                let names = capture.interfaces().iter().map(|one| &*one.name);
                let name = names.collect::<Vec<_>>().join(", ");
                let gone = anyhow::Error::new(error).context(format!("capturing on {name}"));
                return Ok(Ending::Interface(gone));
            }
            Err(error) => return Err(error.into()),
        }
        if views.is_full() {
            return Ok(Ending::Full);
        }
    }
}

/// Hands everything that is there to the views, and lets it be seen.
fn drain(capture: &mut capture::Capture, views: &mut Views, last: bool) -> anyhow::Result<()> {
    let mut failed = None;
    let mut each = |fact: &sockeye_trace::Fact<'_>| {
        if failed.is_none() {
            failed = views.fact(fact).err();
        }
    };
    if last {
        capture.finish(&mut each)?;
    } else {
        capture.drain(&mut each)?;
    }
    match failed {
        Some(error) => Err(error),
        None => views.flush(),
    }
}

async fn end_on_signal(mut signals: Signals, stop: Arc<AtomicBool>) {
    signals.next().await;
    stop.store(true, Ordering::Relaxed);
    // Whoever asks twice does not want to wait for what is left.
    let number = match signals.next().await {
        crate::signals::Asked::End(number) => number,
        crate::signals::Asked::Reload => libc::SIGHUP,
    };
    std::process::exit(Exit::Signal(number).code().into());
}

/// A capture that cannot begin: all of it is this machine's doing.
fn explain(error: CaptureError, ui: Ui) -> anyhow::Error {
    if !matches!(error, CaptureError::NotPermitted(_)) {
        return anyhow::Error::new(crate::exit::Usage(format!(
            "{:#}",
            anyhow::Error::new(error)
        )));
    }
    let program = std::env::current_exe()
        .map_or_else(|_| "sockeye".to_owned(), |path| path.display().to_string());
    let hint = say::NOT_PERMITTED.fill(ui.lang, &[("program", &program)]);
    usage!("{error}; {hint}")
}

/// The head of a session.
fn head() -> Head {
    Head {
        verb: "capture".to_owned(),
        command: std::env::args().collect(),
        host: host_name(),
        started_ns: lines::now().as_nanos(),
        wire: WireSource::Captured,
        ..Head::default()
    }
}
