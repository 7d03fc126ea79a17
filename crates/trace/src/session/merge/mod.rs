//! Two machines' records of the same conversations as one session.
//!
//! Each machine has a clock of its own. What one end sent cannot have arrived before: each packet and
//! each message bounds the difference of the two clocks from one side, and what went both ways
//! bounds it from both. The estimate is the middle, its error half of the width, as in NTP
//! (RFC 5905, section 8); drift is not looked for.

mod bounds;
mod clock;
mod difference;
mod foreign;
mod matching;
mod packets;

use super::{Head, Session, WireSource};
use crate::{Lang, Timeline};
use clock::clock;
use foreign::Foreign;
use matching::matched;

pub use difference::{ClockDifference, Evidence};
pub use foreign::FOREIGN_PIDS;

/// Packets of each machine that are compared.
const COMPARED: usize = 100_000;

/// What joining came to.
#[derive(Debug)]
pub struct Merged {
    /// Both, on the first one's clock.
    pub session: Session,
    /// How the second clock stands to the first.
    pub clock: ClockDifference,
    /// Conversations that both saw.
    pub joined: usize,
    /// Conversations of the first and of the second that the other has no counterpart of.
    pub alone: [usize; 2],
}

/// Joins what two machines recorded. The first one's clock, numbers and packets stay; of what both
/// captured, its packets are kept.
pub fn merge(first: &Session, second: &Session, lang: Lang) -> Merged {
    let timelines = [Timeline::build(first), Timeline::build(second)];
    let pairs = matched(&timelines);
    let clock = clock(&timelines, &pairs);
    let alone = [0, 1].map(|which| timelines[which].flows.len() - pairs.len());
    let heads = [first.head(), second.head()];
    let wire_note = notes(heads, &clock, alone.iter().sum(), lang);
    let mut session = Session::new(head(heads, wire_note));
    for (_, fact) in first.facts() {
        session.push(&fact);
    }
    let foreign = Foreign::new(&timelines, &pairs, clock.ahead_ns);
    for (id, fact) in second.facts() {
        if !foreign.known.contains(&id) {
            foreign.push(&fact, &mut session);
        }
    }
    session.cut = first.cut || second.cut;
    session.lost += first.lost + second.lost;
    session.sort();
    Merged {
        session,
        clock,
        joined: pairs.len(),
        alone,
    }
}

/// Who recorded both, with what is to be known of the wire.
fn head([first, second]: [&Head; 2], wire_note: String) -> Head {
    let wires = [first.wire, second.wire];
    let has = |wire| wires.contains(&wire);
    Head {
        host: format!("{} + {}", first.host, second.host),
        wire: match () {
            () if has(WireSource::Captured) => WireSource::Captured,
            () if has(WireSource::Inferred) => WireSource::Inferred,
            () => WireSource::None,
        },
        wire_note,
        frame: [&first.frame, &second.frame]
            .into_iter()
            .find(|frame| !frame.is_empty())
            .cloned()
            .unwrap_or_default(),
        ..first.clone()
    }
}

/// How the clocks stand, how many conversations stayed alone, and what each record says of its wire.
fn notes(heads: [&Head; 2], clock: &ClockDifference, alone: usize, lang: Lang) -> String {
    let host = match &*heads[1].host {
        "" => lang.pick("the second machine", "第二台机器"),
        host => host,
    };
    let mut notes = vec![clock.words(host, lang)];
    if alone > 0 {
        notes.push(match lang {
            Lang::En => format!("{alone} conversations were seen by one machine only"),
            Lang::Zh => format!("{alone} 个会话只有一台机器看到"),
        });
    }
    let own = heads.iter().filter(|head| !head.wire_note.is_empty());
    notes.extend(own.map(|head| format!("{}: {}", head.host, head.wire_note)));
    notes.join("; ")
}

#[cfg(test)]
mod tests;
