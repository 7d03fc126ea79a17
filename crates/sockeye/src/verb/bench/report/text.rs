//! The report for people.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::{Figures, Report};
use crate::catalogue::bench as words;
use crate::ui::quantity;
use crate::verb::bench::idle::Idle;
use crate::verb::bench::picture;
use crate::verb::bench::plan::Job;
use crate::verb::bench::round::{Progress, Round};

/// What is going to be measured.
pub(super) fn heading(report: &Report) -> String {
    let task = &report.task;
    let (plan, lang) = (&task.plan, report.lang);
    let what = match plan.job {
        Job::RoundTrip => words::ROUND_TRIPS,
        Job::Reconnect => words::RECONNECTS,
        Job::Up => words::UP,
        Job::Down => words::DOWN,
        Job::FanOut => words::FAN_OUT,
        Job::Chat => words::CHAT,
        Job::Idle if plan.chat.is_some() => words::IDLE_MEMBERS,
        Job::Idle => words::IDLE,
    };
    let mut text = what.fill(
        lang,
        &[
            ("connections", &plan.connections),
            ("size", &plan.size()),
            ("depth", &plan.depth),
            ("batch", &plan.chat.as_ref().map_or(1, |chat| chat.batch)),
            (
                "duration",
                &quantity::duration(plan.duration.as_nanos() as u64),
            ),
        ],
    );
    if let Some(chat) = plan.chat.as_ref().filter(|chat| chat.stuck > 0) {
        text += &words::STUCK.fill(lang, &[("stuck", &chat.stuck)]);
    }
    if let Some(rate) = plan.rate {
        text += &words::AT_RATE.fill(lang, &[("rate", &quantity::count(rate))]);
    }
    text.push('\n');
    let names = ["A  ", "B  "];
    for (name, side) in names.iter().zip(&task.sides) {
        let name = if report.compares() { name } else { "" };
        let _ = writeln!(text, "{name}{}", side.dialler.endpoint());
        if !side.server.is_known() {
            let _ = writeln!(text, "{}", words::SERVER_UNKNOWN.get(lang));
        }
    }
    text
}

/// Lines of a name and what stands behind it.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn add(&mut self, name: &str, what: impl Into<String>) {
        self.0.push((name.into(), what.into()));
    }

    fn render(&self) -> String {
        let widest = self
            .0
            .iter()
            .map(|(name, _)| name.width())
            .max()
            .unwrap_or(0);
        let line = |(name, what): &(String, String)| {
            format!("  {name}{}  {what}\n", " ".repeat(widest - name.width()))
        };
        self.0.iter().map(line).collect()
    }
}

/// A round: whole when it stands alone, a line when servers are compared or it is one of many.
pub(super) fn round(report: &Report, side: usize, number: usize) -> String {
    let round = &report.rounds[side][number - 1];
    let mut text = String::new();
    if !report.compares() {
        if report.task.rounds > 1 {
            text += &words::ROUND.fill(report.lang, &[("number", &number)]);
            text.push('\n');
        }
        text += &whole(report, round);
    }
    text + &troubles(report, round)
}

fn rate(report: &Report, figures: &Figures) -> String {
    match report.task.plan.job {
        Job::Up | Job::Down => quantity::bytes_a_second(figures.rate),
        _ => format!("{} /s", quantity::count(figures.rate.round() as u64)),
    }
}

fn whole(report: &Report, round: &Round) -> String {
    let (lang, job) = (report.lang, report.task.plan.job);
    let (tally, figures) = (&round.tally, Figures::of(round, job));
    let one_way = matches!(job, Job::Up | Job::Down);
    let mut lines = Lines::default();
    if one_way {
        lines.add(words::THROUGHPUT.get(lang), rate(report, &figures));
    } else {
        let bytes = quantity::bytes_a_second(tally.bytes as f64 / (round.span_ns as f64 / 1e9));
        let counted = quantity::count(tally.messages);
        lines.add(
            words::THROUGHPUT.get(lang),
            words::MESSAGES_AND_BYTES.fill(
                lang,
                &[
                    ("rate", &rate(report, &figures)),
                    ("bytes", &bytes),
                    ("messages", &counted),
                ],
            ),
        );
        let at = |quantile| quantity::duration(tally.latency.value_at_quantile(quantile));
        lines.add(
            words::LATENCY.get(lang),
            format!(
                "p50 {}   p90 {}   p99 {}   p99.9 {}   {} {}",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                words::LONGEST.get(lang),
                quantity::duration(tally.latency.max()),
            ),
        );
    }
    if let (Some(usage), Some(cpu)) = (round.usage, figures.cpu_ns) {
        let share = 100.0 * usage.cpu_ns as f64 / round.span_ns as f64;
        let each = if one_way {
            words::SERVER_BULK
        } else {
            words::SERVER
        };
        lines.add(
            words::SERVER_NAME.get(lang),
            each.fill(
                lang,
                &[
                    ("cpu", &precise(cpu)),
                    ("share", &format!("{share:.0}")),
                    ("rss", &quantity::memory(usage.rss_bytes as f64)),
                    ("fds", &usage.fds),
                ],
            ),
        );
    }
    lines.render()
}

/// Processor time below a microsecond keeps its digits.
fn precise(nanos: f64) -> String {
    if nanos < 1000.0 {
        format!("{nanos:.0} ns")
    } else {
        quantity::duration(nanos as u64)
    }
}

/// Hundredths of the time: whose load waits longer for a processor measures the neighbours.
const STARVING: u64 = 10;

