//! Hub: what one says all others hear.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockeye_frame::Framing;
use sockeye_trace::Time;

use crate::mailbox::Mailbox;
use crate::{Arrival, Out, Peer, Responder, Responders};

/// What one says all others hear, across all endpoints of the service, in the same order.
///
/// Nobody waits for a member that reads slowly: it loses what its [`Mailbox`] has no room for.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    room: Arc<Mutex<Room>>,
}

/// Who hears. Members with the same framing stand together, so that what is said is encoded once
/// for all of them.
#[derive(Debug, Default)]
struct Room {
    groups: Vec<Group>,
    next: u64,
    /// Where a message is encoded.
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Group {
    /// `None` for members whose sockets keep boundaries.
    framing: Option<Framing>,
    members: Vec<(u64, Arc<Mailbox>)>,
}

impl Room {
    fn join(&mut self, framing: Option<Framing>) -> (u64, Arc<Mailbox>) {
        let mailbox = Mailbox::new(framing.clone());
        let number = self.next;
        self.next += 1;
        let member = (number, Arc::clone(&mailbox));
        match self
            .groups
            .iter_mut()
            .find(|group| group.framing == framing)
        {
            Some(group) => group.members.push(member),
            None => self.groups.push(Group {
                framing,
                members: vec![member],
            }),
        }
        (number, mailbox)
    }

    fn leave(&mut self, number: u64, framing: Option<&Framing>) {
        if let Some(at) = self
            .groups
            .iter()
            .position(|group| group.framing.as_ref() == framing)
        {
            // Numbers only grow, and members stand in the order in which they joined.
            let members = &mut self.groups[at].members;
            if let Ok(place) = members.binary_search_by_key(&number, |(number, _)| *number) {
                members.remove(place);
            }
            if members.is_empty() {
                self.groups.swap_remove(at);
            }
        }
    }

    fn say(&mut self, from: u64, message: &[u8]) {
        for Group { framing, members } in &self.groups {
            self.frame.clear();
            let frame = match framing {
                None => Ok(message),
                Some(framing) => framing
                    .encode(message, &mut self.frame)
                    .map(|()| &self.frame[..]),
            };
            for (_, mailbox) in members.iter().filter(|(number, _)| *number != from) {
                match frame {
                    // What a member misses is counted in its mailbox.
                    Ok(frame) => drop(mailbox.post_encoded(frame)),
                    Err(_) => mailbox.count_lost(),
                }
            }
        }
    }
}

impl Responders for Hub {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let framing = peer
            .framing
            .filter(|_| peer.arrival != Arrival::Datagrams)
            .cloned();
        let (number, mailbox) = lock(&self.room).join(framing.clone());
        Box::new(Member {
            room: Arc::clone(&self.room),
            number,
            framing,
            mailbox,
        })
    }
}

struct Member {
    room: Arc<Mutex<Room>>,
    number: u64,
    framing: Option<Framing>,
    mailbox: Arc<Mailbox>,
}

impl Responder for Member {
    fn on_message(&mut self, _now: Time, message: &[u8], _out: &mut Out<'_>) {
        lock(&self.room).say(self.number, message);
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.mailbox))
    }

    fn needs_time(&self) -> bool {
        false
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        lock(&self.room).leave(self.number, self.framing.as_ref());
    }
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::Outbox;
    use crate::reply::Stage;

    fn member(hub: &Hub, spec: Option<&str>) -> Box<dyn Responder> {
        let framing: Option<Framing> = spec.map(|spec| spec.parse().unwrap());
        let arrival = match &framing {
            None => Arrival::Datagrams,
            Some(framing) if framing.is_raw() => Arrival::Chunks,
            Some(_) => Arrival::Frames,
        };
        hub.open(&Peer {
            name: &"test",
            arrival,
            framing: framing.as_ref(),
        })
    }

    fn say(member: &mut dyn Responder, message: &[u8]) {
        member.on_message(Time::default(), message, &mut Stage::raw().out(message));
    }

    fn heard(member: &dyn Responder) -> (Vec<u8>, u64) {
        let mut outbox = Outbox::default();
        let emptied = member.mailbox().unwrap().empty_into(&mut outbox);
        (outbox.bytes, emptied.lost.map_or(0, |lost| lost.messages))
    }

    #[test]
    fn all_others_hear_each_in_its_own_framing() {
        let hub = Hub::default();
        let mut members =
            [Some("line"), Some("u8"), None, Some("raw")].map(|spec| member(&hub, spec));
        say(&mut *members[0], b"hi");
        say(&mut *members[1], b"you");
        let all: Vec<Vec<u8>> = members.iter().map(|member| heard(&**member).0).collect();
        assert_eq!(all, [&b"you\n"[..], b"\x02hi", b"hiyou", b"hiyou"]);
    }

    #[test]
    fn what_a_framing_cannot_carry_its_members_lose() {
        let hub = Hub::default();
        let mut members = [Some("line"), None].map(|spec| member(&hub, spec));
        say(&mut *members[1], b"two\nlines");
        assert_eq!(heard(&*members[0]), (vec![], 1));
    }

    #[test]
    fn who_leaves_is_forgotten() {
        let hub = Hub::default();
        let mut first = member(&hub, Some("line"));
        let gone: Vec<_> = (0..3).map(|_| member(&hub, Some("line"))).collect();
        let last = member(&hub, Some("line"));
        drop(gone);
        say(&mut *first, b"hi");
        assert_eq!(heard(&*last).0, b"hi\n");
        assert_eq!(lock(&hub.room).groups[0].members.len(), 2);
        drop((first, last));
        assert!(lock(&hub.room).groups.is_empty());
    }
}
