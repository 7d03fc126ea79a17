//! What a server serves.

use std::sync::Arc;

use sockeye_frame::Framing;
use sockeye_net::Listener;

use super::host::Host;
use crate::relay::{Relay, Relaying};
use crate::{Conversation, Responders};

/// What a server serves.
#[derive(Clone)]
#[non_exhaustive]
pub enum Service {
    /// Messages are answered, by a responder for each peer.
    Replies(Arc<dyn Responders>),
    /// Everything goes on to another place.
    Relay(Arc<Relay>),
    /// Each link is owned by a conversation.
    Conversation(Arc<dyn Conversation>),
    /// Both, at entrances of their own: those where messages come in plain text go to the
    /// responders (datagrams, and streams whose endpoint names a framing), all others to the
    /// conversation.
    Both {
        /// Who answers plain messages.
        plain: Arc<dyn Responders>,
        /// Who owns all other links.
        conversation: Arc<dyn Conversation>,
    },
}

/// What serves a connection within a server.
#[derive(Clone)]
pub(crate) enum Serving {
    /// A responder, run by one of our drivers.
    Responders(Arc<dyn Responders>),
    /// Itself.
    Conversation(Arc<dyn Conversation>),
}

impl Service {
    /// What serves within this server who comes in by this listener, under this framing of its own.
    pub(crate) fn within(
        &self,
        host: &Arc<Host>,
        listener: &Listener,
        framing: Option<&Framing>,
    ) -> Serving {
        match self {
            Self::Replies(responders) => Serving::Responders(Arc::clone(responders)),
            Self::Relay(relay) => Serving::Responders(Arc::new(Relaying {
                relay: Arc::clone(relay),
                host: Arc::clone(host),
            })),
            Self::Conversation(conversation) => Serving::Conversation(Arc::clone(conversation)),
            Self::Both {
                plain,
                conversation,
            } => {
                if framing.is_some() || matches!(listener, Listener::Datagram(_)) {
                    Serving::Responders(Arc::clone(plain))
                } else {
                    Serving::Conversation(Arc::clone(conversation))
                }
            }
        }
    }
}

impl From<Relay> for Service {
    fn from(relay: Relay) -> Self {
        Self::Relay(Arc::new(relay))
    }
}

impl From<Arc<dyn Conversation>> for Service {
    fn from(conversation: Arc<dyn Conversation>) -> Self {
        Self::Conversation(conversation)
    }
}

impl<R: Responders + 'static> From<R> for Service {
    fn from(responders: R) -> Self {
        Self::Replies(Arc::new(responders))
    }
}
