//! The report for people.

use std::fmt::Write;

use sockeye_observe::settings::{Facts, Group, Setting};
use sockeye_trace::render::text::wrap;
use unicode_width::UnicodeWidthStr;

use super::look::Look;
use super::words;
use crate::catalogue::doctor as text;
use crate::catalogue::{Lang, Text};
use crate::ui::{Table, escape, quantity};

/// Columns that a label of an explanation takes, with its space.
const LABEL: usize = 10;
/// The least that is left for text, however narrow the terminal is.
const LEAST: usize = 30;
/// What stands before a value that would be better.
const ARROW: &str = "→";

/// Everything, with explanations.
pub(super) fn whole(look: &Look, lang: Lang, width: usize, out: &mut String) {
    machine(look, lang, out);
    permits(look, lang, width, out);
    for group in Group::ALL {
        let settings = look.settings.iter().filter(|it| it.group == group);
        let mut settings = settings.peekable();
        if settings.peek().is_some() {
            heading(words::group(group, lang), out);
        }
        settings.for_each(|setting| explain(look, setting, lang, width, out));
    }
    facts(look, lang, width, out);
    ending(look, lang, width, out);
}

/// A line for each.
pub(super) fn short(look: &Look, lang: Lang, width: usize, out: &mut String) {
    machine(look, lang, out);
    if !look.permits.is_empty() {
        heading(text::PERMITS.get(lang), out);
        let mut table = Table::default();
        for permit in &look.permits {
            table.row([
                words::grade(permit.grade, lang),
                words::what(permit.what, lang),
            ]);
        }
        out.push_str(&table.render("  "));
    }
    if !look.settings.is_empty() {
        out.push('\n');
        let mut table = Table::default();
        let heads = [text::SETTING, text::HERE, text::KERNELS, text::BETTER];
        table.row(heads.map(|head| head.get(lang)));
        for setting in &look.settings {
            let to = look.suggestion(setting).map(|it| it.to.clone());
            table.row([
                setting.name.to_owned(),
                here(look, setting, lang),
                words::newest_default(setting, lang),
                to.map(|to| format!("{ARROW} {to}")).unwrap_or_default(),
            ]);
        }
        out.push_str(&table.render(""));
    }
    facts(look, lang, width, out);
    ending(look, lang, width, out);
}

/// Which machine this is.
fn machine(look: &Look, lang: Lang, out: &mut String) {
    let user = match look.uid {
        0 => "root".to_owned(),
        uid => text::USER.fill(lang, &[("uid", &uid)]),
    };
    let said = text::MACHINE.fill(
        lang,
        &[
            ("host", &escape(&look.host)),
            ("kernel", &escape(&look.kernel)),
            ("processors", &look.processors),
            ("user", &user),
        ],
    );
    out.push_str(&said);
    out.push('\n');
}

fn heading(what: &str, out: &mut String) {
    let _ = writeln!(out, "\n{what}");
}

fn permits(look: &Look, lang: Lang, width: usize, out: &mut String) {
    if look.permits.is_empty() {
        return;
    }
    heading(text::PERMITS.get(lang), out);
    for permit in &look.permits {
        let grade = words::grade(permit.grade, lang);
        labelled(2, grade, words::what(permit.what, lang), width, out);
        labelled(2, "", &words::ground(permit, lang), width, out);
    }
}

/// The value of a setting here.
fn here(look: &Look, setting: &Setting, lang: Lang) -> String {
    match look.values.get(setting.name) {
        Some(value) => escape(value).into_owned(),
        None if setting.is_gone() => text::GONE.get(lang).to_owned(),
        None => text::NOT_HERE.get(lang).to_owned(),
    }
}

/// A setting with all that is to be said about it.
fn explain(look: &Look, setting: &Setting, lang: Lang, width: usize, out: &mut String) {
    let words = words::setting(setting);
    let mut head = format!("  {} = {}", setting.name, here(look, setting, lang));
    let own = words::defaults(setting, lang);
    if !own.is_empty() {
        let own = text::OWN.fill(lang, &[("values", &own)]);
        head = format!("{head}  {own}");
    }
    out.push_str(&head);
    out.push('\n');
    if let Some(it) = look.suggestion(setting) {
        let why = words::why(it.why, lang);
        let to = text::TO.fill(lang, &[("to", &it.to), ("why", &why)]);
        labelled(4, ARROW, &to, width, out);
    }
    let label = |text: Text| text.get(lang);
    labelled(4, label(text::DOES), words.does.get(lang), width, out);
    labelled(4, label(text::WHEN), words.when.get(lang), width, out);
    if let Some(not) = words.not {
        labelled(4, label(text::NOT), not.get(lang), width, out);
    }
    labelled(4, label(text::SEE), setting.source, width, out);
}

