//! Where what is got goes to, and the thread that puts it there.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Errno;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{Failure, TransferError};
use super::progress::{Note, OnNote, Progress};
use super::want::{Shared, Wanted};
use crate::files::message::{Code, Content};
use crate::files::{
    Algorithm, Attributes, Batch, Committed, Digest, FileError, FileName, Hasher, Part, Root,
};

/// Files that become durable together; each is an open descriptor until then.
const BATCH: usize = 256;

/// How long complete files wait for others to become durable with.
const LINGER: Duration = Duration::from_millis(20);

/// Where things go to.
#[derive(Debug)]
pub(super) enum Place {
    /// A folder, and what is below it.
    Below(Root),
    /// One open file, one after the other: a pipe, a terminal, a device.
    Open(File),
}

impl Place {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Below(root) => Ok(Self::Below(root.clone())),
            Self::Open(file) => file.try_clone().map(Self::Open),
        }
    }
}

/// What the thread is told, in the order of the wire.
#[derive(Debug)]
pub(super) enum Work {
    /// A file begins.
    Begin(Box<Begin>),
    /// The first bytes of the buffer are more of it.
    More(Vec<u8>, usize),
    /// That was all of it.
    End(Option<Digest>),
    /// The rest will not come.
    Cut(Failure),
    /// A folder shall be here, with these attributes.
    Folder(FileName, Attributes),
}

/// The beginning of a file.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) wanted: Wanted,
    pub(super) part: Option<Part>,
    pub(super) content: Content,
}

/// The thread's work.
pub(super) struct Keeper {
    pub(super) place: Place,
    pub(super) algorithm: Algorithm,
    pub(super) overwrite: bool,
    pub(super) archive: bool,
    pub(super) work: mpsc::Receiver<Work>,
    pub(super) empty: mpsc::Sender<Vec<u8>>,
    pub(super) progress: Arc<Progress>,
    pub(super) shared: Arc<Shared>,
    pub(super) note: OnNote,
    pub(super) batch: Batch,
    /// The names on the server of the files that wait in the batch; none for a folder.
    pub(super) names: Vec<Option<FileName>>,
}

/// The file in hand.
struct Current {
    wanted: Wanted,
    /// What it has in all, as the server says.
    bytes: u64,
    /// How much of it is here.
    have: u64,
    attributes: Attributes,
    sink: Sink,
}

enum Sink {
    Part(Part),
    /// Written at once, hashed beside.
    Open(Hasher),
    /// It has failed, and that was told.
    Nothing,
}

impl Keeper {
    /// Works until there is nothing more, and says how that went.
    pub(super) fn run(
        mut self,
        runtime: &Handle,
        done: oneshot::Sender<Result<(), TransferError>>,
    ) {
        let result = self.all(runtime);
        self.commit();
        let _ = done.send(result);
    }

    fn all(&mut self, runtime: &Handle) -> Result<(), TransferError> {
        let mut current = None;
        while let Some(work) = self.next(runtime) {
            let result = self.step(&mut current, work);
            if result.is_err() {
                current = None;
            }
            result?;
        }
        // What was cut is gone on with the next time.
        if let Some(Current {
            sink: Sink::Part(part),
            ..
        }) = current
        {
            part.keep();
        }
        Ok(())
    }

    /// The next work. Files that are complete wait for a moment for others, but not for long.
    fn next(&mut self, runtime: &Handle) -> Option<Work> {
        if self.batch.len() >= BATCH {
            self.commit();
        }
        if self.batch.is_empty() {
            return self.work.blocking_recv();
        }
        if let Ok(work) = self.work.try_recv() {
            return Some(work);
        }
        let waited = runtime.block_on(async { timeout(LINGER, self.work.recv()).await });
        waited.unwrap_or_else(|_| {
            self.commit();
            self.work.blocking_recv()
        })
    }

