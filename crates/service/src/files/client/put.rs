//! `put`: everything that was named goes over one connection. A thread reads and hashes while this
//! task writes, and answers are read as they come.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sockeye_net::Link;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{interval, timeout};

use super::error::{Failure, TransferError};
use super::outbox::{Drain, outbox};
use super::progress::{Note, OnNote, Progress};
use super::send::{Asked, Sender, Shared};
use super::source::{Item, Source, Walk};
use super::stop::Stop;
use super::window::Window;
use crate::files::message::{Answer, Code, Part, Refusal};
use crate::files::{Algorithm, FileName};
use crate::link_stream::{LinkReader, LinkWriter, as_stream};
use crate::wire::{WireError, WireReader};

/// How long the end of a transfer that was stopped may take: what is on the way still arrives.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked at whether anything moves.
const PULSE: Duration = Duration::from_millis(500);

/// How files are put.
#[derive(Clone, Debug)]
pub struct PutOptions {
    /// By what the server checks what came.
    pub digest: Algorithm,
    /// Replace files that are there.
    pub overwrite: bool,
    /// Keep permissions and times.
    pub archive: bool,
    /// The folder on the server that everything goes to.
    pub to: FileName,
    /// What the one source is called there, instead of its own name.
    pub rename: Option<FileName>,
    /// Whether totals are worth looking at every file once more: somebody watches.
    pub measure: bool,
    /// How long nothing may move.
    pub patience: Duration,
}

/// Sends files and folders over a link to a server of files.
///
/// What becomes of each file is told to `note`; a file that fails keeps none of the others from
/// being sent. Blocking work is done by threads of its own.
///
/// # Errors
/// What ends the transfer as a whole. Files that were stored by then are.
pub async fn put(
    link: Link,
    sources: Vec<Source>,
    options: PutOptions,
    progress: Arc<Progress>,
    note: OnNote,
    stop: &Stop,
) -> Result<(), TransferError> {
    let (reader, writer) = as_stream(link).map_err(TransferError::Link)?;
    let shared = Arc::new(Shared {
        window: Window::new(),
        stop: AtomicBool::new(false),
        reads_input: AtomicBool::new(false),
    });
    if options.measure {
        let (sources, progress, shared) = (sources.clone(), progress.clone(), shared.clone());
        spawn("measure", move || measure(sources, &progress, &shared))?;
    }
    let walk = Walk::new(sources, options.to.clone(), options.rename.clone());
    let (outbox, drain) = outbox();
    let patience = options.patience;
    let sender = Sender {
        outbox,
        shared: shared.clone(),
        options,
        progress: progress.clone(),
        note: note.clone(),
        scratch: vec![],
    };
    spawn("put", move || sender.run(walk))?;
    let mut answers = Answers {
        reader: WireReader::new(reader),
        shared: &shared,
        progress: &progress,
        note: &note,
    };
    let work = exchange(writer, drain, &mut answers, &progress, &shared);
    let alive = || shared.reads_input.load(Ordering::Relaxed) && shared.window.is_empty();
    let done = until_stopped(work, stop, || shared.stop.store(true, Ordering::Relaxed));
    let done = while_moving(done, &progress, patience, alive).await;
    shared.stop.store(true, Ordering::Relaxed);
    shared.window.close();
    done
}

/// Starts a thread that nobody joins: it ends when the connection is over, or with the process.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), TransferError> {
    let started = thread::Builder::new().name(name.into()).spawn(work);
    started.map(drop).map_err(|why| TransferError::Local {
        what: "a thread cannot be started".into(),
        why: sockeye_net::Errno::of(&why),
    })
}

/// Counts what there is to send, for whoever wants to know when it will be done.
fn measure(sources: Vec<Source>, progress: &Progress, shared: &Shared) {
    for item in Walk::new(sources, FileName::root(), None) {
        match item {
            _ if shared.stop.load(Ordering::Relaxed) => return,
            Item::File(opened) => progress.expect(opened.facts.bytes),
            // Nobody knows how long that will be.
            Item::Stdin(_) => return,
            Item::Folder(_) | Item::Skipped(..) => {}
        }
    }
    progress.settle();
}

/// Both directions until everything was answered.
async fn exchange(
    writer: LinkWriter,
    drain: Drain,
    answers: &mut Answers<'_>,
    progress: &Progress,
    shared: &Shared,
) -> Result<(), TransferError> {
    let mut writing = pin!(write(writer, drain, progress, &shared.window));
    let mut reading = pin!(answers.run());
    tokio::select! {
        wrote = &mut writing => match wrote {
            Ok(_writer) => reading.await,
            // The server may have said why before it went: that is the better reason.
            Err(why) => match timeout(FAREWELL, reading).await {
                Ok(Err(said @ TransferError::Refused { .. })) => Err(said),
                _ => Err(TransferError::Link(why)),
            },
        },
        // The last answer is here; what is left to say is that there is nothing more.
        read = &mut reading => match read {
            Ok(()) => writing.await.map(drop).map_err(TransferError::Link),
            Err(why) => Err(why),
        },
    }
}

