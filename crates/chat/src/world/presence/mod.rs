//! Members of other servers: what they are told of ours, and what becomes of what they tell.

mod afar;
mod claim;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Member, MemberId, World};
use crate::log::{Log, Source};

/// What other servers have to know of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What he is called, and the account that he is logged in to.
    pub source: Source,
    /// What he says that his name is.
    pub real_name: String,
    /// Why he is away, if he is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// Rules over the whole server.
    #[serde(default)]
    pub is_oper: bool,
    /// Hidden from those who share no room with him.
    #[serde(default)]
    pub is_invisible: bool,
    /// When he came, in milliseconds since 1970.
    pub since_ms: u64,
    /// Where he sits.
    pub rooms: Vec<SeenSeat>,
}

/// Where a member of another server sits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenSeat {
    /// The room's name.
    pub room: String,
    /// `+o`.
    #[serde(default)]
    pub rules: bool,
    /// `+v`.
    #[serde(default)]
    pub has_voice: bool,
}

/// A member of another server, for all time: numbers of members begin again with each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Afar {
    /// The run of that server, drawn at random.
    pub run: u64,
    /// The member's number there.
    pub member: u64,
}

/// How the claim of a nick came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The nick is his.
    Yes,
    /// It is somebody else's.
    Taken,
    /// Nobody can say: NATS is away.
    Away,
}

/// The other servers, as the world speaks to them. Nothing here waits.
pub trait Neighbours: Send + Sync + fmt::Debug {
    /// A member of this server came, or looks different now.
    fn seen(&self, member: MemberId, seen: Seen);
    /// He is gone.
    fn gone(&self, member: MemberId, reason: &str);
    /// He is not called so any more: others may be, as soon as they have heard how he looks now.
    fn release(&self, member: MemberId, nick: &str);
    /// He is called so although it was not claimed yet; if it is somebody else's, he
    /// [loses](World::lose_nick) it again.
    fn claim_later(&self, member: MemberId, nick: &str);
}

/// What a world knows of other servers.
#[derive(Debug, Default)]
pub(super) struct Abroad {
    neighbours: Option<Arc<dyn Neighbours>>,
    /// Members of this server that may look different than the others know.
    touched: Vec<MemberId>,
    /// Nicks that they were called by.
    released: Vec<(MemberId, String)>,
    afar: BTreeMap<Afar, MemberId>,
}

impl Abroad {
    /// Other servers from which somebody is known, and their members.
    pub(super) fn counts(&self) -> (usize, usize) {
        let mut servers = 0;
        let mut last = None;
        for run in self.afar.keys().map(|who| who.run) {
            servers += usize::from(last.replace(run) != Some(run));
        }
        (servers, self.afar.len())
    }
}

impl World {
    /// Is from now on one of several servers, who keep things together.
    pub fn unite(&mut self, log: Arc<dyn Log>, neighbours: Arc<dyn Neighbours>) {
        self.log = Some(log);
        self.abroad.neighbours = Some(neighbours);
    }

    /// Whether a nick has to be claimed among several servers before anybody is called so.
    pub fn claims(&self) -> bool {
        self.abroad.neighbours.is_some()
    }

    /// How a member of this server looks, if he is in.
    pub fn here(&self, id: MemberId) -> Option<Seen> {
        let member = self.members.get(&id)?;
        if !member.is_in() || member.local().is_none() {
            return None;
        }
        let rooms = member.rooms.iter().filter_map(|name| {
            let room = self.rooms.get(name)?;
            let seat = room.seats.get(&id)?;
            Some(SeenSeat {
                room: room.name.clone(),
                rules: seat.rules,
                has_voice: seat.has_voice,
            })
        });
        Some(Seen {
            source: Source::clone(&member.source),
            real_name: member.real_name.clone(),
            away: member.away.clone(),
            is_oper: member.is_oper,
            is_invisible: member.is_invisible,
            since_ms: member.since_ms,
            rooms: rooms.collect(),
        })
    }

    /// Everybody of this server who is called something, with how he looks if he is in.
    pub fn everybody_here(&self) -> Vec<(MemberId, String, Option<Seen>)> {
        let here = self.members.values().filter(|member| {
            let is_here = member.local().is_some();
            is_here && !member.source.nick.is_empty()
        });
        here.map(|member| (member.id, member.source.nick.clone(), self.here(member.id)))
            .collect()
    }

    /// What a member is called.
    pub fn nick_of(&self, id: MemberId) -> Option<String> {
        let nick = self.members.get(&id).map(|member| &member.source.nick);
        nick.filter(|nick| !nick.is_empty()).cloned()
    }

    /// A member may look different now; other servers are told when the turn ends.
    pub(crate) fn touch(&mut self, id: MemberId) {
        if self.abroad.neighbours.is_some() {
            self.abroad.touched.push(id);
        }
    }

    /// A member of this server is gone, or is not called so any more.
    pub(super) fn tell_gone(&self, member: &Member, reason: &str) {
        if let (Some(neighbours), true) = (&self.abroad.neighbours, member.local().is_some()) {
            neighbours.gone(member.id, reason);
            if !member.source.nick.is_empty() {
                neighbours.release(member.id, &member.source.nick);
            }
        }
    }

    /// A member of this server is called something else now: his old nick is free, once the others
    /// have heard that.
    pub(crate) fn release_nick(&mut self, member: MemberId, nick: &str) {
        let is_here = self
            .members
            .get(&member)
            .is_some_and(|m| m.local().is_some());
        if is_here && self.claims() && !nick.is_empty() {
            self.abroad.released.push((member, nick.to_owned()));
        }
    }

    /// Tells other servers how those look who were touched in this turn.
    pub(super) fn tell_neighbours(&mut self) {
        if self.abroad.touched.is_empty() && self.abroad.released.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.abroad.touched);
        touched.sort_unstable();
        touched.dedup();
        if let Some(neighbours) = self.abroad.neighbours.clone() {
            for id in touched {
                if let Some(seen) = self.here(id) {
                    neighbours.seen(id, seen);
                }
            }
            for (member, nick) in std::mem::take(&mut self.abroad.released) {
                neighbours.release(member, &nick);
            }
        }
    }

    /// Everybody of other servers who is known.
    pub fn everybody_elsewhere(&self) -> Vec<Afar> {
        self.abroad.afar.keys().copied().collect()
    }

    /// What keeps messages cannot be reached, or can again: everybody of this server is told.
    pub fn tell_reachable(&mut self, lost: Option<&str>) {
        let text = match lost {
            Some(why) => format!(
                "The other servers cannot be reached ({why}). What you say is refused until they can be; what was said before can be read."
            ),
            None => "The other servers can be reached again.".to_owned(),
        };
        let here: Vec<_> = self
            .members
            .values()
            .filter(|member| member.is_in() && member.local().is_some())
            .map(|member| (member.id, member.nick().to_owned()))
            .collect();
        for (id, nick) in here {
            self.serve(id, "NOTICE", |line| line.param(&nick).end_with(&text));
        }
    }
}
