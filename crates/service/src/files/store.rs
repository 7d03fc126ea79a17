//! From complete files to stored ones: durable first, then under their names.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, RenameFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::guard::FileName;
use super::message::{MODE_BITS, Stored, Sum};
use super::part::{Attributes, Complete, Part};
use super::root::{Root, set_mtime};

/// So many files or folders are synced one by one; of more, everything on their disk at once.
const ONE_BY_ONE: usize = 4;

/// Complete files, and folders, that become durable together: many small ones cost one sync.
#[derive(Debug, Default)]
pub struct Batch {
    waiting: Vec<Waiting>,
    /// Folders in which others were made.
    made_in: Vec<Arc<OwnedFd>>,
    /// The folder of the last file: the next one often lies there too.
    last_folder: Option<(FileName, Arc<OwnedFd>)>,
}

/// What waits for being durable.
#[derive(Debug)]
enum Waiting {
    File(Complete),
    Folder {
        name: FileName,
        folder: Arc<OwnedFd>,
        attributes: Attributes,
    },
}

impl Waiting {
    fn part(&self) -> Option<&Part> {
        match self {
            Self::File(complete) => Some(&complete.part),
            Self::Folder { .. } => None,
        }
    }
}

/// What became of one file or folder: what is stored, or which was not and why.
pub type Committed = Result<Stored, (FileName, FileError)>;

impl Batch {
    /// How many files and folders wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The folder of a file that is to be stored. It is made, and those on the way to it.
    ///
    /// # Errors
    /// When it cannot be, or when its name leads elsewhere.
    pub fn folder_of(&mut self, root: &Root, name: &FileName) -> Result<Arc<OwnedFd>, FileError> {
        let (folder, _) = name.split().ok_or(FileError::NotAFile)?;
        if let Some((last, open)) = &self.last_folder
            && *last == folder
        {
            return Ok(Arc::clone(open));
        }
        let (open, made_in) = root.make_folder(&folder)?;
        self.made_in.extend(made_in.into_iter().map(Arc::new));
        let open = Arc::new(open);
        self.last_folder = Some((folder, Arc::clone(&open)));
        Ok(open)
    }

    /// Makes a folder, which becomes what it shall be when the batch is committed: files that are
    /// stored in it meanwhile would change its time.
    ///
    /// # Errors
    /// When it cannot be made, or when its name leads elsewhere.
    pub fn make_folder(
        &mut self,
        root: &Root,
        name: &FileName,
        attributes: Attributes,
    ) -> Result<(), FileError> {
        let (folder, made_in) = match root.make_folder(name) {
            // A file of that name, rather than on the way to it.
            Err(FileError::NotAFolder) => return Err(FileError::Exists),
            made => made?,
        };
        self.made_in.extend(made_in.into_iter().map(Arc::new));
        self.waiting.push(Waiting::Folder {
            name: name.clone(),
            folder: Arc::new(folder),
            attributes,
        });
        Ok(())
    }

    /// Takes a file that is complete.
    pub fn push(&mut self, complete: Complete) {
        self.waiting.push(Waiting::File(complete));
    }

    /// Makes everything durable and gives it its name, in the order in which it was pushed; of two
    /// files of one name the first one gets it. Then tells what became of each, in the same order.
    pub fn commit(&mut self, mut told: impl FnMut(Committed)) {
        self.last_folder = None;
        let waiting = std::mem::take(&mut self.waiting);
        let mut folders: Vec<Arc<OwnedFd>> = std::mem::take(&mut self.made_in);
        let synced = sync_files(&waiting);
        let mut outcomes = Vec::with_capacity(waiting.len());
        for (waiting, synced) in waiting.into_iter().zip(synced) {
            outcomes.push(match waiting {
                Waiting::File(complete) => {
                    folders.push(Arc::clone(complete.part.folder()));
                    give_name(complete, synced)
                }
                Waiting::Folder {
                    name,
                    folder,
                    attributes,
                } => {
                    let outcome = become_like(&folder, &attributes);
                    folders.push(folder);
                    finish_folder(name, outcome)
                }
            });
        }
        if let Err(error) = sync_folders(&folders) {
            let again = || FileError::of("sync the folder of", error);
            for outcome in &mut outcomes {
                if let Ok(stored) = outcome {
                    let name = FileName::or_root(&stored.file_name).unwrap_or_default();
                    *outcome = Err((name, again()));
                }
            }
        }
        outcomes.into_iter().for_each(&mut told);
    }
}

