//! Lanes for a terminal: the client's calls at the left, the server's at the right, the wire between.

mod calls;
mod lanes;
mod layout;
mod messages;
mod paint;
mod payload;
mod quantity;
mod rows;
mod scroll;
mod story;
mod wire;

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use crate::timeline::{Flow, Life, Way};
use crate::{Finding, Kind, Lang, Timeline};
use lanes::Picture;
pub use lanes::finding_lines;
pub use paint::{Line, Span, Style, shorten, wrap};
use quantity::millis;
pub use scroll::Lanes;

/// How a timeline is drawn as text.
#[derive(Clone, Debug)]
pub struct TextOptions {
    /// Columns of the terminal; fewer than [`MIN_WIDTH`] are taken for that many.
    pub width: usize,
    /// The language of everything but what was recorded.
    pub lang: Lang,
    /// Colours by message, as ANSI sequences.
    pub colour: bool,
    /// Draw only the flow with this number.
    pub flow: Option<u32>,
    /// Draw only what happened so many nanoseconds after the start; flows keep their numbers.
    pub window: Option<Range<u64>>,
    /// Bytes of each payload that are shown.
    pub bytes: usize,
    /// Payloads as hexadecimal numbers instead of text.
    pub hex: bool,
    /// Entries that are drawn of each flow; what is left out is counted.
    pub limit: usize,
    /// Flows that are drawn; the others are counted.
    pub flows: usize,
    /// No lanes: only headers and findings.
    pub findings_only: bool,
}

/// The narrowest picture.
pub const MIN_WIDTH: usize = 72;

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            width: 100,
            lang: Lang::En,
            colour: false,
            flow: None,
            window: None,
            bytes: 48,
            hex: false,
            limit: 500,
            flows: 30,
            findings_only: false,
        }
    }
}

/// Draws the timeline and its findings.
///
/// - **Output:** line by line, as it is drawn; every line fits the width.
/// - **Limits:** entries and flows beyond the options' are counted, and how to see them is said.
pub fn write(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    options: &TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut options = options.clone();
    options.width = options.width.max(MIN_WIDTH);
    let span = timeline.session.span().unwrap_or_default();
    let last = millis(span.end.since(span.start).as_nanos() as u64);
    let at = |nanos| span.start + Duration::from_nanos(nanos);
    let window = options.window.clone();
    let picture = Picture {
        timeline,
        options: &options,
        start: span.start,
        time: last.len().max(8),
        window: window.map(|window| at(window.start)..at(window.end)),
    };
    // Where findings tell of gaps, they need not be told of twice.
    let gaps_are_told = findings.iter().any(|finding| finding.name == "not-seen");
    picture.head(!gaps_are_told, out)?;
    let findings = by_flow(timeline, findings);
    let of_the_session = findings.last().into_iter().flatten();
    let mut any = false;
    for finding in of_the_session {
        picture.finding(finding, out)?;
        any = true;
    }
    if any {
        out.write_all(b"\n")?;
    }
    if options.flow.is_none() && !options.findings_only {
        picture.apart(out)?;
        if !timeline.flows.is_empty() {
            picture.legend(out)?;
        }
    }
    let mut hidden = 0;
    let mut drawn = 0;
    let mut silent = 0;
    for (flow, findings) in timeline.flows.iter().zip(&findings) {
        if options.flow.is_some_and(|number| number != flow.number) || !picture.touches(flow) {
            continue;
        }
        if options.flow.is_none() && findings.is_empty() && is_silent(timeline, flow) {
            silent += 1;
            continue;
        }
        if drawn == options.flows {
            hidden += 1;
            continue;
        }
        drawn += 1;
        picture.flow(flow, findings, out)?;
    }
    picture.summary(hidden, silent, out)
}

/// Whether nothing was sent, not even a packet: a library that looked for a service in vain, as those do
/// that look up users.
fn is_silent(timeline: &Timeline<'_>, flow: &Flow) -> bool {
    let moved = |way: &Way| way.written + way.carried + way.read > 0;
    let is_packet = |life: &Life| timeline.session.event(life.fact).kind() == Kind::Packet;
    !flow.ways.iter().any(moved) && !flow.life.iter().any(is_packet)
}

/// The findings of each flow, in their order; at the end those of the session.
fn by_flow<'f>(timeline: &Timeline<'_>, findings: &'f [Finding]) -> Vec<Vec<&'f Finding>> {
    let flows = timeline.flows.len();
    let mut sorted = vec![Vec::new(); flows + 1];
    for finding in findings {
        let flow = finding.flow.map_or(flows, |flow| flow as usize);
        sorted[flow.min(flows)].push(finding);
    }
    sorted
}

#[cfg(test)]
mod tests;
