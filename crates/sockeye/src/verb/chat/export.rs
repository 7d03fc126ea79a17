//! Everything that a server of this machine has kept, for other programs.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write, stdout};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sockeye_chat::history::{Format, export};
use sockeye_chat::service::HISTORY_FILE;
use sockeye_net::Errno;

use crate::catalogue::chat as say;
use crate::context::Context;
use crate::exit::{Exit, StdoutClosed, usage};
use crate::verb::serve::chat_store;

/// Writes the messages of a store to a file that only its owner can read.
pub(super) fn run(file: &Path, store: Option<&Path>, context: &Context) -> anyhow::Result<Exit> {
    let from = chat_store(store)?.join(HISTORY_FILE);
    if !from.exists() {
        return Err(usage!("nothing is kept in {}", from.display()));
    }
    let to_stdout = file.as_os_str() == "-";
    let mut out: Box<dyn Write> = if to_stdout {
        Box::new(BufWriter::new(stdout().lock()))
    } else {
        let mut options = OpenOptions::new();
        let opened = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file);
        let shown = file.display();
        Box::new(BufWriter::new(opened.map_err(|error| {
            usage!("cannot write {shown}: {}", Errno::of(&error))
        })?))
    };
    let count = export(&from, Format::of(file), &mut out).map_err(|error| told(&error))?;
    out.flush().map_err(|error| unwritten(&error))?;
    if !to_stdout && !context.global.quiet {
        let (lang, file) = (context.lang(), file.display());
        context
            .ui
            .say(&say::EXPORTED.fill(lang, &[("n", &count), ("file", &file)]));
    }
    Ok(Exit::Done)
}

/// The whole story of an error, unless it is that nobody reads any more.
fn told(error: &sockeye_chat::history::HistoryError) -> anyhow::Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return unwritten(error);
        }
        text = format!("{text}: {error}");
        source = error.source();
    }
    usage!("{text}")
}

fn unwritten(error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => StdoutClosed.into(),
        _ => usage!("cannot write the export: {}", Errno::of(error)),
    }
}
