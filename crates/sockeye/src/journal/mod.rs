//! The journal: draws what the recorder saw as log lines and as JSON Lines.
//!
//! It is a plain thread that polls. The threads that touch sockets never wait for it: when its reader
//! is slow (a terminal that is stopped, a pipe that is full), their rings fill up and count what
//! they dropped, and the journal says so once it can write again.

mod commands;
mod files;
mod line;
mod log;
mod members;
mod names;
mod sink;
mod socket;
mod trace;

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use encoding_rs::Encoding;
use sockeye_net::Errno;
use sockeye_trace::{Event, Observer, Recorder, Time};
use tokio::sync::watch;

pub(crate) use line::Line;
pub(crate) use sink::Target;
pub(crate) use socket::tell_socket;
pub(crate) use trace::{Plan as TracePlan, TraceFlags};

use crate::catalogue::{self, Lang};
use crate::exit::{self, Exit};
use crate::ui::Ui;
use log::Log;
use names::Names;
use sink::Sink;
use trace::TraceFile;

/// How long the journal sleeps between two looks while there is something to see.
const BUSY: Duration = Duration::from_millis(10);
/// How long it sleeps at most while nothing happens.
const IDLE: Duration = Duration::from_millis(80);
/// Events settle for a millisecond before they are handed on; what we say ourselves waits as long,
/// so that both come in the order of time.
const SETTLES: Duration = Duration::from_millis(2);
/// Bytes that are drawn before they are written.
const BATCH: usize = 64 << 10;
/// Bytes of each read and write that are kept for `--show`.
const SHOWN: usize = 4096;
/// How long the end of a run waits for a reader that is slow.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to draw and where.
#[derive(Debug)]
pub(crate) struct View {
    /// Log lines to standard error.
    pub(crate) log: bool,
    /// JSON Lines.
    pub(crate) json: Option<Target>,
    /// Every read and write with its bytes.
    pub(crate) show: bool,
    /// Let a peer's text reach the terminal as it is.
    pub(crate) ansi: bool,
    /// Also what is of interest to the curious only.
    pub(crate) verbose: bool,
    /// How a peer's bytes become text.
    pub(crate) encoding: &'static Encoding,
    /// A session that is written besides.
    pub(crate) trace: Option<TracePlan>,
}

/// Something that we say ourselves, beside what the recorder saw.
#[derive(Debug)]
struct Notice {
    time: Time,
    line: Option<Line>,
    text: Option<String>,
}

/// The handle to the journal's thread.
#[derive(Debug)]
pub(crate) struct Journal {
    recorder: Recorder,
    /// Gone once the journal was told to end.
    notices: Option<mpsc::Sender<Notice>>,
    done: Mutex<mpsc::Receiver<()>>,
    unread: watch::Receiver<Option<Errno>>,
}

impl Journal {
    /// Starts to observe, unless the view is empty.
    pub(crate) fn start(recorder: &Recorder, ui: Ui, view: View) -> anyhow::Result<Self> {
        let (notices, inbox) = mpsc::channel();
        let (done_tx, done) = mpsc::sync_channel(1);
        let (unread_tx, unread) = watch::channel(None);
        let mut notices = Some(notices);
        if view.log || view.json.is_some() || view.trace.is_some() {
            let scribe = Scribe::new(recorder, ui, view, unread_tx)?;
            std::thread::Builder::new()
                .name("journal".into())
                .spawn(move || {
                    scribe.run(&inbox);
                    let _ = done_tx.send(());
                })?;
        } else {
            notices = None;
        }
        Ok(Self {
            recorder: recorder.clone(),
            notices,
            done: Mutex::new(done),
            unread,
        })
    }

    /// Adds what the recorder cannot know: a JSON line, a log line, or both.
    pub(crate) fn say(&self, event: &str, fields: impl FnOnce(&mut Line), text: Option<String>) {
        let Some(notices) = &self.notices else { return };
        let time = self.recorder.now();
        let mut line = Line::new(time, event);
        fields(&mut line);
        // The journal's thread ends only after this handle.
        let _ = notices.send(Notice {
            time,
            line: Some(line),
            text,
        });
    }

    /// Adds text that only people read.
    pub(crate) fn tell(&self, text: String) {
        if let Some(notices) = &self.notices {
            let notice = Notice {
                time: self.recorder.now(),
                line: None,
                text: Some(text),
            };
            let _ = notices.send(notice);
        }
    }

    /// Adds why the run fails, as its last line.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let exit = exit::of(error);
        if exit == Exit::Done {
            return;
        }
        let fields = |line: &mut Line| {
            line.put("error", &format!("{error:#}"))
                .number("exit", exit.code().into());
        };
        self.say("error", fields, None);
    }

    /// Waits until our JSON Lines find no reader or no room any more; for ever if they always do.
    pub(crate) async fn unread(&self) -> anyhow::Error {
        let mut unread = self.unread.clone();
        let why = unread.wait_for(Option::is_some).await.map(|why| *why);
        match why.ok().flatten() {
            Some(why) => exit::unwritten("events", why),
            None => std::future::pending().await,
        }
    }

    /// Writes what is left and ends. A reader that is too slow for that loses the rest.
    ///
    /// # Errors
    /// When events found no room. That nobody reads them any more is no failure.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        if self.notices.take().is_some() {
            let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = done.recv_timeout(FAREWELL);
        }
        let why = self
            .unread
            .borrow()
            .map(|why| exit::unwritten("events", why));
        why.map_or(Ok(()), exit::unless_closed)
    }
}