/// Writes pieces as they come, then says that no more will. The writer is handed back, so that it
/// stays open for as long as answers are awaited.
pub(super) async fn write<T>(
    mut writer: LinkWriter,
    mut drain: Drain,
    progress: &Progress,
    window: &Window<T>,
) -> io::Result<LinkWriter> {
    while let Some(piece) = drain.next().await {
        let mut rest = piece.bytes();
        while !rest.is_empty() {
            let count = writer.write(rest).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[count..];
            progress.wrote(count);
        }
        progress.carry(piece.content);
        drain.give_back(piece);
        // TLS gathers what is small.
        writer.flush().await?;
    }
    window.finished().await;
    writer.flush().await?;
    writer.shutdown().await?;
    Ok(writer)
}

/// Runs `work` until it is done or was stopped, and a little longer.
async fn until_stopped<T>(
    work: impl Future<Output = Result<T, TransferError>>,
    stop: &Stop,
    tell: impl FnOnce(),
) -> Result<T, TransferError> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = stop.asked() => {}
    }
    tell();
    // Whether what was on the way still arrives is told by nobody: it was stopped.
    match timeout(FAREWELL, work).await {
        Ok(Ok(done)) if !stop.is_asked() => Ok(done),
        _ => Err(TransferError::Stopped),
    }
}

/// Runs `work` for as long as something moves, or `excused` says why nothing does.
pub(super) async fn while_moving<T>(
    work: impl Future<Output = Result<T, TransferError>>,
    progress: &Progress,
    patience: Duration,
    excused: impl Fn() -> bool,
) -> Result<T, TransferError> {
    let mut work = pin!(work);
    let mut pulse = interval(PULSE.min(patience));
    let (mut beats, mut since) = (progress.beats(), tokio::time::Instant::now());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            now = pulse.tick() => {
                let current = progress.beats();
                if current != beats || excused() {
                    (beats, since) = (current, now);
                } else if now - since >= patience {
                    return Err(TransferError::Silent(patience));
                }
            }
        }
    }
}

/// What reads answers and knows what they are about.
struct Answers<'a> {
    reader: WireReader<LinkReader>,
    shared: &'a Shared,
    progress: &'a Progress,
    note: &'a OnNote,
}

impl Answers<'_> {
    async fn run(&mut self) -> Result<(), TransferError> {
        let result = self.all().await;
        if result.is_err() {
            // The thread that reads waits for answers that will not come.
            self.shared.window.close();
        }
        result
    }

    async fn all(&mut self) -> Result<(), TransferError> {
        while !self.shared.window.is_over() {
            let answer = tokio::select! {
                biased;
                header = self.reader.next() => match header.map_err(broken)? {
                    Some(header) => header.parse::<Answer>()?,
                    None if self.shared.window.is_over() => return Ok(()),
                    None => return Err(TransferError::Ended),
                },
                () = self.shared.window.finished(), if !self.shared.window.is_finished() => continue,
            };
            self.progress.read(self.reader.offset());
            self.take(answer)?;
        }
        Ok(())
    }

    fn take(&mut self, answer: Answer) -> Result<(), TransferError> {
        if let Answer::Error(refusal) = &answer
            && ends_all(refusal.code)
        {
            return Err(refused(refusal));
        }
        let asked = self.shared.window.answered();
        match (asked, answer) {
            (Some(Asked::Part(tell)), Answer::Part(part)) => {
                // The thread may have gone.
                let _ = tell.try_send(part);
            }
            (Some(Asked::Part(tell)), Answer::Error(_)) => {
                // What cannot be said of a part will be said of the file.
                let _ = tell.try_send(Part::default());
            }
            (Some(Asked::Put { name, bytes, .. }), Answer::Stored(stored))
                if stored.file_name == name.as_str() =>
            {
                self.progress.complete();
                (self.note)(Note::Done {
                    name: name.to_string(),
                    bytes: bytes.load(Ordering::Relaxed),
                    digest: stored.sum.0,
                });
            }
            (Some(Asked::Folder(_)), Answer::Stored(_)) => {}
            // What became of a file that was aborted was told when it was.
            (Some(Asked::Put { .. }), Answer::Error(refusal)) if refusal.code == Code::Aborted => {}
            (Some(Asked::Put { name, refused, .. }), Answer::Error(refusal)) => {
                refused.store(true, Ordering::Relaxed);
                // What we aborted ourselves was told when we did.
                if refusal.code != Code::Aborted {
                    self.fail(&name, refusal);
                }
            }
            (Some(Asked::Folder(name)), Answer::Error(refusal)) => self.fail(&name, refusal),
            (asked, answer) => {
                return Err(TransferError::Unasked(format!("{answer:?} for {asked:?}")));
            }
        }
        Ok(())
    }

    fn fail(&self, name: &FileName, refusal: Refusal) {
        let error = Failure::Refused {
            code: refusal.code,
            message: refusal.message,
        };
        (self.note)(Note::Failed {
            name: name.to_string(),
            error,
        });
    }
}

/// Whether after this error the server ends the connection.
pub(super) fn ends_all(code: Code) -> bool {
    matches!(code, Code::Denied | Code::BadRequest | Code::Ending)
}

pub(super) fn refused(refusal: &Refusal) -> TransferError {
    TransferError::Refused {
        code: refusal.code,
        message: refusal.message.clone(),
    }
}

/// A reader's error; that of the socket is the connection's.
pub(super) fn broken(error: WireError) -> TransferError {
    match error {
        WireError::Io(why) => TransferError::Link(why),
        error => TransferError::Wire(error),
    }
}
