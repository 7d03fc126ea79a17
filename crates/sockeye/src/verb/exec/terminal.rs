//! Our terminal while the command has one of its own: raw, and put back on every way out.

use std::io;
use std::panic;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use sockeye_service::exec::Resize;

use crate::exit::usage;

/// How the terminal was before it became raw; nothing while it is as it was.
///
/// One for the process, because there is one terminal, and because a panic has to find it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// What a program gets that cannot know the size of its terminal (VT100).
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// That there is a terminal which can be the command's.
pub(super) fn require() -> anyhow::Result<()> {
    if isatty(io::stdin()) {
        return Ok(());
    }
    Err(usage!(
        "-t needs a terminal as standard input; leave -t out where there is none"
    ))
}

/// A raw terminal. Dropping it puts the terminal back.
#[derive(Debug)]
pub(super) struct Raw(());

impl Raw {
    /// Makes our terminal raw: every key goes to the command.
    pub(super) fn enter() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin())
            .map_err(|error| usage!("cannot ask the terminal how it is: {error}"))?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        // What a panic says must be readable, and it must not leave a raw terminal behind when a
        // thread dies whose end nobody waits for.
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            told(panic);
        }));
        let raw = Self(());
        resume()?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts a raw terminal back for a while, as for a stop.
pub(super) fn suspend() {
    set(Termios::clone);
}

/// Makes it raw again.
pub(super) fn resume() -> anyhow::Result<()> {
    let made = set(|before| {
        let mut raw = before.clone();
        raw.make_raw();
        raw
    });
    made.unwrap_or(Ok(()))
        .map_err(|error| usage!("cannot make the terminal raw: {error}"))
}

/// The terminal as it was, once and for all.
fn restore() {
    suspend();
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Sets the terminal to what is made of how it was. What was typed stays to be read.
fn set(make: impl FnOnce(&Termios) -> Termios) -> Option<rustix::io::Result<()>> {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = make(before.as_ref()?);
    Some(tcsetattr(io::stdin(), OptionalActions::Now, &wanted))
}

/// The size of our terminal.
pub(super) fn size() -> Resize {
    let size = tcgetwinsize(io::stdin()).ok();
    let size = size.filter(|size| size.ws_row > 0 && size.ws_col > 0);
    let (rows, columns) = size.map_or((ROWS, COLUMNS), |size| (size.ws_row, size.ws_col));
    Resize { rows, columns }
}
