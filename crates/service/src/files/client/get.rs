//! `get`: files and folders come over one connection. One thread looks at what is here already and
//! asks, this task reads, and another thread writes what has come.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as sync;
use std::time::Duration;

use sockeye_net::{Errno, Link};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{Failure, TransferError};
use super::list::{Checked, MAX_ENTRIES, check};
use super::outbox::outbox;
use super::place::{Begin, Keeper, Work};
use super::progress::{OnNote, Progress};
use super::put::{broken, ends_all, refused, spawn, while_moving, write};
use super::stop::Stop;
use super::target::{Target, place};
use super::want::{Asked, Asker, Shared, Want, Wanted, wanted};
use crate::files::message::{Answer, Code, Content, Entry, EntryKind, MAX_BODY};
use crate::files::{Algorithm, Attributes, Batch, FileName, Part};
use crate::link_stream::{LinkReader, as_stream};
use crate::wire::WireReader;

/// Buffers between the socket and the disk.
const BUFFERS: usize = 8;

/// Work that may wait for the thread that writes: small files need no whole buffer's time each.
const WAITING: usize = 64;

/// How long the end may take when what was asked for is on disk already.
const FAREWELL: Duration = Duration::from_secs(2);

/// How files are got.
#[derive(Clone, Debug)]
pub struct GetOptions {
    /// By what is checked what came.
    pub digest: Algorithm,
    /// Replace files that are here.
    pub overwrite: bool,
    /// Keep permissions and times.
    pub archive: bool,
    /// Where they go to.
    pub target: Target,
    /// How long nothing may move.
    pub patience: Duration,
}

/// Gets files and folders over a link to a server of files.
///
/// What becomes of each file is told to `note`; a file that fails keeps none of the others from
/// coming. Nothing is written but what was asked for, and nothing above the target.
///
/// # Errors
/// What ends the transfer as a whole. Files that were complete by then are here.
pub async fn get(
    link: Link,
    names: &[FileName],
    options: GetOptions,
    progress: Arc<Progress>,
    note: OnNote,
    stop: &Stop,
) -> Result<(), TransferError> {
    let (place, rename) = place(&options.target)?;
    let first = wanted(names, rename.as_ref())?;
    let (reader, writer) = as_stream(link).map_err(TransferError::Link)?;
    let shared = Arc::new(Shared::new());
    let (wants, wants_out) = sync::channel();
    let (work_in, work) = mpsc::channel(WAITING);
    let (empty_in, empty) = mpsc::channel(BUFFERS);
    let (done_in, done) = oneshot::channel();
    let (outbox, drain) = outbox();
    let patience = options.patience;
    let cannot = |why: io::Error| TransferError::Local {
        what: "the target cannot be used".into(),
        why: Errno::of(&why),
    };
    let keeper = Keeper {
        place: place.try_clone().map_err(cannot)?,
        algorithm: options.digest,
        overwrite: options.overwrite,
        archive: options.archive,
        work,
        empty: empty_in,
        progress: progress.clone(),
        shared: shared.clone(),
        note: note.clone(),
        batch: Batch::default(),
        names: vec![],
    };
    let runtime = Handle::current();
    spawn("store", move || keeper.run(&runtime, done_in))?;
    let asker = Asker {
        outbox,
        wants: wants_out,
        shared: shared.clone(),
        options: options.clone(),
        place,
        note: note.clone(),
    };
    spawn("ask", move || asker.run())?;
    let storing = work_in.clone();
    let mut taker = Taker {
        reader: WireReader::new(reader),
        shared: &shared,
        progress: &progress,
        note: &note,
        options: &options,
        wants,
        work: work_in,
        empty,
        unmade: BUFFERS,
        folders: vec![],
        listed: 0,
    };
    let exchange = async {
        let mut writing = pin!(write(writer, drain, &progress, &shared.window));
        let mut reading = pin!(taker.run(first));
        tokio::select! {
            biased;
            read = &mut reading => read,
            wrote = &mut writing => match wrote {
                Ok(_writer) => reading.await,
                Err(why) => match timeout(FAREWELL, reading).await {
                    Ok(Err(said @ TransferError::Refused { .. })) => Err(said),
                    _ => Err(TransferError::Link(why)),
                },
            },
        }
    };
    // What is on the way need not arrive: what has come is kept. And when what comes cannot be
    // stored any more, there is nothing to wait for; why, the thread says.
    let stopped = async move {
        tokio::select! {
            biased;
            () = stop.asked() => Err(TransferError::Stopped),
            () = storing.closed() => Err(TransferError::Stopped),
            done = exchange => done,
        }
    };
    let read = while_moving(stopped, &progress, patience, || false).await;
    // With the sender of work gone the thread ends: what has come is kept or stored first.
    drop(taker);
    shared.stop.store(true, Ordering::Relaxed);
    shared.window.close();
    let stored = done.await.unwrap_or(Ok(()));
    stored.and(read)
}

