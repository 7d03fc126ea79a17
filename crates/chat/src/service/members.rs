//! Members: IRC over any link.

use std::sync::Arc;

use sockeye_net::Link;
use sockeye_service::{BoxFuture, Conversation, Outcome, Session};

use super::door::Door;
use super::flood::Bucket;
use super::held::{Held, Source};
use super::wires::{Bytes, Messages};
use super::{Chat, GOING_DOWN};
use crate::outbox::{Outbox, Wire};
use crate::world::Arrival;

/// Members: IRC over any link. Over bytes lines end with CR LF, or LF alone; on a link of messages
/// each is a line.
#[derive(Clone, Debug)]
pub struct Members(pub Arc<Chat>);

impl Conversation for Members {
    fn hold(&self, link: Link, session: Session) -> BoxFuture<Outcome> {
        let chat = &self.0;
        chat.drain_with(&session);
        let way = chat.gate.way(&session.peer, &session.local);
        let (source, wire): (_, Box<dyn Wire>) = match link {
            Link::Bytes(link) => {
                let (read, write) = link.into_split();
                (Source::Bytes(read), Box::new(Bytes(write)))
            }
            Link::Messages(link) => {
                let (receiver, sender) = link.into_split();
                (Source::Messages(receiver), Box::new(Messages(sender)))
            }
            // `net` has no other links, and whoever adds one will see it refused here.
            _ => return Box::pin(async { Outcome::new("this kind of link carries no chat") }),
        };
        let outbox = Outbox::new(wire, chat.options.sendq_bytes);
        let arrival = Arrival {
            outbox: Arc::clone(&outbox),
            way,
        };
        let id = chat.with_world(|world| world.arrive(arrival));
        if let Some(key) = session.peer.key {
            chat.keys().insert(id, key);
        }
        let bucket = Bucket::new(chat.options.lines_per_second, chat.uptime_ms());
        if chat.is_over() {
            chat.with_world(|world| world.close(id, GOING_DOWN));
        }
        let door = Door {
            recorder: session.recorder,
            conn: session.conn,
        };
        Box::pin(Held::new(
            Arc::clone(chat),
            id,
            outbox,
            source,
            bucket,
            door,
        ))
    }

    fn ends_itself(&self) -> bool {
        true
    }
}
