//! Who may: strangers are served by nobody who runs commands or stores files.

use std::fmt;
use std::fs;
use std::sync::Arc;

use sockeye_net::trust::{Authorized, Fingerprint, Right};
use sockeye_net::{Name, Peer, UnixKind};
use thiserror::Error;
use tokio::sync::watch;

/// What the kernel shows for a user that has no number here, unless it was told otherwise
/// (`/proc/sys/kernel/overflowuid`, user_namespaces(7)).
const OVERFLOW_UID: u32 = 65_534;

/// Who may use a service.
///
/// Our own user on a Unix stream or seqpacket socket, always; whoever proves to have a key that is
/// authorized; on loopback anybody, and for reading everybody, where that was asked for.
#[derive(Clone, Debug)]
pub struct Access {
    right: Right,
    ours: Ours,
    authorized: Option<Arc<Authorized>>,
    anyone_on_loopback: bool,
    public_reading: bool,
}

/// That a peer may, and who it is.
#[derive(Debug)]
pub struct Grant {
    /// For logs and events: `uid 1000`, `alice (SHA256:…)`, `anyone`.
    pub who: String,
    /// It is a stranger, who may read and nothing else.
    pub reads_only: bool,
    /// What it rests on, if that can be taken away.
    key: Option<Key>,
}

/// A key that was let in.
#[derive(Debug)]
struct Key {
    fingerprint: Fingerprint,
    right: Right,
    authorized: Arc<Authorized>,
    changed: watch::Receiver<u64>,
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

impl Access {
    /// For our own user only; `right` is what a key needs once [keys](Self::with_keys) count too.
    pub fn new(right: Right) -> Self {
        Self {
            right,
            ours: Ours::here(),
            authorized: None,
            anyone_on_loopback: false,
            public_reading: false,
        }
    }

    /// Also for keys that have the right, wherever a handshake proves them.
    #[must_use]
    pub fn with_keys(mut self, authorized: Arc<Authorized>) -> Self {
        self.authorized = Some(authorized);
        self
    }

    /// Also for any program of this machine, over plain TCP, UDP and WebSocket on loopback.
    #[must_use]
    pub fn with_anyone_on_loopback(mut self) -> Self {
        self.anyone_on_loopback = true;
        self
    }

    /// Lets strangers in who [only read](Grant::reads_only).
    #[must_use]
    pub fn with_public_reading(mut self) -> Self {
        self.public_reading = true;
        self
    }

    /// Lets a peer in that is connected to us at `local`, or says why not. Has to be called in a
    /// runtime where keys count.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit(&self, peer: &Peer, local: &Name) -> Result<Grant, Denied> {
        match self.known(peer, local) {
            Err(_) if self.public_reading => Ok(Grant {
                reads_only: true,
                ..Grant::of("a stranger")
            }),
            known => known,
        }
    }

    fn known(&self, peer: &Peer, local: &Name) -> Result<Grant, Denied> {
        if let Some(key) = peer.key {
            return self.admit_key(key);
        }
        match (&peer.name, local) {
            (
                Name::Unix {
                    kind: UnixKind::Stream | UnixKind::Seqpacket,
                    ..
                },
                _,
            ) => self.admit_user(peer.uid),
            (Name::Tls(_) | Name::Quic(_), _) => {
                denied("nobody is let in here without a key: show one")
            }
            (Name::Ws(theirs), _) if theirs.secure => {
                denied("nobody is let in here without a key: show one")
            }
            (Name::Tcp(theirs), Name::Tcp(ours)) | (Name::Udp(theirs), Name::Udp(ours)) => {
                self.admit_anyone(theirs.ip().is_loopback() && ours.ip().is_loopback())
            }
            (Name::Ws(theirs), Name::Ws(ours)) => {
                let (theirs, ours) = (theirs.address.ip(), ours.address.ip());
                self.admit_anyone(theirs.is_loopback() && ours.is_loopback())
            }
            _ => denied("this kind of connection does not show who is at its other end"),
        }
    }

