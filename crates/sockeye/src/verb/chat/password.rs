//! Passwords: from files that are ours alone, or from whoever sits at the terminal; never from the
//! command line, where everybody can read them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sockeye_net::{Errno, Secret};

use crate::catalogue::chat as say;
use crate::context::Context;
use crate::exit::usage;

/// Bytes of a password at most; SASL PLAIN has no limit of its own.
const LIMIT: u64 = 1_024;

/// The password in the file, or of the person for `-`.
pub(super) fn read(path: &Path, of: &str, context: &Context) -> anyhow::Result<Secret> {
    if path.as_os_str() == "-" {
        return ask(of, context);
    }
    let shown = path.display();
    let unread = |error| usage!("password file {shown}: {}", Errno::of(&error));
    let file = File::open(path).map_err(unread)?;
    // Everybody's bits of the mode, inode(7).
    if file.metadata().map_err(unread)?.mode() & 0o007 != 0 {
        return Err(usage!(
            "password file {shown}: everybody may read or write it; chmod 600"
        ));
    }
    first_line(file).ok_or_else(|| usage!("password file {shown}: there is none in its first line"))
}

/// The first line, if it is a password.
fn first_line(from: impl Read) -> Option<Secret> {
    let mut line = String::new();
    let mut from = BufReader::new(from.take(LIMIT));
    from.read_line(&mut line).ok()?;
    let line = line.trim_end_matches(['\r', '\n']);
    let fits = !line.is_empty() && !line.contains('\0');
    fits.then(|| Secret::new(line))
}

/// Asks at the terminal, which shows nothing of the answer.
fn ask(of: &str, context: &Context) -> anyhow::Result<Secret> {
    let tty = File::options().read(true).write(true).open("/dev/tty");
    let tty = tty.map_err(|_| usage!("there is no terminal to ask for the password of {of}"))?;
    let silent = Silent::new(&tty);
    let question = say::PASSWORD_OF.fill(context.lang(), &[("name", &of)]);
    write!(stderr(), "{question} ")?;
    let answer = first_line(&tty);
    drop(silent);
    writeln!(stderr())?;
    answer.ok_or_else(|| usage!("no password for {of}"))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silent<'a> {
    tty: &'a File,
    before: Option<Termios>,
}

impl<'a> Silent<'a> {
    fn new(tty: &'a File) -> Self {
        let before = tcgetattr(tty).ok();
        if let Some(mut silent) = before.clone() {
            silent.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(tty, OptionalActions::Flush, &silent);
        }
        Self { tty, before }
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(self.tty, OptionalActions::Flush, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::Global;

    #[test]
    fn the_first_line_of_a_file_that_is_ours_alone_is_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let context = Context::new(Global::default(), crate::catalogue::Lang::En);
        let check = |text: &str, mode, expected: Result<&str, &str>| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match (read(&path, "tom", &context), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got.reveal(), expected),
                (Err(got), Err(part)) => assert!(got.to_string().contains(part), "{got}"),
                (got, expected) => panic!("{got:?} is not {expected:?}"),
            }
        };
        check("secret\r\nmore", 0o600, Ok("secret"));
        check("with blanks ", 0o640, Ok("with blanks "));
        check("secret", 0o644, Err("chmod 600"));
        check("\n", 0o600, Err("there is none"));
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path, "tom", &context).is_err());
    }
}