    fn step(&mut self, current: &mut Option<Current>, work: Work) -> Result<(), TransferError> {
        match work {
            Work::Begin(begin) => *current = Some(self.begin(*begin)?),
            Work::More(buffer, filled) => {
                let written = match current {
                    Some(current) => self.write(current, &buffer[..filled]),
                    None => Ok(()),
                };
                // There is room for all buffers, and the other end may have gone.
                let _ = self.empty.try_send(buffer);
                written?;
            }
            Work::End(announced) => {
                if let Some(current) = current.take() {
                    self.end(current, announced)?;
                }
            }
            Work::Cut(failure) => {
                if let Some(current) = current.take() {
                    self.cut(current, failure);
                }
            }
            Work::Folder(name, attributes) => self.folder(&name, attributes)?,
        }
        Ok(())
    }

    fn begin(&mut self, begin: Begin) -> Result<Current, TransferError> {
        let Begin {
            wanted,
            part,
            content,
        } = begin;
        self.progress.begin(wanted.name.as_str());
        let attributes = Attributes {
            mode: self.archive.then_some(content.mode),
            mtime_ns: self.archive.then_some(content.mtime_ns),
            overwrite: self.overwrite,
        };
        let mut current = Current {
            bytes: content.bytes,
            have: content.offset,
            attributes,
            sink: Sink::Nothing,
            wanted,
        };
        let opened = match &self.place {
            Place::Open(_) => Ok(Sink::Open(Hasher::new(self.algorithm))),
            Place::Below(root) => {
                let opened = open(root, &mut self.batch, &current, part, self.algorithm);
                opened.map(Sink::Part)
            }
        };
        match opened {
            Ok(sink) => current.sink = sink,
            Err(why) => self.fail(&current.wanted, Failure::local(&current.wanted.here, why))?,
        }
        if content.offset > 0 {
            self.progress.find(content.offset);
            (self.note)(Note::Resuming {
                name: current.wanted.name.to_string(),
                have_bytes: content.offset,
                total_bytes: content.bytes,
            });
        }
        Ok(current)
    }

    fn write(&mut self, current: &mut Current, bytes: &[u8]) -> Result<(), TransferError> {
        current.have += bytes.len() as u64;
        let failed = match &mut current.sink {
            Sink::Nothing => return Ok(()),
            Sink::Part(part) => part.write(bytes),
            Sink::Open(hasher) => {
                hasher.update(bytes);
                let Place::Open(file) = &mut self.place else {
                    return Ok(());
                };
                // Nothing can follow in its place: it ends here.
                return file.write_all(bytes).map_err(|why| match why.kind() {
                    io::ErrorKind::BrokenPipe => TransferError::NobodyReads,
                    _ => TransferError::Local {
                        what: "what was got cannot be written".into(),
                        why: Errno::of(&why),
                    },
                });
            }
        };
        let Err(why) = failed else { return Ok(()) };
        if let Sink::Part(part) = std::mem::replace(&mut current.sink, Sink::Nothing) {
            part.throw_away();
        }
        self.fail(&current.wanted, Failure::local(&current.wanted.here, why))
    }

    fn end(&mut self, current: Current, announced: Option<Digest>) -> Result<(), TransferError> {
        let Current {
            wanted,
            bytes,
            have,
            attributes,
            sink,
        } = current;
        let wrong = self.wrong(bytes, have, announced);
        match (sink, wrong) {
            (Sink::Nothing, _) => Ok(()),
            (Sink::Part(part), Some(wrong)) => {
                part.throw_away();
                self.fail(&wanted, wrong)
            }
            (Sink::Open(_), Some(wrong)) => self.fail(&wanted, wrong),
            (Sink::Part(part), None) => match part.complete(announced, &attributes) {
                Ok(complete) => {
                    self.batch.push(complete);
                    self.names.push(Some(wanted.name));
                    Ok(())
                }
                Err(why) => self.fail(&wanted, Failure::local(&wanted.here, why)),
            },
            (Sink::Open(hasher), None) => {
                let got = hasher.digest();
                match (announced, got) {
                    (Some(announced), Some(got)) if announced != got => {
                        let why = FileError::Digest { announced, got };
                        self.fail(&wanted, Failure::local(&wanted.here, why))
                    }
                    _ => {
                        self.done(&wanted.name, bytes, got);
                        Ok(())
                    }
                }
            }
        }
    }

