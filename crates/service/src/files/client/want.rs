//! What is to be got, and the thread that asks for it: it looks at what is here already before it
//! asks for what is missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use tokio::sync::Notify;

use super::error::{Failure, TransferError};
use super::get::GetOptions;
use super::outbox::Outbox;
use super::place::Place;
use super::progress::{Note, OnNote};
use super::window::{Gone, Window};
use crate::files::message::{Get, List, Request, Sum};
use crate::files::{Algorithm, FileError, FileName, Part, check_target};

/// From this length on it is looked whether a part of it is here: below, getting it again costs less.
const RESUMABLE: u64 = 1 << 20;

/// One name to get: the file itself, or all that is in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its name on the server.
    pub(super) name: FileName,
    /// Its name here, below the folder that things are taken to.
    pub(super) here: FileName,
    /// Its length, where a listing has told it.
    pub(super) bytes: Option<u64>,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Want {
    File(Wanted),
    Folder(Wanted),
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// A file, with what is here of it already.
    File(Wanted, Option<Part>),
    /// What is in a folder.
    Folder(Wanted),
}

/// What the thread and the task that owns the socket have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) window: Window<Asked>,
    /// Wanted, and neither here nor given up yet.
    open: AtomicU64,
    nothing_open: Notify,
    /// Wanted by name, with a length that is not known yet.
    unmeasured: AtomicU64,
    pub(super) stop: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            window: Window::new(),
            open: AtomicU64::new(0),
            nothing_open: Notify::new(),
            unmeasured: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    pub(super) fn open(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// So many are wanted of which only the name is known.
    pub(super) fn expect_names(&self, names: usize) {
        self.unmeasured.store(names as u64, Ordering::Release);
    }

    /// How much one of them has is known now, or will never be.
    pub(super) fn measured(&self) {
        self.unmeasured.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether it is known how much there is in all.
    pub(super) fn is_measured(&self) -> bool {
        self.unmeasured.load(Ordering::Acquire) == 0
    }

    pub(super) fn done(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.nothing_open.notify_one();
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Waits until nothing is wanted any more.
    pub(super) async fn all_done(&self) {
        while !self.is_done() {
            self.nothing_open.notified().await;
        }
    }
}

/// Names as they are asked for, with those that they get here: their last parts.
pub(super) fn wanted(
    names: &[FileName],
    rename: Option<&FileName>,
) -> Result<Vec<Wanted>, TransferError> {
    let mut taken: HashMap<FileName, &FileName> = HashMap::new();
    let mut all = vec![];
    for name in names {
        let own = || FileName::root().join(name.last());
        let here = match rename {
            Some(here) => here.clone(),
            None if name.is_root() => FileName::root(),
            None => own().unwrap_or_default(),
        };
        if let Some(first) = taken.insert(here.clone(), name) {
            return Err(TransferError::SameName {
                first: first.to_string(),
                second: name.to_string(),
                here: here.to_string(),
            });
        }
        all.push(Wanted {
            name: name.clone(),
            here,
            bytes: None,
        });
    }
    Ok(all)
}

/// The thread's work.
pub(super) struct Asker {
    pub(super) outbox: Outbox,
    pub(super) wants: mpsc::Receiver<Want>,
    pub(super) shared: Arc<Shared>,
    pub(super) options: GetOptions,
    pub(super) place: Place,
    pub(super) note: OnNote,
}

impl Asker {
    /// Asks for everything that is wanted, until nobody can want anything any more.
    pub(super) fn run(mut self) {
        let _ = self.all();
        let _ = self.outbox.flush();
        self.shared.window.finish();
    }

    fn all(&mut self) -> Result<(), Gone> {
        loop {
            let want = if let Ok(want) = self.wants.try_recv() {
                want
            } else {
                self.outbox.flush()?;
                self.wants.recv().map_err(|_| Gone)?
            };
            if self.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            match want {
                Want::File(wanted) => self.file(wanted)?,
                Want::Folder(wanted) => {
                    let request = Request::List(List {
                        file_name: wanted.name.to_string(),
                        recursive: true,
                    });
                    self.ask(Asked::Folder(wanted), &request)?;
                }
            }
        }
    }

    fn file(&mut self, wanted: Wanted) -> Result<(), Gone> {
        // The root is a folder: there is no need to ask.
        if wanted.name.is_root() {
            let request = Request::List(List {
                file_name: String::new(),
                recursive: true,
            });
            return self.ask(Asked::Folder(wanted), &request);
        }
        let part = match self.look(&wanted) {
            Ok(part) => part,
            Err(error) => {
                (self.note)(Note::Failed {
                    name: wanted.name.to_string(),
                    error,
                });
                if wanted.bytes.is_none() {
                    self.shared.measured();
                }
                self.shared.done();
                return Ok(());
            }
        };
        let request = Request::Get(Get {
            file_name: wanted.name.to_string(),
            digest: self.options.digest,
            offset: part.as_ref().map_or(0, Part::bytes),
            sum: Sum(part.as_ref().and_then(Part::digest)),
        });
        self.ask(Asked::File(wanted, part), &request)
    }

    /// What is here of it already. Its name must be free, unless it may be taken.
    fn look(&mut self, wanted: &Wanted) -> Result<Option<Part>, Failure> {
        let Place::Below(root) = &self.place else {
            return Ok(None);
        };
        let Some((folder, _)) = wanted.here.split() else {
            return Ok(None);
        };
        let folder = match root.open_folder(&folder) {
            Ok(folder) => Arc::new(folder),
            Err(FileError::NotFound) => return Ok(None),
            Err(why) => return Err(Failure::local(&wanted.here, why)),
        };
        match check_target(&folder, &wanted.here, self.options.overwrite) {
            Ok(()) => {}
            // A folder may be merged with one that is here; what is asked for tells which it is.
            Err(_) if wanted.bytes.is_none() && root.open_folder(&wanted.here).is_ok() => {
                return Ok(None);
            }
            Err(why) => return Err(Failure::local(&wanted.here, why)),
        }
        if wanted.bytes.is_some_and(|bytes| bytes < RESUMABLE) {
            return Ok(None);
        }
        let algorithm = match self.options.digest {
            Algorithm::None => Algorithm::Blake3,
            digest => digest,
        };
        // A part that cannot be read is none; the file can still be got.
        Ok(Part::find(&folder, &wanted.here, algorithm).unwrap_or_default())
    }

    /// Adds a request. What is held back leaves before anything is waited for.
    fn ask(&mut self, asked: Asked, request: &Request) -> Result<(), Gone> {
        if self.shared.window.is_full() {
            self.outbox.flush()?;
        }
        self.shared.window.ask(asked)?;
        self.outbox.frame(request, &[])
    }
}
