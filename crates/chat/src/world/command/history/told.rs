//! Telling what was said before.

use super::{COMMAND, Reading};
use crate::history::{Found, HistoryError};
use crate::irc::{Caps, LINE_BYTES, Line, time_text};
use crate::log::{Act, Entry, Target};
use crate::world::command::Then;
use crate::world::deliver::{event, write_message};
use crate::world::member::Purpose;
use crate::world::reply::add_tag;
use crate::world::{MemberId, Settings, World};

impl World {
    /// What was asked of the history is there, or is not.
    pub(in crate::world::command) fn on_found(
        &mut self,
        by: MemberId,
        purpose: Purpose,
        found: Result<Vec<Found>, HistoryError>,
    ) -> Then {
        let Purpose::Read(reading) = purpose else {
            return Then::Go;
        };
        match (found, reading) {
            (Ok(found), reading) => self.tell_found(by, &reading, &found),
            (Err(error), Reading::Messages(verb, target)) => {
                let why = format!("Messages could not be retrieved: {error}");
                self.fail_on(by, COMMAND, "MESSAGE_ERROR", &[&verb, &target], &why);
            }
            (Err(error), Reading::Targets) => {
                let why = format!("Targets could not be retrieved: {error}");
                self.fail_on(by, COMMAND, "MESSAGE_ERROR", &["TARGETS"], &why);
            }
            (Err(error), Reading::Search) => {
                let why = format!("Messages could not be searched: {error}");
                self.fail_on(by, "SEARCH", "INTERNAL_ERROR", &[], &why);
            }
            // He did not ask, and is in his rooms all the same.
            (Err(_), Reading::Rooms(_)) => {}
        }
        Then::Go
    }

    fn tell_found(&mut self, by: MemberId, reading: &Reading, found: &[Found]) {
        match reading {
            Reading::Messages(_, target) => {
                let entries = found.iter().flat_map(|found| &found.entries);
                self.batch(by, &["chathistory", target], |caps, out| {
                    entries.for_each(|entry| write_entry(entry, caps, out));
                });
            }
            Reading::Targets => self.tell_targets(by, found),
            Reading::Search => {
                let entries = found.iter().flat_map(|found| &found.entries);
                self.batch(by, &["soju.im/search"], |caps, out| {
                    entries.for_each(|entry| write_entry(entry, caps, out));
                });
                if found.iter().any(|found| found.stopped_early) {
                    self.tell_stopped_early(by);
                }
            }
            Reading::Rooms(names) => {
                for (name, found) in names.iter().zip(found) {
                    if !found.entries.is_empty() {
                        self.tell_replay(by, name, &found.entries);
                    }
                }
            }
        }
    }

    fn tell_targets(&mut self, by: MemberId, found: &[Found]) {
        let me = self.members.get(&by).map(|member| member.source.clone());
        let me = me.as_ref().and_then(|source| source.account.as_deref());
        let server = self.settings.clone();
        let entries = found.iter().flat_map(|found| &found.entries);
        self.batch(by, &["draft/chathistory-targets"], |_, out| {
            for entry in entries {
                Line::new(out)
                    .source(&server.server_name)
                    .command(COMMAND)
                    .param("TARGETS")
                    .param(other_side(entry, me))
                    .param(&time_text(entry.time_ms))
                    .end();
            }
        });
    }

    fn tell_stopped_early(&mut self, by: MemberId) {
        let why = "Only the newest messages were looked at: say after=, before= or in=";
        if self.caps_of(by).has(Caps::STANDARD_REPLIES) {
            self.serve(by, "NOTE", |line| {
                line.param("SEARCH").param("STOPPED_EARLY").end_with(why);
            });
        } else {
            self.numeric(by, "NOTICE", |line| line.end_with(why));
        }
    }

    /// What was said in a room before somebody came: in a batch where his client knows batches, so
    /// that nothing of it counts as new; with its time, as a tag or ahead of the text.
    fn tell_replay(&mut self, by: MemberId, room: &str, entries: &[Entry]) {
        let settings = self.settings.clone();
        let now_ms = self.now_ms;
        self.batch(by, &["chathistory", room], |caps, out| {
            for entry in entries {
                if caps.has(Caps::TIME) {
                    write_message(entry, caps, out);
                } else {
                    write_message(&with_time(entry, now_ms, &settings), caps, out);
                }
            }
        });
    }

    /// Writes lines as a batch, or one by one to a client that knows none.
    fn batch(&mut self, to: MemberId, kind: &[&str], write: impl FnOnce(Caps, &mut Vec<u8>)) {
        let settings = self.settings.clone();
        self.counter += 1;
        let reference = format!("h{:x}", self.counter);
        self.write_for(to, |caps, out| {
            if !caps.has(Caps::BATCH) {
                return write(caps, out);
            }
            let mut lines = vec![];
            write(caps, &mut lines);
            let begins = Line::new(out)
                .source(&settings.server_name)
                .command("BATCH")
                .param(&format!("+{reference}"));
            kind.iter()
                .fold(begins, |line, kind| line.param(kind))
                .end();
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                add_tag(line, "batch", &reference, out);
            }
            Line::new(out)
                .source(&settings.server_name)
                .command("BATCH")
                .param(&format!("-{reference}"))
                .end();
        });
    }
}

fn write_entry(entry: &Entry, caps: Caps, out: &mut Vec<u8>) {
    let Act::Topic { room, text } = &entry.draft.act else {
        return write_message(entry, caps, out);
    };
    let draft = &entry.draft;
    event(out, caps, entry.time_ms, Some(&draft.id), &draft.from)
        .command("TOPIC")
        .param(room)
        .end_with(text);
}

/// The room, or whoever is not this account.
fn other_side<'a>(entry: &'a Entry, me: Option<&str>) -> &'a str {
    let from = &entry.draft.from;
    let is_mine = |account: Option<&str>| {
        account.is_some_and(|account| me.is_some_and(|me| me.eq_ignore_ascii_case(account)))
    };
    match &entry.draft.act {
        Act::Say {
            to: Target::Room(name),
            ..
        } => name,
        Act::Say {
            to: Target::Person { nick, account },
            ..
        } if is_mine(from.account.as_deref()) => account.as_deref().unwrap_or(nick),
        _ => from.account.as_deref().unwrap_or(&from.nick),
    }
}

/// The same message with its time ahead of its text, for people to read: the date too if it was not
/// said today.
fn with_time(entry: &Entry, now_ms: u64, settings: &Settings) -> Entry {
    let mut timed = entry.clone();
    let Act::Say { verb, to, text, .. } = &mut timed.draft.act else {
        return timed;
    };
    let local = |ms: u64| {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX));
        time.unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(settings.zone.clone())
    };
    let (said, now) = (local(entry.time_ms), local(now_ms));
    let format = if said.date() == now.date() {
        "[%H:%M]"
    } else {
        "[%m-%d %H:%M]"
    };
    let mut whole = format!("{} {text}", said.strftime(format));
    let to = match to {
        Target::Room(name) => name,
        Target::Person { nick, .. } => nick,
    };
    // ":nick!user@host PRIVMSG #room :text" and CR LF.
    let around = entry.draft.from.to_string().len() + verb.command().len() + to.len() + 7;
    whole.truncate(whole.floor_char_boundary(LINE_BYTES.saturating_sub(around)));
    *text = whole;
    timed
}
