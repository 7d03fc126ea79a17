//! The direction server → client: what the command prints, and how it ends.

use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::watch;

use super::{End, Ended, ExecError};
use crate::exec::message::{Credit, Exit, Notice, Output, Started};
use crate::wire::WireReader;

/// What a read for a header takes at most: what a command that prints little has to say in one piece.
const AHEAD: usize = 4096;

/// What the server says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It runs, as this process there.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It printed something, which [`Incoming::read`] reads.
    Output(Output),
    /// It has ended, and all that it printed has been read.
    Ended(Ended),
}

/// Hears what becomes of one command after another.
///
/// Every wait may be dropped and begun again; nothing is lost by that.
#[derive(Debug)]
pub struct Incoming<R> {
    wire: WireReader<R>,
    /// All credit of the command that runs.
    grant: watch::Sender<u64>,
    runs: bool,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(read: R, grant: watch::Sender<u64>) -> Self {
        Self {
            wire: WireReader::new(read).with_read_ahead(AHEAD),
            grant,
            runs: false,
        }
    }

    /// What the server says next. What was not read of a piece of output is passed over.
    ///
    /// # Errors
    /// When it refuses the command, does not keep to the protocol, or is gone. After a refusal that
    /// leaves the connection open another command may be asked for.
    pub async fn next(&mut self) -> Result<Said, ExecError> {
        loop {
            let Some(header) = self.wire.next().await? else {
                return Err(ExecError::Lost);
            };
            let message = header.parse()?;
            if let Some(said) = hear(message, &mut self.runs, &self.grant)? {
                return Ok(said);
            }
        }
    }

    /// Reads more of the piece of output that [`next`](Self::next) told of; 0 bytes are its end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ExecError> {
        Ok(self.wire.read_body(buf).await?)
    }

    /// What is read from.
    pub fn get_ref(&self) -> &R {
        self.wire.get_ref()
    }
}

/// What a message comes to, held against what came before it.
fn hear(
    message: Notice,
    runs: &mut bool,
    grant: &watch::Sender<u64>,
) -> Result<Option<Said>, ExecError> {
    let early = |said| match runs {
        true => Ok(()),
        false => Err(ExecError::Unexpected {
            said,
            when: "before the command was started",
        }),
    };
    Ok(Some(match message {
        Notice::Started(_) if *runs => {
            let when = "while a command ran already";
            return Err(ExecError::Unexpected {
                said: "started",
                when,
            });
        }
        Notice::Started(Started { pid }) => {
            *runs = true;
            Said::Started { pid }
        }
        Notice::Credit(Credit { bytes }) => {
            early("credit")?;
            grant.send_modify(|granted| *granted = granted.saturating_add(bytes));
            return Ok(None);
        }
        Notice::Stdout {} => {
            early("stdout")?;
            Said::Output(Output::Stdout)
        }
        Notice::Stderr {} => {
            early("stderr")?;
            Said::Output(Output::Stderr)
        }
        Notice::Exit(exit) => {
            early("exit")?;
            over(runs, grant);
            Said::Ended(ended(exit)?)
        }
        Notice::Error(failure) => {
            over(runs, grant);
            return Err(ExecError::Refused(failure));
        }
    }))
}

/// Credit is a command's own, and its end is the end of it.
fn over(runs: &mut bool, grant: &watch::Sender<u64>) {
    *runs = false;
    grant.send_replace(0);
}

fn ended(exit: Exit) -> Result<Ended, ExecError> {
    let end = match (exit.status, exit.signal) {
        (Some(status), None) => End::Status(status),
        (None, Some(name)) => End::Signal(name),
        (Some(_), Some(_)) => {
            let when = "with both a status and a signal";
            return Err(ExecError::Unexpected { said: "exit", when });
        }
        (None, None) => {
            let when = "with neither a status nor a signal";
            return Err(ExecError::Unexpected { said: "exit", when });
        }
    };
    Ok(Ended {
        end,
        took: Duration::from_millis(exit.took_ms),
        timed_out: exit.timed_out,
        left_running: exit.left_running,
    })
}
