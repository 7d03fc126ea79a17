//! What a server serves.

use std::sync::Arc;

use super::host::Host;
use crate::Responders;
use crate::relay::{Relay, Relaying};

/// What a server serves.
#[derive(Clone)]
#[non_exhaustive]
pub enum Service {
    /// Messages are answered, by a responder for each peer.
    Replies(Arc<dyn Responders>),
    /// Everything goes on to another place.
    Relay(Arc<Relay>),
}

impl Service {
    /// What answers within this server.
    pub(crate) fn responders(&self, host: &Arc<Host>) -> Arc<dyn Responders> {
        match self {
            Self::Replies(responders) => Arc::clone(responders),
            Self::Relay(relay) => Arc::new(Relaying {
                relay: Arc::clone(relay),
                host: Arc::clone(host),
            }),
        }
    }
}

impl From<Relay> for Service {
    fn from(relay: Relay) -> Self {
        Self::Relay(Arc::new(relay))
    }
}

impl<R: Responders + 'static> From<R> for Service {
    fn from(responders: R) -> Self {
        Self::Replies(Arc::new(responders))
    }
}
