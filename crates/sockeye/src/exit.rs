//! The one mapping of what happened to an exit code.

use std::fmt;
use std::io;

use sockeye_frame::{Blame, DecodeError, SpecError, Unencodable};
use sockeye_net::{
    EndpointError, Errno, FingerprintError, LineError, LinkError, NetError, OptionError, TrustError,
};
use sockeye_service::WireError;
use sockeye_service::exec::client::ExecError;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; also a listener that drained, and a standard output that nobody reads any more.
    Done,
    /// The network failed: refused, reset, unreachable.
    Network,
    /// The command line, the config or this machine.
    Usage,
    /// A check failed: a digest, a frame, an answer that was not what was sent.
    Check,
    /// It took too long.
    Timeout,
    /// The other end is not who it should be.
    Untrusted,
    /// A signal cut work short.
    Signal(i32),
    /// What a command of somebody else's ended with.
    Passed(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Network => 1,
            Self::Usage => 2,
            Self::Check => 3,
            Self::Timeout => 4,
            Self::Untrusted => 5,
            // What a shell reports for a program that died of a signal.
            Self::Signal(number) => 128u8.saturating_add(number.unsigned_abs() as u8),
            Self::Passed(code) => code,
        }
    }

    /// The same for a run that passes on how a command ended: what is a failure of our own is 255
    /// there, as ssh(1) has it, so that nobody takes it for the command's.
    pub(crate) fn unless_passed(self) -> Self {
        match self {
            Self::Done | Self::Passed(_) => self,
            _ => Self::Passed(OWN_FAILURE),
        }
    }
}

/// Every failure of `exec` itself.
pub(crate) const OWN_FAILURE: u8 = 255;

/// What was asked for makes no sense, or this machine cannot do it.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Makes a [`Usage`] error the way `format!` makes a string.
macro_rules! usage {
    ($($arg:tt)*) => { anyhow::Error::new($crate::exit::Usage(format!($($arg)*))) };
}
pub(crate) use usage;

/// Nobody reads our standard output any more: the end of a pipeline had enough.
#[derive(Debug)]
pub(crate) struct StdoutClosed;

impl fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// Why `what` could not be written. That nobody reads it any more is no failure.
pub(crate) fn unwritten(what: &str, why: Errno) -> anyhow::Error {
    match why.number() {
        libc::EPIPE => StdoutClosed.into(),
        _ => usage!("cannot write {what}: {why}"),
    }
}

/// That nobody reads our output any more is an end like another; anything else fails.
pub(crate) fn unless_closed(why: anyhow::Error) -> anyhow::Result<()> {
    if why.is::<StdoutClosed>() {
        return Ok(());
    }
    Err(why)
}

/// Something was awaited for too long.
#[derive(Debug)]
pub(crate) struct TimedOut(String);

impl TimedOut {
    /// No answer came.
    pub(crate) fn answer(after: std::time::Duration) -> Self {
        Self(format!("no answer within {after:?}"))
    }

    /// What was watched did not end.
    pub(crate) fn watch(after: std::time::Duration) -> Self {
        Self(format!(
            "the programs were ended, they had run for {after:?}"
        ))
    }

    /// A watched server did not listen, so that nobody came.
    pub(crate) fn listener(after: std::time::Duration) -> Self {
        Self(format!(
            "the server neither listened nor bound a datagram socket within {after:?}, so the client was not started"
        ))
    }

    /// A command did not end.
    pub(crate) fn command(after: std::time::Duration) -> Self {
        Self(format!("the command was ended, it had run for {after:?}"))
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TimedOut {}

/// A signal ended work that was not done.
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) i32);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// A check of ours failed.
#[derive(Debug)]
pub(crate) struct CheckFailed(pub(crate) String);

impl fmt::Display for CheckFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CheckFailed {}

