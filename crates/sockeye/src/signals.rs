//! The signals that a verb answers.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A request to end: `SIGINT` from the keyboard, `SIGTERM` from everybody else.
#[derive(Debug)]
pub(crate) struct Stop {
    int: Signal,
    term: Signal,
}

impl Stop {
    /// From here on these signals end nothing by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let int = signal(SignalKind::interrupt())?;
        let term = signal(SignalKind::terminate())?;
        Ok(Self { int, term })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.int.recv() => libc::SIGINT,
            _ = self.term.recv() => libc::SIGTERM,
        }
    }
}

/// A request to read the config again: `SIGHUP`.
#[derive(Debug)]
pub(crate) struct Reload(Signal);

impl Reload {
    /// From here on this signal ends nothing by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
