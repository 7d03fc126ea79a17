//! The programs that tests talk to, found on `PATH`.

use std::env;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::Process;

/// Whether this run must leave nothing out (`CI=true`).
pub fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// Where the program `name` lies on `PATH`.
///
/// `None` means that the calling test cannot run and should return: that has been said on stderr.
/// In CI nothing is left out, so there a missing program panics.
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        not_run(&format!("needs {name}"));
    }
    found
}

/// Says that the calling test does not run, and why; in CI that is a failure.
///
/// # Panics
/// With `CI=true`.
pub fn not_run(why: &str) {
    assert!(
        !in_ci(),
        "this test cannot run: {why}; with CI=true that is a failure"
    );
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`: the test harness would swallow it when the test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test} {why}");
}

/// Starts a Python script, given as text; `sys.argv[1:]` is `args`.
///
/// The script should use the plain `socket` module. `None` when there is no python3, as [`tool`].
#[track_caller]
pub fn python(script: &str, args: &[&str]) -> Option<Process> {
    let python = tool("python3")?;
    // -u: a line that the script prints is seen at once, and also when the script is killed.
    Some(Process::start(
        Command::new(python).args(["-u", "-c", script]).args(args),
    ))
}

/// Whether python3 can import `module`; if not, as [`tool`].
pub fn python_module(module: &str) -> bool {
    let Some(python) = tool("python3") else {
        return false;
    };
    let found = Command::new(python)
        .args(["-c", &format!("import {module}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        not_run(&format!("needs the Python module {module}"));
    }
    found
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_nonsense_is_not() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn python_runs_a_script_with_arguments() {
        let Some(mut script) = python("import sys; print('got', sys.argv[1])", &["a b"]) else {
            return;
        };
        script.wait_stdout("got a b\n");
        assert_eq!(script.exit().code, Some(0));
    }
}
