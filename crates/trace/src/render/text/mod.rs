//! Lanes for a terminal: the client's calls at the left, the server's at the right, the wire between.

use std::io::{self, Write};
use std::ops::Range;

use crate::{Finding, Lang, Timeline};

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
pub fn write(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    options: &TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    for flow in &timeline.flows {
        let [client, server] = &flow.ends;
        let number = flow.number;
        let name = flow.transport.name();
        writeln!(
            out,
            "#{number} {name} {} → {}",
            client.address, server.address
        )?;
    }
    for finding in findings {
        let [en, zh] = &finding.sentence;
        writeln!(out, "{}", options.lang.pick(&**en, &**zh))?;
    }
    Ok(())
}
