//! JSON Lines of a timeline: one object for each thing that happened. The schema is docs/events.md.

use std::io::{self, Write};

use crate::{Finding, Timeline};

/// Writes the timeline as JSON Lines, in the order of time.
///
/// - **Output:** the same bytes for the same session, on every machine.
pub fn write(timeline: &Timeline<'_>, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let head = serde_json::to_string(timeline.head())?;
    writeln!(out, "{head}")?;
    for finding in findings {
        writeln!(out, "{}", serde_json::Value::from(&*finding.sentence[0]))?;
    }
    Ok(())
}
