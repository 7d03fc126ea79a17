//! What can go wrong between an endpoint and an open link.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sockeye_frame::Blame;
use thiserror::Error;

use crate::errno::Errno;
use crate::eyeballs::Attempt;
use crate::holder::Holder;
use crate::name::Name;
use crate::options::OptionError;
use crate::resolve::{Families, ResolveError};
use crate::secure::HandshakeError;
use crate::trust::{Fingerprint, TrustError};
use crate::via::ProxyError;

/// Why an endpoint could not be listened on or connected to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// A system call failed.
    #[error("cannot {operation} {endpoint}{}", At(address.as_deref(), endpoint))]
    System {
        /// What was being done.
        operation: Operation,
        /// For which endpoint.
        endpoint: String,
        /// For which of its addresses, where it has several.
        address: Option<String>,
        /// What the kernel said.
        source: Errno,
    },
    /// Somebody else has the address.
    #[error(
        "cannot {operation} {endpoint}{}: {errno}{}",
        At(Some(address), endpoint),
        HeldBy(holder)
    )]
    InUse {
        /// What was being done: listening, or binding before a connect.
        operation: Operation,
        /// Which endpoint.
        endpoint: String,
        /// Which of its addresses.
        address: String,
        /// What the kernel said, or would have said without our lock.
        errno: Errno,
        /// Who holds it, for people, where that is known.
        holder: Option<Box<Holder>>,
    },
    /// An option does not fit what is done with the endpoint.
    #[error("{endpoint}")]
    Option {
        /// Which endpoint.
        endpoint: String,
        /// What does not fit.
        source: OptionError,
    },
    /// A name has no address.
    #[error("cannot resolve {host} for {endpoint}")]
    Resolve {
        /// The name.
        host: String,
        /// Which endpoint it stands in.
        endpoint: String,
        /// What the resolver said.
        source: ResolveError,
    },
    /// A name has addresses, but none that may be used.
    #[error("{endpoint} has no {families} address")]
    NoAddress {
        /// Which endpoint.
        endpoint: String,
        /// What was allowed.
        families: Families,
    },
    /// None of the addresses took the connection.
    #[error("cannot connect to {endpoint}: {}", Attempts(attempts))]
    Unreached {
        /// Which endpoint.
        endpoint: String,
        /// What each address said, in the order of trying.
        attempts: Vec<Attempt>,
    },
    /// Nothing came of it within the time that was given.
    #[error("no answer from {endpoint} within {after:?}")]
    Timeout {
        /// Which endpoint.
        endpoint: String,
        /// How long was waited.
        after: Duration,
    },
    /// There is a connection, and the handshake on it failed.
    #[error("cannot open {endpoint}")]
    Handshake {
        /// Which endpoint.
        endpoint: String,
        /// What went wrong.
        source: HandshakeError,
    },
    /// The endpoint is good, but not for this.
    #[error("{endpoint}: {why}")]
    Unfit {
        /// Which endpoint.
        endpoint: String,
        /// What is wrong with it, and what to write instead.
        why: String,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Program {
        /// What was to be run.
        program: String,
        /// What the kernel said.
        source: Errno,
    },
    /// A proxy did not do what it was asked for.
    #[error("cannot reach {target} through {hop}")]
    Proxy {
        /// The proxy, with its place in the chain if there are several.
        hop: String,
        /// What it was asked for.
        target: String,
        /// What it said.
        source: ProxyError,
    },
    /// The peer's key was never seen before.
    #[error("the key of {place} is {fingerprint} and is not known")]
    Unknown {
        /// Which endpoint.
        endpoint: String,
        /// `HOST:PORT` as typed: what the key would be pinned to.
        place: String,
        /// The key.
        fingerprint: Fingerprint,
    },
    /// The peer has another key than the one that is pinned.
    #[error("{0}")]
    KeyChanged(Box<KeyChange>),
    /// The peer has another key than the endpoint's `pin=` says.
    #[error("the key of {endpoint} is {got}, not that of pin=")]
    WrongKey {
        /// Which endpoint.
        endpoint: String,
        /// The key that the peer has.
        got: Fingerprint,
    },
    /// The peer could not prove who it is, or does not take us for who we are.
    #[error("{endpoint} is not trusted: {why}")]
    Untrusted {
        /// Which endpoint.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
    /// Our own keys, or the lists of those that we trust, cannot be used.
    #[error("cannot use the keys for {endpoint}")]
    Trust {
        /// Which endpoint.
        endpoint: String,
        /// What is wrong with which file.
        source: TrustError,
    },
}

/// A peer that has another key than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// `HOST:PORT` as typed.
    pub place: String,
    /// The key that was expected.
    pub pinned: Fingerprint,
    /// Where that is written.
    pub file: PathBuf,
    /// In which line, counted from 1.
    pub line: usize,
    /// The key that the peer has.
    pub got: Fingerprint,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            pinned,
            file,
            line,
            got,
        } = self;
        let file = file.display();
        write!(
            f,
            "the key of {place} has changed: it is {got}, pinned is {pinned} ({file}:{line})"
        )
    }
}