/// What the journal's thread works with.
struct Scribe {
    recorder: Recorder,
    observer: Observer,
    names: Names,
    view: View,
    log: Option<(Log, Sink)>,
    json: Option<Sink>,
    trace: Option<TraceFile>,
    ui: Ui,
    lang: Lang,
    /// Notices that wait for events that happened before them.
    held: VecDeque<Notice>,
    unread: watch::Sender<Option<Errno>>,
}

impl Scribe {
    fn new(
        recorder: &Recorder,
        ui: Ui,
        mut view: View,
        unread: watch::Sender<Option<Errno>>,
    ) -> anyhow::Result<Self> {
        let json = view.json.take().map(Sink::open).transpose()?;
        let log = view.log.then(|| (Log::new(ui, &view), Sink::stderr()));
        let kept = view.trace.as_ref().map(|plan| plan.payload_cap);
        let trace = view.trace.take();
        let trace = trace.map(|plan| TraceFile::open(plan, recorder));
        let trace = trace.transpose()?;
        let observer = if view.show || trace.is_some() {
            recorder.observe()
        } else {
            recorder.observe_life()
        };
        let shown = if view.show { SHOWN } else { 0 };
        recorder.set_payload_cap(kept.unwrap_or(SHOWN).max(shown));
        Ok(Self {
            recorder: recorder.clone(),
            observer,
            names: Names::default(),
            view,
            log,
            json,
            trace,
            ui,
            lang: ui.lang,
            held: VecDeque::new(),
            unread,
        })
    }

