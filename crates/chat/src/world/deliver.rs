//! Who hears of what: lines are encoded once for all whose clients understand the same.

use std::sync::Arc;

use super::{MemberId, World};
use crate::irc::{Caps, Folded, Line};
use crate::log::{Act, Draft, Entry, MsgId, Refusal, Target};
use crate::outbox::{Outbox, Shared};

/// What changes how a message is written.
const MESSAGE_CAPS: Caps = Caps(Caps::TAGS.0 | Caps::TIME.0 | Caps::ACCOUNT_TAG.0);

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
    pub(crate) fn of(&mut self, outbox: &Outbox) -> &Shared {
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
                outbox.send(encoded.of(outbox));
            }
        }
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
        let mut told = std::collections::BTreeMap::new();
        for room in member.rooms.iter().filter_map(|name| self.rooms.get(name)) {
            for (id, seat) in &room.seats {
                if let Some(outbox) = seat.outbox.as_ref().filter(|_| *id != of) {
                    told.entry(*id).or_insert(outbox);
                }
            }
        }
        for outbox in told.into_values() {
            outbox.send(encoded.of(outbox));
        }
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
                Act::Account { name, password } => self.account_made(first, name, password),
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
            self.refused(pending.by, pending.label.as_deref(), why);
        }
        self.send_replies();
    }

    /// Messages of one author to one target.
    fn deliver(&mut self, run: &[Entry], to: &Target) {
        let author = self.pending.get(&run[0].draft.id).map(|pending| pending.by);
        let mut encoded = Encoded::new(MESSAGE_CAPS, |caps, out| {
            for entry in run {
                write_message(entry, caps, &[], out);
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
                    local.outbox.send(encoded.of(&local.outbox));
                }
            }
        }
        for entry in run {
            self.acknowledge(entry);
        }
    }

    /// Tells the author that what he said is kept: by its echo, by its label, or by nothing.
    fn acknowledge(&mut self, entry: &Entry) {
        let Some(pending) = self.settle(&entry.draft.id) else {
            return;
        };
        let Some(caps) = self
            .members
            .get(&pending.by)
            .map(super::member::Member::caps)
        else {
            return;
        };
        let to_himself = matches!(&entry.draft.act, Act::Say { to: Target::Person { nick, .. }, .. }
            if Folded::new(nick) == Folded::new(&entry.draft.from.nick));
        let label = pending.label.as_deref();
        let mut lines = vec![];
        if caps.has(Caps::ECHO) {
            let label: Vec<_> = label.map(|label| ("label", label)).into_iter().collect();
            write_message(entry, caps, &label, &mut lines);
        } else if let Some(label) = label {
            Line::new(&mut lines)
                .tag("label", label)
                .source(&self.settings.server_name)
                .command("ACK")
                .end();
        }
        if to_himself && !caps.has(Caps::ECHO) {
            write_message(entry, caps, &[], &mut lines);
        }
        if !lines.is_empty()
            && let Some(local) = self
                .members
                .get_mut(&pending.by)
                .and_then(|m| m.local_mut())
        {
            if local.reply.is_empty() {
                self.dirty.push(pending.by);
            }
            local.reply.extend_from_slice(&lines);
        }
    }

    /// One draft less that its author waits for: who he is, and the label under which he is
    /// answered; none if it was drafted elsewhere.
    pub(super) fn settle(&mut self, draft: &MsgId) -> Option<super::Pending> {
        let pending = self.pending.remove(draft)?;
        if let Some(local) = self.members.get(&pending.by).and_then(|m| m.local()) {
            local.outbox.settled();
        }
        Some(pending)
    }
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

/// Writes a message as it is heard, with these tags ahead of its own.
pub(crate) fn write_message(entry: &Entry, caps: Caps, first: &[(&str, &str)], out: &mut Vec<u8>) {
    let Act::Say {
        verb,
        to,
        text,
        tags,
    } = &entry.draft.act
    else {
        return;
    };
    let is_tagmsg = *verb == crate::log::Verb::Tagmsg;
    if is_tagmsg && !caps.has(Caps::TAGS) {
        return;
    }
    let mut line = Line::new(out);
    for (key, value) in first {
        line = line.tag(key, value);
    }
    if caps.has(Caps::TIME) {
        line = line.tag("time", &crate::irc::time_text(entry.time_ms));
    }
    if caps.has(Caps::TAGS) {
        line = line.tag("msgid", entry.draft.id.as_str());
    }
    if let Some(account) = entry
        .draft
        .from
        .account
        .as_deref()
        .filter(|_| caps.has(Caps::ACCOUNT_TAG))
    {
        line = line.tag("account", account);
    }
    if caps.has(Caps::TAGS) {
        line = line.written_tags(tags);
    }
    let from = &entry.draft.from;
    let line = line
        .source_of(&from.nick, &from.user, &from.host)
        .command(verb.command());
    let line = match to {
        Target::Room(name) => line.param(name),
        Target::Person { nick, .. } => line.param(nick),
    };
    if is_tagmsg {
        line.end();
    } else {
        line.end_with(text);
    }
}
