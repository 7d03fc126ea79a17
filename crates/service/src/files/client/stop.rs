//! How a transfer is asked to stop.

use tokio::sync::watch;

/// Asks transfers to stop in order: what has arrived stays, so that they can be resumed.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it was asked.
    pub async fn asked(&self) {
        let mut asked = self.0.subscribe();
        // The sender is ours: it cannot go first.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}