/// What was being done when a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Making a socket.
    Open,
    /// Setting one of its options.
    Configure,
    /// Giving it a name.
    Bind,
    /// Waiting for peers.
    Listen,
    /// Reaching a peer.
    Connect,
    /// Taking over a descriptor.
    TakeOver,
    /// Locking a socket file.
    Lock,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open a socket for",
            Self::Configure => "configure the socket of",
            Self::Bind => "bind the socket of",
            Self::Listen => "listen on",
            Self::Connect => "connect to",
            Self::TakeOver => "take over",
            Self::Lock => "lock",
        })
    }
}

impl NetError {
    pub(crate) fn system(
        operation: Operation,
        endpoint: &impl fmt::Display,
        source: impl Into<Errno>,
    ) -> Self {
        let endpoint = endpoint.to_string();
        Self::System {
            operation,
            endpoint,
            address: None,
            source: source.into(),
        }
    }

    /// The address is taken: looks for who has it.
    pub(crate) fn in_use(operation: Operation, endpoint: &impl fmt::Display, name: &Name) -> Self {
        let address = name.to_string();
        let holder = Holder::find(name).map(Box::new);
        let errno = Errno::new(libc::EADDRINUSE);
        Self::InUse {
            operation,
            endpoint: endpoint.to_string(),
            address,
            errno,
            holder,
        }
    }

    pub(crate) fn option(endpoint: &impl fmt::Display, source: OptionError) -> Self {
        Self::Option {
            endpoint: endpoint.to_string(),
            source,
        }
    }

    pub(crate) fn unfit(endpoint: &impl fmt::Display, why: impl Into<String>) -> Self {
        Self::Unfit {
            endpoint: endpoint.to_string(),
            why: why.into(),
        }
    }

    /// The same, with the address that it happened at.
    pub(crate) fn at(mut self, place: &impl fmt::Display) -> Self {
        if let Self::System { address, .. } = &mut self {
            *address = Some(place.to_string());
        }
        self
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::System {
                operation: Operation::Connect,
                source,
                ..
            } => blame_of(*source),
            Self::System { .. }
            | Self::InUse { .. }
            | Self::Option { .. }
            | Self::NoAddress { .. }
            | Self::Unfit { .. }
            | Self::Program { .. }
            | Self::Unknown { .. }
            | Self::Trust { .. } => Blame::Caller,
            Self::KeyChanged(_) | Self::WrongKey { .. } | Self::Untrusted { .. } => Blame::Peer,
            Self::Resolve { .. } | Self::Timeout { .. } => Blame::Path,
            Self::Unreached { attempts, .. } => attempts
                .last()
                .map_or(Blame::Path, |attempt| blame_of(attempt.error)),
            Self::Proxy { source, .. } => source.blame(),
            Self::Handshake { source, .. } => source.blame(),
        }
    }

    /// Whether it failed because we do not trust the peer, or it does not trust us.
    pub fn is_untrusted(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. }
                | Self::KeyChanged(_)
                | Self::WrongKey { .. }
                | Self::Untrusted { .. }
        )
    }

    /// Whether what was given up on was a wait.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Proxy {
                source: ProxyError::Timeout,
                ..
            }
            | Self::Handshake {
                source: HandshakeError::Timeout { .. },
                ..
            } => true,
            Self::System { source, .. } => source.number() == libc::ETIMEDOUT,
            Self::Unreached { attempts, .. } => attempts
                .iter()
                .all(|attempt| attempt.error.number() == libc::ETIMEDOUT),
            _ => false,
        }
    }

    /// The number that the kernel gave, where it is one number: what `connect_ex` returns.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { source: errno, .. }
            | Self::InUse { errno, .. }
            | Self::Program { source: errno, .. }
            | Self::Handshake {
                source: HandshakeError::Broken(errno),
                ..
            } => Some(*errno),
            Self::Unreached { attempts, .. } => attempts.last().map(|attempt| attempt.error),
            Self::Timeout { .. } => Some(Errno::new(libc::ETIMEDOUT)),
            _ => None,
        }
    }

    /// What to try, where the error's text alone does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        if let Self::Handshake {
            source: HandshakeError::Foreign {
                protocol: "TLS", ..
            },
            ..
        } = self
        {
            return Some("without TLS it is tcp:// or ws://");
        }
        let number = self.errno()?.number();
        match self {
            Self::System {
                operation: Operation::Open,
                ..
            } if number == libc::EPERM => Some("raw sockets need the privilege CAP_NET_RAW"),
            Self::System {
                operation: Operation::Bind | Operation::Listen,
                ..
            } => match number {
                libc::EACCES => Some("ports below 1024 need a privilege: choose a higher one"),
                libc::EADDRNOTAVAIL => Some("no interface of this machine has that address"),
                libc::ENOENT => Some("the directory of the socket file does not exist"),
                libc::EAFNOSUPPORT => Some("this machine has no such address family"),
                _ => None,
            },
            Self::System {
                operation: Operation::Connect,
                endpoint,
                ..
            }
            | Self::Unreached { endpoint, .. }
                if number == libc::EACCES && endpoint.starts_with("udp:") =>
            {
                // The one reason that ip(7) and udp(7) give.
                Some("a broadcast address wants `broadcast=1`")
            }
            Self::System {
                operation: Operation::Connect,
                ..
            }
            | Self::Unreached { .. } => match number {
                libc::ECONNREFUSED => Some("nobody listens there"),
                libc::ENOENT => Some("there is no such socket file"),
                libc::EPROTOTYPE => Some("the socket there is of another type"),
                libc::ENETUNREACH => Some("there is no route to that network"),
                _ => None,
            },
            Self::System {
                operation: Operation::TakeOver,
                ..
            } if number == libc::EBADF => {
                Some("the parent process has to leave the descriptor open")
            }
            _ => None,
        }
    }
}

