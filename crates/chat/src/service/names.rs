//! Names that the list of keys has given away.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use sockeye_net::trust::{Authorized, Right};

use crate::accounts::Names;

/// The names of everybody whose key may talk, as of when they were last read.
#[derive(Debug)]
pub(super) struct KeyNames {
    authorized: Arc<Authorized>,
    known: RwLock<HashSet<String>>,
}

impl KeyNames {
    pub(super) fn new(authorized: Arc<Authorized>) -> Self {
        let names = Self {
            authorized,
            known: RwLock::default(),
        };
        names.read_again();
        names
    }

    /// Reads them again. A list that cannot be read reserves what it did before.
    pub(super) fn read_again(&self) {
        let Ok(entries) = self.authorized.entries() else {
            return;
        };
        let rights = entries.into_iter().map(|entry| entry.rights);
        let talking =
            rights.filter(|rights| rights.allows(Right::Chat) || rights.allows(Right::ChatAdmin));
        let names = talking.map(|rights| rights.name.to_ascii_lowercase());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = names.collect();
    }
}

impl Names for KeyNames {
    fn is_reserved(&self, name: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(&name.to_ascii_lowercase())
    }
}
