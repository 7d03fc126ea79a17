//! The thread that reads what is put: opens files, hashes them, and fills the outbox with frames.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rustix::io::Errno as Raw;
use sockeye_net::Errno;

use super::error::Failure;
use super::outbox::Outbox;
use super::progress::{Note, OnNote, Progress};
use super::put::PutOptions;
use super::source::{Facts, Folder, Item, Opened, Walk};
use super::window::{Gone, Window};
use crate::files::message::{
    Abort, Code, Directory, End, MAX_BODY, Part, PartOf, Put, Request, Sum,
};
use crate::files::{Algorithm, FileName, Hasher};

/// Files up to this size are sent whole in one frame; of larger ones an interrupted attempt may
/// have left a part that is worth asking for.
const SMALL: u64 = 64 << 10;

/// From this size on it is asked whether a part is there: below, sending it again costs less.
const RESUMABLE: u64 = 1 << 20;

/// Files that are opened ahead of the one that is sent, so that the answers about their parts are
/// there when their turn comes.
const AHEAD: usize = 16;

/// What was asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// A file; told when it is refused while its content is still being sent.
    Put {
        name: FileName,
        bytes: Arc<Length>,
        refused: Arc<AtomicBool>,
    },
    Folder(FileName),
    Part(mpsc::SyncSender<Part>),
}

/// How long a file is that is being sent: known at its end only, if it comes from a pipe.
pub(super) type Length = std::sync::atomic::AtomicU64;

/// What the thread and the task that owns the socket have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) window: Window<Asked>,
    /// Nothing more shall be begun.
    pub(super) stop: AtomicBool,
    /// The thread waits for our own input, and not for the peer.
    pub(super) reads_input: AtomicBool,
}

/// The thread's work.
pub(super) struct Sender {
    pub(super) outbox: Outbox,
    pub(super) shared: Arc<Shared>,
    pub(super) options: PutOptions,
    pub(super) progress: Arc<Progress>,
    pub(super) note: OnNote,
    /// The content of a small file.
    pub(super) scratch: Vec<u8>,
}

/// A file whose turn comes.
struct Ahead {
    item: Item,
    part: Option<mpsc::Receiver<Part>>,
}

/// Why the content of a file ended before its end.
enum Cut {
    /// The connection is over.
    Gone,
    /// This file is not worth going on with; the server has refused it, or knows nothing of it.
    File(Option<Failure>),
    /// Nothing more shall be sent.
    Stopped,
}

impl From<Gone> for Cut {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl Sender {
    /// Sends everything. The end of the connection ends this too, and needs no telling.
    pub(super) fn run(mut self, mut walk: Walk) {
        let _ = self.all(&mut walk);
        let _ = self.outbox.flush();
        self.shared.window.finish();
    }

    fn all(&mut self, walk: &mut Walk) -> Result<(), Gone> {
        let mut ahead = VecDeque::new();
        loop {
            while ahead.len() < AHEAD {
                let Some(item) = walk.next() else { break };
                ahead.push_back(self.look_ahead(item)?);
            }
            let Some(next) = ahead.pop_front() else {
                return Ok(());
            };
            if self.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.item(next)?;
        }
    }

    fn look_ahead(&mut self, item: Item) -> Result<Ahead, Gone> {
        let part = match &item {
            Item::File(opened) if opened.facts.bytes >= RESUMABLE => {
                let (tell, part) = mpsc::sync_channel(1);
                let request = Request::Part(PartOf {
                    file_name: opened.name.to_string(),
                    digest: self.compared_by(),
                });
                self.ask(Asked::Part(tell), &request, &[])?;
                Some(part)
            }
            _ => None,
        };
        Ok(Ahead { item, part })
    }

    /// What a part is told by: it is never trusted, also where the whole is not checked.
    fn compared_by(&self) -> Algorithm {
        match self.options.digest {
            Algorithm::None => Algorithm::Blake3,
            digest => digest,
        }
    }

    fn item(&mut self, Ahead { item, part }: Ahead) -> Result<(), Gone> {
        match item {
            Item::File(opened) => {
                self.progress.begin(opened.name.as_str());
                match part {
                    None if opened.facts.bytes <= SMALL => self.small(&opened),
                    part => self.large(&opened, part),
                }
            }
            Item::Stdin(name) => {
                self.progress.begin(name.as_str());
                self.input(&name)
            }
            Item::Folder(folder) => self.folder(folder),
            Item::Skipped(path, why) => {
                (self.note)(Note::Skipped { path, why });
                Ok(())
            }
        }
    }

