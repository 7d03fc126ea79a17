//! What is to be sent: the files and folders that were named, found and opened one by one, so that
//! a tree of any size needs no memory.

use std::fs::{self, File, FileType, Metadata, OpenOptions, ReadDir};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::vec;

use rustix::fs::OFlags;
use sockeye_net::Errno;

use super::error::Skip;
use crate::files::message::MODE_BITS;
use crate::files::{BadName, FileName};

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, or a folder with all that is in it. A symbolic link that was named is followed, one
    /// that is found in a folder is not.
    Path(PathBuf),
    /// Standard input, up to its end.
    Stdin,
}

/// What a walk comes upon.
#[derive(Debug)]
pub(super) enum Item {
    /// A regular file, open.
    File(Opened),
    /// Standard input.
    Stdin(FileName),
    /// A folder; everything in it has come before.
    Folder(Folder),
    /// Nothing that can be sent.
    Skipped(PathBuf, Skip),
}

/// A regular file that is open, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) name: FileName,
    pub(super) file: File,
    pub(super) facts: Facts,
}

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: FileName,
    pub(super) facts: Facts,
    /// Nothing of what was in it could be sent, so nothing else makes it over there.
    pub(super) is_empty: bool,
}

/// What is kept of a file beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) bytes: u64,
    pub(super) mode: u32,
    pub(super) mtime_ns: i64,
}

impl Facts {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            bytes: meta.len(),
            mode: meta.mode() & MODE_BITS,
            mtime_ns: meta
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(meta.mtime_nsec()),
        }
    }
}

/// The items of all sources, in order; the files of a folder before the folder.
#[derive(Debug)]
pub(super) struct Walk {
    sources: vec::IntoIter<Source>,
    /// The folder on the other side.
    to: FileName,
    /// The name on the other side, instead of its own.
    rename: Option<FileName>,
    /// The folders that are being read, outermost first.
    open: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    path: PathBuf,
    name: FileName,
    entries: ReadDir,
    facts: Facts,
    is_empty: bool,
}

impl Walk {
    pub(super) fn new(sources: Vec<Source>, to: FileName, rename: Option<FileName>) -> Self {
        Self {
            sources: sources.into_iter(),
            to,
            rename,
            open: vec![],
        }
    }

    /// What the source that was named is called over there.
    fn name_of(&self, path: &Path) -> Result<FileName, BadName> {
        let own = match &self.rename {
            Some(name) => name.clone(),
            // `.`, `..` and `/` have no name of their own: what is in them goes to the top.
            None => match path.file_name() {
                Some(name) => FileName::from_os(name)?,
                None => return Ok(self.to.clone()),
            },
        };
        own.parts()
            .try_fold(self.to.clone(), |folder, part| folder.join(part))
    }

    fn named(&mut self, source: Source) -> Option<Item> {
        let path = match source {
            Source::Path(path) => path,
            Source::Stdin => {
                let name = self.name_of(Path::new("-"));
                return Some(match name {
                    Ok(name) => Item::Stdin(name),
                    Err(why) => Item::Skipped("-".into(), Skip::Name(why)),
                });
            }
        };
        match self.name_of(&path) {
            Ok(name) => self.look(path, name, None),
            Err(why) => Some(skipped(path, why)),
        }
    }

    /// What lies at `path`: an item, or a folder to read first. `kind` is what the folder around it
    /// says of it; without one it was named, and links are followed.
    fn look(&mut self, path: PathBuf, name: FileName, kind: Option<FileType>) -> Option<Item> {
        match open(&path, kind) {
            Ok(Found::File(meta, file)) => Some(Item::File(Opened {
                name,
                file,
                facts: Facts::of(&meta),
            })),
            Ok(Found::Folder(meta, entries)) => {
                self.open.push(Level {
                    path,
                    name,
                    entries,
                    facts: Facts::of(&meta),
                    is_empty: true,
                });
                None
            }
            Ok(Found::Other(why)) => Some(Item::Skipped(path, why)),
            Err(why) => Some(Item::Skipped(path, Skip::Open(Errno::of(&why)))),
        }
    }

    /// The next thing in the innermost folder; the folder itself at its end.
    fn inside(&mut self) -> Option<Item> {
        let level = self.open.last_mut()?;
        match level.entries.next() {
            Some(Ok(entry)) => {
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_str().ok_or(BadName::NotUtf8);
                let name = match name.and_then(|part| level.name.join(part)) {
                    Ok(name) => name,
                    Err(why) => return Some(skipped(path, why)),
                };
                let item = match entry.file_type() {
                    Ok(kind) => self.look(path, name, Some(kind)),
                    Err(why) => Some(Item::Skipped(path, Skip::Open(Errno::of(&why)))),
                };
                self.mark(item.as_ref());
                item
            }
            Some(Err(why)) => {
                let level = self.open.pop()?;
                Some(Item::Skipped(level.path, Skip::Open(Errno::of(&why))))
            }
            None => {
                let level = self.open.pop()?;
                // The folder around it has something in it now.
                if let Some(outer) = self.open.last_mut() {
                    outer.is_empty = false;
                }
                Some(Item::Folder(Folder {
                    name: level.name,
                    facts: level.facts,
                    is_empty: level.is_empty,
                }))
            }
        }
    }

    fn mark(&mut self, item: Option<&Item>) {
        if matches!(item, Some(Item::File(_)))
            && let Some(level) = self.open.last_mut()
        {
            level.is_empty = false;
        }
    }
}

/// Opens what lies at `path`, unless it is nothing that can be sent.
fn open(path: &Path, kind: Option<FileType>) -> io::Result<Found> {
    let is_named = kind.is_none();
    let kind = kind.map_or_else(|| fs::metadata(path).map(|meta| meta.file_type()), Ok)?;
    if kind.is_dir() {
        return Ok(Found::Folder(fs::metadata(path)?, fs::read_dir(path)?));
    }
    if let Some(why) = not_a_file(kind) {
        return Ok(Found::Other(why));
    }
    // It may have become something else since: a FIFO must not hold us up, a link not mislead us.
    let mut flags = OFlags::NONBLOCK;
    if !is_named {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = flags.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let meta = file.metadata()?;
    Ok(match not_a_file(meta.file_type()) {
        Some(why) => Found::Other(why),
        None if meta.is_dir() => Found::Other(Skip::Special("a folder by now")),
        None => Found::File(meta, file),
    })
}

enum Found {
    File(Metadata, File),
    Folder(Metadata, ReadDir),
    Other(Skip),
}

impl Iterator for Walk {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let item = if self.open.is_empty() {
                let source = self.sources.next()?;
                self.named(source)
            } else {
                self.inside()
            };
            if item.is_some() {
                return item;
            }
        }
    }
}

fn skipped(path: PathBuf, why: BadName) -> Item {
    let why = match why {
        BadName::NotUtf8 => Skip::NotUtf8,
        why => Skip::Name(why),
    };
    Item::Skipped(path, why)
}

/// Why it cannot be sent, unless it is a file or a folder.
fn not_a_file(kind: FileType) -> Option<Skip> {
    let special = if kind.is_symlink() {
        return Some(Skip::Link);
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        return None;
    };
    Some(Skip::Special(special))
}
