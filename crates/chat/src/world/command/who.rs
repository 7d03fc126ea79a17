//! WHO: members of a room, or of everywhere, a line each.

use super::{Call, Then};
use crate::irc::{Caps, Folded, Line, Mask, numeric};
use crate::world::{Home, Member, MemberId, Seat, World};

/// Lines of one answer at most: what has more members than that is not read by people.
const WHO_LINES: usize = 1000;

/// What WHOX knows to tell, in the order in which it does (<https://ircv3.net/specs/extensions/whox>).
const WHOX_FIELDS: &str = "tcuihsnfdlaor";

/// Bytes of the token that WHOX gives back.
const WHOX_TOKEN_BYTES: usize = 3;

/// What is shown in place of an address that is not for whoever asks.
const NO_ADDRESS: &str = "255.255.255.255";

/// What somebody asks for.
struct Asked<'a> {
    /// Only those who rule over the server.
    opers_only: bool,
    /// The fields of WHOX, and the token that it gives back.
    fields: Option<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    /// Reads `o%tcuhnf,42`.
    fn new(flags: &'a str) -> Self {
        let Some((plain, extended)) = flags.split_once('%') else {
            return Self {
                opers_only: flags.contains('o'),
                fields: None,
            };
        };
        let (fields, token) = extended.split_once(',').unwrap_or((extended, "0"));
        let token = if token.len() <= WHOX_TOKEN_BYTES {
            token
        } else {
            "0"
        };
        Self {
            opers_only: plain.contains('o'),
            fields: Some((fields, token)),
        }
    }
}

impl World {
    pub(super) fn on_who(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let mask = call.param(0).unwrap_or("*");
        let asked = Asked::new(call.param(1).unwrap_or_default());
        let mut found = if mask.starts_with('#') {
            self.who_in(by, &Folded::new(mask))
        } else {
            self.who_fits(by, mask)
        };
        found.retain(|id| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.is_oper || !asked.opers_only)
        });
        let room = mask.starts_with('#').then(|| Folded::new(mask));
        let is_cut = found.len() > WHO_LINES;
        for id in found.into_iter().take(WHO_LINES) {
            self.tell_who(by, id, room.as_ref(), &asked);
        }
        if is_cut {
            self.refuse(
                by,
                numeric::ERR_TOOMANYMATCHES,
                mask,
                "Output too long, cut here",
            );
        }
        self.refuse(by, numeric::RPL_ENDOFWHO, mask, "End of WHO list");
        Then::Go
    }

    /// Those in a room whom this member may see.
    fn who_in(&self, by: MemberId, room: &Folded) -> Vec<MemberId> {
        let Some(room) = self.rooms.get(room) else {
            return vec![];
        };
        let is_in = room.seats.contains_key(&by);
        let seen = room.seats.keys().filter(|id| is_in || self.sees(by, **id));
        seen.copied().take(WHO_LINES + 1).collect()
    }

    /// Those whose names fit, as far as this member may see them; who knows a name sees whose it is.
    fn who_fits(&self, by: MemberId, mask: &str) -> Vec<MemberId> {
        if let Some(member) = self.called(mask) {
            return vec![member.id];
        }
        let mask = Mask::new(if mask == "0" { "*" } else { mask });
        let here = self.nicks.values().filter_map(|id| self.members.get(id));
        let found = here.filter(|member| mask.fits(&member.source.to_string()));
        let found = found
            .map(|member| member.id)
            .filter(|id| self.sees(by, *id));
        let mut found: Vec<_> = found.take(WHO_LINES + 1).collect();
        found.sort_unstable();
        found
    }

    /// Whether somebody is shown to whoever did not name him.
    pub(super) fn sees(&self, by: MemberId, other: MemberId) -> bool {
        let (Some(by), Some(other)) = (self.members.get(&by), self.members.get(&other)) else {
            return false;
        };
        let is_known = by.is_oper || by.id == other.id || !by.rooms.is_disjoint(&other.rooms);
        !other.is_invisible || is_known
    }

    /// Whether somebody is shown where another connects from: admins, the desk, and himself.
    pub(super) fn sees_address(&self, by: MemberId, of: MemberId) -> bool {
        let Some(member) = self.members.get(&by) else {
            return false;
        };
        let desk = self.settings.desk.as_deref().map(Folded::new);
        let is_at_desk = desk.is_some_and(|desk| member.rooms.contains(&desk));
        by == of || member.is_oper || is_at_desk
    }

    /// The server that a member is connected to.
    pub(super) fn server_of<'a>(&'a self, member: &'a Member) -> &'a str {
        match &member.home {
            Home::Here(_) => &self.settings.server_name,
            Home::Elsewhere { server } => server,
        }
    }

    fn tell_who(&mut self, to: MemberId, id: MemberId, room: Option<&Folded>, asked: &Asked<'_>) {
        let (Some(asker), Some(member)) = (self.members.get(&to), self.members.get(&id)) else {
            return;
        };
        let room = room.and_then(|room| self.rooms.get(room));
        let seat = room.and_then(|room| room.seats.get(&id));
        let row = Row {
            room: room.map_or("*", |room| &room.name),
            server: self.server_of(member),
            flags: flags(member, seat, asker.caps().has(Caps::MULTI_PREFIX)),
            address: member
                .local()
                .filter(|_| self.sees_address(to, id))
                .map_or(NO_ADDRESS, |local| &local.way.address),
            idle_s: self.now_ms.saturating_sub(member.spoke_ms) / 1000,
            member,
        };
        let mut line = vec![];
        let number = asked
            .fields
            .map_or(numeric::RPL_WHOREPLY, |_| numeric::RPL_WHOSPCRPL);
        let start = Line::new(&mut line)
            .source(&self.settings.server_name)
            .command(number)
            .param(asker.nick());
        match asked.fields {
            None => row.plain(start),
            Some((fields, token)) => row.extended(start, fields, token),
        }
        self.write_for(to, |_, out| out.extend_from_slice(&line));
    }
}

