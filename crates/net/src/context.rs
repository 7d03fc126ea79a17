//! What every open socket needs.

use std::env;
use std::fmt;
use std::sync::Arc;

use sockeye_trace::Recorder;

use crate::activation::Inherited;
use crate::quic::Afterlife;
use crate::resolve::{Families, Resolve, SystemResolver};
use crate::trust::Trust;

/// The variable that holds the password for proxies: secrets never stand on a command line.
pub const PROXY_PASSWORD: &str = "SOCKEYE_PROXY_PASSWORD";

/// What listening and connecting need besides an endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Net {
    /// Hears of every read and write.
    pub recorder: Recorder,
    /// Turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Which addresses may be used: `-4`, `-6`.
    pub families: Families,
    /// Sockets that the parent process handed over to be listened on.
    pub inherited: Arc<Inherited>,
    /// The password for proxies that want one.
    pub proxy_password: Option<Secret>,
    /// Who we are and whom we know.
    pub trust: Arc<Trust>,
    /// What still has to be delivered of links that were dropped.
    pub afterlife: Arc<Afterlife>,
}

impl Net {
    /// A context with the system's resolver and nothing from the environment.
    pub fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            resolver: Arc::new(SystemResolver),
            families: Families::Any,
            inherited: Arc::default(),
            proxy_password: None,
            trust: Arc::default(),
            afterlife: Arc::default(),
        }
    }

    /// The same with what the environment holds: `LISTEN_FDS`, [`PROXY_PASSWORD`], the user's keys. A
    /// process calls it once, for sockets that are handed over are taken.
    #[must_use]
    pub fn with_environment(mut self) -> Self {
        self.inherited = Arc::new(Inherited::from_environment());
        self.proxy_password = env::var(PROXY_PASSWORD).ok().map(Secret::new);
        self.trust = Arc::new(Trust::from_environment());
        self
    }

    /// Waits until peers have what was written to links that are gone, for a while at most
    /// ([`SETTLE_TIMEOUT`](crate::quic::SETTLE_TIMEOUT)). To be called before the process ends: the
    /// kernel goes on sending for TCP, but nobody for QUIC.
    pub async fn settled(&self) {
        self.afterlife.over().await;
    }
}

/// A text that is never printed.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps a text from being printed.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the protocol that says it and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