    fn run(mut self, inbox: &mpsc::Receiver<Notice>) {
        let mut pause = BUSY;
        loop {
            let over = match inbox.recv_timeout(pause) {
                Ok(notice) => {
                    self.held.push_back(notice);
                    self.held.extend(inbox.try_iter());
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            let busy = self.turn(inbox, over);
            pause = if busy { BUSY } else { (pause * 2).min(IDLE) };
            if over {
                break;
            }
        }
    }

    /// Draws what has happened, and says whether anything had.
    fn turn(&mut self, inbox: &mpsc::Receiver<Notice>, over: bool) -> bool {
        let settled = self.recorder.now() - SETTLES;
        let mut events = vec![];
        let each = |event: &_, payload: &[u8]| events.push((*event, payload.to_vec()));
        if over {
            self.observer.drain_all(each);
        } else {
            self.observer.drain(each);
        }
        // What was said before an event was recorded is in the inbox by now.
        self.held.extend(inbox.try_iter());
        let lost = self.observer.take_dropped();
        self.trace(&events, lost, over);
        for (event, payload) in &events {
            if event.kind().is_call() && !self.view.show {
                // Only the session wanted it.
                continue;
            }
            let payload = &payload[..payload.len().min(kept(event))];
            self.notices_until(event.time);
            self.names.learn(event, payload);
            if let Some(json) = &mut self.json {
                let line = line::of_event(event, payload, &self.names, self.view.encoding);
                json.put(&line.finish());
            }
            if let Some((log, sink)) = &mut self.log
                && let Some(text) = log.event(event, payload, &self.names)
            {
                sink.put(&text);
            }
            self.names.forget(event);
            if self.held_bytes() >= BATCH {
                self.write();
            }
        }
        self.notices_until(if over {
            Time::from_nanos(u64::MAX)
        } else {
            settled
        });
        if lost > 0 {
            self.lost(lost);
        }
        self.write() || !self.held.is_empty()
    }

    /// Writes the session on. One that cannot be written is given up, and that is said.
    fn trace(&mut self, events: &[(Event, Vec<u8>)], lost: u64, over: bool) {
        let Some(trace) = &mut self.trace else { return };
        let now = self.recorder.now();
        if let Err(error) = trace.turn(events, now, lost, over) {
            self.ui.error(&error);
            self.trace = None;
        }
    }

    fn notices_until(&mut self, time: Time) {
        while self.held.front().is_some_and(|notice| notice.time <= time) {
            let Some(notice) = self.held.pop_front() else {
                break;
            };
            self.notice(&notice);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let (Some(json), Some(line)) = (&mut self.json, &notice.line) {
            json.put(&line.finish());
        }
        if let (Some((log, sink)), Some(text)) = (&mut self.log, &notice.text) {
            sink.put(&log.notice(notice.time, text, notice.line.is_none()));
        }
    }

    fn lost(&mut self, events: u64) {
        let time = self.recorder.now();
        let mut line = Line::new(time, "lost");
        line.number("events", events);
        let text = catalogue::LOST.fill(self.lang, &[("count", &events)]);
        self.notice(&Notice {
            time,
            line: Some(line),
            text: Some(text),
        });
    }

    fn held_bytes(&self) -> usize {
        self.json.as_ref().map_or(0, Sink::len) + self.log.as_ref().map_or(0, |(_, s)| s.len())
    }

    /// Writes what was drawn, and says whether there was anything.
    fn write(&mut self) -> bool {
        let any = self.held_bytes() > 0;
        if let Some(sink) = &mut self.json
            && let Err(error) = sink.write()
        {
            // Whoever asked for the events has gone: the verb ends, as the end of a pipeline does.
            self.json = None;
            let _ = self.unread.send(Some(Errno::of(&error)));
        }
        if self
            .log
            .as_mut()
            .is_some_and(|(_, sink)| sink.write().is_err())
        {
            self.log = None;
        }
        any
    }
}

/// How many bytes of an event's payload the log and the lines show.
fn kept(event: &Event) -> usize {
    if event.kind().is_data() {
        SHOWN
    } else {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sockeye_trace::{Closing, ConnId, Kind};

    use super::*;

    fn view(file: &Path, show: bool) -> View {
        View {
            log: false,
            json: Some(Target::File(file.to_owned())),
            show,
            ansi: false,
            verbose: false,
            encoding: encoding_rs::UTF_8,
            trace: None,
        }
    }

    /// The lines of a run, without their times.
    fn lines(show: bool, act: impl FnOnce(&Recorder, &Journal)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events");
        let recorder = Recorder::new();
        let ui = Ui::plain(Lang::En);
        let journal = Journal::start(&recorder, ui, view(&file, show)).unwrap();
        act(&recorder, &journal);
        journal.finish().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let line = |line: &str| {
            let (before, rest) = line.split_once(",\"t\":\"").unwrap();
            let (time, after) = rest.split_once('"').unwrap();
            assert_eq!(time.len(), "2026-11-21T10:00:00.000000042Z".len(), "{time}");
            format!("{before}{after}\n")
        };
        text.lines().map(line).collect()
    }

    fn act(recorder: &Recorder, journal: &Journal) {
        journal.say(
            "listening",
            |line| {
                line.put("endpoint", "tcp://127.0.0.1:7007");
            },
            None,
        );
        let conn = recorder.next_conn();
        let event = |kind| Event::new(kind, conn, recorder.now());
        recorder.record(
            event(Kind::Accepted),
            b"tcp://127.0.0.1:9\ntcp://127.0.0.1:7007",
        );
        recorder.record(event(Kind::Read).with_result(5).with_asked(1024), b"hello");
        recorder.record(event(Kind::Write).with_result(2).with_asked(5), b"he");
        recorder.record(event(Kind::Read).with_offset(5).with_result(-104), b"");
        let reason = "reset by the \u{1b}peer".to_owned();
        let closing = Closing {
            read_bytes: 5,
            reason,
            ..Closing::default()
        };
        recorder.record(event(Kind::Closed), &closing.to_payload());
        let (bad, fault) = (recorder.next_conn(), "frame at byte 0 is broken");
        let event = |kind| Event::new(kind, bad, recorder.now());
        recorder.record(
            event(Kind::Accepted),
            b"tcp://127.0.0.1:8\ntcp://127.0.0.1:7007",
        );
        recorder.record(event(Kind::BadFrame), fault.as_bytes());
        let closing = Closing {
            reason: fault.to_owned(),
            ..Closing::default()
        };
        recorder.record(event(Kind::Closed), &closing.to_payload());
        let paused = Event::new(Kind::AcceptPaused, ConnId::default(), recorder.now());
        recorder.record(paused.with_result(-24), b"");
    }

    #[test]
    fn events_and_notices_come_in_the_order_of_time() {
        insta::assert_snapshot!(lines(true, act));
    }

    #[test]
    fn calls_are_left_out_unless_they_are_asked_for() {
        let lines = lines(false, act);
        assert!(
            !lines.contains("\"read\"") && lines.contains("\"accepted\""),
            "{lines}"
        );
    }

    #[test]
    fn a_line_of_the_log_has_time_and_peer() {
        for lang in [Lang::En, Lang::Zh] {
            let recorder = Recorder::new();
            let mut observer = recorder.observe();
            act(&recorder, &deaf(&recorder));
            let ui = Ui::plain(lang);
            let mut log = Log::new(ui, &view(Path::new("unused"), true));
            let (mut names, mut text) = (Names::default(), String::new());
            observer.drain_all(|event, payload| {
                names.learn(event, payload);
                let line = log.event(event, payload, &names).unwrap();
                let (time, rest) = line.split_at("2026-11-21 10:00:00.000".len());
                assert!(time.starts_with("20") && time.contains('.'), "{line}");
                text.push_str(rest);
                names.forget(event);
            });
            insta::assert_snapshot!(format!("log_{lang:?}"), text);
        }
    }

    /// A journal that keeps nothing.
    fn deaf(recorder: &Recorder) -> Journal {
        let ((_, done), (_, unread)) = (mpsc::channel(), watch::channel(None));
        Journal {
            recorder: recorder.clone(),
            notices: None,
            done: Mutex::new(done),
            unread,
        }
    }
}
