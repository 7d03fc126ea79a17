//! Files that are not complete yet: they have a name of their own beside their target, which no
//! peer can say and nobody is shown, and stay there to be gone on with when they are interrupted.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::digest::{Algorithm, Digest, Hasher};
use super::error::FileError;
use super::guard::{FileName, PART_PREFIX, PART_SUFFIX};
use super::message::MODE_BITS;
use super::root::{Facts, open_beneath, set_mtime};

/// Files of one name that may be received at once.
pub const MAX_SLOTS: usize = 16;

/// Opening an incomplete file and locking it are two calls; so often somebody may come between.
const TRIES: u32 = 16;

/// We always may read and write what is not complete yet, whatever it will be in the end.
const OWNER: u32 = 0o600;

/// A file that is not complete yet, and ours as long as this lives.
#[derive(Debug)]
pub struct Part {
    /// Locked: whoever else wants to go on with it sees that somebody does.
    file: File,
    folder: Arc<OwnedFd>,
    name: FileName,
    slot: usize,
    /// Bytes that are there.
    bytes: u64,
    /// Which file system it lies on.
    device: u64,
    /// Of these bytes.
    hasher: Hasher,
}

/// What a file shall become.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// When it was changed last, in nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
    /// It takes the place of a file that is there already.
    pub overwrite: bool,
}

/// A file that is complete but not under its name yet; [`Batch`](super::Batch) puts it there.
#[derive(Debug)]
pub struct Complete {
    pub(super) part: Part,
    pub(super) overwrite: bool,
    pub(super) digest: Option<Digest>,
}

/// What a file in this slot is called while it is not complete.
fn part_name(target: &str, slot: usize) -> String {
    let hash = blake3::hash(target.as_bytes()).to_hex();
    format!("{PART_PREFIX}{}-{slot}{PART_SUFFIX}", &hash[..16])
}

impl Part {
    /// An empty file for this name, which lies in `folder`.
    ///
    /// # Errors
    /// When the disk does not take it, or when too many are under way.
    pub fn begin(
        folder: &Arc<OwnedFd>,
        name: &FileName,
        algorithm: Algorithm,
        attributes: &Attributes,
    ) -> Result<Self, FileError> {
        // The mode it will have, so that nobody reads meanwhile what only some may in the end.
        let mode = attributes.mode.unwrap_or(0o666) & MODE_BITS | OWNER;
        for slot in 0..MAX_SLOTS {
            let flags = OFlags::RDWR | OFlags::CREATE;
            if let Some(mut part) = Self::open(folder, name, slot, flags, mode)? {
                part.hasher = Hasher::new(algorithm);
                part.cut(0)?;
                if attributes.mode.is_some() {
                    // One that was left here may be open to more.
                    rustix::fs::fchmod(&part.file, Mode::from_raw_mode(mode))
                        .map_err(|error| FileError::of("set the permissions of", error))?;
                }
                return Ok(part);
            }
        }
        Err(FileError::Busy { limit: MAX_SLOTS })
    }

