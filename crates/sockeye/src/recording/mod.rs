//! A recording: another process, started from this program, traces and tells facts through a pipe.
//!
//! Here is the half of it that draws: the facts as they come, and the other process's end. `facts` is
//! the other half's way out, `conduct` its order of programs, `letter` what goes there, `voices` what
//! programs say meanwhile.

mod conduct;
mod facts;
mod letter;
mod voices;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use sockeye_trace::{
    ConnId, Event, Fact, FileError, Gap, Head, Kind, Reader, Session, Time, Writer,
};
use tokio::sync::mpsc::Sender;

use crate::exit::{Exit, usage};
pub(crate) use conduct::{GRACE, Patience, Planned, SERVER, conduct, programs, unwatched};
pub(crate) use facts::{Facts, now};
use letter::send;
pub(crate) use letter::{Order, receive};
pub(crate) use voices::Voice;

/// What is read from the pipe at once.
const BUFFER: usize = 256 << 10;
/// How much of its last words is shown.
const WORDS_LIMIT: u64 = 4096;
/// How long facts may wait on their way to the file.
const FILE_DELAY: Duration = Duration::from_secs(1);

/// What happens while programs are watched.
#[derive(Debug)]
pub(crate) enum News {
    /// There are facts to be taken from the inbox.
    Facts,
    /// A program, by its place in the plan, said a line.
    Said(usize, Vec<u8>),
    /// The process that traces is gone.
    Ended(Ending),
}

/// How the process that traces ended.
#[derive(Debug)]
pub(crate) struct Ending {
    status: io::Result<ExitStatus>,
    words: String,
    /// Why its facts could not be read to the end.
    damage: Option<FileError>,
    /// Why the file could not be written.
    unsaved: Option<io::Error>,
}

/// A running recording. Dropping it ends what it started.
#[derive(Debug)]
pub(crate) struct Recording {
    orders: UnixStream,
    inbox: Arc<Inbox>,
}

/// What a session may hold in memory; what comes after that is in the file only, if there is one.
const MEMORY: usize = 1 << 30;
/// What a fact takes beside its text and data.
const FACT: usize = 80;

/// Facts that came and were not taken yet.
#[derive(Debug, Default)]
struct Inbox {
    facts: Mutex<Session>,
    head: Mutex<Option<Head>>,
}

impl Recording {
    /// Starts the process that traces, under its `word`. `saved` gets all facts as they come.
    ///
    /// The calling thread has to live as long as the recording: its end is the other process's.
    pub(crate) fn start(
        word: &str,
        plan: &impl Serialize,
        streams: Vec<OwnedFd>,
        saved: Option<File>,
        news: Sender<News>,
    ) -> anyhow::Result<Self> {
        let (orders, theirs) = UnixStream::pair()?;
        let mut child = Command::new("/proc/self/exe")
            .arg0("sockeye")
            .arg(word)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| usage!("cannot start the process that traces: {why}"))?;
        send(&orders, plan, &streams)?;
        drop(streams);
        let inbox = Arc::new(Inbox::default());
        let facts = child.stdout.take().map(|pipe| {
            let (inbox, news) = (Arc::clone(&inbox), news.clone());
            thread::spawn(move || inbox.fill(pipe, saved, &news))
        });
        let words = child
            .stderr
            .take()
            .map(|pipe| thread::spawn(|| read_words(pipe)));
        thread::spawn(move || {
            // Nobody may be left to hear it.
            let _ = news.blocking_send(News::Ended(Ending::of(child, facts, words)));
        });
        Ok(Self { orders, inbox })
    }

    /// Asks for the end; asked again, does not wait for it.
    pub(crate) fn stop(&self) {
        Order::Stop.give(&self.orders);
    }

    /// Adds what came to the session, in order, and gives each fact to `note`.
    pub(crate) fn take(&self, session: &mut Session, mut note: impl FnMut(&Fact<'_>)) {
        if let Some(head) = lock(&self.inbox.head).take() {
            *session.head_mut() = head;
        }
        let came = std::mem::take(&mut *lock(&self.inbox.facts));
        for (_, fact) in came.facts() {
            session.push(&fact);
            note(&fact);
        }
        session.sort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the facts ended that a pipe brought.
type Filled = (Option<FileError>, Option<io::Error>);

impl Inbox {
    /// Takes facts from the pipe until its end.
    fn fill(&self, pipe: impl io::Read, saved: Option<File>, news: &Sender<News>) -> Filled {
        let reader = Reader::new(BufReader::with_capacity(BUFFER, pipe));
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(why) => return (Some(why), None),
        };
        *lock(&self.head) = Some(reader.head().clone());
        let (mut copy, mut unsaved) = match saved.map(|file| Copy::new(file, reader.head())) {
            None => (None, None),
            Some(Ok(copy)) => (Some(copy), None),
            Some(Err(why)) => (None, Some(why)),
        };
        let mut room = Room::new(MEMORY);
        let damage = loop {
            let fact = match reader.next_fact() {
                Ok(Some(fact)) => fact,
                Ok(None) => break None,
                Err(why) => break Some(why),
            };
            if let Some(Err(why)) = copy.as_mut().map(|copy| copy.write(&fact)) {
                (copy, unsaved) = (None, Some(why));
            }
            if self.keep(&fact, &mut room) {
                // A full channel has news to be looked at anyway.
                let _ = news.try_send(News::Facts);
            }
        };
        if let Some(gap) = room.gap() {
            let text = serde_json::to_string(&gap).unwrap_or_default();
            let mut fact = Fact::new(Event::new(Kind::Gap, ConnId::default(), room.last));
            fact.text = &text;
            lock(&self.facts).push(&fact);
        }
        if let Some(Err(why)) = copy.map(Copy::finish) {
            unsaved = Some(why);
        }
        (damage, unsaved)
    }

    /// Adds a fact while there is room. Says whether it is the first that waits.
    fn keep(&self, fact: &Fact<'_>, room: &mut Room) -> bool {
        if !room.takes(fact) {
            return false;
        }
        let mut facts = lock(&self.facts);
        facts.push(fact);
        facts.len() == 1
    }
}

/// What is left of the memory that a session may take.
#[derive(Debug)]
struct Room {
    bytes: usize,
    /// Facts that it was too small for.
    lost: u64,
    /// When the last of them happened.
    last: Time,
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            lost: 0,
            last: Time::default(),
        }
    }

    /// Whether it fits. What describes things always does: it is little, and says what the rest means.
    fn takes(&mut self, fact: &Fact<'_>) -> bool {
        let size = FACT + fact.text.len() + fact.data.len();
        if self.lost == 0 && size <= self.bytes {
            self.bytes -= size;
            return true;
        }
        if matches!(
            fact.kind(),
            Kind::Side | Kind::Process | Kind::Interface | Kind::Gap | Kind::Cost
        ) {
            return true;
        }
        self.lost += 1;
        self.last = fact.event.time;
        false
    }

    fn gap(&self) -> Option<Gap> {
        (self.lost > 0).then(|| Gap {
            what: "lost-events".into(),
            count: self.lost,
            detail:
                "the session is larger than the memory it may take; --trace FILE keeps all of it"
                    .into(),
            ..Gap::default()
        })
    }
}

