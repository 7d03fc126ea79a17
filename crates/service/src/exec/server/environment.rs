//! The environment of commands.

use std::ffi::{OsStr, OsString};

use super::super::Exec;

/// What a command's environment has in common with the server's: nothing else passes, so that no
/// secret of the server's does. `TERM` comes from the client, and only with a terminal.
pub const BASE: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"];

/// Where programs are looked for if the server itself was not told (`_PATH_DEFPATH`, paths.h).
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The environment of this command. What the request adds comes last.
pub(super) fn of(exec: &Exec) -> Vec<(OsString, OsString)> {
    let base = BASE.iter().filter_map(|name| {
        let value = std::env::var_os(name);
        let value = value.or_else(|| (*name == "PATH").then(|| PATH.into()))?;
        Some((OsString::from(name), value))
    });
    let term = exec
        .tty
        .iter()
        .map(|terminal| ("TERM".into(), terminal.term.as_str().into()));
    let added = exec
        .env
        .iter()
        .map(|(name, value)| (OsStr::new(name).to_owned(), value.as_os_str().to_owned()));
    base.chain(term).chain(added).collect()
}
