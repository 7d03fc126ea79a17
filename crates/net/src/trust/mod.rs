//! Who we are, whom we know and who may do what: keys, never names.
//!
//! ```text
//!  $XDG_CONFIG_HOME/sockeye/   or   ~/.config/sockeye/
//!    key.pem        our secret key, 0600             ┐ one identity, made on first need
//!    cert.pem       its self-signed certificate      ┘
//!    known_peers    HOST:PORT SHA256:…               whom we dial
//!    authorized     SHA256:… NAME exec,files,…       who may use what we serve
//! ```
//!
//! A peer proves in the handshake that it has the secret of the key it shows; what a certificate says
//! besides its key decides nothing. The formats are described in docs/trust.md.

mod authorized;
mod error;
mod file;
mod fingerprint;
mod identity;
mod known;
mod list;

use std::collections::VecDeque;
use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use authorized::{Allowed, Authorized, Entry, NAME_LIMIT, Right, Rights};
pub use error::{LineError, TrustError};
pub use file::{FILE_LIMIT, LOCK_TIMEOUT};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::Identity;
pub use known::{KnownPeers, Pin, Pinned};
pub use list::LINE_LIMIT;

use crate::error::{KeyChange, NetError};

/// What happens to a key that is seen for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstUse {
    /// It is not trusted: dialling fails with [`NetError::Unknown`].
    #[default]
    Refuse,
    /// It is written into `known_peers` and trusted from then on. A key that is there is never replaced.
    Pin,
}

/// Everything that decides about trust: one folder.
#[derive(Debug, Default)]
pub struct Trust {
    /// What happens to a key that is seen for the first time.
    pub first_use: FirstUse,
    /// None where there is no home: then nobody is known, and we have no identity.
    room: Option<Room>,
    /// What first use has pinned and nobody was told of yet.
    news: Mutex<VecDeque<Pinned>>,
    told: tokio::sync::Notify,
}

#[derive(Debug)]
struct Room {
    dir: PathBuf,
    identity: OnceLock<Arc<Identity>>,
    known: KnownPeers,
    authorized: Arc<Authorized>,
}