/// Whether something has this name already, and whether a file may take its place.
///
/// # Errors
/// [`FileError::Exists`], or that something else than a file is there.
pub fn check_target(folder: &OwnedFd, name: &FileName, overwrite: bool) -> Result<(), FileError> {
    match rustix::fs::statat(folder, name.last(), AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(FileError::of("look at", error)),
        Ok(_) if !overwrite => Err(FileError::Exists),
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Symlink => Err(FileError::Link),
            _ => Err(FileError::NotAFile),
        },
    }
}

/// Makes the content of every file durable; says of each how that went.
fn sync_files(waiting: &[Waiting]) -> Vec<Result<(), Errno>> {
    let parts = || waiting.iter().filter_map(Waiting::part);
    let together = parts().count() > ONE_BY_ONE;
    let mut disks: Vec<(u64, Result<(), Errno>)> = vec![];
    let mut sync = |part: &Part| {
        if !together {
            return rustix::fs::fsync(part.file());
        }
        if let Some((_, synced)) = disks.iter().find(|(disk, _)| *disk == part.device()) {
            return *synced;
        }
        let synced = rustix::fs::syncfs(part.file());
        disks.push((part.device(), synced));
        synced
    };
    let synced = |waiting: &Waiting| waiting.part().map_or(Ok(()), &mut sync);
    waiting.iter().map(synced).collect()
}

/// Makes the names durable.
fn sync_folders(folders: &[Arc<OwnedFd>]) -> Result<(), Errno> {
    let mut seen = HashSet::new();
    let mut distinct = vec![];
    for folder in folders {
        let stat = rustix::fs::fstat(&**folder)?;
        if seen.insert((stat.st_dev, stat.st_ino)) {
            distinct.push((stat.st_dev, folder));
        }
    }
    if distinct.len() <= ONE_BY_ONE {
        return distinct
            .iter()
            .try_for_each(|(_, folder)| rustix::fs::fsync(&***folder));
    }
    let mut disks = HashSet::new();
    distinct
        .iter()
        .filter(|(device, _)| disks.insert(*device))
        .try_for_each(|(_, folder)| rustix::fs::syncfs(&***folder))
}

fn give_name(complete: Complete, synced: Result<(), Errno>) -> Committed {
    let name = complete.part.name().clone();
    let renamed = synced
        .map_err(|error| FileError::of("sync", error))
        .and_then(|()| rename(&complete));
    if let Err(error) = renamed {
        complete.part.throw_away();
        return Err((name, error));
    }
    complete.part.remove_others();
    Ok(Stored {
        file_name: name.to_string(),
        bytes: complete.part.bytes(),
        sum: Sum(complete.digest),
    })
}

fn rename(complete: &Complete) -> Result<(), FileError> {
    let part = &complete.part;
    let (folder, from, to) = (part.folder(), part.path(), part.name().last());
    if complete.overwrite {
        check_target(folder, part.name(), true)?;
        return rustix::fs::renameat(&**folder, from.as_str(), &**folder, to)
            .map_err(|error| FileError::of("rename", error));
    }
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(&**folder, from.as_str(), &**folder, to, flags) {
        // Some file systems rename, but not on that condition (renameat2(2)); a second name for the
        // file is given on no other.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let flags = AtFlags::empty();
            rustix::fs::linkat(&**folder, from.as_str(), &**folder, to, flags)
                .and_then(|()| rustix::fs::unlinkat(&**folder, from.as_str(), flags))
        }
        renamed => renamed,
    }
    .map_err(|error| FileError::of("rename", error))
}

fn become_like(folder: &OwnedFd, attributes: &Attributes) -> Result<(), FileError> {
    if let Some(mode) = attributes.mode {
        rustix::fs::fchmod(folder, Mode::from_raw_mode(mode & MODE_BITS))
            .map_err(|error| FileError::of("set the permissions of", error))?;
    }
    if let Some(mtime_ns) = attributes.mtime_ns {
        set_mtime(folder, mtime_ns).map_err(|error| FileError::of("set the time of", error))?;
    }
    Ok(())
}

