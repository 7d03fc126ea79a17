//! Services and the server that runs them.
//!
//! A [`Responder`] answers messages and never sees a socket; the server runs it over streams and
//! datagrams alike, in batches. A conversation owns its link.

mod access;
mod bounded;
mod conversation;
mod dialogue;
pub mod exec;
pub mod files;
mod hub;
mod link_stream;
mod mailbox;
mod out;
mod print;
mod relay;
pub mod reply;
mod responder;
mod server;
mod spare;
mod wire;

pub use access::{Access, Denied, Grant};
pub use conversation::{BoxFuture, Conversation, Outcome, Session};
pub use hub::Hub;
pub use link_stream::{LinkReader, LinkWriter, as_stream};
pub use mailbox::{MAILBOX_BYTES, Mailbox, Posted};
pub use out::Out;
pub use print::Print;
pub use relay::Relay;
pub use responder::{Arrival, Peer, Responder, Responders};
pub use server::{
    Cidr, CidrError, Control, DRAIN_TIMEOUT, Entrance, FRAME_TIMEOUT, LINGER_BYTES, LINGER_TIMEOUT,
    MAX_CONNECTIONS, Options, ServeError, Server, Service, Summary, Timer,
};
pub use wire::{
    BODY_AT_ONCE, HEADER_LIMIT, WireError, WireHeader, WireReader, WireWriter, is_http,
};
