//! How somebody came: what admins see of it, what everybody sees in its place, and what it proves.

use std::net::IpAddr;
use std::sync::Arc;

use sockeye_net::trust::{Authorized, Right};
use sockeye_net::{Fingerprint, Name, Peer};
use sockeye_service::Access;

use crate::accounts::Cloak;
use crate::world::Way;

/// Recognises who comes.
#[derive(Debug)]
pub(super) struct Gate {
    cloak: Cloak,
    /// Our own user, on Unix sockets.
    ours: Access,
    authorized: Option<Arc<Authorized>>,
}

impl Gate {
    pub(super) fn new(cloak: Cloak, authorized: Option<Arc<Authorized>>) -> Self {
        Self {
            cloak,
            ours: Access::new(Right::ChatAdmin),
            authorized,
        }
    }

    /// What everybody sees in place of an address.
    pub(super) fn host_of(&self, address: Option<IpAddr>) -> String {
        self.cloak.host(address)
    }

    /// How this peer came, who is connected to us at `local`.
    pub(super) fn way(&self, peer: &Peer, local: &Name) -> Way {
        let address = peer.name.socket_addr();
        let rules = match &peer.name {
            // Whoever is us could read all that is kept here anyway.
            Name::Unix { .. } => self.ours.admit(peer, local).is_ok(),
            _ => false,
        };
        let rights = peer.key.as_ref().and_then(|key| self.rights(key));
        Way {
            address: address.map_or_else(|| peer.to_string(), |address| address.to_string()),
            host: self.cloak.host(address.map(|address| address.ip())),
            is_private: address.is_none_or(|address| address.ip().to_canonical().is_loopback())
                || is_secure(&peer.name),
            key_rules: rules || rights.as_ref().is_some_and(|rights| rights.rules),
            key_name: rights.map(|rights| rights.name),
        }
    }

    /// What the list says of a key, if it may talk.
    pub(super) fn rights(&self, key: &Fingerprint) -> Option<KeyRights> {
        let rights = self.authorized.as_ref()?.rights_of(key)?;
        let rules = rights.allows(Right::ChatAdmin);
        (rules || rights.allows(Right::Chat)).then_some(KeyRights {
            name: rights.name,
            rules,
        })
    }
}

/// What a key may do here.
#[derive(Debug)]
pub(super) struct KeyRights {
    /// Whose it is.
    pub(super) name: String,
    /// It has the right `chat-admin`.
    pub(super) rules: bool,
}

fn is_secure(name: &Name) -> bool {
    match name {
        Name::Tls(_) | Name::Quic(_) => true,
        Name::Ws(name) => name.secure,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use sockeye_net::UnixKind;
    use sockeye_net::trust::Rights;

    use super::*;

    fn gate() -> Gate {
        Gate::new(Cloak::new([7; 32]), None)
    }

    fn way(name: &Name) -> Way {
        gate().way(&name.clone().into(), name)
    }

    #[test]
    fn this_machine_is_private_and_others_are_hidden() {
        let here = way(&Name::tcp("127.0.0.1:5".parse().unwrap()));
        assert_eq!((&*here.host, here.is_private), ("loopback", true));
        assert_eq!(here.address, "127.0.0.1:5");
        let there = way(&Name::tcp("192.0.2.7:5".parse().unwrap()));
        assert!(!there.is_private && !there.key_rules && there.key_name.is_none());
        assert!(!there.host.contains("192"), "{}", there.host);
        assert_eq!(there.address, "192.0.2.7:5");
        assert!(way(&Name::tls("192.0.2.7:5".parse().unwrap())).is_private);
    }

    #[test]
    fn our_own_user_rules_over_a_unix_socket_and_nobody_else() {
        let name = Name::Unix {
            kind: UnixKind::Stream,
            name: None,
        };
        let peer = |uid| Peer {
            uid: Some(uid),
            ..name.clone().into()
        };
        let us = std::fs::metadata("/proc/self").unwrap().uid();
        let others = gate().way(&peer(us + 1), &name);
        assert!(others.is_private && !others.key_rules);
        assert_eq!(others.host, "loopback");
    }

    #[test]
    fn a_key_says_who_it_is_if_it_may_talk() {
        let dir = tempfile::tempdir().unwrap();
        let authorized = Arc::new(Authorized::at(dir.path().join("authorized")));
        let [talks, rules, runs] = [1, 2, 3].map(|byte| Fingerprint::of_spki(&[byte]));
        for (key, name, rights) in [
            (talks, "alice", "chat"),
            (rules, "root", "chat-admin"),
            (runs, "bob", "exec"),
        ] {
            let rights = Rights::new(name, rights).unwrap();
            authorized.allow(key, &rights).unwrap();
        }
        let gate = Gate::new(Cloak::new([7; 32]), Some(authorized));
        let name = Name::tls("192.0.2.7:5".parse().unwrap());
        let way = |key| {
            let peer = Peer {
                key: Some(key),
                ..name.clone().into()
            };
            let way = gate.way(&peer, &name);
            (way.key_name, way.key_rules)
        };
        assert_eq!(way(talks), (Some("alice".into()), false));
        assert_eq!(way(rules), (Some("root".into()), true));
        assert_eq!(way(runs), (None, false));
    }
}
