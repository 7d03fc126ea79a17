//! Who owns the file of a Unix socket.
//!
//! The kernel leaves the file behind when its owner dies, and then nobody can bind the name. So a
//! lock file stands beside it (`PATH.lock`), which the kernel releases with its owner: who holds it
//! may replace a file that nobody answers behind. Only our own file is removed at the end.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with,
};

use crate::errno::Errno;
use crate::error::{NetError, Operation};
use crate::name::Name;

/// The lock file may vanish between being opened and being locked, each time that another owner
/// ends; more often than this is no coincidence.
const LOCK_TRIES: usize = 64;

/// Why the name of a Unix socket cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// Another of our processes holds the lock.
    Locked,
    /// Somebody answers behind the file.
    Answered,
    /// There is a file, and it is no socket.
    NoSocket,
    /// The lock file could not be made or locked.
    Lock(Errno),
    /// Something else.
    System(Errno),
}

impl ClaimError {
    /// As what went wrong with an endpoint.
    pub(crate) fn of(self, endpoint: &impl Display, name: &Name) -> NetError {
        match self {
            Self::Locked | Self::Answered => NetError::in_use(Operation::Listen, endpoint, name),
            Self::NoSocket => NetError::unfit(endpoint, "there is a file, and it is no socket"),
            Self::Lock(errno) => NetError::system(Operation::Lock, endpoint, errno),
            Self::System(errno) => NetError::system(Operation::Bind, endpoint, errno),
        }
    }
}

/// The right to a path. Dropping it removes the socket file, if it is still ours, and the lock.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    lock_path: PathBuf,
    /// Open as long as the lock is held.
    lock: File,
    /// Device and inode of the file that we bound.
    bound: Option<(u64, u64)>,
}

impl Claim {
    /// Takes the lock and removes a file that nobody answers behind.
    pub(crate) fn take(path: &Path, kind: SocketType) -> Result<Self, ClaimError> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let lock = lock(&lock_path)?;
        let claim = Self {
            path: path.to_owned(),
            lock_path,
            lock,
            bound: None,
        };
        claim.clear(kind)?;
        Ok(claim)
    }

    /// Binds `socket` to the path.
    pub(crate) fn bind(&mut self, socket: &socket2::Socket) -> Result<(), ClaimError> {
        let address = SocketAddrUnix::new(&self.path).map_err(system)?;
        bind(socket, &address).map_err(|error| match error {
            // A program that knows nothing of our lock was faster.
            rustix::io::Errno::ADDRINUSE => ClaimError::Answered,
            error => system(error),
        })?;
        let found = fs::symlink_metadata(&self.path).map_err(system)?;
        self.bound = Some((found.dev(), found.ino()));
        Ok(())
    }

    fn clear(&self, kind: SocketType) -> Result<(), ClaimError> {
        let found = match fs::symlink_metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(system(error)),
        };
        if !found.file_type().is_socket() {
            return Err(ClaimError::NoSocket);
        }
        if answers(&self.path, kind).map_err(ClaimError::System)? {
            return Err(ClaimError::Answered);
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system(error)),
            _ => Ok(()),
        }
    }

    fn is_ours(&self) -> bool {
        let found = fs::symlink_metadata(&self.path).ok();
        let found = found.map(|found| (found.dev(), found.ino()));
        self.bound.is_some() && found == self.bound
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
        // Removed while it is still locked: whoever waits for it finds out that it is gone.
        if is_same(&self.lock, &self.lock_path) {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

fn system(error: impl Into<Errno>) -> ClaimError {
    ClaimError::System(error.into())
}

/// Locks the file at `path`, made if need be; fails at once if somebody else has it.
fn lock(path: &Path) -> Result<File, ClaimError> {
    for _ in 0..LOCK_TRIES {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(|error| ClaimError::Lock(error.into()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_same(&file, path) => return Ok(file),
            // The owner before us removed it after we had opened it.
            Ok(()) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(ClaimError::Locked),
            Err(error) => return Err(ClaimError::Lock(error.into())),
        }
    }
    Err(ClaimError::Locked)
}

fn is_same(file: &File, path: &Path) -> bool {
    let ids = |found: fs::Metadata| (found.dev(), found.ino());
    let open = file.metadata().map(ids).ok();
    open.is_some() && open == fs::symlink_metadata(path).map(ids).ok()
}

/// Whether a socket is bound to the file. Asks without waiting.
fn answers(path: &Path, kind: SocketType) -> Result<bool, Errno> {
    let address = SocketAddrUnix::new(path.as_os_str().as_bytes())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, kind, flags, None)?;
    match connect(&probe, &address) {
        Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT) => Ok(false),
        // Its queue is full, it is of another type, or it does not let us in: somebody is there.
        Ok(())
        | Err(
            rustix::io::Errno::AGAIN
            | rustix::io::Errno::PROTOTYPE
            | rustix::io::Errno::ACCESS
            | rustix::io::Errno::PERM,
        ) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use socket2::{Domain, Socket, Type};

    /// The lock file comes and goes with its owners, and still there is never more than one.
    #[test]
    fn owners_that_come_and_go_never_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (owners, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let own_once = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            match Claim::take(&path, SocketType::STREAM) {
                Ok(mut claim) => {
                    assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                    claim.bind(&socket).unwrap();
                    socket.listen(1).unwrap();
                    served.fetch_add(1, Ordering::SeqCst);
                    owners.fetch_sub(1, Ordering::SeqCst);
                }
                Err(ClaimError::Locked) => thread::yield_now(),
                Err(error) => panic!("{error:?}"),
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..300).for_each(|_| own_once()));
            }
        });
        assert!(served.load(Ordering::SeqCst) > 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_file_is_no_way_to_somebody_elses_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("s"), dir.path().join("letter"));
        fs::write(&other, "dear").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("s.lock")).unwrap();
        let error = Claim::take(&path, SocketType::STREAM).unwrap_err();
        assert_eq!(error, ClaimError::Lock(Errno::new(libc::ELOOP)));
        assert_eq!(fs::read_to_string(&other).unwrap(), "dear");
    }
}
