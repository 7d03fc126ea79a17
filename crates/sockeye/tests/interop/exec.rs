//! `sockeye exec` against servers that were written from docs/wire.md alone, honest ones and others,
//! and against our own.

mod both;
mod faults;

use std::process::Command;

use serde_json::{Value, json};
use sockeye_testkit::{Process, python};
use tempfile::TempDir;

use crate::ours::sockeye;

/// A server that plays a script, and where it listens.
struct Scripted {
    process: Process,
    endpoint: String,
    _folder: TempDir,
}

/// Starts it, see peers/exec_script.py for the steps.
#[track_caller]
fn scripted(steps: &Value) -> Option<Scripted> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("exec.sock");
    let socket = socket.to_str().unwrap();
    let process = python(
        include_str!("peers/exec_script.py"),
        &[socket, &steps.to_string()],
    )?;
    process.wait_stdout("listening\n");
    Some(Scripted {
        process,
        endpoint: format!("unix:{socket}"),
        _folder: folder,
    })
}

impl Scripted {
    /// Waits until the client has said this.
    #[track_caller]
    fn hears(&self, header: &Value) {
        self.process.wait_line(|line| {
            let frame: Value = serde_json::from_str(line).ok()?;
            (frame["header"] == *header).then_some(())
        });
    }

    /// The bytes of all bodies that came.
    fn bytes(&self) -> u64 {
        let said = self.process.stdout();
        let said = String::from_utf8_lossy(&said).into_owned();
        let frames = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        frames.filter_map(|frame| frame["bytes"].as_u64()).sum()
    }
}

/// `sockeye exec …`.
fn exec(args: &[&str]) -> Command {
    let mut command = sockeye(&["exec"]);
    command.args(args);
    command
}

/// What a server says once the command runs.
fn started() -> Value {
    json!({"send": {"type": "started", "pid": 7}})
}

/// The end of a command.
fn exit(fields: &Value) -> Value {
    let mut header = json!({"type": "exit", "took_ms": 1});
    let header_fields = header.as_object_mut().unwrap();
    header_fields.extend(fields.as_object().unwrap().clone());
    json!({"send": header})
}

/// The event `ev` among JSON Lines.
#[track_caller]
fn event(lines: &str, ev: &str) -> Value {
    let all = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut fitting = all.filter(|event| event["ev"] == ev);
    fitting
        .next()
        .unwrap_or_else(|| panic!("no {ev} in {lines}"))
}
