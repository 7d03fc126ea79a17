//! The private directory in which the exchange puts its sockets.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sockeye_net::Endpoint;

use crate::exit::usage;

/// Makes sure that the directory exists and is ours alone.
///
/// `$XDG_RUNTIME_DIR/sockeye` (XDG Base Directory Specification); where a login has set none up,
/// `/run/user/UID/sockeye` if that directory is there, else `/tmp/sockeye-UID`.
pub(crate) fn prepare() -> anyhow::Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let asked = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let dir = place(asked.filter(|dir| dir.is_absolute()), uid);
    own(&dir, uid)?;
    Ok(dir)
}

/// Where a service listens in it.
pub(crate) fn endpoint(service: &str) -> anyhow::Result<Endpoint> {
    let socket = prepare()?.join(format!("{service}.sock"));
    let name = socket
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f");
    format!("unix:{name}")
        .parse()
        .map_err(|error| usage!("{error}"))
}

fn place(asked: Option<PathBuf>, uid: u32) -> PathBuf {
    let login = PathBuf::from(format!("/run/user/{uid}"));
    match asked.or_else(|| login.is_dir().then_some(login)) {
        Some(dir) => dir.join("sockeye"),
        None => std::env::temp_dir().join(format!("sockeye-{uid}")),
    }
}

/// Makes the directory with mode 0700, or checks the one that is there: whoever else could write
/// into it could answer in our name.
fn own(dir: &Path, uid: u32) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make {}", dir.display()));
        }
        _ => {}
    }
    // Not what a link points to: in /tmp anybody can make one.
    let found = fs::symlink_metadata(dir).with_context(|| dir.display().to_string())?;
    let shown = dir.display();
    if !found.is_dir() {
        return Err(usage!("{shown} is no directory; remove it"));
    }
    if found.uid() != uid {
        let owner = found.uid();
        return Err(usage!(
            "{shown} belongs to uid {owner}, we are uid {uid}: it is not safe to use"
        ));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(usage!(
            "{shown} has mode {mode:o}, allowed is 700; try chmod 700 {shown}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_directory_is_made_private_and_used_again() {
        let parent = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let dir = place(Some(parent.path().to_owned()), uid);
        assert_eq!(dir, parent.path().join("sockeye"));
        own(&dir, uid).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        own(&dir, uid).unwrap();
    }

    #[test]
    fn what_others_could_write_into_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let dir = parent.path().join("wide");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let error = own(&dir, uid).unwrap_err().to_string();
        assert!(error.contains("has mode 755, allowed is 700"), "{error}");

        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        let error = own(&link, uid).unwrap_err().to_string();
        assert!(error.contains("is no directory"), "{error}");

        let error = own(parent.path(), uid + 1).unwrap_err().to_string();
        assert!(error.contains(&format!("belongs to uid {uid}")), "{error}");
    }
}
