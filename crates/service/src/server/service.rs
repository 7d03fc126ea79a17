//! What a server serves.

use std::sync::Arc;

use crate::Responders;

/// What a server serves.
#[derive(Clone)]
#[non_exhaustive]
pub enum Service {
    /// Messages are answered, by a responder for each peer.
    Replies(Arc<dyn Responders>),
}

impl<R: Responders + 'static> From<R> for Service {
    fn from(responders: R) -> Self {
        Self::Replies(Arc::new(responders))
    }
}
