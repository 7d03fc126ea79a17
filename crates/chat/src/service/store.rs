//! The folder of a chat: what was said, and the secret that hides addresses.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cluster::ClusterError;
use crate::history::{HistoryError, HistoryOptions};

/// The file of the history in it.
pub const HISTORY_FILE: &str = "chat.sqlite";

/// The file of the secret.
const SECRET_FILE: &str = "cloak.secret";

/// Where a chat keeps what is said, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// A folder, which is made (0700) if it is not there.
    pub folder: PathBuf,
    /// What is kept of it.
    pub options: HistoryOptions,
}

/// Why a chat cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChatError {
    /// What was said cannot be kept, or read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The folder, or the secret in it, cannot be made or read.
    #[error("cannot open {}", path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The other servers cannot be reached, or do not fit.
    #[error("cannot be one of several servers")]
    Cluster(#[from] ClusterError),
    /// Several servers share what they keep, and this one keeps nothing.
    #[error("several servers share what is kept, and history is off")]
    NothingKept,
    /// The secret was changed.
    #[error("{} is no secret of ours; remove it, and addresses will look different", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
    },
}

impl Keeping {
    /// The file of the history.
    pub(super) fn history(&self) -> PathBuf {
        self.folder.join(HISTORY_FILE)
    }

    /// The secret that hides addresses: drawn when it is first asked for.
    pub(super) fn secret(&self) -> Result<[u8; 32], ChatError> {
        let make = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder);
        make.map_err(|source| ChatError::Store {
            path: self.folder.clone(),
            source,
        })?;
        let path = self.folder.join(SECRET_FILE);
        let secret = secret(&path).map_err(|source| ChatError::Store {
            path: path.clone(),
            source,
        })?;
        secret.ok_or(ChatError::Secret { path })
    }
}

/// Reads the secret, or draws it; none if what stands there is none.
fn secret(path: &Path) -> io::Result<Option<[u8; 32]>> {
    let mut options = OpenOptions::new();
    let fresh = options.write(true).create_new(true).mode(0o600).open(path);
    match fresh {
        Ok(mut file) => {
            let secret: [u8; 32] = rand::random();
            file.write_all(&secret)?;
            file.sync_all()?;
            Ok(Some(secret))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut kept = vec![];
            let file = OpenOptions::new().read(true).open(path)?;
            file.take(64).read_to_end(&mut kept)?;
            Ok(kept.try_into().ok())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_secret_is_drawn_once_and_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keeping = |name: &str| Keeping {
            folder: dir.path().join(name),
            options: HistoryOptions::default(),
        };
        let first = keeping("a/b").secret().unwrap();
        assert_eq!(keeping("a/b").secret().unwrap(), first);
        assert_ne!(keeping("c").secret().unwrap(), first);
        let path = dir.path().join("a/b").join(SECRET_FILE);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        let error = keeping("a/b").secret().unwrap_err();
        assert!(matches!(error, ChatError::Secret { .. }), "{error}");
    }
}