fn finish_folder(name: FileName, outcome: Result<(), FileError>) -> Committed {
    match outcome {
        Ok(()) => Ok(Stored {
            file_name: name.to_string(),
            ..Stored::default()
        }),
        Err(error) => Err((name, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::files::message::Code;
    use crate::files::part::MAX_SLOTS;
    use crate::files::{Algorithm, Digest, Hasher};

    struct Place {
        dir: tempfile::TempDir,
        root: Root,
        batch: Batch,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Root::open(dir.path()).unwrap();
            let batch = Batch::default();
            Self { dir, root, batch }
        }

        fn begin(&mut self, name: &str, bytes: &[u8]) -> Part {
            let name = name.parse().unwrap();
            let folder = self.batch.folder_of(&self.root, &name).unwrap();
            let attributes = Attributes::default();
            let mut part = Part::begin(&folder, &name, Algorithm::Blake3, &attributes).unwrap();
            part.write(bytes).unwrap();
            part
        }

        fn find(&mut self, name: &str) -> Option<Part> {
            let name = name.parse().unwrap();
            let folder = self.batch.folder_of(&self.root, &name).unwrap();
            Part::find(&folder, &name, Algorithm::Blake3).unwrap()
        }

        fn complete(&mut self, part: Part, attributes: &Attributes) {
            self.batch.push(part.complete(None, attributes).unwrap());
        }

        /// `name bytes` or `name code` of each.
        fn commit(&mut self) -> Vec<String> {
            let mut told = vec![];
            self.batch.commit(|outcome| {
                told.push(match outcome {
                    Ok(stored) => format!("{} {}", stored.file_name, stored.bytes),
                    Err((name, error)) => format!("{name} {:?}", error.code()),
                });
            });
            told
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.dir.path().join(name)
        }

        /// The names in the folder, those of parts too.
        fn names(&self, folder: &str) -> Vec<String> {
            let entries = std::fs::read_dir(self.path(folder)).unwrap();
            let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
            let mut names: Vec<_> = entries
                .map(|entry| name(entry).into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    fn blake3(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Blake3);
        hasher.update(bytes);
        hasher.digest().unwrap()
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let mut place = Place::new();
        let part = place.begin("a/b", b"hello");
        let names = place.names("a");
        assert!(names.len() == 1 && crate::files::is_reserved(names[0].as_bytes()));
        place.complete(part, &Attributes::default());
        assert_eq!(place.commit(), ["a/b 5"]);
        assert_eq!(place.names("a"), ["b"]);
        assert_eq!(std::fs::read(place.path("a/b")).unwrap(), b"hello");
    }

    #[test]
    fn a_wrong_digest_leaves_nothing() {
        let mut place = Place::new();
        let part = place.begin("a", b"hello");
        let error = part
            .complete(Some(blake3(b"hallo")), &Attributes::default())
            .unwrap_err();
        assert_eq!(error.code(), Code::Digest);
        let part = place.begin("a", b"hello");
        let md5 = Digest::from_hex(Algorithm::Md5, &"0".repeat(32)).ok();
        let error = part.complete(md5, &Attributes::default()).unwrap_err();
        assert_eq!(error.code(), Code::Digest);
        assert!(place.names("").is_empty());
    }

    #[test]
    fn of_two_files_of_one_name_the_first_to_end_gets_it() {
        let mut place = Place::new();
        let first = place.begin("a", b"first");
        let second = place.begin("a", b"second!");
        place.complete(second, &Attributes::default());
        place.complete(first, &Attributes::default());
        assert_eq!(place.commit(), ["a 7", "a Exists"]);
        assert_eq!(std::fs::read(place.path("a")).unwrap(), b"second!");
        assert_eq!(place.names(""), ["a"]);
        let third = place.begin("a", b"third");
        let overwrite = Attributes {
            overwrite: true,
            ..Attributes::default()
        };
        place.complete(third, &overwrite);
        assert_eq!(place.commit(), ["a 5"]);
    }

    #[test]
    fn only_a_file_can_be_taken_the_place_of() {
        let place = Place::new();
        std::fs::create_dir(place.path("folder")).unwrap();
        std::fs::write(place.path("file"), "").unwrap();
        symlink("file", place.path("link")).unwrap();
        let check = |name: &str, overwrite, expected: Option<Code>| {
            let folder = place.root.open_folder(&FileName::root()).unwrap();
            let found = check_target(&folder, &name.parse().unwrap(), overwrite);
            assert_eq!(found.err().map(|error| error.code()), expected, "{name}");
        };
        check("new", false, None);
        check("file", false, Some(Code::Exists));
        check("file", true, None);
        check("link", false, Some(Code::Exists));
        check("link", true, Some(Code::BadName));
        check("folder", true, Some(Code::NotAFile));
    }

    #[test]
    fn what_was_interrupted_is_found_again_and_gone_on_with() {
        let mut place = Place::new();
        place.begin("a", b"hello wor").keep();
        let mut part = place.find("a").unwrap();
        assert_eq!(part.bytes(), 9);
        assert_eq!(part.digest(), Some(blake3(b"hello wor")));
        assert!(place.find("a").is_none(), "somebody goes on with it");
        assert!(part.resume(10, Algorithm::Blake3).is_err());
        part.resume(6, Algorithm::Blake3).unwrap();
        part.write(b"there").unwrap();
        assert_eq!(part.digest(), Some(blake3(b"hello there")));
        place.complete(part, &Attributes::default());
        assert_eq!(place.commit(), ["a 11"]);
        assert_eq!(place.names(""), ["a"]);
        place.begin("b", b"").keep();
        assert_eq!(
            place.names(""),
            ["a"],
            "nothing is worth keeping of nothing"
        );
    }

    #[test]
    fn the_longest_part_is_found_and_the_others_go_when_a_file_is_complete() {
        let mut place = Place::new();
        let parts = [
            place.begin("a", b"1"),
            place.begin("a", b"longest"),
            place.begin("a", b"22"),
        ];
        parts.into_iter().for_each(Part::keep);
        assert_eq!(place.names("").len(), 3);
        let part = place.find("a").unwrap();
        assert_eq!(part.bytes(), 7);
        place.complete(part, &Attributes::default());
        assert_eq!(place.commit(), ["a 7"]);
        assert_eq!(place.names(""), ["a"]);
    }

    #[test]
    fn so_many_uploads_of_one_name_and_no_more() {
        let mut place = Place::new();
        let parts: Vec<_> = (0..MAX_SLOTS).map(|_| place.begin("a", b"x")).collect();
        let name = "a".parse().unwrap();
        let folder = place.batch.folder_of(&place.root, &name).unwrap();
        let error =
            Part::begin(&folder, &name, Algorithm::None, &Attributes::default()).unwrap_err();
        assert_eq!(error.code(), Code::Busy);
        drop(parts);
        assert!(place.find("a").is_some());
    }

    #[test]
    fn permissions_and_times_are_those_that_were_given_and_no_more() {
        let mut place = Place::new();
        let attributes = Attributes {
            mode: Some(0o7640),
            mtime_ns: Some(-1_500_000_000),
            overwrite: false,
        };
        let part = place.begin("folder/a", b"x");
        place.complete(part, &attributes);
        let folder = "folder".parse().unwrap();
        let kept = Attributes {
            mode: Some(0o7750),
            ..attributes
        };
        place.batch.make_folder(&place.root, &folder, kept).unwrap();
        assert_eq!(place.commit(), ["folder/a 1", "folder 0"]);
        let check = |path: &Path, mode: u32| {
            let facts = std::fs::metadata(path).unwrap();
            assert_eq!(facts.permissions().mode() & 0o7777, mode);
            assert_eq!((facts.mtime(), facts.mtime_nsec()), (-2, 500_000_000));
        };
        check(&place.path("folder/a"), 0o640);
        check(&place.path("folder"), 0o750);
    }

    #[test]
    fn what_was_left_for_all_to_read_is_closed_before_it_is_written_to() {
        let mut place = Place::new();
        place.begin("a", b"old").keep();
        let name = "a".parse().unwrap();
        let folder = place.batch.folder_of(&place.root, &name).unwrap();
        let private = Attributes {
            mode: Some(0o600),
            ..Attributes::default()
        };
        let part = Part::begin(&folder, &name, Algorithm::None, &private).unwrap();
        let found = std::fs::metadata(place.path(&part.path())).unwrap();
        assert_eq!(
            (found.permissions().mode() & 0o777, found.len()),
            (0o600, 0)
        );
    }

    #[test]
    fn many_small_files_become_durable_together() {
        let mut place = Place::new();
        for number in 0..100 {
            let part = place.begin(&format!("{}/{number}", number % 7), b"small");
            place.complete(part, &Attributes::default());
        }
        assert_eq!(place.batch.len(), 100);
        let told = place.commit();
        assert!(told.iter().all(|told| told.ends_with(" 5")), "{told:?}");
        assert_eq!(place.names("3").len(), 14);
    }

    #[test]
    fn a_folder_is_not_made_where_a_file_is() {
        let mut place = Place::new();
        std::fs::write(place.path("file"), "").unwrap();
        let name = "file".parse().unwrap();
        let made = place
            .batch
            .make_folder(&place.root, &name, Attributes::default());
        assert_eq!(made.unwrap_err().code(), Code::Exists);
    }
}
