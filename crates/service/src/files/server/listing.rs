//! What is in a folder, one entry after the other, however many there are.

use std::os::fd::OwnedFd;
use std::str;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use crate::files::error::FileError;
use crate::files::guard::{FileName, is_reserved};
use crate::files::message::{Entry, EntryKind, ListEnd};
use crate::files::root::{Facts, Root, open_beneath};

/// Folders within each other that are looked into. Each one that is open costs a descriptor.
pub(super) const MAX_DEPTH: usize = 128;

/// A listing that goes on where it stopped.
#[derive(Debug)]
pub(super) struct Listing {
    recursive: bool,
    /// The folders that are being read, from the outermost on.
    open: Vec<Level>,
    /// A single file that was asked for.
    single: Option<Entry>,
    end: ListEnd,
}

struct Level {
    name: FileName,
    folder: OwnedFd,
    entries: Dir,
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Level").field(&self.name).finish()
    }
}

impl Level {
    fn new(name: FileName, folder: OwnedFd) -> Result<Self, FileError> {
        let entries = Dir::read_from(&folder).map_err(|error| FileError::of("list", error))?;
        Ok(Self {
            name,
            folder,
            entries,
        })
    }
}

impl Listing {
    /// Begins to list a folder, or a single file.
    pub(super) fn begin(root: &Root, name: FileName, recursive: bool) -> Result<Self, FileError> {
        let facts = root.facts(&name)?;
        let mut listing = Self {
            recursive,
            open: vec![],
            single: None,
            end: ListEnd::default(),
        };
        match facts.kind {
            EntryKind::File => listing.single = Some(entry(&name, facts)),
            EntryKind::Directory => {
                let folder = root.open_folder(&name)?;
                listing.open.push(Level::new(name, folder)?);
            }
        }
        Ok(listing)
    }

    /// The next entry, or how many there were.
    pub(super) fn next(&mut self) -> Result<Entry, ListEnd> {
        if let Some(single) = self.single.take() {
            self.end.entries += 1;
            return Ok(single);
        }
        while let Some(level) = self.open.last_mut() {
            match level.entries.read() {
                None => {
                    self.open.pop();
                }
                Some(Err(_)) => {
                    self.end.left_out += 1;
                    self.open.pop();
                }
                Some(Ok(found)) => {
                    if let Some(entry) = self.look_at(found.file_name().to_bytes()) {
                        self.end.entries += 1;
                        return Ok(entry);
                    }
                }
            }
        }
        Err(self.end.clone())
    }

    /// What is told of an entry, if anything is.
    fn look_at(&mut self, part: &[u8]) -> Option<Entry> {
        if part == b"." || part == b".." || is_reserved(part) {
            return None;
        }
        let looked = self.facts_of(part);
        if looked.is_none() {
            self.end.left_out += 1;
        }
        let (name, facts) = looked?;
        if facts.kind == EntryKind::Directory && self.recursive && self.enter(&name).is_none() {
            self.end.left_out += 1;
        }
        Some(entry(&name, facts))
    }

    fn facts_of(&self, part: &[u8]) -> Option<(FileName, Facts)> {
        let level = self.open.last()?;
        let part = str::from_utf8(part).ok()?;
        let name = level.name.join(part).ok()?;
        let stat = rustix::fs::statat(&level.folder, part, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((name, Facts::of(&stat)?))
    }

    fn enter(&mut self, name: &FileName) -> Option<()> {
        let level = self.open.last()?;
        if self.open.len() >= MAX_DEPTH {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let folder = open_beneath(&level.folder, name.last(), flags, Mode::empty()).ok()?;
        let level = Level::new(name.clone(), folder).ok()?;
        self.open.push(level);
        Some(())
    }
}

fn entry(name: &FileName, facts: Facts) -> Entry {
    Entry {
        file_name: name.to_string(),
        kind: facts.kind,
        bytes: facts.bytes,
        mode: facts.mode,
        mtime_ns: facts.mtime_ns,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn list(dir: &std::path::Path, name: &str, recursive: bool) -> (Vec<String>, ListEnd) {
        let root = Root::open(dir).unwrap();
        let name = FileName::or_root(name).unwrap();
        let mut listing = Listing::begin(&root, name, recursive).unwrap();
        let mut names = vec![];
        let end = loop {
            match listing.next() {
                Ok(entry) => names.push(format!("{} {}", entry.file_name, entry.bytes)),
                Err(end) => break end,
            }
        };
        names.sort();
        (names, end)
    }

    #[test]
    fn files_and_folders_are_listed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("a/b")).unwrap();
        std::fs::write(path("a/b/file"), "hello").unwrap();
        std::fs::write(path("top"), "").unwrap();
        std::fs::write(path(".sockeye-1-0.part"), "hidden").unwrap();
        std::fs::write(dir.path().join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        symlink("/etc", path("a/link")).unwrap();
        let (names, end) = list(dir.path(), "", false);
        assert_eq!(names, ["a 0", "top 0"]);
        assert_eq!((end.entries, end.left_out), (2, 1));
        let (names, end) = list(dir.path(), "", true);
        assert_eq!(names, ["a 0", "a/b 0", "a/b/file 5", "top 0"]);
        assert_eq!((end.entries, end.left_out), (4, 2));
        assert_eq!(list(dir.path(), "a/b", true).0, ["a/b/file 5"]);
        assert_eq!(list(dir.path(), "a/b/file", false).0, ["a/b/file 5"]);
    }

    #[test]
    fn folders_within_each_other_are_looked_into_so_far() {
        let dir = tempfile::tempdir().unwrap();
        let deep = "d/".repeat(MAX_DEPTH + 3);
        std::fs::create_dir_all(dir.path().join(deep)).unwrap();
        let (names, end) = list(dir.path(), "", true);
        assert_eq!(names.len(), MAX_DEPTH);
        assert_eq!((end.entries, end.left_out), (MAX_DEPTH as u64, 1));
    }

    #[test]
    fn a_sparse_file_of_a_tebibyte_is_an_entry_like_any() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("huge")).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(list(dir.path(), "", false).0, ["huge 1099511627776"]);
    }
}
