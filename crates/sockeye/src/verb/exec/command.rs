//! The command as it was typed, for the wire.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use sockeye_service::exec::Argument;
use sockeye_service::exec::{Exec as Request, Terminal};

use super::{Exec, terminal};
use crate::exit::usage;

/// What a terminal is called when nobody knows.
const TERM: &str = "xterm";

/// What to ask for.
pub(super) fn request(exec: &Exec, stdin: bool) -> anyhow::Result<Request> {
    if exec.shell && exec.command.len() > 1 {
        return Err(usage!(
            "--shell takes one command line: quote all of it, as in -- 'ls -l | wc -l'"
        ));
    }
    let argv = exec.command.iter().cloned().map(Argument::from);
    Ok(Request {
        argv: argv.collect(),
        shell: exec.shell,
        cwd: exec.cwd.clone().map(Argument::from),
        env: variables(&exec.env)?,
        stdin,
        tty: exec.tty.then(terminal),
        timeout_ms: exec.timeout.map(|time| time.0.as_millis() as u64),
    })
}

/// `NAME=VALUE`, or `NAME` with the value that it has here.
fn variables(given: &[OsString]) -> anyhow::Result<BTreeMap<String, Argument>> {
    given.iter().map(|text| variable(text)).collect()
}

fn variable(text: &OsStr) -> anyhow::Result<(String, Argument)> {
    let bytes = text.as_bytes();
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
        None => (bytes, None),
    };
    let shown = text.display();
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| usage!("--env '{shown}': write NAME=VALUE, or NAME"))?;
    let value = value.or_else(|| env::var_os(name).map(OsString::into_vec));
    let value =
        value.ok_or_else(|| usage!("--env {name}: it is not set here; write {name}=VALUE"))?;
    Ok((name.to_owned(), Argument::from(value)))
}

fn terminal() -> Terminal {
    let term = env::var("TERM").ok().filter(|term| !term.is_empty());
    Terminal {
        term: term.unwrap_or_else(|| TERM.to_owned()),
        size: terminal::size(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_given_or_taken_from_here() {
        let check = |text: &[u8], expected: Result<(&str, &[u8]), &str>| {
            let read = variable(OsStr::from_bytes(text));
            let read = read.map_err(|error| error.to_string());
            let read = read
                .as_ref()
                .map(|(name, value)| (&**name, value.as_bytes()));
            assert_eq!(read.map_err(|error| &**error), expected);
        };
        check(b"A=1=2", Ok(("A", b"1=2")));
        check(b"A=\xff", Ok(("A", b"\xff")));
        check(b"A=", Ok(("A", b"")));
        let path = env::var_os("PATH").unwrap();
        check(b"PATH", Ok(("PATH", path.as_bytes())));
        check(b"=x", Err("--env '=x': write NAME=VALUE, or NAME"));
        let unset = "--env NOT_SET_ANYWHERE: it is not set here; write NOT_SET_ANYWHERE=VALUE";
        check(b"NOT_SET_ANYWHERE", Err(unset));
    }
}
