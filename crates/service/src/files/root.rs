//! The folder below which everything happens: the half of the guard that the kernel keeps.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use thiserror::Error;

use super::error::FileError;
use super::guard::FileName;
use super::message::{EntryKind, MODE_BITS};

/// No name leads out of the root, and none through a symbolic link or a magic one of /proc.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_SYMLINKS);

/// A file that turns out to be a FIFO or a terminal neither blocks us nor becomes ours.
const READ: OFlags = OFlags::CLOEXEC
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

const FOLDER: OFlags = READ.union(OFlags::DIRECTORY);

/// While folders are renamed on the way, openat2(2) asks to be called again; so often it is.
const TRIES: u32 = 32;

/// A folder whose content is served, or into which files are taken.
#[derive(Clone, Debug)]
pub struct Root {
    dir: Arc<OwnedFd>,
}

/// Why a folder cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// It cannot be opened, or it is no folder.
    #[error("cannot open the folder")]
    Open(#[source] io::Error),
    /// The kernel cannot keep names below it.
    #[error("cannot keep names below the folder: openat2 is missing, which Linux has since 5.6")]
    NoOpenat2(#[source] io::Error),
}

/// What is known of a file or folder without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// File or folder.
    pub kind: EntryKind,
    /// Length of a file.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// When it was changed last, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Which one it is, and when anything about it was changed last.
    identity: (u64, u64, i64, i64),
}

impl Facts {
    /// Of a regular file or a folder; none of anything else.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            _ => return None,
        };
        let bytes = match kind {
            EntryKind::File => stat.st_size.cast_unsigned(),
            EntryKind::Directory => 0,
        };
        Some(Self {
            kind,
            bytes,
            mode: stat.st_mode & MODE_BITS,
            mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            identity: (
                stat.st_dev,
                stat.st_ino,
                stat.st_ctime,
                stat.st_ctime_nsec.cast_signed(),
            ),
        })
    }

    /// The same file or folder of an open descriptor.
    pub(super) fn of_open(fd: impl AsFd) -> Result<Option<Self>, FileError> {
        let stat = rustix::fs::fstat(fd).map_err(|error| FileError::of("look at", error))?;
        Ok(Self::of(&stat))
    }
}

/// Seconds and nanoseconds in one; what lies outside of the years 1678 to 2262 stops at their ends.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds.cast_signed())
}

/// Sets when a file was changed last, and leaves alone when it was read.
pub(super) fn set_mtime(fd: impl AsFd, mtime_ns: i64) -> io::Result<()> {
    const OMIT: i64 = libc::UTIME_OMIT;
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(1_000_000_000),
            tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
        },
    };
    Ok(rustix::fs::futimens(fd, &times)?)
}

