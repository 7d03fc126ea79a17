//! The side that runs commands.

mod environment;
mod events;
mod group;
mod outputs;
mod policy;
mod raw;
mod run;
mod spawn;
mod stdin;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Link;

use crate::{Access, BoxFuture, Conversation, Outcome, Session};

pub use environment::BASE as BASE_ENVIRONMENT;
pub use policy::{Pattern, PatternError, Policy};
pub use raw::{RAW_ANSWER, RAW_DATAGRAM, RAW_FAREWELL, RAW_WAITING, RawExec};

/// A command whose client is gone is hung up, and killed after this long.
pub const KILLED_AFTER: Duration = Duration::from_secs(2);

/// How long a command's outputs may stay open when it has ended: what it left behind in its process
/// group may finish in that time, and is ended then. With `LETS_GO_WITHIN` it is a second.
pub const OUTLIVES_BY: Duration = Duration::from_millis(900);

/// What was killed lets go of its outputs within this; who holds them then is in another session.
const LETS_GO_WITHIN: Duration = Duration::from_millis(100);

/// Runs commands for those who may.
///
/// Each command runs in a session and process group of its own, with a clean environment and no
/// descriptor but its three. Its input waits here for no more than its window, its output waits in
/// its pipe: nothing is held for a client that does not take it.
#[derive(Clone, Debug)]
pub struct ExecServer {
    access: Arc<Access>,
    policy: Arc<Policy>,
}

impl ExecServer {
    /// Runs what `policy` allows for those whom `access` lets in.
    pub fn new(access: Access, policy: Policy) -> Self {
        Self {
            access: Arc::new(access),
            policy: Arc::new(policy),
        }
    }
}

impl Conversation for ExecServer {
    fn hold(&self, link: Link, session: Session) -> BoxFuture<Outcome> {
        let Self { access, policy } = self.clone();
        Box::pin(talk::hold(link, session, access, policy))
    }
}
