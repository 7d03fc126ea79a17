//! Where files go that are got.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sockeye_net::Errno;

use super::error::TransferError;
use super::place::Place;
use crate::files::{FileName, Root};

/// Where files are put that are got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Into this folder, under the last part of their names. It is made if it is not there.
    Folder(PathBuf),
    /// The one file that is asked for, under this name. What is there and no file (a FIFO, a device)
    /// is written to as it is.
    File(PathBuf),
    /// One after the other to standard output.
    Stdout,
}

/// Where things go, and the name of the one file if it has one.
pub(super) fn place(target: &Target) -> Result<(Place, Option<FileName>), TransferError> {
    let local = |path: &Path, why: &io::Error| TransferError::Local {
        what: path.display().to_string(),
        why: Errno::of(why),
    };
    match target {
        Target::Stdout => {
            let stdout = rustix::io::dup(rustix::stdio::stdout());
            let stdout = stdout.map_err(|why| local(Path::new("standard output"), &why.into()))?;
            Ok((Place::Open(stdout.into()), None))
        }
        Target::Folder(path) => {
            fs::create_dir_all(path).map_err(|why| local(path, &why))?;
            Ok((Place::Below(root(path)?), None))
        }
        Target::File(path) => {
            let special = fs::metadata(path).map(|meta| meta.file_type());
            if special
                .is_ok_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_block_device())
            {
                let flags = OFlags::NOCTTY.bits().cast_signed();
                let opened = OpenOptions::new()
                    .write(true)
                    .custom_flags(flags)
                    .open(path);
                let file = opened.map_err(|why| local(path, &why))?;
                return Ok((Place::Open(file), None));
            }
            let name = path.file_name().unwrap_or_default();
            let name = FileName::from_os(name).map_err(|why| TransferError::Target {
                path: path.clone(),
                why,
            })?;
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            Ok((Place::Below(root(folder)?), Some(name)))
        }
    }
}

fn root(path: &Path) -> Result<Root, TransferError> {
    Root::open(path).map_err(|why| TransferError::Folder {
        path: path.to_owned(),
        why,
    })
}
