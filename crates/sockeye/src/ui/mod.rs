//! The one place that writes to the terminal.

mod escape;
mod terminal;

use std::io::{self, Write};

pub(crate) use escape::escape;
pub(crate) use terminal::{Colour, paint};

use crate::catalogue::Lang;
use crate::exit::StdoutClosed;

/// What the views of one run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    pub(crate) lang: Lang,
    /// Whether what is written to standard error may be coloured.
    pub(crate) colour: bool,
}

impl Ui {
    pub(crate) fn new(lang: Lang) -> Self {
        Self {
            lang,
            colour: terminal::colours(&io::stderr()),
        }
    }

    /// Says why the run failed: one line, the causes joined by `: `.
    pub(crate) fn error(self, error: &anyhow::Error) {
        self.complain(&format!("{error:#}"));
    }

    /// Writes `sockeye: …` to standard error. Nothing can be done when that fails.
    pub(crate) fn complain(self, what: &str) {
        let name = paint("sockeye:", Colour::Red, self.colour);
        let _ = writeln!(io::stderr().lock(), "{name} {}", escape(what));
    }
}

/// Writes to standard output and flushes. A reader that went away is [`StdoutClosed`], which is no failure.
pub(crate) fn write_stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(StdoutClosed.into()),
        other => Ok(other?),
    }
}
