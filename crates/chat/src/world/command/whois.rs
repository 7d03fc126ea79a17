//! Who somebody is, and who was called so before.

use super::caps::fill;
use super::{Call, Then};
use crate::irc::{Folded, numeric};
use crate::log::Source;
use crate::world::limits::GONE_MEMBERS;
use crate::world::{MemberId, World};

/// Bytes of rooms on one line.
const ROOMS_BYTES: usize = 380;

/// Somebody who is not called so any more.
#[derive(Debug)]
pub(crate) struct Gone {
    source: std::sync::Arc<Source>,
    real_name: String,
    server: String,
    until_ms: u64,
}

impl World {
    /// `WHOIS nick` or `WHOIS server nick`: of one.
    pub(super) fn on_whois(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let asked = call.param(1).or(call.param(0)).unwrap_or_default();
        let asked = asked.split(',').next().unwrap_or_default();
        if asked.is_empty() {
            self.numeric(by, numeric::ERR_NONICKNAMEGIVEN, |line| {
                line.end_with("No nickname given");
            });
            return Then::Go;
        }
        match self.called(asked).map(|member| member.id) {
            Some(id) => self.tell_whois(by, id),
            None => self.refuse(by, numeric::ERR_NOSUCHNICK, asked, "No such nick/channel"),
        }
        self.refuse(by, numeric::RPL_ENDOFWHOIS, asked, "End of /WHOIS list");
        Then::Go
    }

    fn tell_whois(&mut self, to: MemberId, id: MemberId) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let (source, server) = (member.source.clone(), self.server_of(member).to_owned());
        let (real_name, away) = (member.real_name.clone(), member.away.clone());
        let (is_oper, came_s) = (member.is_oper, member.since_ms / 1000);
        let idle_s = self.now_ms.saturating_sub(member.spoke_ms) / 1000;
        let way = member
            .local()
            .map(|local| (local.way.address.clone(), local.way.is_private));
        let network = self.settings.network.clone();
        let nick = &source.nick;
        self.numeric(to, numeric::RPL_WHOISUSER, |line| {
            let line = line.param(nick).param(&source.user).param(&source.host);
            line.param("*").end_with(&real_name);
        });
        for rooms in self.rooms_seen(to, id) {
            self.refuse(to, numeric::RPL_WHOISCHANNELS, nick, &rooms);
        }
        self.numeric(to, numeric::RPL_WHOISSERVER, |line| {
            line.param(nick).param(&server).end_with(&network);
        });
        if let Some(why) = &away {
            self.refuse(to, numeric::RPL_AWAY, nick, why);
        }
        if is_oper {
            self.refuse(to, numeric::RPL_WHOISOPERATOR, nick, "is an IRC operator");
        }
        if let Some(account) = &source.account {
            self.numeric(to, numeric::RPL_WHOISACCOUNT, |line| {
                line.param(nick).param(account).end_with("is logged in as");
            });
        }
        let Some((address, is_private)) = way else {
            return;
        };
        if is_private {
            self.refuse(
                to,
                numeric::RPL_WHOISSECURE,
                nick,
                "is using a secure connection",
            );
        }
        if self.sees_address(to, id) {
            self.numeric(to, numeric::RPL_WHOISACTUALLY, |line| {
                line.param(nick)
                    .param(&address)
                    .end_with("is actually using host");
            });
            let text = format!(
                "is connecting from {}@{} {address}",
                source.user, source.host
            );
            self.refuse(to, numeric::RPL_WHOISHOST, nick, &text);
        }
        self.numeric(to, numeric::RPL_WHOISIDLE, |line| {
            let line = line.param(nick).param(&idle_s.to_string());
            line.param(&came_s.to_string())
                .end_with("seconds idle, signon time");
        });
    }

    /// The rooms where somebody is seen to be, with what he is there.
    fn rooms_seen(&self, by: MemberId, of: MemberId) -> Vec<String> {
        let (Some(asker), Some(member)) = (self.members.get(&by), self.members.get(&of)) else {
            return vec![];
        };
        let sees_all = !member.is_invisible || asker.is_oper || by == of;
        let rooms = member
            .rooms
            .iter()
            .filter(|room| sees_all || asker.rooms.contains(*room));
        let rooms = rooms.filter_map(|room| {
            let room = self.rooms.get(room)?;
            Some(format!(
                "{}{}",
                room.seats.get(&of)?.prefix(true),
                room.name
            ))
        });
        let mut lines = fill(rooms, ROOMS_BYTES);
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// `WHOWAS nick count`.
    pub(super) fn on_whowas(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let Some(asked) = call.param(0) else {
            self.numeric(by, numeric::ERR_NONICKNAMEGIVEN, |line| {
                line.end_with("No nickname given");
            });
            return Then::Go;
        };
        let count = call.param(1).and_then(|count| count.parse().ok());
        let count = count.filter(|count| *count > 0).unwrap_or(usize::MAX);
        let folded = Folded::new(asked);
        let found = self
            .gone
            .iter()
            .rev()
            .filter(|gone| Folded::new(&gone.source.nick) == folded);
        let found = found.take(count).map(|gone| {
            let when = crate::irc::time_text(gone.until_ms);
            (
                gone.source.clone(),
                gone.real_name.clone(),
                gone.server.clone(),
                when,
            )
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            self.refuse(
                by,
                numeric::ERR_WASNOSUCHNICK,
                asked,
                "There was no such nickname",
            );
        }
        for (source, real_name, server, when) in found {
            self.numeric(by, numeric::RPL_WHOWASUSER, |line| {
                let line = line
                    .param(&source.nick)
                    .param(&source.user)
                    .param(&source.host);
                line.param("*").end_with(&real_name);
            });
            self.numeric(by, numeric::RPL_WHOISSERVER, |line| {
                line.param(&source.nick).param(&server).end_with(&when);
            });
        }
        self.refuse(by, numeric::RPL_ENDOFWHOWAS, asked, "End of WHOWAS");
        Then::Go
    }

    /// Somebody is not called so any more: WHOWAS tells of him, as long as there is room.
    pub(super) fn remember(&mut self, id: MemberId) {
        let Some(member) = self.members.get(&id).filter(|member| member.is_in()) else {
            return;
        };
        let gone = Gone {
            source: member.source.clone(),
            real_name: member.real_name.clone(),
            server: self.server_of(member).to_owned(),
            until_ms: self.now_ms,
        };
        if self.gone.len() >= GONE_MEMBERS {
            self.gone.pop_front();
        }
        self.gone.push_back(gone);
    }
}
