//! Typing with editing and history.
//!
//! The editor blocks, so it has a thread of its own. That thread is abandoned when the conversation
//! ends while a line is being edited; the terminal is put back as it was.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use super::printer::Above;
use crate::context::Context;
use crate::exit::Interrupted;

/// Lines that are kept of earlier conversations.
const HISTORY: usize = 1000;

/// A line editor on the terminal.
pub(super) struct Editor {
    /// Asks the thread for a line.
    wanted: Sender<()>,
    lines: mpsc::Receiver<Result<String, ReadlineError>>,
    asked: bool,
    printer: Rc<RefCell<dyn ExternalPrinter>>,
    before: Option<Termios>,
}

impl Editor {
    pub(super) fn start(context: &Context) -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin()).ok();
        let mut editor = DefaultEditor::new().context("cannot edit lines on this terminal")?;
        editor.set_max_history_size(HISTORY)?;
        editor.set_auto_add_history(true);
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first conversation.
            let _ = editor.load_history(file);
        }
        let printer = editor.create_external_printer()?;
        let (wanted, requests) = channel();
        let (to, lines) = mpsc::channel(1);
        let prompt = if context.ui.colour { "› " } else { "> " };
        std::thread::Builder::new()
            .name("editor".into())
            .spawn(move || edit(editor, prompt, history.as_deref(), &requests, &to))?;
        Ok(Self {
            wanted,
            lines,
            asked: false,
            printer: Rc::new(RefCell::new(printer)),
            before,
        })
    }

    /// Prints above the line that is being edited.
    pub(super) fn printer(&self) -> Above {
        let printer = Rc::clone(&self.printer);
        Box::new(move |text| Ok(printer.borrow_mut().print(text)?))
    }

    /// Waits for a line; nothing after Ctrl-D. Giving up the wait keeps the line for the next call.
    pub(super) async fn line(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        if !self.asked {
            self.asked = self.wanted.send(()).is_ok();
        }
        let line = self.lines.recv().await;
        self.asked = false;
        match line {
            Some(Ok(line)) => Ok(Some(line.into_bytes())),
            Some(Err(ReadlineError::Interrupted)) => Err(Interrupted(libc::SIGINT).into()),
            Some(Err(ReadlineError::Eof)) | None => Ok(None),
            Some(Err(error)) => Err(error.into()),
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // The thread may still be in the middle of a line, with the terminal in raw mode.
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, before);
        }
    }
}

fn edit(
    mut editor: DefaultEditor,
    prompt: &str,
    history: Option<&Path>,
    requests: &Receiver<()>,
    to: &mpsc::Sender<Result<String, ReadlineError>>,
) {
    while requests.recv().is_ok() {
        let line = editor.readline(prompt);
        let over = line.is_err();
        if let Some(file) = history
            && !over
        {
            // A history that cannot be kept is no reason to stop talking.
            let _ = editor.append_history(file);
        }
        if to.blocking_send(line).is_err() || over {
            return;
        }
    }
}

/// `$XDG_STATE_HOME/sockeye/history`, in a directory that only its owner can read.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state =
        state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let dir = state.join("sockeye");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .ok()?;
    Some(dir.join("history"))
}
