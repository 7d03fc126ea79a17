//! Who is in a room, and which rooms there are.

use super::{Call, Then};
use crate::irc::{Caps, Folded, LINE_BYTES, Line, Mask, numeric};
use crate::world::limits::LIST_ROOMS;
use crate::world::{MemberId, Room, World};

impl World {
    pub(super) fn on_names(&mut self, call: Call<'_>) -> Then {
        match call.param(0) {
            Some(names) => {
                for name in names.split(',').filter(|name| !name.is_empty()) {
                    self.names(call.by, &Folded::new(name));
                }
            }
            // Everybody everywhere is more than anybody reads.
            None => self.refuse(
                call.by,
                numeric::RPL_ENDOFNAMES,
                "*",
                "End of /NAMES list; name a channel",
            ),
        }
        Then::Go
    }

    /// Tells who is in a room, in lines that fit. Those who are invisible show only to those who are
    /// there too.
    pub(super) fn names(&mut self, to: MemberId, folded: &Folded) {
        let (Some(member), room) = (self.members.get(&to), self.rooms.get(folded)) else {
            return;
        };
        let name = room.map_or(folded.as_str(), |room| &room.name).to_owned();
        let mut lines = vec![];
        if let Some(room) = room {
            let server = &self.settings.server_name;
            let start = format!(":{server} 353 {} = {name} :", member.nick());
            let shows_all = member.is_oper || room.seats.contains_key(&to);
            let caps = member.caps();
            let entries = self.entries(room, caps, shows_all);
            write_list(&start, entries, &mut lines);
        }
        self.write_for(to, |_, out| out.extend_from_slice(&lines));
        self.refuse(to, numeric::RPL_ENDOFNAMES, &name, "End of /NAMES list");
    }

    /// Everybody in a room as NAMES writes it.
    fn entries<'a>(
        &'a self,
        room: &'a Room,
        caps: Caps,
        shows_all: bool,
    ) -> impl Iterator<Item = (&'static str, &'a str, Option<(&'a str, &'a str)>)> {
        let (all, hosts) = (caps.has(Caps::MULTI_PREFIX), caps.has(Caps::USERHOST));
        room.seats.iter().filter_map(move |(id, seat)| {
            let member = self.members.get(id)?;
            let source = &member.source;
            let host = hosts.then_some((&*source.user, &*source.host));
            (shows_all || !member.is_invisible).then_some((seat.prefix(all), &*source.nick, host))
        })
    }

    pub(super) fn on_list(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let conditions: Vec<_> = call
            .param(0)
            .unwrap_or_default()
            .split(',')
            .filter(|word| !word.is_empty())
            .map(Condition::new)
            .collect();
        let mut found: Vec<_> = self
            .rooms
            .values()
            .filter(|room| Condition::all_allow(&conditions, room))
            .map(|room| {
                (
                    room.seats.len(),
                    &*room.name,
                    room.topic.as_ref().map_or("", |topic| &topic.0),
                )
            })
            .collect();
        // The largest first: of too many the others are left out.
        found.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
        let left_out = found.len().saturating_sub(LIST_ROOMS);
        let (server, nick) = (&self.settings.server_name, self.nick(by));
        let mut lines = vec![];
        for (count, name, topic) in found.into_iter().take(LIST_ROOMS) {
            Line::new(&mut lines)
                .source(server)
                .command(numeric::RPL_LIST)
                .param(nick)
                .param(name)
                .param(&count.to_string())
                .end_with(topic);
        }
        self.refuse(by, numeric::RPL_LISTSTART, "Channel", "Users  Name");
        self.write_for(by, |_, out| out.extend_from_slice(&lines));
        let end = match left_out {
            0 => "End of /LIST".to_owned(),
            many => format!("End of /LIST; {many} smaller ones are left out, ask with a mask"),
        };
        self.numeric(by, numeric::RPL_LISTEND, |line| line.end_with(&end));
        Then::Go
    }

    fn nick(&self, of: MemberId) -> &str {
        self.members.get(&of).map_or("*", |member| member.nick())
    }
}

/// Writes names behind `start`, in as many lines as they need.
fn write_list<'a>(
    start: &str,
    entries: impl Iterator<Item = (&'static str, &'a str, Option<(&'a str, &'a str)>)>,
    out: &mut Vec<u8>,
) {
    let most = LINE_BYTES - b"\r\n".len();
    let mut begun = None;
    for (prefix, nick, host) in entries {
        let host_len = host.map_or(0, |(user, host)| user.len() + host.len() + b"!@".len());
        let len = prefix.len() + nick.len() + host_len;
        match begun {
            Some(at) if out.len() - at + b" ".len() + len <= most => out.push(b' '),
            _ => {
                if begun.is_some() {
                    out.extend_from_slice(b"\r\n");
                }
                begun = Some(out.len());
                out.extend_from_slice(start.as_bytes());
            }
        }
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(nick.as_bytes());
        if let Some((user, host)) = host {
            for part in ["!", user, "@", host] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    if begun.is_some() {
        out.extend_from_slice(b"\r\n");
    }
}

/// Which rooms LIST shows: `ELIST=MNU` (<https://modern.ircdocs.horse/#elist-parameter>).
enum Condition {
    /// Its name fits a mask.
    Fits(Mask),
    /// It does not.
    FitsNot(Mask),
    /// More than so many are in it.
    MoreThan(usize),
    /// Fewer are.
    FewerThan(usize),
}

impl Condition {
    fn new(word: &str) -> Self {
        let number = |text: &str| text.parse().unwrap_or(0);
        match word.as_bytes()[0] {
            b'>' => Self::MoreThan(number(&word[1..])),
            b'<' => Self::FewerThan(number(&word[1..])),
            b'!' => Self::FitsNot(Mask::of_name(&word[1..])),
            _ => Self::Fits(Mask::of_name(word)),
        }
    }

    /// Of several masks one has to fit, everything else has to hold.
    fn all_allow(conditions: &[Self], room: &Room) -> bool {
        let mut masks = conditions.iter().filter_map(|condition| match condition {
            Self::Fits(mask) => Some(mask.fits(&room.name)),
            _ => None,
        });
        let fits_one = masks
            .next()
            .is_none_or(|first| first || masks.any(|fits| fits));
        fits_one
            && conditions.iter().all(|condition| match condition {
                Self::Fits(_) => true,
                Self::FitsNot(mask) => !mask.fits(&room.name),
                Self::MoreThan(count) => room.seats.len() > *count,
                Self::FewerThan(count) => room.seats.len() < *count,
            })
    }
}
