//! A report as JSON Lines: docs/events.md.

use std::io::{self, Write};

use sockeye_observe::lab::{Checked, Holds, Unseen};

use super::super::outcome::Outcome;
use super::Report;
use crate::journal::Line;

/// A line for each run, each of its expectations, then one for the whole.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut end = sockeye_trace::Time::default();
    for outcome in report.outcomes {
        let span = outcome.timeline.session.span().unwrap_or_default();
        end = end.max(span.end);
        let took = span.end.since(span.start).as_millis();
        let mut line = Line::new(span.start, "lab");
        line.put("scenario", &report.scenario.name)
            .put("run", outcome.run.name())
            .put("place", &outcome.told.place)
            .put_some(
                "why",
                Some(&*outcome.told.why).filter(|why| !why.is_empty()),
            )
            .number("took_ms", u64::try_from(took).unwrap_or(u64::MAX))
            .list("findings", &names(outcome));
        if let Some((index, why)) = &outcome.told.stuck {
            line.number("stuck_step", *index as u64 + 1)
                .put("error", why);
        }
        out.write_all(line.finish().as_bytes())?;
        for checked in &outcome.checked {
            out.write_all(one(span.end, outcome, checked).as_bytes())?;
        }
    }
    let mut line = Line::new(end, "judged");
    line.put("scenario", &report.scenario.name)
        .raw("good", report.outcomes.iter().all(Outcome::is_good))
        .number("checked", sum(report, |outcome| outcome.checked.len()))
        .number("failed", sum(report, Outcome::failed))
        .number("unseen", sum(report, Outcome::unseen))
        .raw("changed", report.changed);
    out.write_all(line.finish().as_bytes())
}

fn sum<'a>(report: &Report<'a>, of: impl Fn(&Outcome<'a>) -> usize) -> u64 {
    let all: usize = report.outcomes.iter().map(of).sum();
    all as u64
}

fn one(time: sockeye_trace::Time, outcome: &Outcome<'_>, checked: &Checked<'_>) -> String {
    let mut line = Line::new(time, "checked");
    line.put("run", outcome.run.name())
        .put("value", &checked.expect.value)
        .raw("expected", json(checked.test));
    if let Some(seen) = &checked.seen {
        line.raw("seen", json(seen));
    }
    let (holds, why) = match checked.holds {
        Holds::Yes => ("yes", None),
        Holds::No => ("no", None),
        Holds::NotSeen(Unseen::Loopback) => ("unseen", Some("loopback")),
        Holds::NotSeen(Unseen::NotReached) => ("unseen", Some("not-reached")),
    };
    line.put("holds", holds).put_some("why", why);
    line.put("says", &checked.expect.says.en);
    line.finish()
}

/// As JSON; what has only numbers, texts and lists in it can always be written.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn names(outcome: &Outcome<'_>) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for finding in &outcome.findings {
        if !names.iter().any(|name| name == finding.name) {
            names.push(finding.name.to_owned());
        }
    }
    names
}
