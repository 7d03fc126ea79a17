//! Where a service that strangers may not use can be served at all, and who is let in there.

use sockeye_net::trust::Right;
use sockeye_net::{Endpoint, Host, HostPort, Place, Scheme, UnixKind};
use sockeye_service::Access;

use super::Entry;
use crate::context::Context;
use crate::exit::usage;
use crate::trust;

/// A service that asks who comes, in the words of its refusals.
pub(super) struct Door {
    /// What is served: `exec is`.
    pub(super) served: &'static str,
    /// What strangers could do: `run commands`.
    pub(super) could: &'static str,
    /// Which flags open plain places, and how far.
    pub(super) opens: &'static str,
}

impl Door {
    /// Refuses a place that does not show who comes.
    pub(super) fn check(&self, endpoint: &Endpoint, entry: &Entry) -> anyhow::Result<()> {
        match &endpoint.place {
            Place::Tcp(at)
            | Place::Ws {
                at, secure: false, ..
            } => self.check_plain(endpoint, at, entry),
            // The kernel says who made the connection; of an inherited socket when somebody comes.
            Place::Unix {
                kind: UnixKind::Stream | UnixKind::Seqpacket,
                ..
            }
            | Place::Fd(_) => Ok(()),
            place => match place.scheme() {
                scheme if scheme.is_secure() => Ok(()),
                Scheme::Udp | Scheme::UnixDgram => Err(usage!(
                    "{endpoint}: datagrams may get lost, use quic:// or unix:"
                )),
                _ => Err(usage!(
                    "{endpoint} does not show who is at the other end; {} served on unix:, \
                     unix-seqpacket:, tls://, quic:// and wss://",
                    self.served
                )),
            },
        }
    }

    /// Refuses a place where anybody comes, unless it was opened and nobody but this machine reaches
    /// it.
    pub(super) fn check_plain(
        &self,
        endpoint: &Endpoint,
        at: &HostPort,
        entry: &Entry,
    ) -> anyhow::Result<()> {
        let Self { could, opens, .. } = self;
        match is_loopback(at) {
            true if entry.insecure_anyone => Ok(()),
            true => Err(usage!(
                "{endpoint}: any program of this machine could {could} there; use unix: or \
                 tls://, or say --insecure-anyone"
            )),
            false => Err(usage!(
                "{endpoint}: whoever reaches it could {could} there; use tls://, quic:// or \
                 wss:// ({opens})"
            )),
        }
    }
}

/// Whether nobody but this machine can reach it. A name is resolved later, and each connection is
/// looked at once more.
fn is_loopback(at: &HostPort) -> bool {
    match &at.host {
        Host::Unspecified => true,
        Host::Name(name) => name.to_string() == "localhost",
        host => host.ip().is_some_and(|ip| ip.is_loopback()),
    }
}

/// Who may: whoever has a key with this right where keys are shown, and whom the flags let in.
pub(super) fn access(context: &Context, entry: &Entry, right: Right) -> anyhow::Result<Access> {
    let mut access = Access::new(right);
    let secure = |endpoint: &Endpoint| endpoint.place.scheme().is_secure();
    if entry.endpoints.is_empty() || entry.endpoints.iter().any(secure) {
        access = access.with_keys(trust::authorized(context)?);
    }
    if entry.insecure_anyone {
        access = access.with_anyone_on_loopback();
    }
    Ok(access)
}

/// What the tests of such a service share: an entry with one endpoint, and what its check says.
#[cfg(test)]
#[track_caller]
pub(super) fn check_entry(
    mut entry: Entry,
    endpoint: &str,
    expected: Result<(), &str>,
    change: impl FnOnce(&mut Entry),
) {
    entry.endpoints = vec![endpoint.parse().unwrap()];
    change(&mut entry);
    match (entry.check(), expected) {
        (Ok(()), Ok(())) => {}
        (Err(error), Err(part)) => {
            let error = error.to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        (found, _) => panic!("{endpoint}: {found:?}"),
    }
}
