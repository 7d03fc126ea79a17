//! A report for people.

use std::io::{self, Write};

use sockeye_observe::lab::{Checked, Holds, Run, Step, Test, Unseen};
use sockeye_trace::render::text::{self, Line, Span, Style, TextOptions, shorten, wrap};
use unicode_width::UnicodeWidthStr;

use super::super::list::name_of;
use super::super::outcome::Outcome;
use super::difference::difference;
use super::prose::lay_out;
use super::{Look, Report};
use crate::catalogue::{Lang, Text, lab as say};
use crate::ui::{Table, escape};

/// Entries of each conversation that are drawn of the cured run: enough to see what is different.
const LIMIT_CURED: usize = 24;
/// Conversations that are drawn of a run.
const FLOWS: usize = 4;
/// The widest cell of the table of differences.
const CELL: usize = 34;

/// A report on a page of some width, in one language.
pub(super) struct Page<'a> {
    report: &'a Report<'a>,
    lang: Lang,
    width: usize,
    colour: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report<'a>, lang: Lang, width: usize, colour: bool) -> Self {
        Self {
            report,
            lang,
            width: width.max(text::MIN_WIDTH),
            colour,
        }
    }

    /// All of it that was asked for.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let whole = matches!(self.report.look, Look::Whole { .. });
        self.title(out)?;
        for outcome in self.report.outcomes {
            self.heading(outcome, out)?;
            if whole {
                self.script(outcome, out)?;
                self.lanes(outcome, out)?;
            }
            self.verdicts(outcome, out)?;
        }
        if whole {
            if let [plain, cure] = self.report.outcomes {
                self.difference(plain, cure, out)?;
            }
            self.explanation(out)?;
        }
        Ok(())
    }

    fn title(&self, out: &mut dyn Write) -> io::Result<()> {
        let scenario = self.report.scenario;
        self.line(scenario.title.get(self.lang.into()), Style::Bold, out)?;
        let mut names = vec![&*scenario.name];
        names.extend(scenario.names.iter().map(String::as_str));
        let group = name_of(scenario.group).get(self.lang);
        let about = format!("{} · {group}", names.join(" · "));
        self.line(&shorten(&about, self.width), Style::Dim, out)?;
        if self.report.changed {
            self.paragraph(say::CHANGED.get(self.lang), Style::Mark, out)?;
        }
        Ok(())
    }

    fn heading(&self, outcome: &Outcome<'_>, out: &mut dyn Write) -> io::Result<()> {
        let scenario = self.report.scenario;
        let text = match outcome.run {
            Run::Plain => say::PLAIN.get(self.lang).to_owned(),
            Run::Cure => {
                let cure = scenario.cure.title.get(self.lang.into());
                say::CURE.fill(self.lang, &[("cure", &cure)])
            }
        };
        self.section(&text, out)?;
        if outcome.told.is_loopback() {
            let why = &outcome.told.why;
            let unseen = outcome.unseen();
            let text = say::LOOPBACK.fill(self.lang, &[("why", why), ("n", &unseen)]);
            self.paragraph(&text, Style::Mark, out)?;
        }
        Ok(())
    }

    /// What the author of the scenario says of its steps.
    fn script(&self, outcome: &Outcome<'_>, out: &mut dyn Write) -> io::Result<()> {
        let is_done = |step: &&Step| step.only.is_none_or(|only| only == outcome.run);
        let steps = self.report.scenario.steps.iter().filter(is_done);
        let mut any = false;
        for says in steps.filter_map(|step| step.says.as_ref()) {
            self.item("·", Style::Dim, says.get(self.lang.into()), out)?;
            any = true;
        }
        if any { out.write_all(b"\n") } else { Ok(()) }
    }

    fn lanes(&self, outcome: &Outcome<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Look::Whole { limit } = self.report.look else {
            return Ok(());
        };
        let cured_beside = outcome.run == Run::Cure && self.report.outcomes.len() > 1;
        let limit = match limit {
            0 => usize::MAX,
            limit if cured_beside => limit.min(LIMIT_CURED),
            limit => limit,
        };
        let options = TextOptions {
            width: self.width,
            lang: self.lang.into(),
            colour: self.colour,
            limit,
            flows: if limit == usize::MAX { limit } else { FLOWS },
            ..TextOptions::default()
        };
        text::write(&outcome.timeline, &outcome.findings, &options, out)?;
        out.write_all(b"\n")
    }

    fn verdicts(&self, outcome: &Outcome<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Some((index, why)) = &outcome.told.stuck {
            let step = index + 1;
            let text = say::STUCK.fill(self.lang, &[("step", &step), ("why", why)]);
            self.item("✗", Style::Bad, &text, out)?;
        }
        for checked in &outcome.checked {
            let (mark, style) = match checked.holds {
                Holds::Yes => ("✓", Style::Message(1)),
                Holds::No => ("✗", Style::Bad),
                Holds::NotSeen(_) => ("?", Style::Mark),
            };
            self.item(mark, style, checked.expect.says.get(self.lang.into()), out)?;
            self.line(&format!("    {}", self.seen(checked)), Style::Dim, out)?;
        }
        Ok(())
    }

    /// What was looked at and seen; and what was expected, where that is not the same.
    fn seen(&self, checked: &Checked<'_>) -> String {
        let value = &checked.expect.value;
        let (test, lang) = (asked(checked.test, self.lang), self.lang);
        let seen = match &checked.seen {
            Some(seen) => seen.to_string(),
            None => say::NOTHING.get(lang).to_owned(),
        };
        let fill = |text: Text| {
            text.fill(
                lang,
                &[("value", value), ("expected", &test), ("seen", &seen)],
            )
        };
        match checked.holds {
            Holds::Yes => format!("{value} = {seen}"),
            Holds::No => fill(say::DIFFERS),
            Holds::NotSeen(Unseen::Loopback) => {
                say::NO_WIRE.fill(lang, &[("value", value), ("expected", &test)])
            }
            Holds::NotSeen(Unseen::NotReached) => {
                say::NOT_REACHED.fill(lang, &[("value", value), ("expected", &test)])
            }
        }
    }

    /// Both runs side by side.
    fn difference(
        &self,
        plain: &Outcome<'_>,
        cure: &Outcome<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let rows = difference(self.report.scenario, plain, cure);
        if rows.is_empty() {
            return Ok(());
        }
        self.section(say::DIFFERENCE.get(self.lang), out)?;
        let room = self.width.saturating_sub(6);
        let widest = rows.iter().map(|row| row.value.width()).max().unwrap_or(0);
        let cell = (room.saturating_sub(widest) / 2).max(CELL);
        let mut table = Table::default();
        table.row([
            "",
            say::PLAIN_SHORT.get(self.lang),
            say::CURE_SHORT.get(self.lang),
        ]);
        for row in rows {
            let shown = row.seen.map(|seen| match seen {
                Some(seen) => shorten(&escape(&seen.to_string()), cell),
                None => "-".to_owned(),
            });
            let [plain, cure] = shown;
            table.row([row.value, plain, cure]);
        }
        out.write_all(table.render("  ").as_bytes())
    }

    fn explanation(&self, out: &mut dyn Write) -> io::Result<()> {
        let scenario = self.report.scenario;
        let lang = self.lang.into();
        let is_there = |run| self.report.outcomes.iter().any(|one| one.run == run);
        if is_there(Run::Plain) {
            self.section(say::WHY.get(self.lang), out)?;
            self.prose(scenario.about.get(lang), out)?;
        }
        if is_there(Run::Cure) {
            self.section(say::WHY_CURE.get(self.lang), out)?;
            self.prose(scenario.cure.about.get(lang), out)?;
        }
        if !scenario.see.is_empty() {
            let names = scenario.see.join(", ");
            out.write_all(b"\n")?;
            self.line(
                &say::SEE.fill(self.lang, &[("names", &names)]),
                Style::Dim,
                out,
            )?;
        }
        Ok(())
    }

    fn prose(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        for line in lay_out(text, self.width) {
            self.line(&line, Style::Plain, out)?;
        }
        Ok(())
    }

    /// A heading with a rule that fills the line.
    fn section(&self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let text = shorten(&escape(text), self.width.saturating_sub(4));
        let rule = "─".repeat(self.width.saturating_sub(text.width() + 4));
        out.write_all(b"\n")?;
        let spans = vec![
            span("── ", Style::Dim),
            span(text, Style::Bold),
            span(format!(" {rule}"), Style::Dim),
        ];
        Line(spans).write(self.colour, out)
    }

    /// A mark, and a sentence beside it.
    fn item(&self, mark: &str, style: Style, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let lines = wrap(&escape(text), self.width.saturating_sub(4)).into_iter();
        for (place, line) in lines.enumerate() {
            let head = if place == 0 {
                format!("  {mark} ")
            } else {
                "    ".into()
            };
            Line(vec![span(head, style), span(line, Style::Plain)]).write(self.colour, out)?;
        }
        Ok(())
    }

    fn paragraph(&self, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
        for line in wrap(&escape(text), self.width) {
            self.line(&line, style, out)?;
        }
        Ok(())
    }

    fn line(&self, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
        Line(vec![span(escape(text), style)]).write(self.colour, out)
    }
}

fn span(text: impl Into<String>, style: Style) -> Span {
    Span {
        text: text.into(),
        style,
    }
}

/// A test in words: `at least 2, without "R"`.
fn asked(test: &Test, lang: Lang) -> String {
    let mut parts = vec![];
    let values = [
        (say::IS, &test.is),
        (say::IS_NOT, &test.not),
        (say::HAS, &test.has),
        (say::LACKS, &test.lacks),
    ];
    for (words, value) in values {
        parts.extend(
            value
                .as_ref()
                .map(|value| words.fill(lang, &[("value", value)])),
        );
    }
    let numbers = [(say::AT_LEAST, test.min), (say::AT_MOST, test.max)];
    for (words, number) in numbers {
        parts.extend(number.map(|number| words.fill(lang, &[("value", &number)])));
    }
    parts.join(lang_comma(lang))
}

const fn lang_comma(lang: Lang) -> &'static str {
    match lang {
        Lang::En => ", ",
        Lang::Zh => "，",
    }
}
