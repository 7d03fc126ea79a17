//! Reaching a target through proxies.

use sockeye_frame::Blame;
use thiserror::Error;

/// Why a proxy did not connect us.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It did not answer in time.
    #[error("the proxy did not answer in time")]
    Timeout,
}

impl ProxyError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        Blame::Path
    }
}
