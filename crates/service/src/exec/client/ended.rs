//! How a command ended.

use std::time::Duration;

/// How a command ended, as the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its status, or the signal that ended it.
    pub end: End,
    /// How long it ran.
    pub took: Duration,
    /// It had run for as long as it was allowed to, and was ended.
    pub timed_out: bool,
    /// Something that it started in a session of its own still holds its output.
    pub left_running: bool,
}

/// What a process ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited.
    Status(u8),
    /// A signal ended it, by its name without `SIG`: `KILL`.
    Signal(String),
}

/// The signals of Linux by number, from 1 on (signal(7), the numbers of x86 and ARM).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl End {
    /// What a shell reports: the status, or 128 and the number of the signal. `None` for a signal
    /// that this machine does not know.
    pub fn code(&self) -> Option<u8> {
        match self {
            Self::Status(status) => Some(*status),
            Self::Signal(name) => {
                let place = SIGNALS.iter().position(|known| known == name)?;
                Some(129 + place as u8)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_its_number_above_128() {
        let code = |name: &str| End::Signal(name.into()).code();
        assert_eq!(code("HUP"), Some(129));
        assert_eq!(
            code("INT"),
            Some(128 + libc_number(rustix::process::Signal::INT))
        );
        assert_eq!(code("KILL"), Some(137));
        assert_eq!(
            code("SYS"),
            Some(128 + libc_number(rustix::process::Signal::SYS))
        );
        assert_eq!(code("NOSUCH"), None);
        assert_eq!(End::Status(255).code(), Some(255));
    }

    fn libc_number(signal: rustix::process::Signal) -> u8 {
        u8::try_from(signal.as_raw()).unwrap()
    }
}