/// The session's file while it grows.
struct Copy {
    writer: Writer<BufWriter<File>>,
    flushed: Instant,
}

impl Copy {
    fn new(file: File, head: &Head) -> io::Result<Self> {
        let mut writer = Writer::new(BufWriter::new(file), head)?;
        writer.flush()?;
        Ok(Self {
            writer,
            flushed: Instant::now(),
        })
    }

    fn write(&mut self, fact: &Fact<'_>) -> io::Result<()> {
        self.writer.write(fact)?;
        if self.flushed.elapsed() > FILE_DELAY {
            self.writer.flush()?;
            self.flushed = Instant::now();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Its last words, cut where they become many.
fn read_words(pipe: ChildStderr) -> String {
    let mut words = vec![];
    let mut pipe = pipe;
    // What cannot be read any more was not said.
    let _ = pipe.by_ref().take(WORDS_LIMIT).read_to_end(&mut words);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&words).trim().to_owned()
}

impl Ending {
    fn of(
        mut child: Child,
        facts: Option<JoinHandle<Filled>>,
        words: Option<JoinHandle<String>>,
    ) -> Self {
        let status = child.wait();
        // The pipes end when the last of its processes does.
        let filled = facts.and_then(|thread| thread.join().ok());
        let (damage, unsaved) = filled.unwrap_or_default();
        let words = words.and_then(|thread| thread.join().ok());
        Self {
            status,
            words: words.unwrap_or_default(),
            damage,
            unsaved,
        }
    }

    /// Whether it told all that it saw; else why not, as the error that ends the run.
    pub(crate) fn check(self) -> anyhow::Result<()> {
        let status = self
            .status
            .map_err(|why| usage!("the process that traces is gone: {why}"))?;
        match (status.code(), status.signal()) {
            (Some(0), _) => {}
            (Some(code), _) if code == i32::from(Exit::Usage.code()) => {
                return Err(usage!("{}", self.words));
            }
            (Some(_), _) if !self.words.is_empty() => anyhow::bail!("{}", self.words),
            _ => anyhow::bail!(
                "the process that traces ended early ({status}); what it saw until then is drawn"
            ),
        }
        if let Some(why) = self.damage {
            return Err(
                anyhow::Error::new(why).context("what the process that traces told is damaged")
            );
        }
        match self.unsaved {
            Some(why) => Err(usage!("cannot write the session: {why}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_beyond_its_memory_counts_what_it_lost_and_keeps_what_explains() {
        let mut room = Room::new(3 * FACT + 5);
        let fact = |kind| Fact::new(Event::new(kind, ConnId::default(), Time::from_nanos(7)));
        let mut large = fact(Kind::Read);
        large.data = b"12345";
        assert!(room.takes(&large) && room.takes(&fact(Kind::Read)));
        assert!(room.gap().is_none());
        assert!(room.takes(&fact(Kind::Read)) && !room.takes(&fact(Kind::Read)));
        assert!(room.takes(&fact(Kind::Side)) && !room.takes(&large));
        let gap = room.gap().unwrap();
        assert_eq!((gap.what.as_str(), gap.count), ("lost-events", 2));
        assert_eq!(room.last, Time::from_nanos(7));
    }
}
