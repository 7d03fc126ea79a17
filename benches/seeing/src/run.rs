//! How long a program takes.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// From its start to its end, with its output read through a pipe; it has to print at least so many
/// lines.
pub(crate) fn timed(command: &mut Command, least_lines: usize) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdout = child.stdout.take().expect("it is a pipe");
    let mut text = Vec::with_capacity(8 << 20);
    stdout.read_to_end(&mut text)?;
    let status = child.wait()?;
    let took = begin.elapsed();
    let lines = text.split(|byte| *byte == b'\n').count() - 1;
    if lines >= least_lines && status.success() {
        return Ok(took);
    }
    let why = format!("{command:?} printed {lines} of {least_lines} lines and ended with {status}");
    Err(io::Error::other(why))
}
