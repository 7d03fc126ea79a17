//! `summary`: what became of the bytes of one way, in one sentence.
//!
//! A TCP stream has no messages. The sender's kernel cuts what was written into segments as the
//! window, the MSS and Nagle's algorithm want it (RFC 9293 §3.7, §3.8), and a read takes whatever has
//! arrived and fits into its buffer (recv(2)). The three counts side by side show that none of them
//! follows from the others. Datagrams are counted the same way, and there they should agree.

mod datagrams;
mod stream;

use crate::timeline::Move;
use crate::{FactId, Weight};

use crate::finding::found::{Found, Place, Told};
use crate::finding::view::View;
use crate::finding::{Finding, Topic};

/// The headline of a way.
pub(super) const SUMMARY: Topic = Topic {
    name: "summary",
    title: ["what became of the bytes", "字节的去向"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        if let Some((place, told)) = tell(view, way) {
            found.add(&SUMMARY, Weight::Note, place, || told);
        }
    }
}

/// The headline of one way; none if it carried nothing.
pub(super) fn of_way(view: &View<'_>, way: usize) -> Option<Finding> {
    let (place, told) = tell(view, way)?;
    Some(Finding {
        name: SUMMARY.name,
        weight: Weight::Note,
        flow: place.flow,
        way: place.way,
        bytes: place.bytes,
        facts: told.facts,
        at: place.at,
        count: 1,
        sentence: told.sentence,
    })
}

/// What is counted of a way.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Messages, where the framing is known.
    messages: Option<u64>,
    writes: u64,
    written: u64,
    /// What the wire carried for the first time.
    segments: u64,
    carried: u64,
    reads: u64,
    read: u64,
}

impl Tally {
    fn new(view: &View<'_>, way: usize) -> Self {
        let total = |moves: &mut dyn Iterator<Item = &Move>| {
            moves.fold((0, 0), |(calls, all), each| {
                (calls + 1, all + view.event(each.fact).result.max(0) as u64)
            })
        };
        // An empty write is no message of a stream, and puts nothing on the wire.
        let stream = view.flow.transport.is_stream();
        let mut writes = view
            .writes(way)
            .filter(|each| !stream || !each.bytes.is_empty());
        let (writes, written) = total(&mut writes);
        let (reads, read) = total(&mut view.reads(way));
        Self {
            messages: None,
            writes,
            written,
            segments: view
                .carriers(way)
                .filter(|each| !stream || !each.bytes.is_empty())
                .count() as u64,
            carried: view.way(way).carried,
            reads,
            read,
        }
    }

    /// Bytes that were written or carried, as far as anybody saw.
    fn known(&self) -> u64 {
        self.written.max(self.carried)
    }

    fn is_empty(&self) -> bool {
        self.writes == 0 && self.segments == 0 && self.reads == 0
    }
}

fn tell(view: &View<'_>, way: usize) -> Option<(Place, Told)> {
    let tally = Tally::new(view, way);
    if tally.is_empty() {
        return None;
    }
    let facts = facts(view, way);
    let first = facts.iter().map(|fact| view.time(*fact)).min()?;
    let all = view.way(way);
    let length = all.written.max(all.carried).max(all.read);
    let sentence = if view.flow.transport.is_stream() {
        stream::sentence(view, way, &tally)
    } else {
        datagrams::sentence(view, way, &tally)
    };
    Some((view.place(way, 0..length, first), Told { facts, sentence }))
}

/// The first calls and packets of each lane.
fn facts(view: &View<'_>, way: usize) -> Vec<FactId> {
    const EACH: usize = Topic::FACTS / 3;
    let writes = view.writes(way).map(|each| each.fact).take(EACH);
    let reads = view.reads(way).map(|each| each.fact).take(EACH);
    let mut wire: Vec<FactId> = view
        .carriers(way)
        .map(|each| each.fact)
        .take(EACH)
        .collect();
    // A packet stands for several pieces.
    wire.dedup();
    writes.chain(wire).chain(reads).collect()
}

/// One sentence of parts, those that are empty left out.
fn joined(parts: &[String; 2], between: &str, end: &str) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let mut letters = parts.join(between);
    letters += end;
    if let Some(first) = letters.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    letters
}