impl Trust {
    /// Trust that rests on the files of this folder, which need not exist yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let room = Room {
            known: KnownPeers::at(dir.join("known_peers")),
            authorized: Arc::new(Authorized::at(dir.join("authorized"))),
            identity: OnceLock::new(),
            dir,
        };
        Self {
            room: Some(room),
            ..Self::default()
        }
    }

    /// `$XDG_CONFIG_HOME/sockeye`, or `~/.config/sockeye` (XDG Base Directory Specification).
    pub fn from_environment() -> Self {
        let asked = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        // The specification has relative paths ignored.
        let config = asked
            .filter(|dir| dir.is_absolute())
            .or_else(|| Some(env::home_dir()?.join(".config")))
            .filter(|dir| dir.is_absolute());
        config.map_or_else(Self::default, |config| Self::at(config.join("sockeye")))
    }

    /// The same, with another answer to keys that are seen for the first time.
    #[must_use]
    pub fn with_first_use(mut self, first_use: FirstUse) -> Self {
        self.first_use = first_use;
        self
    }

    /// Where the files lie.
    pub fn dir(&self) -> Result<&Path, TrustError> {
        self.room().map(|room| &*room.dir)
    }

    /// Who we are. Made and kept on first need.
    pub fn identity(&self) -> Result<Arc<Identity>, TrustError> {
        let room = self.room()?;
        if let Some(identity) = room.identity.get() {
            return Ok(identity.clone());
        }
        let identity = Arc::new(Identity::load_or_make(&room.dir)?);
        Ok(room.identity.get_or_init(|| identity).clone())
    }

    /// Whom we know.
    pub fn known_peers(&self) -> Result<&KnownPeers, TrustError> {
        self.room().map(|room| &room.known)
    }

    /// Who may do what.
    pub fn authorized(&self) -> Result<&Arc<Authorized>, TrustError> {
        self.room().map(|room| &room.authorized)
    }

    /// Whether the peer that was dialled as `place`, `HOST:PORT` as typed, may have this key.
    ///
    /// An unknown key is pinned if [`FirstUse::Pin`] says so. The caller makes sure that the peer
    /// proves possession of the key.
    pub fn check(
        &self,
        endpoint: &impl Display,
        place: &str,
        got: Fingerprint,
    ) -> Result<(), NetError> {
        let failed = |source| NetError::Trust {
            endpoint: endpoint.to_string(),
            source,
        };
        let unknown = || NetError::Unknown {
            endpoint: endpoint.to_string(),
            place: place.to_owned(),
            fingerprint: got,
        };
        let Ok(known) = self.known_peers() else {
            return Err(unknown());
        };
        let pin = match (known.pin_of(place).map_err(failed)?, self.first_use) {
            (Some(pin), _) => pin,
            (None, FirstUse::Refuse) => return Err(unknown()),
            (None, FirstUse::Pin) => {
                let (pin, is_new) = known.pin(place, got).map_err(failed)?;
                if is_new {
                    self.tell(place, got);
                }
                pin
            }
        };
        if pin.fingerprint == got {
            return Ok(());
        }
        Err(NetError::KeyChanged(Box::new(KeyChange {
            place: place.to_owned(),
            pinned: pin.fingerprint,
            file: known.path().to_owned(),
            line: pin.line,
            got,
        })))
    }

    /// The next key that first use has pinned, if there is one that was not taken yet.
    pub fn take_pinned(&self) -> Option<Pinned> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.pop_front()
    }

    /// Waits for the next key that first use pins.
    pub async fn pinned(&self) -> Pinned {
        loop {
            if let Some(pinned) = self.take_pinned() {
                return pinned;
            }
            // One permit is kept for who comes late, so nothing is missed between the two.
            self.told.notified().await;
        }
    }

    fn tell(&self, place: &str, fingerprint: Fingerprint) {
        let place = place.to_owned();
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.push_back(Pinned { place, fingerprint });
        drop(news);
        self.told.notify_one();
    }

    fn room(&self) -> Result<&Room, TrustError> {
        self.room.as_ref().ok_or(TrustError::NoFolder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::of_spki(&[byte])
    }

    #[test]
    fn a_key_is_unknown_then_pinned_then_guarded() {
        let dir = tempfile::tempdir().unwrap();
        let trust = Trust::at(dir.path().join("sockeye"));
        let check = |trust: &Trust, got| trust.check(&"tls://here:7", "here:7", got);
        let unknown = check(&trust, key(1)).unwrap_err();
        assert!(matches!(unknown, NetError::Unknown { .. }), "{unknown:?}");
        assert!(unknown.is_untrusted());
        assert!(
            !dir.path().join("sockeye").exists(),
            "a look writes nothing"
        );

        let pinning = Trust::at(dir.path().join("sockeye")).with_first_use(FirstUse::Pin);
        check(&pinning, key(1)).unwrap();
        assert_eq!(pinning.take_pinned().unwrap().place, "here:7");
        assert!(pinning.take_pinned().is_none());
        check(&trust, key(1)).unwrap();

        for trust in [&trust, &pinning] {
            let changed = check(trust, key(2)).unwrap_err();
            let file = dir.path().join("sockeye/known_peers");
            let expected = format!(
                "the key of here:7 has changed: it is {}, pinned is {} ({}:1)",
                key(2),
                key(1),
                file.display()
            );
            assert_eq!(changed.to_string(), expected);
            assert!(changed.is_untrusted());
        }
        check(&trust, key(1)).unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_a_pin_hears_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let trust = Arc::new(Trust::at(dir.path()).with_first_use(FirstUse::Pin));
        let waiting = tokio::spawn({
            let trust = trust.clone();
            async move { trust.pinned().await }
        });
        trust.check(&"tls://a:1", "a:1", key(3)).unwrap();
        assert_eq!(waiting.await.unwrap().fingerprint, key(3));
    }

    #[test]
    fn without_a_home_nobody_is_known() {
        let trust = Trust::default().with_first_use(FirstUse::Pin);
        assert!(matches!(trust.identity(), Err(TrustError::NoFolder)));
        let error = trust.check(&"tls://a:1", "a:1", key(1)).unwrap_err();
        assert!(matches!(error, NetError::Unknown { .. }));
    }
}
