//! The chat and what it keeps on this machine.

use std::sync::{Arc, Weak};

use super::Chat;
use crate::history::{Found, History, HistoryError, Query};
use crate::log::Follower;

impl Chat {
    /// From now on what is said is kept in `history`; rooms and accounts are as they were left. To be
    /// called once, ahead of the first member.
    pub fn keep(self: &Arc<Self>, history: Arc<History>) -> Result<(), HistoryError> {
        let kept = history.kept()?;
        let follower: Weak<dyn Follower> = Arc::downgrade(self) as Weak<dyn Follower>;
        let log = history.follow(follower)?;
        self.with_world(|world| {
            world.restore(kept);
            world.keep_in(log);
        });
        // A second one is never asked.
        let _ = self.history.set(history);
        Ok(())
    }

    /// Asks the history.
    pub(super) async fn ask(&self, queries: Vec<Query>) -> Result<Vec<Found>, HistoryError> {
        let history = self.history.get().ok_or(HistoryError::Closed)?;
        history.answer(queries).await
    }
}
