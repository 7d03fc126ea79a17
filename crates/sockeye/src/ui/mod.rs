//! The one place that writes to the terminal.

mod escape;
mod flow;
pub(crate) mod quantity;
pub(crate) mod screen;
mod table;
mod terminal;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

pub(crate) use escape::{Shown, escape};
pub(crate) use flow::Flow;
pub(crate) use table::Table;
pub(crate) use terminal::{Colour, colours, columns, paint};

use sockeye_net::{Errno, NetError};

use crate::catalogue::{self, Lang};
use crate::exit::unwritten;

/// What the views of one run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    pub(crate) lang: Lang,
    /// Whether what is written to standard error may be coloured.
    pub(crate) colour: bool,
    /// Whether standard error was a terminal when we started.
    terminal: bool,
}

impl Ui {
    pub(crate) fn new(lang: Lang) -> Self {
        let stderr = io::stderr();
        Self {
            lang,
            colour: terminal::colours(&stderr),
            terminal: stderr.is_terminal(),
        }
    }

    /// The views of a test: no colours.
    #[cfg(test)]
    pub(crate) fn plain(lang: Lang) -> Self {
        Self {
            lang,
            colour: false,
            terminal: false,
        }
    }

    /// Whether standard error was a terminal when we started.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Whether our terminal has been closed: a hung-up terminal fails every request.
    pub(crate) fn hung_up(self) -> bool {
        self.terminal && !io::stderr().is_terminal()
    }

    /// Says why the run failed: one line, the causes joined by `: `.
    pub(crate) fn error(self, error: &anyhow::Error) {
        let causes = error.chain();
        let mut known = causes.filter_map(|cause| cause.downcast_ref::<NetError>());
        let said = catalogue::chained(error, self.lang);
        match known.find_map(|error| self.hint(error)) {
            Some(hint) => self.complain(&format!("{said}; {hint}")),
            None => self.complain(&said),
        }
    }

    /// What to try.
    pub(crate) fn hint(self, error: &NetError) -> Option<String> {
        if let NetError::Unknown {
            place, fingerprint, ..
        } = error
        {
            let values: [(&str, &dyn Display); 2] = [("place", place), ("key", fingerprint)];
            return Some(catalogue::HOW_TO_TRUST.fill(self.lang, &values));
        }
        if let NetError::KeyChanged(change) = error {
            let text = catalogue::HOW_TO_CHANGE;
            return Some(text.fill(self.lang, &[("place", &change.place)]));
        }
        Some(catalogue::known(error.hint()?, self.lang))
    }

    /// Writes a line of status to standard error. Nothing can be done when that fails.
    pub(crate) fn say(self, what: &str) {
        let what = paint(&escape(what), Colour::Dim, self.colour);
        let _ = writeln!(io::stderr().lock(), "{what}");
    }

    /// Writes `sockeye: …` to standard error. Nothing can be done when that fails.
    pub(crate) fn complain(self, what: &str) {
        let name = paint("sockeye:", Colour::Red, self.colour);
        // Only the errors of a config have several lines: the place and the caret under it.
        let what: Vec<_> = what.lines().map(escape).collect();
        let _ = writeln!(io::stderr().lock(), "{name} {}", what.join("\n"));
    }
}

/// Writes to standard output and flushes. A reader that went away is [`crate::exit::StdoutClosed`], which is no failure.
pub(crate) fn write_stdout(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| unwritten("to standard output", Errno::of(&error)))
}
