//! Who hears of what: lines are encoded once for all whose clients understand the same.

use std::sync::Arc;

use super::{MemberId, World};
use crate::irc::{Caps, Folded, Line};
use crate::log::{Act, Draft, Entry, MsgId, Refusal, Source, Target, Verb};
use crate::outbox::{Outbox, Shared};

/// What changes how a line about somebody is written, be it a message or anything else.
pub(crate) const EVENT_CAPS: Caps = Caps(Caps::TAGS.0 | Caps::TIME.0 | Caps::ACCOUNT_TAG.0);

/// Lines for many, encoded once for each set of capabilities that makes a difference.
pub(crate) struct Encoded<F> {
    relevant: Caps,
    made: Vec<(Caps, Shared)>,
    write: F,
}

impl<F: Fn(Caps, &mut Vec<u8>)> Encoded<F> {
    /// Lines that `write` writes, which looks at no other capabilities than `relevant`.
    pub(crate) fn new(relevant: Caps, write: F) -> Self {
        Self {
            relevant,
            made: vec![],
            write,
        }
    }

    /// The lines for this member.
    fn of(&mut self, outbox: &Outbox) -> &Shared {
        let caps = outbox.caps() & self.relevant;
        let at = if let Some(at) = self.made.iter().position(|(known, _)| *known == caps) {
            at
        } else {
            let mut lines = vec![];
            (self.write)(caps, &mut lines);
            self.made.push((caps, lines.into()));
            self.made.len() - 1
        };
        &self.made[at].1
    }

    /// Sends the lines to this member, if there are any for him.
    pub(super) fn send(&mut self, outbox: &Outbox) {
        let lines = self.of(outbox);
        if !lines.is_empty() {
            outbox.send(lines);
        }
    }

    /// Writes the lines as a member with these capabilities reads them.
    pub(crate) fn write(&self, caps: Caps, out: &mut Vec<u8>) {
        (self.write)(caps, out);
    }
}

impl World {
    /// Tells everybody in a room who is connected here, but for one. Whoever has replies that were
    /// not sent gets them first.
    pub(crate) fn tell_room<F: Fn(Caps, &mut Vec<u8>)>(
        &mut self,
        room: &Folded,
        except: Option<MemberId>,
        encoded: &mut Encoded<F>,
    ) {
        self.send_replies();
        let Some(room) = self.rooms.get(room) else {
            return;
        };
        for (id, seat) in &room.seats {
            if let Some(outbox) = seat.outbox.as_ref().filter(|_| Some(*id) != except) {
                encoded.send(outbox);
            }
        }
    }

    /// Tells everybody in a room who is connected here; what its author hears is part of what his
    /// command is answered.
    pub(crate) fn tell_room_and<F: Fn(Caps, &mut Vec<u8>)>(
        &mut self,
        room: &Folded,
        author: MemberId,
        encoded: &mut Encoded<F>,
    ) {
        self.tell_room(room, Some(author), encoded);
        self.write_for(author, |caps, out| encoded.write(caps, out));
    }

    /// Tells everybody once who shares a room with a member, but not him.
    pub(crate) fn tell_acquaintances<F: Fn(Caps, &mut Vec<u8>)>(
        &mut self,
        of: MemberId,
        encoded: &mut Encoded<F>,
    ) {
        self.send_replies();
        let Some(member) = self.members.get(&of) else {
            return;
        };
        let rooms = member.rooms.iter().filter_map(|name| self.rooms.get(name));
        let seats = rooms.flat_map(|room| &room.seats);
        let others = seats.filter(|(id, _)| **id != of);
        let mut told: Vec<_> = others
            .filter_map(|(id, seat)| Some((id, seat.outbox.as_ref()?)))
            .collect();
        // In one room everybody sits once, and in that order.
        if member.rooms.len() > 1 {
            told.sort_unstable_by_key(|(id, _)| *id);
            told.dedup_by_key(|(id, _)| *id);
        }
        for (_, outbox) in told {
            encoded.send(outbox);
        }
    }

    /// The same, and him as part of what his command is answered.
    pub(crate) fn tell_acquaintances_and<F: Fn(Caps, &mut Vec<u8>)>(
        &mut self,
        of: MemberId,
        encoded: &mut Encoded<F>,
    ) {
        self.tell_acquaintances(of, encoded);
        self.write_for(of, |caps, out| encoded.write(caps, out));
    }

    /// What is not kept anywhere happens at once.
    pub(super) fn apply_at_once(&mut self, drafts: Vec<Draft>) {
        let entries: Vec<_> = drafts
            .into_iter()
            .map(|draft| {
                self.last_seq += 1;
                Entry {
                    seq: self.last_seq,
                    time_ms: self.now_ms,
                    draft,
                }
            })
            .collect();
        self.apply(&entries);
    }