/// What is told of one member.
struct Row<'a> {
    room: &'a str,
    server: &'a str,
    flags: String,
    address: &'a str,
    idle_s: u64,
    member: &'a Member,
}

impl Row<'_> {
    fn plain(&self, line: Line<'_>) {
        let source = &self.member.source;
        let line = line
            .param(self.room)
            .param(&source.user)
            .param(&source.host);
        let line = line
            .param(self.server)
            .param(&source.nick)
            .param(&self.flags);
        line.end_with(&format!("0 {}", self.member.real_name));
    }

    fn extended(&self, mut line: Line<'_>, fields: &str, token: &str) {
        let source = &self.member.source;
        let wanted = WHOX_FIELDS.chars().filter(|field| fields.contains(*field));
        for field in wanted {
            line = match field {
                't' => line.param(token),
                'c' => line.param(self.room),
                'u' => line.param(&source.user),
                'i' => line.param(self.address),
                'h' => line.param(&source.host),
                's' => line.param(self.server),
                'n' => line.param(&source.nick),
                'f' => line.param(&self.flags),
                'd' => line.param("0"),
                'l' => line.param(&self.idle_s.to_string()),
                'a' => line.param(source.account.as_deref().unwrap_or("0")),
                'o' => line.param("n/a"),
                _ => return line.end_with(&self.member.real_name),
            };
        }
        line.end();
    }
}

/// Here or gone, ruling over the server, ruling the room.
fn flags(member: &Member, seat: Option<&Seat>, all: bool) -> String {
    let here = if member.away.is_some() { "G" } else { "H" };
    let rules = if member.is_oper { "*" } else { "" };
    let prefix = seat.map_or("", |seat| seat.prefix(all));
    format!("{here}{rules}{prefix}")
}
