//! Small files that trust rests on: read with care, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::error::TrustError;
use crate::errno::Errno;

/// The largest file that is read, in bytes: room for some 80,000 lines.
pub const FILE_LIMIT: u64 = 8 << 20;
/// How long another process may hold the lock of the folder; it is held for single writes only.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait between two tries for the lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// The coarsest clock of a file system (FAT counts in steps of 2 s): a file that was changed less
/// than this before it was read may have been changed again under the same time.
const COARSE: Duration = Duration::from_secs(2);

/// What others must not be able to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Neither read nor write it.
    Secret,
    /// Write it.
    Integrity,
}

/// What tells one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &fs::Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            len: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// The file's version now; none if there is no such file.
    pub(super) fn now(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }

    /// Whether a change after this moment is sure to give another stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let changed = u64::try_from(self.modified.0).unwrap_or(0);
        now.is_ok_and(|now| now > Duration::from_secs(changed) + COARSE)
    }
}

/// Reads a file that nobody else could have prepared for us; none if there is none.
pub(super) fn read(path: &Path, guard: Guard) -> Result<Option<(Vec<u8>, Stamp)>, TrustError> {
    // Opening a pipe without a writer must not wait.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed("read", path))?,
    };
    let found = file.metadata().map_err(failed("read", path))?;
    if !found.is_file() {
        return Err(TrustError::Kind {
            path: path.to_owned(),
            expected: "regular file",
        });
    }
    // What was opened is looked at, not what lies at the path by now.
    guard_of(path, &found, guard)?;
    let mut bytes = vec![];
    let taken = (&file).take(FILE_LIMIT + 1).read_to_end(&mut bytes);
    if taken.map_err(failed("read", path))? as u64 > FILE_LIMIT {
        return Err(TrustError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(Some((bytes, Stamp::of(&found))))
}

/// Refuses what others own, or could have changed or seen.
fn guard_of(path: &Path, found: &fs::Metadata, guard: Guard) -> Result<(), TrustError> {
    let ours = geteuid().as_raw();
    // What root wrote an administrator wrote. A secret has to be ours alone.
    let is_roots = found.uid() == 0 && guard == Guard::Integrity;
    if found.uid() != ours && !is_roots {
        return Err(TrustError::Foreign {
            path: path.to_owned(),
            owner: found.uid(),
            ours,
        });
    }
    let (forbidden, danger) = match guard {
        Guard::Secret => (0o077, "read or replace it"),
        Guard::Integrity => (0o022, "change it"),
    };
    let mode = found.mode() & 0o777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(TrustError::Wide {
        path: path.to_owned(),
        mode,
        danger,
        allowed: mode & !forbidden,
    })
}

/// Makes sure that the folder exists, and that nobody else can exchange what is in it.
pub(super) fn own_folder(dir: &Path) -> Result<(), TrustError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(failed("make", dir))?;
    check_folder(dir)
}

/// The same for a folder that should exist.
pub(super) fn check_folder(dir: &Path) -> Result<(), TrustError> {
    let found = fs::metadata(dir).map_err(failed("read", dir))?;
    if !found.is_dir() {
        return Err(TrustError::Kind {
            path: dir.to_owned(),
            expected: "folder",
        });
    }
    guard_of(dir, &found, Guard::Integrity)
}

/// The right to change the files of a folder, among all of our processes. Freed by dropping it.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Waits for at most [`LOCK_TIMEOUT`].
    pub(super) fn take(dir: &Path) -> Result<Self, TrustError> {
        // The file stays: removing it would let two processes hold locks on two files of one name.
        let path = dir.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed("open", &path))?;
        let until = Instant::now() + LOCK_TIMEOUT;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                    thread::sleep(LOCK_RETRY);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(TrustError::Locked { path }),
                Err(error) => {
                    return Err(TrustError::File {
                        doing: "lock",
                        path,
                        source: error.into(),
                    });
                }
            }
        }
    }
}

/// Puts a file in place whole: whoever opens it sees the old one or the new one, and after a crash
/// one of the two is there.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TrustError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // A list that is a link to a folder of settings stays one.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = target.parent().unwrap_or(Path::new("/"));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let draft = dir.join(format!(".new-{}-{count}", std::process::id()));
    let written = write_draft(&draft, bytes, mode)
        .and_then(|()| fs::rename(&draft, &target))
        .and_then(|()| File::open(dir)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map_err(failed("write", path))
}

fn write_draft(draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // What a process of our number left behind when it was killed.
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Turns a failed call into an error that names the file.
pub(super) fn failed<E: Into<Errno>>(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> TrustError {
    let path: PathBuf = path.to_owned();
    move |error| TrustError::File {
        doing,
        path,
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[track_caller]
    fn refused(path: &Path, guard: Guard, text: &str) {
        let error = read(path, guard).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }

    #[test]
    fn what_others_could_have_written_or_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"x", 0o600).unwrap();
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(read(&path, Guard::Secret).unwrap().is_some());
        set(0o644);
        assert!(read(&path, Guard::Integrity).unwrap().is_some());
        let shown = path.display();
        refused(&path, Guard::Secret, &format!("try chmod 600 {shown}"));
        set(0o664);
        refused(
            &path,
            Guard::Integrity,
            "has mode 664, and others could change it",
        );
        refused(dir.path(), Guard::Integrity, "is no regular file");
    }

    #[test]
    fn what_is_foreign_is_refused() {
        // Root's files are an administrator's; of other owners there may be none that we can see.
        let ours = geteuid().as_raw();
        if ours == 0 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            fs::write(&path, "x").unwrap();
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            refused(
                &path,
                Guard::Integrity,
                "belongs to uid 12345, we are uid 0",
            );
            refused(&path, Guard::Secret, "try chown 0");
        } else {
            refused(Path::new("/etc/passwd"), Guard::Secret, "belongs to uid 0");
        }
    }

    #[test]
    fn a_file_that_has_no_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let file = File::create(&path).unwrap();
        file.set_len(FILE_LIMIT + 1).unwrap();
        refused(&path, Guard::Integrity, "is larger than 8388608 bytes");
        file.set_len(FILE_LIMIT).unwrap();
        assert!(read(&path, Guard::Integrity).unwrap().is_some());
    }

    #[test]
    fn a_pipe_in_place_of_a_file_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        refused(&path, Guard::Integrity, "is no regular file");
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let held = FolderLock::take(dir.path()).unwrap();
        let waiting = thread::spawn({
            let dir = dir.path().to_owned();
            move || FolderLock::take(&dir).map(drop)
        });
        assert!(!waiting.is_finished());
        drop(held);
        waiting.join().unwrap().unwrap();
    }
}
