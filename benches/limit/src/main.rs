//! The least that the kernel needs for each job of a socket server, so that servers can be
//! measured against it. No runtime, no allocation a message, one system call where one will do.
//!
//! Each mode prints the endpoint that it listens on as its first line and runs until it is ended.

mod bulk;
mod datagram;
mod echo;
mod fanout;
mod sys;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: limit MODE [--unix PATH] [--buffer BYTES] [--threads N] [--gro | --gso]

  echo     what was read is written back (256 KiB reads)
  sink     everything is read and dropped (64 KiB reads)
  source   writes without end (256 KiB writes)
  fanout   what one connection says all the others get (256 KiB reads)
  udp      datagrams go back to their senders, 64 a system call (2 KiB each, with --gro 64 KiB)

  --unix PATH     listen on a Unix stream socket instead of 127.0.0.1
  --buffer BYTES  the size of one read or write
  --threads N     echo only: threads, each with its own epoll instance
  --gro           udp only: let the kernel coalesce what arrives
  --gso           udp only: answer datagrams of one size and peer as one that the kernel cuts";

/// What the command line asked for.
pub(crate) struct Job {
    mode: String,
    unix: Option<PathBuf>,
    buffer: Option<usize>,
    threads: usize,
    gro: bool,
    gso: bool,
}

impl Job {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mode = words.next()?;
        let mut job = Self {
            mode,
            unix: None,
            buffer: None,
            threads: 1,
            gro: false,
            gso: false,
        };
        while let Some(flag) = words.next() {
            match flag.as_str() {
                "--gro" => job.gro = true,
                "--gso" => job.gso = true,
                "--unix" => job.unix = Some(words.next()?.into()),
                "--buffer" => job.buffer = Some(words.next()?.parse().ok().filter(|&n| n > 0)?),
                "--threads" => job.threads = words.next()?.parse().ok().filter(|&n| n > 0)?,
                _ => return None,
            }
        }
        Some(job)
    }

    fn run(&self) -> io::Result<()> {
        let buffer = |unless_said: usize| self.buffer.unwrap_or(unless_said);
        if self.mode == "udp" {
            return datagram::run(
                self.gro,
                self.gso,
                buffer(if self.gro { 65_535 } else { 2048 }),
            );
        }
        let listener = sys::listen(self.unix.as_deref())?;
        match self.mode.as_str() {
            "echo" => echo::run(listener, buffer(256 << 10), self.threads),
            "sink" => bulk::sink(listener, buffer(64 << 10)),
            "source" => bulk::source(listener, buffer(256 << 10)),
            "fanout" => fanout::run(listener, buffer(256 << 10)),
            mode => Err(io::Error::other(format!(
                "no mode is called {mode}\n\n{USAGE}"
            ))),
        }
    }
}

fn main() -> ExitCode {
    let Some(job) = Job::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match job.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limit: {error}");
            ExitCode::from(2)
        }
    }
}