    /// A file in one frame.
    fn small(&mut self, opened: &Opened) -> Result<(), Gone> {
        let mut content = std::mem::take(&mut self.scratch);
        let announced = opened.facts.bytes as usize;
        // One byte more than it should have, to see whether it grew.
        content.resize(SMALL as usize + 1, 0);
        let sent = match read_full(&opened.file, &mut content[..=announced]) {
            Ok(got) if got < announced => self.fail(&opened.name, Failure::Changed),
            Ok(got) => self.whole(opened, &content[..announced], got > announced),
            Err(why) => self.fail(&opened.name, Failure::Read(Errno::of(&why))),
        };
        self.scratch = content;
        sent
    }

    fn whole(&mut self, opened: &Opened, content: &[u8], grew: bool) -> Result<(), Gone> {
        if grew {
            self.grew(opened);
        }
        let mut hasher = Hasher::new(self.options.digest);
        hasher.update(content);
        let put = Put {
            sum: Sum(hasher.digest()),
            ..self.put(&opened.name, Some(opened.facts))
        };
        let bytes = opened.facts.bytes;
        self.ask_put(&opened.name, bytes, &Request::Put(put), content)?;
        Ok(())
    }

    /// A file in many frames, behind what is there of it already.
    fn large(&mut self, opened: &Opened, part: Option<mpsc::Receiver<Part>>) -> Result<(), Gone> {
        let bytes = opened.facts.bytes;
        let mut hasher = Hasher::new(self.options.digest);
        let mut at = 0;
        if let Some(part) = part {
            self.outbox.flush()?;
            let part = part.recv().map_err(|_| Gone)?;
            if let Some(known) = self.same_beginning(opened, &part) {
                at = part.bytes;
                if self.options.digest != Algorithm::None {
                    hasher = known;
                }
                self.progress.find(at);
                (self.note)(Note::Resuming {
                    name: opened.name.to_string(),
                    have_bytes: at,
                    total_bytes: bytes,
                });
            }
        }
        let put = Put {
            more: true,
            offset: at,
            digest: Some(self.options.digest),
            ..self.put(&opened.name, Some(opened.facts))
        };
        let refused = self.ask_put(&opened.name, bytes, &Request::Put(put), &[])?;
        let sent = self
            .content(&opened.file, at, Some(bytes), &mut hasher, &refused)
            .and_then(|_| self.unchanged(opened));
        self.end(&opened.name, sent, &hasher)
    }

    /// Standard input, up to its end.
    fn input(&mut self, name: &FileName) -> Result<(), Gone> {
        let stdin = match rustix::io::dup(rustix::stdio::stdin()) {
            Ok(fd) => File::from(fd),
            Err(why) => return self.fail(name, Failure::Read(Errno::new(why.raw_os_error()))),
        };
        let mut hasher = Hasher::new(self.options.digest);
        let put = Put {
            more: true,
            digest: Some(self.options.digest),
            ..self.put(name, None)
        };
        let length = Arc::new(Length::new(0));
        let refused = Arc::new(AtomicBool::new(false));
        let asked = Asked::Put {
            name: name.clone(),
            bytes: length.clone(),
            refused: refused.clone(),
        };
        self.ask(asked, &Request::Put(put), &[])?;
        let sent = self.content(&stdin, 0, None, &mut hasher, &refused);
        let sent = sent.map(|bytes| length.store(bytes, Ordering::Relaxed));
        self.end(name, sent, &hasher)
    }

    /// The frames of a content from `at` on, to `end` or to the file's own end; says how far it came.
    fn content(
        &mut self,
        mut file: &File,
        mut at: u64,
        end: Option<u64>,
        hasher: &mut Hasher,
        refused: &AtomicBool,
    ) -> Result<u64, Cut> {
        let is_input = end.is_none();
        while end.is_none_or(|end| at < end) {
            if refused.load(Ordering::Relaxed) {
                return Err(Cut::File(None));
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Cut::Stopped);
            }
            let most = end.map_or(MAX_BODY as u64, |end| end - at);
            self.shared.reads_input.store(is_input, Ordering::Relaxed);
            let read = |buf: &mut [u8]| {
                retry(|| match end {
                    None => file.read(buf),
                    Some(_) => std::os::unix::fs::FileExt::read_at(file, buf, at),
                })
            };
            let got = self.outbox.data(most, read)?;
            self.shared.reads_input.store(false, Ordering::Relaxed);
            let got = got.map_err(|why| Cut::File(Some(Failure::Read(Errno::of(&why)))))?;
            hasher.update(got);
            match got.len() as u64 {
                0 if is_input => break,
                0 => return Err(Cut::File(Some(Failure::Changed))),
                got => at += got,
            }
            if is_input {
                self.outbox.flush()?;
            }
        }
        Ok(at)
    }

