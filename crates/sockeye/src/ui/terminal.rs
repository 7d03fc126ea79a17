//! What a terminal can do: colours, and columns that line up.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

/// The few colours that read on dark and on light terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Dim,
    Cyan,
}

/// Whether colours may be written there: only to a terminal, and not with NO_COLOR (no-color.org).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !asked_not_to && !dumb
}

/// How wide a picture on standard output may be, where it is no terminal.
const WIDTH: usize = 100;

/// The columns of standard output.
pub(crate) fn columns() -> usize {
    let size = tcgetwinsize(rustix::stdio::stdout());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { WIDTH } else { columns }
}

/// The text in a colour, or as it is.
pub(crate) fn paint(text: &str, colour: Colour, on: bool) -> String {
    if !on {
        return text.to_owned();
    }
    // ECMA-48 §8.3.117, Select Graphic Rendition.
    let code = match colour {
        Colour::Dim => 2,
        Colour::Red => 31,
        Colour::Cyan => 36,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
