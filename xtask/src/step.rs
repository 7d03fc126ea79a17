//! One command of a chore: it says what it does, how long it took and why it cannot run.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies in the project's folder")
        .to_owned()
}

/// A cargo that works in the project's folder.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs `command` as the step `name`; an error if it fails.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<()> {
    timed(name, || {
        let status = command.stdin(Stdio::null()).status();
        let status = status.with_context(|| format!("{} does not start", shown(command)))?;
        if !status.success() {
            bail!("{name} failed: `{}` ended with {status}", shown(command));
        }
        Ok(())
    })
}

/// Runs `work` as the step `name` and prints how long it took.
pub(crate) fn timed<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {name}");
    let start = Instant::now();
    let done = work();
    let verdict = if done.is_ok() { "done" } else { "FAILED" };
    println!(
        "<== {name}: {verdict} in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    done
}

/// Fails with the way to install `tool` unless `probe` runs.
pub(crate) fn need(tool: &str, probe: &mut Command, install: &str) -> Result<()> {
    let found = probe
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("{tool} is missing; install it with: {install}")
}

/// What `command` prints on standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.with_context(|| format!("{} does not start", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    Ok(output.stdout)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