    fn admit_key(&self, key: Fingerprint) -> Result<Grant, Denied> {
        let Some(authorized) = &self.authorized else {
            return denied("keys are not asked for here");
        };
        // Whoever looks after it has begun to listen misses no change.
        let changed = authorized.changed();
        let rights = authorized.rights_of(&key);
        let Some(rights) = rights.filter(|rights| rights.allows(self.right)) else {
            let right = self.right;
            return denied(format!(
                "the key {key} has no right to {right} here (sockeye key allow {key} NAME {right} gives it)"
            ));
        };
        Ok(Grant {
            key: Some(Key {
                fingerprint: key,
                right: self.right,
                authorized: Arc::clone(authorized),
                changed,
            }),
            ..Grant::of(format!("{} ({key})", rights.name))
        })
    }

    fn admit_anyone(&self, on_loopback: bool) -> Result<Grant, Denied> {
        match (on_loopback, self.anyone_on_loopback) {
            (true, true) => Ok(Grant::of("anyone")),
            (true, false) => denied(
                "nobody is let in here without a key, and plain sockets show none \
                 (--insecure-anyone opens loopback)",
            ),
            (false, _) => {
                denied("nobody is let in here without a key, and plain sockets show none")
            }
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
        Self {
            who: who.into(),
            reads_only: false,
            key: None,
        }
    }

    /// Waits until the right is taken away again; for ever where it cannot be.
    pub async fn lost(&mut self) -> Denied {
        if let Some(key) = &mut self.key {
            // The list outlives its watcher, which is the one who ticks.
            while key.changed.changed().await.is_ok() {
                if !key.is_good() {
                    return Denied {
                        reason: format!(
                            "the key {} has lost its right to {}",
                            key.fingerprint, key.right
                        ),
                    };
                }
            }
        }
        std::future::pending().await
    }
}

impl Key {
    fn is_good(&self) -> bool {
        let rights = self.authorized.rights_of(&self.fingerprint);
        rights.is_some_and(|rights| rights.allows(self.right))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_net::trust::Rights;

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
            ..Access::new(Right::Exec)
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
            Access::new(Right::Exec),
            Access::new(Right::Exec).with_anyone_on_loopback(),
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

    #[tokio::test]
    async fn a_key_needs_the_right_and_can_lose_it() {
        let dir = tempfile::tempdir().unwrap();
        let authorized = Arc::new(Authorized::at(dir.path().join("authorized")));
        let [good, files_only, unknown] = [1, 2, 3].map(|byte| Fingerprint::of_spki(&[byte]));
        let allow = |key, name, rights| {
            let rights = Rights::new(name, rights).unwrap();
            authorized.allow(key, &rights).unwrap();
        };
        allow(good, "alice", "exec,files");
        allow(files_only, "bob", "files");
        let access = Access::new(Right::Exec).with_keys(Arc::clone(&authorized));
        let local = Name::Tls("127.0.0.1:9".parse().unwrap());
        let peer = |key| Peer {
            key,
            ..local.clone().into()
        };
        check(&access, &peer(None), &local, Err("without a key: show one"));
        check(
            &access,
            &peer(Some(unknown)),
            &local,
            Err("no right to exec"),
        );
        check(
            &access,
            &peer(Some(files_only)),
            &local,
            Err("no right to exec"),
        );
        let mut grant = access.admit(&peer(Some(good)), &local).unwrap();
        assert_eq!(grant.who, format!("alice ({good})"));
        // A key says who somebody is, also where anyone may come in.
        let open = Access::new(Right::Exec).with_anyone_on_loopback();
        check(
            &open,
            &peer(Some(unknown)),
            &local,
            Err("keys are not asked for"),
        );
        // Strangers may read where that was asked for; whoever has the right may more.
        let public = access.clone().with_public_reading();
        assert!(public.admit(&peer(None), &local).unwrap().reads_only);
        assert!(!public.admit(&peer(Some(good)), &local).unwrap().reads_only);

        allow(files_only, "bob", "files,chat");
        allow(good, "alice", "files");
        let lost = tokio::time::timeout(std::time::Duration::from_secs(30), grant.lost()).await;
        assert!(lost.unwrap().to_string().contains("lost its right to exec"));
    }
}
