//! What is said of a transfer: to people, and as events.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sockeye_service::files::Digest;
use sockeye_service::files::client::{Failure, Note, OnNote, Standing, TransferError};
use sockeye_service::files::message::{Entry, EntryKind};
use sockeye_trace::ConnId;

use super::Telling;
use super::bar::{Bar, left, percent};
use super::outcome::{graver, of_failure, of_skip, of_transfer};
use crate::catalogue::{self as say, Text};
use crate::context::Context;
use crate::exit::{Exit, unless_closed};
use crate::journal::{Journal, Line};
use crate::ui::{Ui, quantity, write_stdout};

/// How often it is drawn.
pub(super) const PULSE: Duration = Duration::from_millis(100);

/// How often it is told as an event.
const EVENT: Duration = Duration::from_millis(500);

/// What the rate is measured over: long enough to be steady, short enough to be true.
const SPAN: Duration = Duration::from_secs(2);

/// How fast it goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Bytes a second.
    pub(super) rate: f64,
    pub(super) left: Option<Duration>,
}

/// Who tells.
pub(crate) struct Report {
    ui: Ui,
    is_quiet: bool,
    telling: Telling,
    /// Its owner ends it, whoever else may still want to tell something.
    journal: Weak<Journal>,
    conn: ConnId,
    began: Instant,
    counts: Counts,
    /// The signal that stopped it; 0: none.
    signal: AtomicI32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Counts {
    stored: AtomicU64,
    failed: AtomicU64,
    /// Bytes of what is stored, what was there before included.
    bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    exit: Exit,
    bar: Option<Bar>,
    told: Instant,
    /// What had moved at some moments of the last [`SPAN`].
    moved: Vec<(Instant, u64)>,
}

impl Report {
    pub(super) fn new(
        context: &Context,
        journal: &Arc<Journal>,
        conn: ConnId,
        telling: Telling,
    ) -> Self {
        let began = Instant::now();
        Self {
            ui: context.ui,
            is_quiet: context.global.quiet,
            telling,
            journal: Arc::downgrade(journal),
            conn,
            began,
            counts: Counts::default(),
            signal: AtomicI32::new(0),
            state: Mutex::new(State {
                exit: Exit::Done,
                bar: None,
                told: began,
                moved: vec![(began, 0)],
            }),
        }
    }

    /// What hears of single files.
    pub(crate) fn listener(self: &Arc<Self>) -> OnNote {
        let report = self.clone();
        Arc::new(move |note| report.note(note))
    }

    pub(super) fn speak_above(&self, bar: Bar) {
        self.state().bar = Some(bar);
    }

    pub(super) fn speak_plainly(&self) {
        self.state().bar = None;
    }

    pub(super) fn stopped_by(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: Note) {
        match note {
            Note::Resuming {
                name,
                have_bytes,
                total_bytes,
            } => {
                self.event("file_resuming", |line| {
                    line.put("file_name", &name)
                        .number("have_bytes", have_bytes)
                        .number("total_bytes", total_bytes);
                });
                let percent = percent(have_bytes, total_bytes);
                self.say(say::RESUMING, &[("name", &name), ("percent", &percent)]);
            }
            Note::Done {
                name,
                bytes,
                digest,
            } => self.done(&name, bytes, digest),
            Note::Failed { name, error } => self.failed(&name, &error),
            Note::Skipped { path, why } => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.worsen(of_skip(&why));
                let path = path.to_string_lossy();
                self.event("file_skipped", |line| {
                    line.put("path", &path).put("error", &why.to_string());
                });
                let values: [(&str, &dyn std::fmt::Display); 2] = [("path", &path), ("why", &why)];
                self.complain(&say::SKIPPED.fill(self.ui.lang, &values));
            }
            Note::Grew { name, bytes } => {
                self.event("file_grew", |line| {
                    line.put("file_name", &name).number("bytes", bytes);
                });
                self.say(say::GREW, &[("name", &name), ("bytes", &bytes)]);
            }
            _ => {}
        }
    }

    pub(crate) fn done(&self, name: &str, bytes: u64, digest: Option<Digest>) {
        self.counts.stored.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.event("file_done", |line| {
            line.put("file_name", name).number("bytes", bytes);
            if let Some(digest) = digest {
                line.put(digest.algorithm().name(), &digest.to_string());
            }
        });
    }

