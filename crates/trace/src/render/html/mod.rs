//! A session as one page: an HTML file that holds its data, its style and its program, and asks the
//! network for nothing.

use std::io;

use crate::{Finding, Lang, Timeline};

/// Writes the page.
pub fn write(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    lang: Lang,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let title = lang.pick("sockeye session", "sockeye 会话");
    let (flows, findings) = (timeline.flows.len(), findings.len());
    writeln!(
        out,
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title>\
         <p>flows: {flows}, findings: {findings}</p>"
    )
}