    /// What is wrong with a file whose last byte has come, before its digest is compared.
    fn wrong(&self, announced_bytes: u64, got: u64, sum: Option<Digest>) -> Option<Failure> {
        if got != announced_bytes {
            return Some(Failure::Length {
                announced: announced_bytes,
                got,
            });
        }
        let asked = self.algorithm;
        let is_asked = sum.is_some_and(|sum| sum.algorithm() == asked);
        (asked != Algorithm::None && !is_asked).then_some(Failure::NoDigest { asked })
    }

    fn cut(&mut self, current: Current, failure: Failure) {
        match current.sink {
            // It has been told already.
            Sink::Nothing => return,
            Sink::Part(part) => match failure {
                // What came is of two different files.
                Failure::Refused {
                    code: Code::Changed,
                    ..
                } => part.throw_away(),
                _ => part.keep(),
            },
            Sink::Open(_) => {}
        }
        self.give_up(&current.wanted, failure);
    }

    fn folder(&mut self, name: &FileName, attributes: Attributes) -> Result<(), TransferError> {
        let Place::Below(root) = &self.place else {
            return Ok(());
        };
        match self.batch.make_folder(root, name, attributes) {
            Ok(()) => {
                self.names.push(None);
                Ok(())
            }
            Err(why) => {
                let error = Failure::local(name, why);
                fatal(name, &error)?;
                (self.note)(Note::Failed {
                    name: name.to_string(),
                    error,
                });
                Ok(())
            }
        }
    }

    /// Makes what is complete durable and gives it its name.
    fn commit(&mut self) {
        let mut names = std::mem::take(&mut self.names).into_iter();
        let mut batch = std::mem::take(&mut self.batch);
        batch.commit(|committed: Committed| {
            // In the order in which it was pushed.
            match (names.next().flatten(), committed) {
                (Some(name), Ok(stored)) => self.done(&name, stored.bytes, stored.sum.0),
                (Some(name), Err((here, why))) => {
                    self.give_up_named(&name, Failure::local(&here, why));
                }
                (None, Ok(_)) => {}
                (None, Err((here, why))) => (self.note)(Note::Failed {
                    name: here.to_string(),
                    error: Failure::local(&here, why),
                }),
            }
        });
        self.batch = batch;
    }

    fn done(&self, name: &FileName, bytes: u64, digest: Option<Digest>) {
        self.progress.complete();
        (self.note)(Note::Done {
            name: name.to_string(),
            bytes,
            digest,
        });
        self.shared.done();
    }

    /// One file has failed; a full disk fails all of them.
    fn fail(&self, wanted: &Wanted, error: Failure) -> Result<(), TransferError> {
        fatal(&wanted.here, &error)?;
        self.give_up(wanted, error);
        Ok(())
    }

    fn give_up(&self, wanted: &Wanted, error: Failure) {
        self.give_up_named(&wanted.name, error);
    }

    fn give_up_named(&self, name: &FileName, error: Failure) {
        (self.note)(Note::Failed {
            name: name.to_string(),
            error,
        });
        self.shared.done();
    }
}

/// The file that content goes to: the part that is here, where the server goes on with it, or a new one.
fn open(
    root: &Root,
    batch: &mut Batch,
    current: &Current,
    part: Option<Part>,
    algorithm: Algorithm,
) -> Result<Part, FileError> {
    if let Some(mut part) = part {
        part.resume(current.have, algorithm)?;
        return Ok(part);
    }
    let here = &current.wanted.here;
    let folder = batch.folder_of(root, here)?;
    Part::begin(&folder, here, algorithm, &current.attributes)
}

/// What fails one file and would fail all others too.
fn fatal(name: &FileName, error: &Failure) -> Result<(), TransferError> {
    match error {
        Failure::Local { why, .. } if matches!(&**why, FileError::NoSpace(_)) => {
            Err(TransferError::Local {
                what: format!("{name} cannot be written"),
                why: Errno::new(why.errno().unwrap_or_default()),
            })
        }
        _ => Ok(()),
    }
}