    pub(crate) fn failed(&self, name: &str, error: &Failure) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let exit = of_failure(error);
        self.worsen(exit);
        self.event("file_failed", |line| {
            line.put("file_name", name)
                .put("error", &error.to_string())
                .number("exit", exit.code().into());
        });
        self.complain(&format!("{name}: {error}"));
    }

    /// One line of a listing.
    pub(crate) fn entry(&self, entry: &Entry) {
        self.event("entry", |line| {
            let kind = match entry.kind {
                EntryKind::File => "file",
                EntryKind::Directory => "directory",
            };
            line.put("file_name", &entry.file_name)
                .put("kind", kind)
                .number("bytes", entry.bytes)
                .number("mode", entry.mode.into())
                .raw("mtime_ns", entry.mtime_ns);
        });
    }

    fn worsen(&self, exit: Exit) {
        let mut state = self.state();
        state.exit = graver(state.exit, exit);
    }

    fn event(&self, name: &str, fields: impl FnOnce(&mut Line)) {
        if self.telling.json.is_none() {
            return;
        }
        let fields = |line: &mut Line| {
            line.number("conn", self.conn.number());
            fields(line);
        };
        if let Some(journal) = self.journal.upgrade() {
            journal.say(name, fields, None);
        }
    }

    /// Status for people; programs have the event.
    pub(crate) fn say(&self, text: Text, values: &[(&str, &dyn std::fmt::Display)]) {
        if self.is_quiet || self.telling.json.is_some() {
            return;
        }
        let text = text.fill(self.ui.lang, values);
        self.above_the_bar(|| self.ui.say(&text));
    }

    fn complain(&self, text: &str) {
        self.above_the_bar(|| self.ui.complain(text));
    }

    fn above_the_bar(&self, write: impl FnOnce()) {
        let bar = self.state().bar.clone();
        match bar {
            Some(bar) => bar.above(write),
            None => write(),
        }
    }

    /// How fast it goes now.
    pub(super) fn pace(&self, standing: &Standing) -> Pace {
        let now = Instant::now();
        let mut state = self.state();
        state.moved.push((now, standing.moved_bytes));
        // The last look before the span begins is its beginning.
        let begin = state.moved.iter().rposition(|(at, _)| now - *at >= SPAN);
        state.moved.drain(..begin.unwrap_or(0));
        let (since, before) = state.moved[0];
        let seconds = (now - since).as_secs_f64().max(1e-3);
        let rate = standing.moved_bytes.saturating_sub(before) as f64 / seconds;
        Pace {
            rate,
            left: left(standing, rate),
        }
    }

    /// Tells how it stands, from time to time.
    pub(super) fn progress(&self, standing: &Standing) {
        let now = Instant::now();
        if now - self.state().told < EVENT {
            return;
        }
        self.state().told = now;
        let pace = self.pace(standing);
        self.event("progress", |line| {
            line.put("file_name", &standing.name)
                .number("done_bytes", standing.done_bytes)
                .number("moved_bytes", standing.moved_bytes)
                .number("files", standing.files)
                .number("rate", pace.rate as u64);
            if let (Some(bytes), Some(files)) = (standing.total_bytes, standing.total_files) {
                line.number("total_bytes", bytes)
                    .number("total_files", files);
            }
            if let Some(left) = pace.left {
                line.number("left_ms", left.as_millis() as u64);
            }
        });
    }

    /// Says why it failed, if it did, and with which exit code it ends.
    pub(super) fn end(&self, standing: &Standing, ended: Result<(), TransferError>) -> Exit {
        let signal = self.signal.load(Ordering::Relaxed);
        let mut exit = self.state().exit;
        let mut why = None;
        match ended {
            _ if signal != 0 => {
                exit = Exit::Signal(signal);
                why = Some(self.interrupted(standing));
            }
            // A reader that has had enough is no failure.
            Ok(()) | Err(TransferError::NobodyReads) => {}
            Err(error) => {
                exit = graver(exit, of_transfer(&error));
                why = Some(format!("{:#}", anyhow::Error::new(error)));
            }
        }
        if let Some(why) = &why {
            self.complain(why);
        }
        if exit != Exit::Done && self.telling.json.is_some() {
            let failed = self.counts.failed.load(Ordering::Relaxed);
            let why = why.unwrap_or_else(|| format!("{failed} not transferred"));
            let fields = |line: &mut Line| {
                line.put("error", &why).number("exit", exit.code().into());
            };
            if let Some(journal) = self.journal.upgrade() {
                journal.say("error", fields, None);
            }
        }
        exit
    }

    fn interrupted(&self, standing: &Standing) -> String {
        let lang = self.ui.lang;
        match standing.total_bytes {
            _ if !self.telling.resumes => say::INTERRUPTED.get(lang).to_owned(),
            Some(total) => {
                let percent = percent(standing.done_bytes, total);
                say::INTERRUPTED_AT.fill(lang, &[("percent", &percent)])
            }
            None => say::INTERRUPTED_RESUMES.get(lang).to_owned(),
        }
    }

    /// Says what it came to.
    pub(super) fn summary(&self, standing: &Standing) -> anyhow::Result<()> {
        let took = self.began.elapsed();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (stored, failed) = (load(&self.counts.stored), load(&self.counts.failed));
        let bytes = load(&self.counts.bytes);
        let rate = standing.moved_bytes as f64 / took.as_secs_f64().max(1e-6);
        self.event("transferred", |line| {
            line.number("files", stored)
                .number("failed", failed)
                .number("bytes", bytes)
                .number("moved_bytes", standing.moved_bytes)
                .number("took_ms", took.as_millis() as u64)
                .number("rate", rate as u64);
        });
        if self.is_quiet || self.telling.json.is_some() {
            return Ok(());
        }
        let lang = self.ui.lang;
        let files = if stored == 1 {
            say::FILES_ONE
        } else {
            say::FILES
        };
        let took = quantity::duration(took.as_nanos() as u64);
        let mut text = say::TRANSFERRED.fill(
            lang,
            &[
                (
                    "files",
                    &files.fill(lang, &[("n", &quantity::count(stored))]),
                ),
                ("bytes", &quantity::bytes(bytes)),
                ("time", &took),
                ("rate", &quantity::bytes_a_second(rate)),
            ],
        );
        if failed > 0 {
            text += &say::NOT_TRANSFERRED.fill(lang, &[("n", &quantity::count(failed))]);
        }
        if !self.telling.is_report {
            self.ui.say(&text);
            return Ok(());
        }
        // That nobody reads it is no failure, and nothing to keep the exit code from being told.
        write_stdout(format!("{text}\n").as_bytes()).or_else(unless_closed)
    }
}
