//! M19: files, put and got. Against a Python server that knows only docs/wire.md and lies on request,
//! against Python's receivers of plain uploads, and with our own server on the other side.

mod get;
mod liars;
mod ours;
mod plain;
mod put;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};

use sockeye_testkit::{Exit, Process, python};
use tempfile::TempDir;

use crate::ours::sockeye;

/// A Python server of files, and the folders of both sides.
pub(crate) struct Theirs {
    pub(crate) process: Process,
    pub(crate) folder: TempDir,
    pub(crate) endpoint: String,
}

/// Starts it; `lie` is what it does wrong.
#[track_caller]
pub(crate) fn theirs(lie: &str) -> Option<Theirs> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["there", "here"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let script = include_str!("peers/files_server.py");
    let root = folder.path().join("there");
    let process = python(script, &[root.to_str().unwrap(), lie])?;
    let endpoint = format!("127.0.0.1:{}", process.port());
    Some(Theirs {
        process,
        folder,
        endpoint,
    })
}

impl Theirs {
    /// A path on the server's side.
    pub(crate) fn there(&self, name: &str) -> PathBuf {
        self.folder.path().join("there").join(name)
    }

    /// A path on our side.
    pub(crate) fn here(&self, name: &str) -> PathBuf {
        self.folder.path().join("here").join(name)
    }

    /// `sockeye put WORDS… ENDPOINT` in our folder, checked by a digest that Python knows.
    #[track_caller]
    pub(crate) fn put(&self, words: &[&str]) -> Exit {
        let words = [&["put", "--digest", "sha256"], words, &[&self.endpoint]].concat();
        Process::run(sockeye(&words).current_dir(self.here("")))
    }

    /// `sockeye get ENDPOINT WORDS…` in our folder.
    #[track_caller]
    pub(crate) fn get(&self, words: &[&str]) -> Exit {
        let words = [&["get", "--digest", "sha256", &self.endpoint], words].concat();
        Process::run(sockeye(&words).current_dir(self.here("")))
    }
}

/// Bytes that differ everywhere.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..len).map(byte).collect()
}

/// That the run ended with this code and said exactly these lines on standard error, in any order.
#[track_caller]
pub(crate) fn assert_says(exit: &Exit, code: i32, lines: &[&str]) {
    let text = exit.stderr_text();
    let mut said: Vec<_> = text.lines().collect();
    let mut lines = lines.to_vec();
    said.sort_unstable();
    lines.sort_unstable();
    assert_eq!(
        (exit.code, said),
        (Some(code), lines),
        "{}",
        exit.stdout_text()
    );
}

/// The names in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