/// What went wrong without ending the run.
fn troubles(report: &Report, round: &Round) -> String {
    let (lang, tally) = (report.lang, &round.tally);
    let mut text = String::new();
    let starved = 100 * round.starved_ns / round.span_ns.max(1);
    if starved >= STARVING && !report.compares() {
        let told = words::STARVED.fill(lang, &[("share", &starved)]);
        let _ = writeln!(text, "  {told}");
    }
    let counts = [
        (tally.lost, words::LOST),
        (tally.late, words::LATE),
        (tally.unanswered, words::UNANSWERED),
        (tally.unsent, words::UNSENT),
        (tally.no_port, words::NO_PORT),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(
            text,
            "  {}",
            what.fill(lang, &[("count", &quantity::count(count))])
        );
    }
    if let Some(why) = tally.why_broken {
        let count = quantity::count(tally.broken);
        let told = words::BROKEN.fill(lang, &[("count", &count), ("why", &why)]);
        let _ = writeln!(text, "  {told}");
    }
    text
}

/// The histogram of a single server's rounds, all together.
pub(super) fn picture(report: &Report) -> String {
    let mut all = super::super::tally::Tally::default();
    report.rounds[0]
        .iter()
        .for_each(|round| all.add(&round.tally));
    let rows = picture::rows(&all.latency);
    if rows.is_empty() {
        String::new()
    } else {
        format!("\n{}", picture::draw(&rows))
    }
}

/// A pair of rounds in a line, the first with a heading.
pub(super) fn pair(report: &Report, number: usize) -> String {
    let (Some(a), Some(b), Some(ratio)) = (
        report.figures(0, number),
        report.figures(1, number),
        report.pair(number),
    ) else {
        return String::new();
    };
    let cpu = |figures: &Figures| figures.cpu_ns.map_or_else(|| "-".into(), precise);
    let cells = [
        number.to_string(),
        rate(report, &a),
        rate(report, &b),
        shown(ratio.rate),
        cpu(&a),
        cpu(&b),
        shown(ratio.cpu),
        quantity::duration(a.p50_ns),
        quantity::duration(b.p50_ns),
        shown(ratio.p50),
    ];
    let heading = if number == 1 {
        columns(report)
    } else {
        String::new()
    };
    heading + &line(&cells)
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"))
}

/// Columns are as wide as their largest figures, so that a line can be written at once.
const WIDTHS: [usize; 10] = [6, 14, 14, 7, 9, 9, 7, 9, 9, 7];

fn line(cells: &[String; 10]) -> String {
    let cells = cells.iter().zip(WIDTHS);
    let mut line = String::new();
    for (cell, width) in cells {
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
        line += cell;
        line += "  ";
    }
    format!("{}\n", line.trim_end())
}

fn columns(report: &Report) -> String {
    let lang = report.lang;
    let one_way = matches!(report.task.plan.job, Job::Up | Job::Down);
    let cpu = if one_way { words::CPU_BULK } else { words::CPU }.get(lang);
    let of = |what: &str, who: &str| format!("{what} {who}");
    let ratio = || "A / B".to_owned();
    line(&[
        words::ROUND_COLUMN.get(lang).into(),
        of(words::RATE.get(lang), "A"),
        of(words::RATE.get(lang), "B"),
        ratio(),
        of(cpu, "A"),
        of(cpu, "B"),
        ratio(),
        "p50 A".into(),
        "p50 B".into(),
        ratio(),
    ])
}

/// The line below all pairs.
pub(super) fn median(report: &Report) -> String {
    let ratio = report.median_pair();
    let none = String::new;
    line(&[
        words::MEDIAN.get(report.lang).into(),
        none(),
        none(),
        shown(ratio.rate),
        none(),
        none(),
        shown(ratio.cpu),
        none(),
        none(),
        shown(ratio.p50),
    ])
}

/// What idle connections cost.
pub(super) fn idle(report: &Report, idle: &Idle) -> String {
    let lang = report.lang;
    let each = |bytes: f64| quantity::memory(bytes / idle.connections.max(1) as f64);
    let mut lines = Lines::default();
    let own = idle.own_bytes();
    if let (Some(own), Some(after)) = (own, idle.after) {
        let what = words::IDLE_SERVER.fill(
            lang,
            &[
                ("each", &each(own as f64)),
                ("rss", &quantity::memory(after.rss_bytes as f64)),
                ("fds", &after.fds),
            ],
        );
        lines.add(words::SERVER_NAME.get(lang), what);
    }
    if let Some(kernel) = idle.kernel_bytes {
        // What else the machine does can shrink them by more than this.
        let what = if kernel > 0 {
            words::IDLE_KERNEL.fill(lang, &[("each", &each(kernel as f64 / 2.0))])
        } else {
            words::IDLE_KERNEL_LOST.get(lang).to_owned()
        };
        lines.add(words::KERNEL_NAME.get(lang), what);
    }
    lines.render()
}

/// How far a run is.
pub(super) fn progress(report: &Report, side: usize, number: usize, now: Progress) -> String {
    let figures = Figures {
        rate: now.rate,
        p50_ns: 0,
        cpu_ns: None,
    };
    let name = if report.compares() {
        ["A ", "B "][side]
    } else {
        ""
    };
    let seconds = |of: std::time::Duration| format!("{:.1}", of.as_secs_f64());
    let what = if now.warming_up {
        words::WARMING_UP
    } else {
        words::RUNNING
    };
    what.fill(
        report.lang,
        &[
            ("side", &name),
            ("number", &number),
            ("rounds", &report.task.rounds),
            ("elapsed", &seconds(now.elapsed)),
            ("total", &seconds(now.total)),
            ("rate", &rate(report, &figures)),
        ],
    )
}

/// How many idle connections are open.
pub(super) fn opened(report: &Report, open: usize) -> String {
    let wanted = quantity::count(report.task.plan.connections as u64);
    words::OPENED.fill(
        report.lang,
        &[("open", &quantity::count(open as u64)), ("wanted", &wanted)],
    )
}