/// The exit that an error means. The first cause that is known decides.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(of_cause).unwrap_or(Exit::Network)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if cause.is::<StdoutClosed>() {
        return Some(Exit::Done);
    }
    if let Some(Interrupted(signal)) = cause.downcast_ref() {
        return Some(Exit::Signal(*signal));
    }
    if cause.is::<TimedOut>() {
        return Some(Exit::Timeout);
    }
    if cause.is::<Usage>() {
        return Some(Exit::Usage);
    }
    if cause.is::<CheckFailed>() || cause.is::<DecodeError>() || cause.is::<Unencodable>() {
        return Some(Exit::Check);
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(crate::verb::transfer::of_transfer(error));
    }
    if cause.is::<TrustError>() || cause.is::<LineError>() || cause.is::<FingerprintError>() {
        return Some(Exit::Usage);
    }
    if cause.is::<EndpointError>() || cause.is::<OptionError>() || cause.is::<SpecError>() {
        return Some(Exit::Usage);
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(of_net(error));
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(of_link(error));
    }
    if let Some(error) = cause.downcast_ref() {
        return Some(of_exec(error));
    }
    cause.downcast_ref::<io::Error>().map(of_io)
}

fn of_exec(error: &ExecError) -> Exit {
    match error {
        ExecError::Refused(failure) => match &*failure.code {
            "denied" | "not_allowed" => Exit::Untrusted,
            "not_started" => Exit::Usage,
            "bad_request" => Exit::Check,
            _ => Exit::Network,
        },
        ExecError::Silent { .. } => Exit::Timeout,
        ExecError::Input(_) => Exit::Usage,
        ExecError::Wire(WireError::Io(error)) => of_io(error),
        ExecError::Wire(_) | ExecError::Unexpected { .. } => Exit::Check,
        _ => Exit::Network,
    }
}

fn of_net(error: &NetError) -> Exit {
    match error.blame() {
        _ if error.is_untrusted() => Exit::Untrusted,
        _ if error.is_timeout() => Exit::Timeout,
        Blame::Caller => Exit::Usage,
        Blame::Path | Blame::Peer => Exit::Network,
    }
}

fn of_link(error: &LinkError) -> Exit {
    match error {
        LinkError::Frame(_) | LinkError::Unencodable(_) => Exit::Check,
        _ if error
            .errno()
            .is_some_and(|errno| errno.number() == libc::ETIMEDOUT) =>
        {
            Exit::Timeout
        }
        _ => Exit::Network,
    }
}

fn of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::TimedOut => Exit::Timeout,
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::AddrInUse
        | io::ErrorKind::AddrNotAvailable => Exit::Usage,
        _ => Exit::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_cause_decides() {
        let check = |error: anyhow::Error, exit: Exit, code: u8| {
            assert_eq!(of(&error), exit, "{error:#}");
            assert_eq!(exit.code(), code);
        };
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        check(
            anyhow::Error::new(refused).context("connecting"),
            Exit::Network,
            1,
        );
        check(
            usage!("no such {}", "service").context("reading"),
            Exit::Usage,
            2,
        );
        check(
            anyhow::Error::new(CheckFailed("differs".into())),
            Exit::Check,
            3,
        );
        check(
            anyhow::Error::new(io::Error::from(io::ErrorKind::TimedOut)),
            Exit::Timeout,
            4,
        );
        let unknown = NetError::Unknown {
            endpoint: "tls://a:1".into(),
            place: "a:1".into(),
            fingerprint: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
                .parse()
                .unwrap(),
        };
        check(anyhow::Error::new(unknown), Exit::Untrusted, 5);
        check(anyhow::Error::new(TrustError::NoFolder), Exit::Usage, 2);
        check(anyhow::Error::new(Interrupted(2)), Exit::Signal(2), 130);
        check(anyhow::Error::new(Interrupted(15)), Exit::Signal(15), 143);
        check(anyhow::Error::new(StdoutClosed), Exit::Done, 0);
        check(unwritten("it", Errno::new(libc::EPIPE)), Exit::Done, 0);
        check(unwritten("it", Errno::new(libc::ENOSPC)), Exit::Usage, 2);
    }
}
