//! What a world begins with: rooms and accounts that were kept.

use std::sync::Arc;

use super::{Room, World};
use crate::accounts::Account;
use crate::irc::{Folded, Mask};
use crate::log::{Kept, KeptAccount, KeptRoom};

impl World {
    /// Begins with what was kept. For a world where nothing has happened yet.
    pub fn restore(&mut self, kept: Kept) {
        self.last_seq = self.last_seq.max(kept.last_seq);
        for account in kept.accounts {
            self.restore_account(account);
        }
        for room in kept.rooms {
            self.restore_room(room);
        }
    }

    pub(super) fn restore_account(&mut self, kept: KeptAccount) {
        let account = Account {
            password: Arc::from(kept.password),
            since_ms: kept.since_ms,
            name: kept.name,
        };
        let folded = Folded::new(&account.name);
        // The first to register a name owns it.
        self.accounts.entry(folded).or_insert(account);
    }

    fn restore_room(&mut self, kept: KeptRoom) {
        let topic = kept.topic.map(|topic| (topic.text, topic.by, topic.set_ms));
        let bans = kept.bans.into_iter();
        let mut room = Room {
            since_ms: kept.since_ms,
            topic,
            bans: bans
                .map(|ban| (Mask::new(&ban.mask), ban.by, ban.set_ms))
                .collect(),
            founder: kept.founder,
            ..Room::default()
        };
        for change in kept.modes {
            room.modes
                .change(change.set, change.mode, change.param.as_deref());
        }
        if let Some(founder) = &room.founder {
            self.count_founded(founder);
        }
        let folded = Folded::new(&kept.name);
        room.name = kept.name;
        self.rooms.insert(folded, room);
    }
}
