//! What a signal to us means for the command.

use std::fs;
use std::time::{Duration, Instant};

use sockeye_service::exec::SignalName;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A second Ctrl-C within this time is meant for us.
const TWICE: Duration = Duration::from_secs(1);

/// No person presses a key twice within this time: it is one signal that was sent twice, as
/// timeout(1) does, once to us and once to our process group.
const BOUNCE: Duration = Duration::from_millis(100);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The command is to get it.
    Pass(SignalName),
    /// Ctrl-Z: the command and we are to stop until we are continued.
    Stop,
    /// Our terminal has a new size.
    Resize,
    /// We are to end, by the signal of this number.
    End(i32),
}

/// From the moment it exists these signals do nothing by themselves.
#[derive(Debug)]
pub(super) struct Signals {
    int: Option<Signal>,
    quit: Option<Signal>,
    tstp: Option<Signal>,
    usr1: Option<Signal>,
    usr2: Option<Signal>,
    winch: Option<Signal>,
    term: Option<Signal>,
    hup: Option<Signal>,
    interrupted: Option<Instant>,
}

impl Signals {
    /// Listens to all but those that whoever started us told us to ignore: `nohup`, and a shell that
    /// starts us in the background.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let ignored = ignored();
        let listen = |kind: SignalKind| {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            (!is_ignored).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            int: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            tstp: listen(SignalKind::from_raw(libc::SIGTSTP))?,
            usr1: listen(SignalKind::user_defined1())?,
            usr2: listen(SignalKind::user_defined2())?,
            winch: listen(SignalKind::window_change())?,
            term: listen(SignalKind::terminate())?,
            hup: listen(SignalKind::hangup())?,
            interrupted: None,
        })
    }

    /// What the next one asks for. Giving up the wait loses nothing.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            return tokio::select! {
                biased;
                () = one(&mut self.term) => Asked::End(libc::SIGTERM),
                () = one(&mut self.hup) => Asked::End(libc::SIGHUP),
                () = one(&mut self.int) => match interrupt(&mut self.interrupted, Instant::now()) {
                    Some(asked) => asked,
                    None => continue,
                },
                () = one(&mut self.quit) => Asked::Pass(SignalName::Quit),
                () = one(&mut self.usr1) => Asked::Pass(SignalName::Usr1),
                () = one(&mut self.usr2) => Asked::Pass(SignalName::Usr2),
                () = one(&mut self.tstp) => Asked::Stop,
                () = one(&mut self.winch) => Asked::Resize,
            };
        }
    }
}

/// What a Ctrl-C at `now` asks for, after one at `before`.
fn interrupt(before: &mut Option<Instant>, now: Instant) -> Option<Asked> {
    match before.map(|before| now.duration_since(before)) {
        Some(since) if since < BOUNCE => None,
        Some(since) if since < TWICE => Some(Asked::End(libc::SIGINT)),
        _ => {
            *before = Some(now);
            Some(Asked::Pass(SignalName::Int))
        }
    }
}

async fn one(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => signal.recv().await.unwrap_or(()),
        None => std::future::pending().await,
    }
}

/// The signals that we ignore, a bit each from number 1 on (`SigIgn` of proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Stops us, as Ctrl-Z would have; returns when somebody continues us.
pub(super) fn stop_ourselves() {
    // SIGSTOP cannot be caught, so nothing of ours has to be taken back for it.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ctrl_c_ends_us_unless_it_is_the_first_once_more() {
        let start = Instant::now();
        let mut before = None;
        let mut at = |millis| interrupt(&mut before, start + Duration::from_millis(millis));
        let passed = Some(Asked::Pass(SignalName::Int));
        assert_eq!(at(0), passed);
        assert_eq!(at(1), None);
        assert_eq!(at(99), None);
        assert_eq!(at(1000), passed);
        assert_eq!(at(1100), Some(Asked::End(libc::SIGINT)));
    }
}
