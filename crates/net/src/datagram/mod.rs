//! Datagram sockets: one datagram is one message, always.
//!
//! A [`Socket`] moves datagrams in batches: [`Socket::poll_recv`] fills a [`RecvBatch`] that the
//! thread lends (an idle socket holds no buffer), [`Socket::poll_send`] empties a [`SendBatch`].
//! [`Sessions`] gives every peer a virtual session, and its guard ([`GuardLimits`], [`Refusal`])
//! keeps us from being used to flood a third party.

mod address;
mod batch;
mod control;
pub(crate) mod dial;
mod first_peer;
mod gro;
mod guard;
pub(crate) mod listen;
pub(crate) mod mmsg;
mod sessions;
mod socket;

pub use address::Address;
pub use batch::{Datagram, RecvBatch, Route, SendBatch, Tag};
pub(crate) use guard::{ANSWERING_PORTS, Mark};
pub use guard::{GuardLimits, Refusal};
pub use sessions::{Answers, Ledger, Session, SessionLimits, Sessions};
pub use socket::{Socket, SocketKind};

#[cfg(test)]
mod tests;
#[cfg(test)]
use batch::INET_SLOT;
