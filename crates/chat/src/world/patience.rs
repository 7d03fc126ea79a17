//! Who is silent for too long.

use std::time::Duration;

use super::{Member, MemberId, Settings, World};

/// What silence comes to.
enum Verdict {
    Patient,
    Ask,
    Close(&'static str),
}

impl World {
    /// Looks who has been silent for too long; a turn of its own, once a second.
    pub fn tick(&mut self, now_ms: u64) {
        self.begin_turn(now_ms);
        let settings = self.settings.clone();
        let mut late: Vec<(MemberId, Verdict)> = vec![];
        for member in self.members.values() {
            match verdict(member, &settings, self.now_ms) {
                Verdict::Patient => {}
                verdict => late.push((member.id, verdict)),
            }
        }
        for (id, verdict) in late {
            match verdict {
                Verdict::Patient => {}
                Verdict::Ask => self.ask(id, &settings.server_name),
                Verdict::Close(why) => self.close(id, why),
            }
        }
        self.end_turn();
    }

    fn ask(&mut self, id: MemberId, server: &str) {
        let now_ms = self.now_ms;
        if let Some(local) = self.members.get_mut(&id).and_then(|m| m.local_mut()) {
            local.asked_ms = Some(now_ms);
        }
        self.write(id, |line| line.command("PING").end_with(server));
    }
}

fn verdict(member: &Member, settings: &Settings, now_ms: u64) -> Verdict {
    let Some(local) = member.local().filter(|_| !member.is_guest()) else {
        return Verdict::Patient;
    };
    let longer = |since_ms: u64, than: Duration| {
        u128::from(now_ms.saturating_sub(since_ms)) > than.as_millis()
    };
    if local.registration.is_some() {
        let late = longer(member.since_ms, settings.registration_time);
        return if late {
            Verdict::Close("Registration timed out")
        } else {
            Verdict::Patient
        };
    }
    match local.asked_ms {
        Some(asked_ms) if longer(asked_ms, settings.pong_within) => Verdict::Close("Ping timeout"),
        None if longer(local.heard_ms, settings.ping_after) => Verdict::Ask,
        _ => Verdict::Patient,
    }
}