/// A label, and beside it lines of text that keep to their column.
fn labelled(indent: usize, label: &str, said: &str, width: usize, out: &mut String) {
    let room = width.saturating_sub(indent + LABEL).max(LEAST);
    for (number, line) in wrap(said, room).iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let pad = LABEL.saturating_sub(label.width());
        let line = format!("{:indent$}{label}{:pad$}{line}", "", "");
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// A count of something, with what it is of.
pub(super) struct Fact {
    /// Its name in JSON.
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) of: Option<u64>,
    pub(super) said: String,
}

/// What was counted and is not nothing.
pub(super) fn counted(facts: &Facts, lang: Lang) -> Vec<Fact> {
    let mut all = vec![];
    let mut add = |name, count, of: Option<u64>, said: String| {
        if count > 0 {
            all.push(Fact {
                name,
                count,
                of,
                said,
            });
        }
    };
    let plain = |text: Text| text.get(lang).to_owned();
    let with = |text: Text, of: u64| text.fill(lang, &[("of", &quantity::count(of))]);
    add("time_wait", facts.time_wait, None, plain(text::TIME_WAIT));
    add("orphans", facts.orphans, None, plain(text::ORPHANS));
    if let Some(ports) = &facts.ports {
        let of = Some(ports.range);
        add("ports", ports.taken, of, with(text::PORTS, ports.range));
        if let Some((peer, taken)) = ports.busiest {
            let values: [(&str, &dyn std::fmt::Display); 2] = [
                ("peer", &peer),
                ("waiting", &quantity::count(ports.waiting)),
            ];
            add("busiest_peer", taken, of, text::BUSIEST.fill(lang, &values));
        }
    }
    let overflows = facts.listen_overflows;
    add(
        "listen_overflows",
        overflows,
        None,
        plain(text::LISTEN_OVERFLOWS),
    );
    add(
        "listen_drops",
        facts.listen_drops,
        None,
        plain(text::LISTEN_DROPS),
    );
    add(
        "syn_cookies",
        facts.syn_cookies,
        None,
        plain(text::SYN_COOKIES),
    );
    let overflows = facts.time_wait_overflows;
    add(
        "time_wait_overflows",
        overflows,
        None,
        plain(text::TIME_WAIT_OVERFLOWS),
    );
    let of = Some(facts.sent);
    add(
        "retransmitted",
        facts.retransmitted,
        of,
        with(text::RETRANSMITTED, facts.sent),
    );
    add(
        "datagrams_lost",
        facts.datagrams_lost,
        None,
        plain(text::DATAGRAMS),
    );
    if let Some((open, limit)) = facts.files {
        add(
            "open_files",
            open,
            Some(limit),
            with(text::OPEN_FILES, limit),
        );
    }
    all
}

fn facts(look: &Look, lang: Lang, width: usize, out: &mut String) {
    let Some(facts) = &look.facts else { return };
    heading(text::FACTS.get(lang), out);
    let facts = counted(facts, lang);
    let counts: Vec<_> = facts.iter().map(|it| quantity::count(it.count)).collect();
    let widest = counts.iter().map(String::len).max().unwrap_or(0);
    for (fact, count) in facts.iter().zip(&counts) {
        let room = width.saturating_sub(widest + 4).max(LEAST);
        for (number, line) in wrap(&fact.said, room).iter().enumerate() {
            let count = if number == 0 { count } else { "" };
            let _ = writeln!(out, "  {count:>widest$}  {line}");
        }
    }
    for line in wrap(text::SINCE.get(lang), width.saturating_sub(2).max(LEAST)) {
        let _ = writeln!(out, "  {line}");
    }
}

/// What it comes to.
fn ending(look: &Look, lang: Lang, width: usize, out: &mut String) {
    if look.settings.is_empty() {
        return;
    }
    let said = match look.suggestions.len() {
        0 => text::NOTHING_BETTER.get(lang).to_owned(),
        1 => text::ONE_BETTER.get(lang).to_owned(),
        n => text::SOME_BETTER.fill(lang, &[("n", &n)]),
    };
    out.push('\n');
    for line in wrap(&said, width) {
        out.push_str(&line);
        out.push('\n');
    }
}
