//! The signals that a listener answers.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end: `SIGINT` from the keyboard, `SIGTERM` from everybody else. With its number.
    End(i32),
    /// To read the config again (`SIGHUP`), which is also what a terminal sends when it is closed.
    Reload,
}

/// From the moment it exists these signals end nothing by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    int: Signal,
    term: Signal,
    hup: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// What the next one asks for.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.int.recv() => Asked::End(libc::SIGINT),
            _ = self.term.recv() => Asked::End(libc::SIGTERM),
            _ = self.hup.recv() => Asked::Reload,
        }
    }
}