    /// What was kept happens, in its order, on every server alike.
    pub fn apply(&mut self, entries: &[Entry]) {
        if let Some(last) = entries.last() {
            self.last_seq = self.last_seq.max(last.seq);
        }
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let together = match &first.draft.act {
                Act::Say {
                    to: Target::Room(_),
                    ..
                } => rest
                    .iter()
                    .take_while(|next| goes_with(first, next))
                    .count(),
                _ => 1,
            };
            let (run, later) = rest.split_at(together);
            rest = later;
            match &first.draft.act {
                Act::Say { to, .. } => self.deliver(run, to),
                act => self.change(first, act),
            }
        }
        self.send_replies();
    }

    /// Drafts that will never be kept: their authors are told.
    pub fn refuse_drafts(&mut self, drafts: &[MsgId], why: &Refusal) {
        for id in drafts {
            let Some(pending) = self.settle(id) else {
                continue;
            };
            self.refused(pending, why);
        }
        self.send_replies();
    }

    /// Messages of one author to one target.
    fn deliver(&mut self, run: &[Entry], to: &Target) {
        let author = self.pending.get(&run[0].draft.id).map(|pending| pending.by);
        let mut encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            for entry in run {
                write_message(entry, caps, out);
            }
        });
        match to {
            Target::Room(name) => self.tell_room(&Folded::new(name), author, &mut encoded),
            Target::Person { nick, .. } => {
                self.send_replies();
                let to = self.nicks.get(&Folded::new(nick));
                let to = to.filter(|to| Some(**to) != author);
                let outbox = to.and_then(|to| self.members.get(to)?.local());
                if let Some(local) = outbox {
                    encoded.send(&local.outbox);
                }
                // Nobody waits for it any more who is here: it was in doubt, and is kept after all.
                let late = author.is_none().then(|| self.author_of(&run[0])).flatten();
                let late = late.filter(|outbox| outbox.caps().has(Caps::ECHO));
                if let Some(outbox) = late.filter(|_| !is_to_himself(&run[0])) {
                    encoded.send(outbox);
                }
            }
        }
        for entry in run {
            self.acknowledge(entry);
        }
    }

    /// Who has said this, if he is connected here and still as he was then.
    fn author_of(&self, entry: &Entry) -> Option<&Arc<Outbox>> {
        let from = &entry.draft.from;
        let member = self
            .members
            .get(self.nicks.get(&Folded::new(&from.nick))?)?;
        let local = member.local().filter(|_| member.source == *from)?;
        Some(&local.outbox)
    }

    /// Tells the author that what he said is kept: by its echo, by its label, or by nothing.
    fn acknowledge(&mut self, entry: &Entry) {
        let Some(pending) = self.settle(&entry.draft.id) else {
            return;
        };
        self.answering(pending, |world| {
            world.write_for(pending.by, |caps, out| {
                if caps.has(Caps::ECHO) || is_to_himself(entry) {
                    write_message(entry, caps, out);
                }
            });
        });
    }

    /// One draft less that its author waits for: what becomes of it is told within
    /// [`answering`](Self::answering); none if it was drafted elsewhere.
    pub(super) fn settle(&mut self, draft: &MsgId) -> Option<super::Pending> {
        let pending = self.pending.remove(draft)?;
        if let Some(local) = self.members.get(&pending.by).and_then(|m| m.local()) {
            local.outbox.settled();
        }
        Some(pending)
    }
}

/// Whether somebody spoke to himself.
fn is_to_himself(entry: &Entry) -> bool {
    let Act::Say { to, .. } = &entry.draft.act else {
        return false;
    };
    matches!(to, Target::Person { nick, .. } if nick.eq_ignore_ascii_case(&entry.draft.from.nick))
}

/// Whether a message can leave together with the one before it.
fn goes_with(first: &Entry, next: &Entry) -> bool {
    match (&first.draft.act, &next.draft.act) {
        (Act::Say { to: one, .. }, Act::Say { to: other, .. }) => {
            one == other && Arc::ptr_eq(&first.draft.from, &next.draft.from)
        }
        _ => false,
    }
}

/// Begins a line about what somebody did, as a member with these capabilities is told of it: with
/// its tags and its author.
pub(crate) fn event<'a>(
    out: &'a mut Vec<u8>,
    caps: Caps,
    time_ms: u64,
    id: Option<&MsgId>,
    from: &Source,
) -> Line<'a> {
    tagged(out, caps, time_ms, id, from).source_of(&from.nick, &from.user, &from.host)
}

/// Begins a line with the tags that tell when something was done, and by whom.
fn tagged<'a>(
    out: &'a mut Vec<u8>,
    caps: Caps,
    time_ms: u64,
    id: Option<&MsgId>,
    from: &Source,
) -> Line<'a> {
    let mut line = Line::new(out);
    if caps.has(Caps::TIME) {
        line = line.tag("time", &crate::irc::time_text(time_ms));
    }
    if let Some(id) = id.filter(|_| caps.has(Caps::TAGS)) {
        line = line.tag("msgid", id.as_str());
    }
    let account = from.account.as_deref();
    if let Some(account) = account.filter(|_| caps.has(Caps::ACCOUNT_TAG)) {
        line = line.tag("account", account);
    }
    line
}

/// Writes a message as it is heard.
pub(crate) fn write_message(entry: &Entry, caps: Caps, out: &mut Vec<u8>) {
    let Draft { id, from, act } = &entry.draft;
    let Act::Say {
        verb,
        to,
        text,
        tags,
    } = act
    else {
        return;
    };
    let is_tagmsg = *verb == Verb::Tagmsg;
    if is_tagmsg && !caps.has(Caps::TAGS) {
        return;
    }
    let mut line = tagged(out, caps, entry.time_ms, Some(id), from);
    if caps.has(Caps::TAGS) {
        line = line.written_tags(tags);
    }
    let line = line
        .source_of(&from.nick, &from.user, &from.host)
        .command(verb.command())
        .param(match to {
            Target::Room(name) => name,
            Target::Person { nick, .. } => nick,
        });
    if is_tagmsg {
        line.end();
    } else {
        line.end_with(text);
    }
}
