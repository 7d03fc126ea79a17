//! What a page knows beside the facts: who took part, and what was found.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::facts::Written;
use crate::timeline::{End, Flow};
use crate::{
    Call, Finding, Gap, Head, Kind, Lang, Process, Session, Side, TcpState, Time, Timeline, Weight,
    errno_name,
};

/// Findings that a page lists; the rest are counted.
const FINDINGS: usize = 1000;
/// Gaps that a page draws; the rest are counted.
const GAPS: usize = 1000;

/// The data of the page that is not in its blocks, as `about` of page.js.
#[derive(Serialize)]
pub(super) struct About<'t> {
    lang: &'static str,
    head: &'t Head,
    /// Nanoseconds since the epoch, as text: JavaScript's numbers are too short.
    base_ns: String,
    span_ns: u64,
    items: u64,
    /// Bytes shown of each call and packet.
    excerpt: usize,
    calls: Vec<&'static str>,
    kinds: Vec<String>,
    states: Vec<&'static str>,
    errnos: BTreeMap<i32, &'static str>,
    processes: &'t [Process],
    sides: &'t [Side],
    flows: Vec<AboutFlow<'t>>,
    gaps: Vec<AboutGap<'t>>,
    more_gaps: usize,
    /// Stops of the watched programs and what each cost.
    cost: Option<(u64, u32)>,
    cut: bool,
    lost: u64,
    findings: Vec<AboutFinding<'t>>,
    more_findings: usize,
}

#[derive(Serialize)]
struct AboutFlow<'t> {
    number: u32,
    transport: &'static str,
    stream: bool,
    wire: bool,
    ends: [AboutEnd<'t>; 2],
    written: [u64; 2],
    carried: [u64; 2],
    read: [u64; 2],
    joined: [bool; 2],
}

#[derive(Serialize)]
struct AboutEnd<'t> {
    address: String,
    sides: &'t [u32],
}

#[derive(Serialize)]
struct AboutGap<'t> {
    at_ns: u64,
    #[serde(flatten)]
    gap: &'t Gap,
}

#[derive(Serialize)]
struct AboutFinding<'t> {
    name: &'static str,
    /// What stands above its sentence: the name, or in Chinese its title.
    label: &'static str,
    weight: u8,
    flow: Option<u32>,
    way: Option<u8>,
    bytes: [u64; 2],
    items: Vec<u64>,
    at_ns: u64,
    count: u32,
    text: &'t str,
}

impl<'t> About<'t> {
    pub(super) fn new(
        timeline: &'t Timeline<'t>,
        findings: &'t [Finding],
        lang: Lang,
        span: &Range<Time>,
        excerpt: usize,
        written: &Written,
    ) -> Self {
        let session = timeline.session;
        let since = |time: Time| time.as_nanos().saturating_sub(span.start.as_nanos());
        let gap_times = times_of(session, Kind::Gap);
        Self {
            lang: lang.pick("en", "zh"),
            head: session.head(),
            base_ns: span.start.as_nanos().to_string(),
            span_ns: since(span.end),
            items: written.items,
            excerpt,
            calls: (0..).map_while(Call::of_number).map(Call::name).collect(),
            kinds: (0..)
                .map_while(Kind::of_number)
                .map(|kind| format!("{kind:?}"))
                .collect(),
            states: (0..13).map(|it| TcpState::of_number(it).name()).collect(),
            errnos: (written.errnos.iter())
                .map(|errno| (*errno, errno_name(*errno)))
                .collect(),
            processes: &timeline.processes,
            sides: &timeline.sides,
            flows: timeline.flows.iter().map(AboutFlow::of).collect(),
            gaps: (timeline.gaps.iter().take(GAPS).enumerate())
                .map(|(index, gap)| AboutGap {
                    at_ns: since(gap_times.get(index).copied().unwrap_or(span.start)),
                    gap,
                })
                .collect(),
            more_gaps: timeline.gaps.len().saturating_sub(GAPS),
            cost: cost_of(session),
            cut: session.is_cut(),
            lost: session.lost(),
            findings: (findings.iter().take(FINDINGS))
                .map(|finding| AboutFinding::of(finding, lang, written, since(finding.at)))
                .collect(),
            more_findings: findings.len().saturating_sub(FINDINGS),
        }
    }
}

impl<'t> AboutFlow<'t> {
    fn of(flow: &'t Flow) -> Self {
        let both = |count: fn(&crate::timeline::Way) -> u64| flow.ways.each_ref().map(count);
        Self {
            number: flow.number,
            transport: flow.transport.name(),
            stream: flow.transport.is_stream(),
            wire: flow.transport.has_wire(),
            ends: flow.ends.each_ref().map(AboutEnd::of),
            written: both(|way| way.written),
            carried: both(|way| way.carried),
            read: both(|way| way.read),
            joined: flow.ways.each_ref().map(|way| way.joined),
        }
    }
}

impl<'t> AboutEnd<'t> {
    fn of(end: &'t End) -> Self {
        Self {
            address: end.address.to_string(),
            sides: &end.sides,
        }
    }
}

impl<'t> AboutFinding<'t> {
    fn of(finding: &'t Finding, lang: Lang, written: &Written, at_ns: u64) -> Self {
        let places = finding
            .facts
            .iter()
            .filter_map(|fact| written.wanted.get(fact));
        let [english, chinese] = &finding.sentence;
        Self {
            name: finding.name,
            label: lang.pick(finding.name, finding.title(Lang::Zh)),
            weight: match finding.weight {
                Weight::Note => 0,
                Weight::Notice => 1,
                Weight::Trouble => 2,
            },
            flow: finding.flow,
            way: finding.way,
            bytes: [finding.bytes.start, finding.bytes.end],
            items: places.flatten().copied().collect(),
            at_ns,
            count: finding.count,
            text: lang.pick(english.as_str(), chinese.as_str()),
        }
    }
}

/// When the facts of a kind happened.
fn times_of(session: &Session, kind: Kind) -> Vec<Time> {
    let ids = (0..session.len() as u32).map(crate::FactId);
    ids.map(|id| session.event(id))
        .filter(|event| event.kind() == kind)
        .map(|event| event.time)
        .collect()
}

/// What watching cost, as it was last told.
fn cost_of(session: &Session) -> Option<(u64, u32)> {
    let ids = (0..session.len() as u32).rev().map(crate::FactId);
    ids.map(|id| session.event(id))
        .find(|event| event.kind() == Kind::Cost)
        .map(|event| (event.offset, event.asked))
}
