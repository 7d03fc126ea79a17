//! Telling who comes and goes: <https://ircv3.net/specs/extensions/monitor>.

use std::collections::BTreeSet;

use super::caps::fill;
use super::{Call, Then};
use crate::irc::{Folded, is_nick, numeric};
use crate::world::limits::WATCHED_PER_MEMBER;
use crate::world::{MemberId, World};

/// Bytes of names on one line.
const NAMES_BYTES: usize = 400;

impl World {
    pub(super) fn on_monitor(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let names = call.param(1).unwrap_or_default();
        match call.message.params()[0] {
            "+" => self.watch(by, names),
            "-" => {
                for name in names.split(',') {
                    self.unwatch(by, &Folded::new(name));
                }
            }
            "C" | "c" => self.unwatch_all(by),
            "L" | "l" => {
                let names = self.watched_by(by);
                self.list_watched(by, numeric::RPL_MONLIST, &names);
                self.numeric(by, numeric::RPL_ENDOFMONLIST, |line| {
                    line.end_with("End of MONITOR list");
                });
            }
            "S" | "s" => {
                let names = self.watched_by(by);
                self.tell_status(by, &names);
            }
            // As servers do that have it: what is none of these is passed over.
            _ => {}
        }
        Then::Go
    }

    fn watch(&mut self, by: MemberId, names: &str) {
        let mut new = vec![];
        let mut asked = names.split(',').filter(|name| is_nick(name));
        while let Some(name) = asked.next() {
            let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) else {
                return;
            };
            let watched = &mut local.watched;
            let folded = Folded::new(name);
            if watched.len() >= WATCHED_PER_MEMBER && !watched.contains(&folded) {
                let left = std::iter::once(name).chain(asked).map(str::to_owned);
                for names in fill(left, NAMES_BYTES) {
                    let names = names.replace(' ', ",");
                    self.numeric(by, numeric::ERR_MONLISTFULL, |line| {
                        let line = line.param(&WATCHED_PER_MEMBER.to_string());
                        line.param(&names).end_with("Monitor list is full");
                    });
                }
                break;
            }
            if watched.insert(folded.clone()) {
                self.watchers.entry(folded).or_default().insert(by);
            }
            new.push(name.to_owned());
        }
        self.tell_status(by, &new);
    }

    fn unwatch(&mut self, by: MemberId, name: &Folded) {
        if let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) {
            local.watched.remove(name);
        }
        self.forget_watcher(by, name);
    }

    /// A member watches nobody any more.
    pub(super) fn unwatch_all(&mut self, by: MemberId) {
        let local = self
            .members
            .get_mut(&by)
            .and_then(|member| member.local_mut());
        let watched = local.map(|local| std::mem::take(&mut local.watched));
        for name in watched.unwrap_or_default() {
            self.forget_watcher(by, &name);
        }
    }

    fn forget_watcher(&mut self, by: MemberId, name: &Folded) {
        if let Some(watchers) = self.watchers.get_mut(name) {
            watchers.remove(&by);
            if watchers.is_empty() {
                self.watchers.remove(name);
            }
        }
    }

    fn watched_by(&self, by: MemberId) -> Vec<String> {
        let local = self.members.get(&by).and_then(|member| member.local());
        let watched = local.into_iter().flat_map(|local| &local.watched);
        watched.map(|name| name.as_str().to_owned()).collect()
    }

    /// Tells of each of these whether he is here.
    fn tell_status(&mut self, to: MemberId, names: &[String]) {
        let (mut here, mut not_here) = (vec![], vec![]);
        for name in names {
            match self.called(name) {
                Some(member) => here.push(member.source.to_string()),
                None => not_here.push(name.clone()),
            }
        }
        self.list_watched(to, numeric::RPL_MONONLINE, &here);
        self.list_watched(to, numeric::RPL_MONOFFLINE, &not_here);
    }

    fn list_watched(&mut self, to: MemberId, number: &str, names: &[String]) {
        if names.is_empty() {
            return;
        }
        for names in fill(names.iter().cloned(), NAMES_BYTES) {
            let names = names.replace(' ', ",");
            self.numeric(to, number, |line| line.end_with(&names));
        }
    }

    /// Somebody is called so from now on: whoever waits for him hears of it.
    pub(crate) fn tell_watchers_came(&mut self, id: MemberId) {
        let Some(source) = self.members.get(&id).map(|member| member.source.clone()) else {
            return;
        };
        let whole = source.to_string();
        self.tell_watchers(&Folded::new(&source.nick), numeric::RPL_MONONLINE, &whole);
    }

    /// Nobody is called so any more.
    pub(crate) fn tell_watchers_went(&mut self, nick: &str) {
        self.tell_watchers(&Folded::new(nick), numeric::RPL_MONOFFLINE, nick);
    }

    fn tell_watchers(&mut self, name: &Folded, number: &str, whom: &str) {
        let watchers: BTreeSet<_> = self.watchers.get(name).cloned().unwrap_or_default();
        for watcher in watchers {
            self.numeric(watcher, number, |line| line.end_with(whom));
        }
    }
}
