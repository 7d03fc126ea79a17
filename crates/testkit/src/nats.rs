//! A NATS server with `JetStream` for a test: stopped, killed and started again as the test likes.

use std::path::PathBuf;
use std::process::Command;

use crate::{Process, Signal, free_tcp_port, tool};

/// A nats-server on a port of its own, with a store that is gone when the test is.
pub struct Nats {
    program: PathBuf,
    port: u16,
    store: PathBuf,
    extra: Vec<String>,
    running: Option<Process>,
}

impl Nats {
    /// Starts one that keeps its files in `store`. `None` when there is no nats-server, as [`tool`].
    #[track_caller]
    pub fn start(store: PathBuf) -> Option<Self> {
        Self::start_with(store, &[])
    }

    /// As [`Nats::start`], with more arguments.
    #[track_caller]
    pub fn start_with(store: PathBuf, extra: &[&str]) -> Option<Self> {
        let mut nats = Self {
            program: tool("nats-server")?,
            port: free_tcp_port(),
            store,
            extra: extra.iter().map(|&word| word.to_owned()).collect(),
            running: None,
        };
        nats.restart();
        Some(nats)
    }

    /// Where it listens.
    pub fn place(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again, at the same place with the same store.
    #[track_caller]
    pub fn restart(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string()])
            .arg("-sd")
            .arg(&self.store)
            .args(&self.extra);
        let process = Process::start(&mut command);
        process.wait_stderr("Server is ready");
        self.running = Some(process);
    }

    /// Ends it as an operator does.
    #[track_caller]
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Holds it up, or lets it go on (`Signal::STOP`, `Signal::CONT`).
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.running {
            process.signal(signal);
        }
    }

    #[track_caller]
    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.running.take() {
            process.signal(signal);
            process.exit();
        }
    }
}
