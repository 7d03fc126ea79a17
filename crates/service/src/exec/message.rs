//! The messages of remote commands (docs/wire.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Argument;

/// Bytes of `stdin` that a client may send ahead of what the command has taken.
pub const STDIN_WINDOW: u64 = 256 * 1024;

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Run this.
    Exec(Box<Exec>),
    /// The body is for the command's standard input.
    Stdin {},
    /// Its standard input ends.
    StdinEnd {},
    /// A signal for its process group.
    Signal {
        /// Which.
        name: SignalName,
    },
    /// Its terminal has a new size.
    Resize(Resize),
}

/// A command to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<Argument>,
    /// Its one string is a command line for `sh -c`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shell: bool,
    /// The folder in which it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Argument>,
    /// Added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Argument>,
    /// Its input comes from the client.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stdin: bool,
    /// It gets a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<Terminal>,
    /// It is ended after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The terminal of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// What `TERM` says.
    #[serde(default = "plain_terminal")]
    pub term: String,
    /// Its size.
    #[serde(flatten)]
    pub size: Resize,
}

fn plain_terminal() -> String {
    "dumb".to_owned()
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Lines.
    #[serde(default = "default_rows")]
    pub rows: u16,
    /// Characters in a line.
    #[serde(default = "default_columns")]
    pub columns: u16,
}

fn default_rows() -> u16 {
    24
}

fn default_columns() -> u16 {
    80
}

/// The signals that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "signal(7) says what they mean")]
pub enum SignalName {
    Hup,
    Int,
    Quit,
    Term,
    Kill,
    Usr1,
    Usr2,
    Stop,
    Tstp,
    Cont,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// The command runs.
    Started(Started),
    /// More of `stdin` may be sent.
    Credit(Credit),
    /// The body is what it printed.
    Stdout {},
    /// The body is what it printed as errors.
    Stderr {},
    /// It has ended, and everything that it printed was sent.
    Exit(Exit),
    /// Something was refused or went wrong.
    Error(Failure),
}

/// Which of its outputs a command wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its process, and its process group.
    pub pid: u32,
}

/// More of `stdin` may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// So many bytes more.
    pub bytes: u64,
}

/// How a command ended: by a status or by a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// The signal that ended it, such as `KILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How long it ran.
    pub took_ms: u64,
    /// Its time was over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Something that it started in a session of its own still holds its output.
    #[serde(default, skip_serializing_if = "is_false")]
    pub left_running: bool,
}

/// An error, of any conversation of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs: `denied`, `bad_request`, …
    pub code: String,
    /// For people.
    pub message: String,
    /// The kernel's error, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

impl Failure {
    /// An error with one of the codes of docs/wire.md.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            errno: None,
        }
    }
}

/// The names of signals, in the order of their numbers (signal(7), x86 and ARM).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// What `exit` calls a signal.
pub(crate) fn signal_name(number: i32) -> String {
    let index = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let name = index.and_then(|index| SIGNALS.get(index));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// The number of a signal that `exit` named.
pub fn signal_number(name: &str) -> Option<i32> {
    let index = SIGNALS.iter().position(|known| *known == name);
    index
        .map(|index| index as i32 + 1)
        .or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn request(json: &str, expected: &Request) {
        assert_eq!(serde_json::from_str::<Request>(json).unwrap(), *expected);
        assert_eq!(serde_json::to_string(expected).unwrap(), json);
    }

    #[track_caller]
    fn notice(json: &str, expected: &Notice) {
        assert_eq!(serde_json::from_str::<Notice>(json).unwrap(), *expected);
        assert_eq!(serde_json::to_string(expected).unwrap(), json);
    }

    #[test]
    fn messages_are_as_the_page_writes_them() {
        let exec = |exec| Request::Exec(Box::new(exec));
        let argv = vec!["echo".into(), "hi".into()];
        request(
            r#"{"type":"exec","argv":["echo","hi"]}"#,
            &exec(Exec {
                argv: argv.clone(),
                ..Exec::default()
            }),
        );
        request(
            r#"{"type":"exec","argv":["echo","hi"],"shell":true,"cwd":"/","env":{"A":"b"},"stdin":true,"tty":{"term":"xterm","rows":24,"columns":80},"timeout_ms":5}"#,
            &exec(Exec {
                argv,
                shell: true,
                cwd: Some("/".into()),
                env: [("A".to_owned(), "b".into())].into(),
                stdin: true,
                tty: Some(Terminal {
                    term: "xterm".into(),
                    size: Resize {
                        rows: 24,
                        columns: 80,
                    },
                }),
                timeout_ms: Some(5),
            }),
        );
        request(r#"{"type":"stdin"}"#, &Request::Stdin {});
        request(r#"{"type":"stdin_end"}"#, &Request::StdinEnd {});
        let name = SignalName::Usr1;
        request(
            r#"{"type":"signal","name":"USR1"}"#,
            &Request::Signal { name },
        );
        let size = Resize {
            rows: 1,
            columns: 2,
        };
        request(
            r#"{"type":"resize","rows":1,"columns":2}"#,
            &Request::Resize(size),
        );

        notice(
            r#"{"type":"started","pid":4711}"#,
            &Notice::Started(Started { pid: 4711 }),
        );
        notice(
            r#"{"type":"credit","bytes":262144}"#,
            &Notice::Credit(Credit {
                bytes: STDIN_WINDOW,
            }),
        );
        notice(r#"{"type":"stdout"}"#, &Notice::Stdout {});
        let exit = Exit {
            status: Some(0),
            took_ms: 2,
            ..Exit::default()
        };
        notice(
            r#"{"type":"exit","status":0,"took_ms":2}"#,
            &Notice::Exit(exit),
        );
        let failure = Failure {
            code: "denied".into(),
            message: "no".into(),
            errno: None,
        };
        notice(
            r#"{"type":"error","code":"denied","message":"no"}"#,
            &Notice::Error(failure),
        );
    }

    #[test]
    fn unknown_fields_are_skipped_and_unknown_types_are_not() {
        let known: Request =
            serde_json::from_str(r#"{"type":"stdin","size":3,"later":[1]}"#).unwrap();
        assert_eq!(known, Request::Stdin {});
        let unknown = serde_json::from_str::<Request>(r#"{"type":"dance"}"#).unwrap_err();
        assert!(unknown.to_string().contains("dance"), "{unknown}");
    }
}