/// What reads answers and hands them on.
struct Taker<'a> {
    reader: WireReader<LinkReader>,
    shared: &'a Shared,
    progress: &'a Progress,
    note: &'a OnNote,
    options: &'a GetOptions,
    wants: sync::Sender<Want>,
    work: mpsc::Sender<Work>,
    empty: mpsc::Receiver<Vec<u8>>,
    /// Buffers that have not been made yet.
    unmade: usize,
    /// The folders that were listed, with what they shall be in the end.
    folders: Vec<(FileName, Attributes)>,
    /// Names that servers have listed so far.
    listed: usize,
}

/// The thread that stores has ended; why, it tells itself.
fn full<T>(_: T) -> TransferError {
    TransferError::Stopped
}

impl Taker<'_> {
    async fn run(&mut self, first: Vec<Wanted>) -> Result<(), TransferError> {
        let result = self.all(first).await;
        if result.is_err() {
            self.shared.window.close();
        }
        result
    }

    async fn all(&mut self, first: Vec<Wanted>) -> Result<(), TransferError> {
        self.shared.expect_names(first.len());
        // So that it is not over before it has begun.
        self.shared.open();
        for wanted in first {
            self.want(Want::File(wanted));
        }
        self.shared.done();
        while !self.shared.is_done() {
            let answer = tokio::select! {
                biased;
                header = self.reader.next() => match header.map_err(broken)? {
                    Some(header) => header.parse::<Answer>()?,
                    None => return Err(TransferError::Ended),
                },
                () = self.shared.all_done() => break,
            };
            self.take(answer).await?;
            self.progress.read(self.reader.offset());
        }
        // A folder's time changes with what is put into it: the innermost come first.
        while let Some((name, attributes)) = self.folders.pop() {
            self.send(Work::Folder(name, attributes)).await?;
        }
        Ok(())
    }

    fn want(&self, want: Want) {
        self.shared.open();
        // The thread that asks ends after us.
        let _ = self.wants.send(want);
    }

    async fn take(&mut self, answer: Answer) -> Result<(), TransferError> {
        if let Answer::Error(refusal) = &answer
            && ends_all(refusal.code)
        {
            return Err(refused(refusal));
        }
        match (self.shared.window.answered(), answer) {
            (Some(Asked::File(wanted, part)), Answer::File(content)) => {
                self.file(wanted, part, content).await
            }
            (Some(Asked::File(wanted, _)), Answer::Error(refusal))
                if refusal.code == Code::NotAFile && self.takes_folders() =>
            {
                self.want(Want::Folder(wanted));
                self.shared.done();
                Ok(())
            }
            (Some(Asked::File(wanted, _) | Asked::Folder(wanted)), Answer::Error(refusal)) => {
                let error = Failure::Refused {
                    code: refusal.code,
                    message: refusal.message,
                };
                (self.note)(super::Note::Failed {
                    name: wanted.name.to_string(),
                    error,
                });
                if wanted.bytes.is_none() {
                    self.measured();
                }
                self.shared.done();
                Ok(())
            }
            (Some(Asked::Folder(wanted)), Answer::Entry(entry)) => {
                self.folder(&wanted, Some(entry)).await
            }
            (Some(Asked::Folder(wanted)), Answer::ListEnd(_)) => {
                self.list_end(&wanted);
                Ok(())
            }
            (asked, answer) => Err(TransferError::Unasked(unasked(asked.as_ref(), &answer))),
        }
    }

    /// How much one of the names has is known: when all are, somebody may say when it will be done.
    fn measured(&self) {
        self.shared.measured();
        if self.shared.is_measured() {
            self.progress.settle();
        }
    }

    fn takes_folders(&self) -> bool {
        matches!(self.options.target, Target::Folder(_))
    }

    /// All of one file.
    async fn file(
        &mut self,
        wanted: Wanted,
        part: Option<Part>,
        content: Content,
    ) -> Result<(), TransferError> {
        let asked = part.as_ref().map_or(0, Part::bytes);
        if content.file_name != wanted.name.as_str() {
            let what = format!("{:?} instead of {}", content.file_name, wanted.name);
            return Err(TransferError::Unasked(what));
        }
        if ![0, asked].contains(&content.offset) || content.offset > content.bytes {
            let what = format!("{} from byte {} on", wanted.name, content.offset);
            return Err(TransferError::Unasked(what));
        }
        if wanted.bytes.is_none() {
            self.progress.expect(content.bytes);
            self.measured();
        }
        let (more, sum) = (content.more, content.sum);
        let mut left = content.bytes - content.offset;
        let begin = Work::Begin(Box::new(Begin {
            wanted,
            part,
            content,
        }));
        self.send(begin).await?;
        self.body(&mut left).await?;
        if !more {
            return self.send(Work::End(sum.0)).await;
        }
        loop {
            let header = self.reader.next().await.map_err(broken)?;
            let answer: Answer = header.ok_or(TransferError::Ended)?.parse()?;
            match answer {
                Answer::Data => self.body(&mut left).await?,
                Answer::End(end) => return self.send(Work::End(end.sum.0)).await,
                Answer::Abort(abort) => {
                    let failure = Failure::Refused {
                        code: abort.code.unwrap_or_default(),
                        message: abort
                            .message
                            .unwrap_or_else(|| "the rest does not come".into()),
                    };
                    return self.send(Work::Cut(failure)).await;
                }
                other => return Err(TransferError::Unasked(unasked(None, &other))),
            }
        }
    }

    /// The body of a frame, of which `left` bytes are content at most.
    async fn body(&mut self, left: &mut u64) -> Result<(), TransferError> {
        if self.reader.left() > *left {
            let what = format!(
                "{} bytes more than were announced",
                self.reader.left() - *left
            );
            return Err(TransferError::Unasked(what));
        }
        while self.reader.left() > 0 {
            let mut buffer = self.buffer().await?;
            let mut filled = 0;
            while filled < buffer.len() {
                let got = self
                    .reader
                    .read_body(&mut buffer[filled..])
                    .await
                    .map_err(broken)?;
                if got == 0 {
                    break;
                }
                filled += got;
                self.progress.carry(got as u64);
            }
            *left -= filled as u64;
            self.send(Work::More(buffer, filled)).await?;
        }
        Ok(())
    }

    async fn buffer(&mut self) -> Result<Vec<u8>, TransferError> {
        if let Ok(buffer) = self.empty.try_recv() {
            return Ok(buffer);
        }
        if self.unmade > 0 {
            self.unmade -= 1;
            return Ok(vec![0; MAX_BODY]);
        }
        self.empty.recv().await.ok_or(TransferError::Stopped)
    }

    async fn send(&mut self, work: Work) -> Result<(), TransferError> {
        self.work.send(work).await.map_err(full)
    }

    /// All that is in a folder: `first` has been read already.
    async fn folder(&mut self, folder: &Wanted, first: Option<Entry>) -> Result<(), TransferError> {
        let mut next = first;
        loop {
            if let Some(entry) = next.take() {
                self.entry(folder, &entry)?;
            }
            let header = self.reader.next().await.map_err(broken)?;
            self.progress.beat();
            match header.ok_or(TransferError::Ended)?.parse()? {
                Answer::Entry(entry) => next = Some(entry),
                Answer::ListEnd(_) => {
                    self.list_end(folder);
                    return Ok(());
                }
                Answer::Error(refusal) => return Err(refused(&refusal)),
                other => return Err(TransferError::Unasked(unasked(None, &other))),
            }
        }
    }

    fn list_end(&mut self, folder: &Wanted) {
        // It may be empty, and shall be here all the same.
        if !folder.here.is_root() {
            self.folders
                .insert(0, (folder.here.clone(), Attributes::default()));
        }
        self.measured();
        self.shared.done();
    }

    fn entry(&mut self, folder: &Wanted, entry: &Entry) -> Result<(), TransferError> {
        self.listed += 1;
        if self.listed > MAX_ENTRIES {
            return Err(TransferError::TooMany { limit: MAX_ENTRIES });
        }
        let Checked { name, rest } = check(&folder.name, &entry.file_name)?;
        let here = rest
            .parts()
            .try_fold(folder.here.clone(), |here, part| here.join(part));
        let here = here.map_err(|why| TransferError::Name {
            name: entry.file_name.clone(),
            why,
        })?;
        match entry.kind {
            EntryKind::File => {
                self.progress.expect(entry.bytes);
                self.want(Want::File(Wanted {
                    name,
                    here,
                    bytes: Some(entry.bytes),
                }));
            }
            EntryKind::Directory => {
                let archive = self.options.archive;
                let attributes = Attributes {
                    mode: archive.then_some(entry.mode),
                    mtime_ns: archive.then_some(entry.mtime_ns),
                    overwrite: false,
                };
                self.folders.push((here, attributes));
            }
        }
        Ok(())
    }
}

fn unasked(asked: Option<&Asked>, answer: &Answer) -> String {
    let answer = match answer {
        Answer::Stored(stored) => format!("stored {:?}", stored.file_name),
        Answer::Part(part) => format!("a part of {:?}", part.file_name),
        Answer::File(content) => format!("the file {:?}", content.file_name),
        Answer::Data | Answer::End(_) | Answer::Abort(_) => "content of no file".to_owned(),
        Answer::Entry(entry) => format!("the entry {:?}", entry.file_name),
        Answer::ListEnd(_) => "the end of a listing".to_owned(),
        Answer::Error(refusal) => format!("an error ({})", refusal.message),
    };
    match asked {
        None => answer,
        Some(Asked::File(wanted, _)) => format!("{answer}, asked for was {}", wanted.name),
        Some(Asked::Folder(wanted)) => {
            format!("{answer}, asked for was what is in {}", wanted.name)
        }
    }
}
