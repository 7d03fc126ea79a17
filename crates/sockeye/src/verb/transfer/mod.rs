//! What `put` and `get` have in common: the connection, what is told of it, and how it ends.

mod bar;
mod outcome;
mod report;

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use sockeye_net::{Endpoint, Link};
use sockeye_service::files::Algorithm;
use sockeye_service::files::client::{Progress, Stop, TransferError};
use sockeye_trace::{Closing, ConnId, Event, Kind};

use crate::context::Context;
use crate::exit::{Exit, Usage, unless_closed};
use crate::journal::{Journal, Target, TracePlan, View};
use crate::signals::{Asked, Signals};
use crate::trust;
use bar::Bar;
pub(crate) use outcome::of_transfer;
pub(super) use report::Report;

/// A digest's name, as a flag takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigestName(pub(crate) Algorithm);

impl FromStr for DigestName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let algorithm = text.parse::<Algorithm>();
        algorithm.map(Self).map_err(|why| why.to_string())
    }
}

/// Reads an endpoint.
pub(super) fn endpoint(word: &str) -> anyhow::Result<Endpoint> {
    word.parse()
        .map_err(|why: sockeye_net::EndpointError| Usage(why.to_string()).into())
}

/// A connection to a server, and who tells of what happens on it.
pub(super) struct Session<'a> {
    context: &'a Context,
    journal: Arc<Journal>,
    conn: ConnId,
    pub(super) progress: Arc<Progress>,
    pub(super) report: Arc<Report>,
    /// People look at it: a bar is drawn.
    pub(super) draws: bool,
    /// Programs read it: events are written.
    pub(super) has_events: bool,
}

/// How a verb tells.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    /// Where events go to.
    pub(super) json: Option<Target>,
    /// Whether the summary may go to standard output; else to standard error.
    pub(super) is_report: bool,
    /// The answer to being stopped: whether doing the same again goes on.
    pub(super) resumes: bool,
    /// A session that is written besides.
    pub(super) trace: Option<TracePlan>,
}

impl<'a> Session<'a> {
    /// Dials.
    pub(super) async fn open(
        context: &'a Context,
        endpoint: &Endpoint,
        telling: &Telling,
    ) -> anyhow::Result<(Self, Link)> {
        let recorder = &context.net.recorder;
        let view = View {
            log: context.global.verbose > 0,
            json: telling.json.clone(),
            show: false,
            ansi: false,
            verbose: context.global.verbose > 0,
            encoding: encoding_rs::UTF_8,
            trace: telling.trace.clone(),
        };
        let has_events = telling.json.is_some();
        let journal = Journal::start(recorder, context.ui, view)?;
        let link = match trust::connect(context, endpoint).await {
            Ok(link) => link,
            Err(error) => {
                journal.error(&error);
                // This error is the one to tell.
                let _ = journal.finish();
                return Err(error);
            }
        };
        let ends = format!("{}\n{}", link.peer_name(), link.local());
        let event = Event::new(Kind::Connected, link.conn(), recorder.now());
        recorder.record(event, ends.as_bytes());
        let (journal, progress) = (Arc::new(journal), Arc::new(Progress::default()));
        let draws = context.ui.is_terminal() && !context.global.quiet && !has_events;
        let report = Report::new(context, &journal, link.conn(), telling.clone());
        let session = Self {
            context,
            conn: link.conn(),
            report: Arc::new(report),
            journal,
            progress,
            draws,
            has_events,
        };
        Ok((session, link))
    }

    /// Draws and tells while `work` is under way; asks it to stop when a signal comes.
    pub(super) async fn watch<T, E>(
        &self,
        stop: &Stop,
        work: impl Future<Output = Result<T, E>>,
    ) -> anyhow::Result<Result<T, E>> {
        let mut signals = Signals::listen()?;
        let bar = self.draws.then(|| Bar::new(self.context.ui));
        if let Some(bar) = &bar {
            self.report.speak_above(bar.clone());
        }
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval(report::PULSE);
        let mut unread = false;
        let done = loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                asked = signals.next() => {
                    let signal = match asked {
                        Asked::End(signal) => signal,
                        Asked::Reload => libc::SIGHUP,
                    };
                    if stop.is_asked() {
                        self.report.stopped_by(signal);
                        std::process::exit(i32::from(Exit::Signal(signal).code()));
                    }
                    self.report.stopped_by(signal);
                    stop.ask();
                }
                // Nobody reads the events any more: what is being transferred is wanted all the same.
                why = self.journal.unread(), if !unread => {
                    unread = true;
                    unless_closed(why)?;
                }
                _ = tick.tick() => {
                    let standing = self.progress.standing();
                    if let Some(bar) = &bar {
                        bar.draw(&standing, self.report.pace(&standing));
                    }
                    if self.has_events {
                        self.report.progress(&standing);
                    }
                }
            }
        };
        self.report.speak_plainly();
        if let Some(bar) = bar {
            bar.clear();
        }
        Ok(done)
    }

    /// As [`watch`](Self::watch), for what is over in a moment and draws nothing.
    pub(super) async fn watch_silently<T, E>(
        &self,
        stop: &Stop,
        work: impl Future<Output = Result<T, E>>,
    ) -> anyhow::Result<Result<T, E>> {
        let mut signals = Signals::listen()?;
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                asked = signals.next() => {
                    self.report.stopped_by(match asked {
                        Asked::End(signal) => signal,
                        Asked::Reload => libc::SIGHUP,
                    });
                    stop.ask();
                }
            }
        }
    }

    /// Tells how it ended, and says with which exit code.
    pub(super) fn finish(self, ended: Result<(), TransferError>) -> anyhow::Result<Exit> {
        let standing = self.progress.standing();
        self.report.summary(&standing)?;
        self.close(ended)
    }

    /// As [`finish`](Self::finish), where nothing was transferred.
    pub(super) fn finish_listing(self, ended: Result<(), TransferError>) -> anyhow::Result<Exit> {
        self.close(ended)
    }

    fn close(self, ended: Result<(), TransferError>) -> anyhow::Result<Exit> {
        let recorder = &self.context.net.recorder;
        let standing = self.progress.standing();
        let reason = ended.as_ref().err().map(ToString::to_string);
        let closing = Closing {
            read_bytes: standing.read_bytes,
            written_bytes: standing.written_bytes,
            reason: reason.unwrap_or_default(),
            ..Closing::default()
        };
        let event = Event::new(Kind::Closed, self.conn, recorder.now());
        recorder.record(event, &closing.to_payload());
        let exit = self.report.end(&standing, ended);
        let mut journal = self.journal;
        // A thread of the transfer may be telling something right now, which takes no time.
        let journal = loop {
            match Arc::try_unwrap(journal) {
                Ok(journal) => break journal,
                Err(shared) => journal = shared,
            }
            std::thread::yield_now();
        };
        journal.finish()?;
        Ok(exit)
    }
}