    /// The longest that an interrupted upload of this name has left. Reads it, to hash it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn find(
        folder: &Arc<OwnedFd>,
        name: &FileName,
        algorithm: Algorithm,
    ) -> Result<Option<Self>, FileError> {
        let mut found: Option<Self> = None;
        for slot in 0..MAX_SLOTS {
            let part = Self::open(folder, name, slot, OFlags::RDWR, 0)?;
            let longest = found.as_ref().map_or(0, |found| found.bytes);
            if part.as_ref().is_some_and(|part| part.bytes > longest) {
                found = part;
            }
        }
        if let Some(part) = &mut found {
            part.hash_again(algorithm)?;
        }
        Ok(found)
    }

    /// Opens the file in a slot unless somebody works on it.
    fn open(
        folder: &Arc<OwnedFd>,
        name: &FileName,
        slot: usize,
        flags: OFlags,
        mode: u32,
    ) -> Result<Option<Self>, FileError> {
        let path = part_name(name.last(), slot);
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        for _ in 0..TRIES {
            let opened = open_beneath(folder, &path, flags, Mode::from_raw_mode(mode));
            let file = match opened {
                Err(Errno::NOENT) if !flags.contains(OFlags::CREATE) => return Ok(None),
                opened => opened.map_err(|error| FileError::of("store", error))?,
            };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(FileError::of("lock", error)),
            }
            // Until it was locked somebody else may have completed it: then it has another name.
            let stat = rustix::fs::fstat(&file).map_err(|error| FileError::of("look at", error))?;
            let named = rustix::fs::statat(&**folder, path.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            if !named.is_ok_and(|named| is_same(&named, &stat)) {
                continue;
            }
            let facts = Facts::of(&stat).ok_or(FileError::NotAFile)?;
            return Ok(Some(Self {
                file: file.into(),
                folder: Arc::clone(folder),
                name: name.clone(),
                slot,
                bytes: facts.bytes,
                device: stat.st_dev,
                hasher: Hasher::new(Algorithm::None),
            }));
        }
        Ok(None)
    }

    /// What it will be called.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// Bytes that are there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of these bytes.
    pub fn digest(&self) -> Option<Digest> {
        self.hasher.digest()
    }

    /// What is computed of it.
    pub fn algorithm(&self) -> Algorithm {
        self.hasher.algorithm()
    }

    /// Goes on behind the first `offset` bytes with what is there.
    ///
    /// # Errors
    /// When so many are not there.
    pub fn resume(&mut self, offset: u64, algorithm: Algorithm) -> Result<(), FileError> {
        if offset > self.bytes {
            return Err(FileError::NoPart { offset });
        }
        if offset < self.bytes {
            self.cut(offset)?;
            self.hash_again(algorithm)?;
        } else if algorithm != self.algorithm() {
            self.hash_again(algorithm)?;
        }
        Ok(())
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.hasher.update(bytes);
        self.file
            .write_all_at(bytes, self.bytes)
            .map_err(|error| FileError::of("write", error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// All bytes are there: checks what was `announced`, and throws the file away if it is another.
    ///
    /// # Errors
    /// When it is another file, or when it cannot be made what it shall be.
    pub fn complete(
        self,
        announced: Option<Digest>,
        attributes: &Attributes,
    ) -> Result<Complete, FileError> {
        let digest = self.digest();
        if let Some(announced) = announced
            && digest != Some(announced)
        {
            let computed = self.algorithm();
            self.throw_away();
            return Err(match digest {
                Some(got) if computed == announced.algorithm() => {
                    FileError::Digest { announced, got }
                }
                _ => FileError::OtherDigest {
                    announced: announced.algorithm(),
                    computed,
                },
            });
        }
        if let Err(error) = self.become_like(attributes) {
            self.throw_away();
            return Err(error);
        }
        Ok(Complete {
            overwrite: attributes.overwrite,
            digest,
            part: self,
        })
    }

    fn become_like(&self, attributes: &Attributes) -> Result<(), FileError> {
        if let Some(mode) = attributes.mode {
            let mode = Mode::from_raw_mode(mode & MODE_BITS);
            rustix::fs::fchmod(&self.file, mode)
                .map_err(|error| FileError::of("set the permissions of", error))?;
        }
        if let Some(mtime_ns) = attributes.mtime_ns {
            set_mtime(&self.file, mtime_ns)
                .map_err(|error| FileError::of("set the time of", error))?;
        }
        Ok(())
    }

    /// Lets it go; what is there stays for an upload that goes on with it.
    pub fn keep(self) {
        if self.bytes == 0 {
            self.throw_away();
        }
    }

    /// Removes it.
    pub fn throw_away(self) {
        // It may be gone already; and what cannot be removed now is found by the next upload.
        let _ = rustix::fs::unlinkat(&*self.folder, self.path(), AtFlags::empty());
    }

    /// Removes what other uploads of this name have left, now that it is complete. Slots are taken
    /// from the first on, so behind one that is free there is rarely anything.
    pub(super) fn remove_others(&self) {
        let before = 0..self.slot;
        let behind = self.slot + 1..MAX_SLOTS;
        for slot in before {
            self.remove_other(slot);
        }
        for slot in behind {
            if !self.remove_other(slot) {
                break;
            }
        }
    }

    /// Whether there was any, in use or not.
    fn remove_other(&self, slot: usize) -> bool {
        match Self::open(&self.folder, &self.name, slot, OFlags::RDWR, 0) {
            Ok(Some(other)) => other.throw_away(),
            Ok(None) => {
                let path = part_name(self.name.last(), slot);
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                return rustix::fs::statat(&*self.folder, path, flags).is_ok();
            }
            Err(_) => {}
        }
        true
    }

    fn cut(&mut self, bytes: u64) -> Result<(), FileError> {
        if self.bytes != bytes {
            self.file
                .set_len(bytes)
                .map_err(|error| FileError::of("cut", error))?;
            self.bytes = bytes;
        }
        Ok(())
    }

    fn hash_again(&mut self, algorithm: Algorithm) -> Result<(), FileError> {
        self.hasher = Hasher::new(algorithm);
        self.hasher
            .update_from(&self.file, self.bytes)
            .map_err(|error| FileError::of("read", error))
    }

    pub(super) fn path(&self) -> String {
        part_name(self.name.last(), self.slot)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn folder(&self) -> &Arc<OwnedFd> {
        &self.folder
    }

    pub(super) fn device(&self) -> u64 {
        self.device
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