impl Root {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it is none, or when the kernel cannot keep names below it.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| RootError::Open(error.into()))?;
        let root = Self { dir: Arc::new(dir) };
        open_beneath(&root.dir, ".", FOLDER, Mode::empty())
            .map_err(|error| RootError::NoOpenat2(error.into()))?;
        Ok(root)
    }

    /// Opens a regular file to read it. Devices and FIFOs are not even opened.
    ///
    /// # Errors
    /// When there is none, or when the name leads elsewhere.
    pub fn open_file(&self, name: &FileName) -> Result<(File, Facts), FileError> {
        let open = |flags| {
            open_beneath(&self.dir, path_of(name), flags, Mode::empty())
                .map_err(|error| FileError::of("open", error))
        };
        let is_file = |facts: &Facts| facts.kind == EntryKind::File;
        let seen = open(OFlags::PATH | OFlags::CLOEXEC)?;
        Facts::of_open(seen)?
            .filter(is_file)
            .ok_or(FileError::NotAFile)?;
        // Between the two calls it may become something else: opening that never blocks.
        let file = open(READ)?;
        let facts = Facts::of_open(&file)?
            .filter(is_file)
            .ok_or(FileError::NotAFile)?;
        Ok((file.into(), facts))
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// When there is none, or when the name leads elsewhere.
    pub fn open_folder(&self, name: &FileName) -> Result<OwnedFd, FileError> {
        open_beneath(&self.dir, path_of(name), FOLDER, Mode::empty())
            .map_err(|error| FileError::of("open", error))
    }

    /// What is known of a file or folder.
    ///
    /// # Errors
    /// When there is none, or when the name leads elsewhere, or to neither.
    pub fn facts(&self, name: &FileName) -> Result<Facts, FileError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let seen = open_beneath(&self.dir, path_of(name), flags, Mode::empty())
            .map_err(|error| FileError::of("look at", error))?;
        Facts::of_open(seen)?.ok_or(FileError::NotAFile)
    }

    /// Opens a folder and makes it first, and those on the way to it, where they are missing.
    ///
    /// - **Output:** the folder, and those in which one was made: they have to be synced.
    ///
    /// # Errors
    /// When the name leads elsewhere, or when a folder cannot be made.
    pub fn make_folder(&self, name: &FileName) -> Result<(OwnedFd, Vec<OwnedFd>), FileError> {
        match self.open_folder(name) {
            Ok(folder) => return Ok((folder, vec![])),
            Err(FileError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let mut made_in = vec![];
        let mut folder = self.open_folder(&FileName::root())?;
        for part in name.parts() {
            let open = || open_beneath(&folder, part, FOLDER, Mode::empty());
            let next = match open() {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(MODE_BITS)) {
                        // Somebody else may have made it meanwhile, to the same end.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(FileError::of("make the folder for", error)),
                    }
                    let next = open().map_err(|error| FileError::of("open", error))?;
                    made_in.push(std::mem::replace(&mut folder, next));
                    continue;
                }
                next => next.map_err(|error| FileError::of("open", error))?,
            };
            folder = next;
        }
        Ok((folder, made_in))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

fn path_of(name: &FileName) -> &str {
    if name.is_root() { "." } else { name.as_str() }
}

/// Opens what lies below a folder, or fails; never what lies elsewhere.
pub(super) fn open_beneath(
    dir: impl AsFd,
    path: &str,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    for _ in 0..TRIES {
        match rustix::fs::openat2(&dir, path, flags, mode, RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::CWD;

    use super::*;
    use crate::files::message::Code;

    fn name(text: &str) -> FileName {
        FileName::or_root(text).unwrap()
    }

    #[test]
    fn nothing_but_regular_files_and_folders_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("folder/deep")).unwrap();
        std::fs::write(path("folder/file"), "hello").unwrap();
        symlink("/etc/passwd", path("away")).unwrap();
        symlink("folder/file", path("near")).unwrap();
        symlink("/etc", path("folder/etc")).unwrap();
        rustix::fs::mknodat(CWD, path("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let check = |text: &str, expected: Code| {
            let error = root.open_file(&name(text)).unwrap_err();
            assert_eq!(error.code(), expected, "{text}: {error}");
        };
        check("away", Code::BadName);
        check("near", Code::BadName);
        check("folder/etc/passwd", Code::BadName);
        check("fifo", Code::NotAFile);
        check("socket", Code::NotAFile);
        check("folder", Code::NotAFile);
        check("", Code::NotAFile);
        check("folder/file/x", Code::NotAFile);
        check("missing", Code::NotFound);
        let (_, facts) = root.open_file(&name("folder/file")).unwrap();
        assert_eq!((facts.kind, facts.bytes), (EntryKind::File, 5));
        assert_eq!(
            root.facts(&name("folder")).unwrap().kind,
            EntryKind::Directory
        );
        assert_eq!(
            root.facts(&name("fifo")).unwrap_err().code(),
            Code::NotAFile
        );
        drop(socket);
    }

    #[test]
    fn devices_are_left_alone() {
        let root = Root::open(Path::new("/dev")).unwrap();
        let error = root.open_file(&name("null")).unwrap_err();
        assert_eq!(error.code(), Code::NotAFile);
        let root = Root::open(Path::new("/proc/self")).unwrap();
        let error = root.open_file(&name("root/etc/passwd")).unwrap_err();
        assert_eq!(error.code(), Code::BadName, "a magic link leads anywhere");
    }

    #[test]
    fn folders_are_made_on_the_way_and_never_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let (_, made_in) = root.make_folder(&name("a/b/c")).unwrap();
        assert_eq!(made_in.len(), 3);
        assert!(dir.path().join("a/b/c").is_dir());
        assert_eq!(root.make_folder(&name("a/b/c")).unwrap().1.len(), 0);
        assert_eq!(root.make_folder(&name("a/b/d")).unwrap().1.len(), 1);
        let error = root.make_folder(&name("link/x")).unwrap_err();
        assert_eq!(error.code(), Code::BadName);
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_folder_is_not_served() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Root::open(file.path()), Err(RootError::Open(_))));
    }
}
