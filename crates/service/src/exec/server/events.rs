//! What is told of commands: who ran what, and how that came out (docs/events.md).

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sockeye_trace::{ConnId, Event, Kind, Recorder};

use super::super::message::signal_name;
use super::super::{Argument, Exec, Exit, Failure};

/// Bytes of a command that are told of: a request may hold 256 KiB.
const TOLD: usize = 2048;

/// Who asks on one connection.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    pub(super) recorder: Recorder,
    pub(super) conn: ConnId,
    pub(super) who: Arc<str>,
}

/// A command that runs, for the event of its end.
#[derive(Debug)]
pub(super) struct Record {
    witness: Witness,
    argv: Vec<String>,
    began: Instant,
}

/// The payload of the events of commands.
#[derive(Serialize)]
struct Told<'a> {
    who: &'a str,
    argv: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(flatten)]
    exit: Option<&'a Exit>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    abandoned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Witness {
    fn tell(&self, kind: Kind, told: &Told<'_>) {
        if self.recorder.is_on() {
            let payload = serde_json::to_vec(told).expect("what is told is plain data");
            let event = Event::new(kind, self.conn, self.recorder.now());
            self.recorder.record(event, &payload);
        }
    }

    fn told<'a>(&'a self, argv: &'a [String]) -> Told<'a> {
        Told {
            who: &self.who,
            argv,
            pid: None,
            exit: None,
            abandoned: false,
            code: None,
            error: None,
        }
    }

    /// A request was turned down, or could not be carried out.
    pub(super) fn refused(&self, exec: &Exec, why: &Failure) {
        let argv = shown(&exec.argv);
        let told = Told {
            code: Some(&why.code),
            error: Some(&why.message),
            ..self.told(&argv)
        };
        self.tell(Kind::CommandRefused, &told);
    }

    /// A command is about to be started.
    pub(super) fn begins(&self, exec: &Exec) -> Record {
        Record {
            witness: self.clone(),
            argv: shown(&exec.argv),
            began: Instant::now(),
        }
    }
}

impl Record {
    /// It runs.
    pub(super) fn started(&self, pid: u32) {
        let told = Told {
            pid: Some(pid),
            ..self.witness.told(&self.argv)
        };
        self.witness.tell(Kind::CommandStarted, &told);
    }

    /// It has ended.
    pub(super) fn ended(&self, exit: &Exit) {
        let told = Told {
            exit: Some(exit),
            ..self.witness.told(&self.argv)
        };
        self.witness.tell(Kind::CommandEnded, &told);
    }

    /// It has ended, and nobody waited for that any more.
    pub(super) fn abandoned(&self, status: ExitStatus) {
        let told = Told {
            exit: Some(&exit_of(status, self.began.elapsed())),
            abandoned: true,
            ..self.witness.told(&self.argv)
        };
        self.witness.tell(Kind::CommandEnded, &told);
    }
}

/// How a command ended, as its client is told.
pub(super) fn exit_of(status: ExitStatus, took: Duration) -> Exit {
    Exit {
        status: status.code().map(|code| code as u8),
        signal: status.signal().map(signal_name),
        took_ms: took.as_millis() as u64,
        ..Exit::default()
    }
}

/// The arguments as text, cut where they are too long to be told.
fn shown(argv: &[Argument]) -> Vec<String> {
    let mut room = TOLD;
    let mut words = vec![];
    for argument in argv {
        let bytes = argument.as_bytes();
        let mut word = String::from_utf8_lossy(&bytes[..bytes.len().min(room)]).into_owned();
        room = room.saturating_sub(bytes.len() + 1);
        if room == 0 {
            word.push('…');
            words.push(word);
            break;
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut() {
        let long = Argument::from("x".repeat(2 * TOLD).as_str());
        let words = shown(&["echo".into(), long.clone(), long]);
        assert_eq!(words.len(), 2);
        assert_eq!(words[1].chars().count(), TOLD - "echo ".len() + 1);
        assert!(words[1].ends_with("x…"));
        assert_eq!(shown(&["a".into(), "".into()]), ["a", ""]);
    }
}