fn blame_of(error: Errno) -> Blame {
    match error.number() {
        libc::ECONNREFUSED | libc::ECONNRESET | libc::EPIPE | libc::EPROTOTYPE => Blame::Peer,
        libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN => Blame::Path,
        _ => Blame::Caller,
    }
}

/// The address behind an endpoint, unless it is the same text.
struct At<'a>(Option<&'a str>, &'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) if !self.1.contains(address) => write!(f, " ({address})"),
            _ => Ok(()),
        }
    }
}

struct HeldBy<'a>(&'a Option<Box<Holder>>);

impl fmt::Display for HeldBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_ref()
            .map_or(Ok(()), |holder| write!(f, ", {holder}"))
    }
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Attempt { error, .. }] = self.0 {
            return write!(f, "{error}");
        }
        for (index, Attempt { address, error }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{address} {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, number: i32) -> Attempt {
        Attempt {
            address: address.parse().unwrap(),
            error: Errno::new(number),
        }
    }

    #[test]
    fn one_address_is_not_repeated_and_several_are_named() {
        let one = vec![attempt("127.0.0.1:9", libc::ECONNREFUSED)];
        let error = NetError::Unreached {
            endpoint: "tcp://127.0.0.1:9".into(),
            attempts: one,
        };
        assert_eq!(
            error.to_string(),
            "cannot connect to tcp://127.0.0.1:9: connection refused (ECONNREFUSED, 111)"
        );
        assert_eq!(error.blame(), Blame::Peer);
        assert_eq!(error.hint(), Some("nobody listens there"));
        let two = vec![
            attempt("[::1]:9", libc::ENETUNREACH),
            attempt("127.0.0.1:9", libc::ETIMEDOUT),
        ];
        let error = NetError::Unreached {
            endpoint: "tcp://here:9".into(),
            attempts: two,
        };
        assert_eq!(
            error.to_string(),
            "cannot connect to tcp://here:9: [::1]:9 network is unreachable (ENETUNREACH, 101), \
             127.0.0.1:9 connection timed out (ETIMEDOUT, 110)"
        );
        assert_eq!(error.errno(), Some(Errno::new(libc::ETIMEDOUT)));
        assert!(!error.is_timeout());
    }

    #[test]
    fn an_address_is_told_where_the_endpoint_does_not_say_it() {
        let error = NetError::system(Operation::Bind, &"tcp://:80", Errno::new(libc::EACCES));
        assert_eq!(error.to_string(), "cannot bind the socket of tcp://:80");
        assert_eq!(
            error.at(&"127.0.0.1:80").to_string(),
            "cannot bind the socket of tcp://:80 (127.0.0.1:80)"
        );
    }
}