    /// The frame behind a content.
    fn end(&mut self, name: &FileName, sent: Result<(), Cut>, hasher: &Hasher) -> Result<(), Gone> {
        let end = match sent {
            Ok(()) => Request::End(End {
                sum: Sum(hasher.digest()),
            }),
            Err(Cut::Gone) => return Err(Gone),
            Err(Cut::Stopped | Cut::File(None)) => Request::Abort(Abort::default()),
            Err(Cut::File(Some(error))) => {
                let code = match error {
                    Failure::Changed => Code::Changed,
                    _ => Code::Io,
                };
                let abort = Abort {
                    code: Some(code),
                    message: Some(error.to_string()),
                };
                self.fail(name, error)?;
                Request::Abort(abort)
            }
        };
        self.outbox.frame(&end, &[])
    }

    fn folder(&mut self, folder: Folder) -> Result<(), Gone> {
        let archive = self.options.archive;
        // Whatever lies in it has made it already; the top is there.
        if folder.name.is_root() || !(archive || folder.is_empty) {
            return Ok(());
        }
        let request = Request::Directory(Directory {
            file_name: folder.name.to_string(),
            mode: archive.then_some(folder.facts.mode),
            mtime_ns: archive.then_some(folder.facts.mtime_ns),
        });
        self.ask(Asked::Folder(folder.name), &request, &[])
    }

    /// A request to store, as far as all of them are alike.
    fn put(&self, name: &FileName, facts: Option<Facts>) -> Put {
        let facts = facts.filter(|_| self.options.archive);
        Put {
            file_name: name.to_string(),
            overwrite: self.options.overwrite,
            mode: facts.map(|facts| facts.mode),
            mtime_ns: facts.map(|facts| facts.mtime_ns),
            ..Put::default()
        }
    }

    fn ask_put(
        &mut self,
        name: &FileName,
        bytes: u64,
        request: &Request,
        body: &[u8],
    ) -> Result<Arc<AtomicBool>, Gone> {
        let refused = Arc::new(AtomicBool::new(false));
        let asked = Asked::Put {
            name: name.clone(),
            bytes: Arc::new(Length::new(bytes)),
            refused: refused.clone(),
        };
        self.ask(asked, request, body)?;
        Ok(refused)
    }

    /// Adds a request. What is held back leaves before anything is waited for.
    fn ask(&mut self, asked: Asked, request: &Request, body: &[u8]) -> Result<(), Gone> {
        if self.shared.window.is_full() {
            self.outbox.flush()?;
        }
        self.shared.window.ask(asked)?;
        self.outbox.frame(request, body)
    }

    /// The state behind the part that is there, if it is the beginning of this file.
    fn same_beginning(&self, opened: &Opened, part: &Part) -> Option<Hasher> {
        if part.bytes == 0 || part.bytes > opened.facts.bytes {
            return None;
        }
        let mut hasher = Hasher::new(self.compared_by());
        hasher.update_from(&opened.file, part.bytes).ok()?;
        (part.sum.0.is_some() && hasher.digest() == part.sum.0).then_some(hasher)
    }

    /// Looks whether the file is still what was opened.
    fn unchanged(&self, opened: &Opened) -> Result<(), Cut> {
        let now = opened.file.metadata().map(|meta| Facts::of(&meta));
        let now = now.map_err(|why| Cut::File(Some(Failure::Read(Errno::of(&why)))))?;
        let then = opened.facts;
        if now.bytes > then.bytes {
            self.grew(opened);
        } else if now.bytes < then.bytes || now.mtime_ns != then.mtime_ns {
            return Err(Cut::File(Some(Failure::Changed)));
        }
        Ok(())
    }

    fn grew(&self, opened: &Opened) {
        (self.note)(Note::Grew {
            name: opened.name.to_string(),
            bytes: opened.facts.bytes,
        });
    }

    #[expect(clippy::unnecessary_wraps, reason = "callers return what it returns")]
    fn fail(&self, name: &FileName, error: Failure) -> Result<(), Gone> {
        let name = name.to_string();
        (self.note)(Note::Failed { name, error });
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &File, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match retry(|| (&*file).read(&mut buf[got..]))? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(why) if why.raw_os_error() == Some(Raw::INTR.raw_os_error()) => {}
            done => return done,
        }
    }
}
