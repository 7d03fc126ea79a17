//! Findings: what happened, in words, with the bytes and the calls that it speaks of.
//!
//! Each finding has a file (two that are one idea share one): what the kernel does there, when it
//! is reported and when not, and its two sentences. A finder sees one flow through a `View` and
//! hands what it finds to `Found`, which keeps the list short. docs/findings.md describes every
//! one.

mod accept_lag;
mod boundary;
#[cfg(test)]
mod check;
mod close_wait;
mod coalesced;
mod connect;
mod found;
mod fragments;
mod half_close;
mod lost_datagram;
mod nobody;
mod not_seen;
mod out_of_order;
mod reset;
mod retransmission;
mod short_write;
mod split;
mod stall;
mod summary;
mod time_wait;
mod tiny_writes;
mod topic;
mod truncated;
mod view;
pub(crate) mod words;
mod write_after_close;
mod zero_window;

use std::ops::Range;

use crate::{FactId, Lang, Time, Timeline};

use found::Found;
use view::{Context, View};

pub use topic::Topic;

/// Something worth saying about a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name in lower case with hyphens, as docs/findings.md lists it: `coalesced`.
    pub name: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// The flow it speaks of, as an index of [`crate::Timeline::flows`]; none: of the session.
    pub flow: Option<u32>,
    /// The way, where it speaks of one.
    pub way: Option<u8>,
    /// The bytes it speaks of.
    pub bytes: Range<u64>,
    /// The calls and packets it speaks of, at most sixteen.
    pub facts: Vec<FactId>,
    /// When it happened.
    pub at: Time,
    /// How often, where more of the same were put into one.
    pub count: u32,
    /// What happened, in English and in Chinese.
    pub sentence: [String; 2],
}

impl Finding {
    /// What it is in a few words, as docs/findings.md has it above its section.
    pub fn title(&self, lang: Lang) -> &'static str {
        title(self.name, lang)
    }
}

/// The title of what has this name; the name itself where nothing has it.
fn title(name: &'static str, lang: Lang) -> &'static str {
    let topic = topics().find(|topic| topic.name == name);
    topic.map_or(name, |topic| lang.pick(topic.title[0], topic.title[1]))
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// As it should be, and good to know.
    Note,
    /// Often not what the program's author expected.
    Notice,
    /// Something is wrong, or was lost.
    Trouble,
}

/// What looks at a flow, and what it may find there.
struct Finder {
    topics: &'static [&'static Topic],
    look: fn(&View<'_>, &mut Found),
}

impl Finder {
    const fn new(topics: &'static [&'static Topic], look: fn(&View<'_>, &mut Found)) -> Self {
        Self { topics, look }
    }
}

/// Every finder of flows, in the order in which docs/findings.md describes them.
const FINDERS: &[Finder] = &[
    Finder::new(&[&summary::SUMMARY], summary::find),
    Finder::new(&[&coalesced::COALESCED], coalesced::find),
    Finder::new(&[&split::SPLIT, &split::SHORT_READ], split::find),
    Finder::new(&[&short_write::SHORT_WRITE], short_write::find),
    Finder::new(&[&tiny_writes::TINY_WRITES], tiny_writes::find),
    Finder::new(&[&boundary::BOUNDARY_IGNORED], boundary::find),
    Finder::new(&[&truncated::TRUNCATED_DATAGRAM], truncated::find),
    Finder::new(&[&fragments::IP_FRAGMENTS], fragments::find),
    Finder::new(&[&lost_datagram::LOST_DATAGRAM], lost_datagram::find),
    Finder::new(&[&nobody::NOBODY_LISTENS], nobody::find),
    Finder::new(&[&retransmission::RETRANSMISSION], retransmission::find),
    Finder::new(&[&out_of_order::OUT_OF_ORDER], out_of_order::find),
    Finder::new(&[&zero_window::ZERO_WINDOW], zero_window::find),
    Finder::new(&[&stall::DELAYED_ACK_STALL], stall::find),
    Finder::new(&[&connect::REFUSED, &connect::UNANSWERED], connect::find),
    Finder::new(&[&accept_lag::ACCEPT_LAG], accept_lag::find),
    Finder::new(&[&half_close::HALF_CLOSE], half_close::find),
    Finder::new(&[&close_wait::CLOSE_WAIT], close_wait::find),
    Finder::new(
        &[&write_after_close::WRITE_AFTER_CLOSE],
        write_after_close::find,
    ),
    Finder::new(&[&reset::RESET_UNREAD, &reset::RESET], reset::find),
    Finder::new(&[&time_wait::TIME_WAIT], time_wait::find),
];

/// Every finding there is.
pub fn topics() -> impl Iterator<Item = &'static Topic> {
    let of_flows = FINDERS.iter().flat_map(|finder| finder.topics).copied();
    of_flows.chain([&not_seen::NOT_SEEN])
}

/// Explains a session: first what became of the bytes of each way (`summary`), then what went
/// wrong, then the rest, each part in the order of time.
///
/// - **Limits:** of one finding in one way [`Topic::SINGLE`] are told one by one, in the whole session
///   [`Topic::TOGETHER`]; what comes after them is counted in one that says so.
pub fn find(timeline: &Timeline<'_>) -> Vec<Finding> {
    let context = Context::new(timeline);
    let mut found = Found::default();
    not_seen::find(&context, &mut found);
    connect::find_alone(&context, &mut found);
    for flow in 0..timeline.flows.len() {
        let view = View::new(&context, flow);
        for finder in FINDERS {
            (finder.look)(&view, &mut found);
        }
    }
    found.finish()
}

/// What became of the bytes of both ways of one flow: the headline of a flow, for whoever draws one
/// that [`find`] only counted. None for a way that carried nothing.
///
/// # Panics
/// If there is no such flow.
pub fn summaries(timeline: &Timeline<'_>, flow: usize) -> [Option<Finding>; 2] {
    let context = Context::new(timeline);
    let view = View::new(&context, flow);
    [0, 1].map(|way| summary::of_way(&view, way))
}

#[cfg(test)]
mod tests;
