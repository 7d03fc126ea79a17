//! Who may: strangers are served by nobody who runs commands or stores files.

use std::fmt;
use std::fs;

use sockeye_net::{Name, Peer, UnixKind};
use thiserror::Error;

/// What the kernel shows for a user that has no number here, unless it was told otherwise
/// (`/proc/sys/kernel/overflowuid`, user_namespaces(7)).
const OVERFLOW_UID: u32 = 65_534;

/// Who may use a service.
///
/// Our own user on a Unix stream or seqpacket socket, always; on loopback anybody, where that was
/// asked for.
#[derive(Clone, Debug)]
pub struct Access {
    ours: Ours,
    anyone_on_loopback: bool,
}

/// That a peer may, and who it is.
#[derive(Debug)]
pub struct Grant {
    /// For logs and events: `uid 1000`, `SHA256:… alice`, `anyone`.
    pub who: String,
}

/// Why a peer may not.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct Denied {
    reason: String,
}

/// What a uid of a Unix peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    /// It is us, if it is this one.
    Uid(u32),
    /// Nothing: others are shown with our number.
    Overflow,
    /// Nothing: some users have no number here.
    PartialMap,
}

impl Ours {
    /// What a uid says in this process.
    fn here() -> Self {
        let number = |path| fs::read_to_string(path).ok()?.trim().parse().ok();
        let overflow = number("/proc/sys/kernel/overflowuid").unwrap_or(OVERFLOW_UID);
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Self::of(rustix::process::geteuid().as_raw(), overflow, &map)
    }

    /// The same of a process with this uid and this map (user_namespaces(7)).
    fn of(uid: u32, overflow: u32, map: &str) -> Self {
        let users: u64 = map
            .lines()
            .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
            .sum();
        match () {
            // Every number but the last, which stands for none.
            () if users < u64::from(u32::MAX) => Self::PartialMap,
            () if uid == overflow => Self::Overflow,
            () => Self::Uid(uid),
        }
    }
}

impl Default for Access {
    /// For our own user only.
    fn default() -> Self {
        Self {
            ours: Ours::here(),
            anyone_on_loopback: false,
        }
    }
}

impl Access {
    /// Also for any program of this machine, over plain TCP and UDP on loopback.
    #[must_use]
    pub fn with_anyone_on_loopback(mut self) -> Self {
        self.anyone_on_loopback = true;
        self
    }

    /// Lets a peer in that is connected to us at `local`, or says why not.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit(&self, peer: &Peer, local: &Name) -> Result<Grant, Denied> {
        match (&peer.name, local) {
            (
                Name::Unix {
                    kind: UnixKind::Stream | UnixKind::Seqpacket,
                    ..
                },
                _,
            ) => self.admit_user(peer.uid),
            (Name::Tcp(theirs), Name::Tcp(ours)) | (Name::Udp(theirs), Name::Udp(ours)) => {
                if !(theirs.ip().is_loopback() && ours.ip().is_loopback()) {
                    return denied(
                        "nobody is let in here without a key, and plain sockets show none",
                    );
                }
                if !self.anyone_on_loopback {
                    return denied(
                        "nobody is let in here without a key, and plain sockets show none \
                         (--insecure-anyone opens loopback)",
                    );
                }
                Ok(Grant::of("anyone"))
            }
            _ => denied("this kind of connection does not show who is at its other end"),
        }
    }

    fn admit_user(&self, theirs: Option<u32>) -> Result<Grant, Denied> {
        let Some(theirs) = theirs else {
            return denied("the kernel does not say which user this is");
        };
        match self.ours {
            Ours::Uid(ours) if ours == theirs => Ok(Grant::of(format!("uid {theirs}"))),
            Ours::Uid(ours) => denied(format!(
                "this socket is for uid {ours} alone, you are uid {theirs}"
            )),
            Ours::Overflow => denied(
                "this server runs as the uid that stands for unknown users, so that it cannot tell \
                 its own from others",
            ),
            Ours::PartialMap => denied(
                "this server runs where not every user has a number of its own, so that it cannot \
                 tell its own from others",
            ),
        }
    }
}

fn denied(reason: impl Into<String>) -> Result<Grant, Denied> {
    Err(Denied {
        reason: reason.into(),
    })
}

impl Grant {
    fn of(who: impl Into<String>) -> Self {
        Self { who: who.into() }
    }

    /// Waits until the right is taken away again; for ever where it cannot be.
    pub async fn lost(&mut self) -> Denied {
        std::future::pending().await
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "         0          0 4294967295\n";

    fn unix(uid: Option<u32>) -> Peer {
        let name = Name::Unix {
            kind: UnixKind::Stream,
            name: None,
        };
        Peer { uid, ..name.into() }
    }

    fn check(access: &Access, peer: &Peer, local: &Name, expected: Result<&str, &str>) {
        let found = access.admit(peer, local);
        let found = found.as_ref().map(|grant| &*grant.who);
        match (found, expected) {
            (Ok(who), Ok(expected)) => assert_eq!(who, expected),
            (Err(denied), Err(part)) => {
                assert!(denied.to_string().contains(part), "{denied}");
            }
            (found, _) => panic!("{peer}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_unix_peer_is_let_in_by_its_uid_where_that_says_anything() {
        let access = |uid, map| Access {
            ours: Ours::of(uid, OVERFLOW_UID, map),
            ..Access::default()
        };
        let local = unix(None).name;
        let us = access(1000, WHOLE);
        check(&us, &unix(Some(1000)), &local, Ok("uid 1000"));
        check(
            &us,
            &unix(Some(0)),
            &local,
            Err("for uid 1000 alone, you are uid 0"),
        );
        check(&us, &unix(None), &local, Err("does not say"));
        let nobody = access(OVERFLOW_UID, WHOLE);
        check(
            &nobody,
            &unix(Some(OVERFLOW_UID)),
            &local,
            Err("unknown users"),
        );
        for map in ["0 1000 1\n", "0 1000 1\n1 100000 65536\n", ""] {
            let partial = access(0, map);
            check(&partial, &unix(Some(0)), &local, Err("not every user"));
        }
    }

    #[test]
    fn plain_sockets_are_for_loopback_and_only_when_asked_for() {
        let tcp = |text: &str| Name::Tcp(text.parse().unwrap());
        let (here, there) = (tcp("127.0.0.1:9"), tcp("192.0.2.7:9"));
        let (closed, open) = (
            Access::default(),
            Access::default().with_anyone_on_loopback(),
        );
        check(
            &closed,
            &here.clone().into(),
            &here,
            Err("--insecure-anyone"),
        );
        check(&open, &here.clone().into(), &here, Ok("anyone"));
        check(&open, &there.clone().into(), &here, Err("without a key"));
        check(&open, &here.clone().into(), &there, Err("without a key"));
        check(
            &open,
            &Name::Stdio.into(),
            &Name::Stdio,
            Err("does not show"),
        );
        let udp = Name::Udp("127.0.0.1:9".parse().unwrap());
        check(&open, &udp.clone().into(), &here, Err("does not show"));
        check(&open, &udp.clone().into(), &udp, Ok("anyone"));
    }
}
