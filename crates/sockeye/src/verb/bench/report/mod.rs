//! What a run came to, for people and for programs.

mod json;
mod text;

use std::io::Write as _;

use super::args::Task;
use super::idle::Idle;
use super::plan::Job;
use super::round::{Progress, Round};
use super::server::Usage;
use crate::catalogue::Lang;
use crate::context::Context;
use crate::ui;

/// Tells what happens, as text or as JSON Lines.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) lang: Lang,
    json: bool,
    /// Somebody watches a terminal who wants to see that something happens.
    progress: bool,
    recorder: sockeye_trace::Recorder,
    pub(super) task: Task,
    /// The rounds so far, the first server's and the second's.
    pub(super) rounds: [Vec<Round>; 2],
}

/// The figures of a round that others are compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    /// Messages a second, or bytes one way.
    pub(super) rate: f64,
    /// Median latency in nanoseconds; 0 one way.
    pub(super) p50_ns: u64,
    /// The server's processor time for each message (or mebibyte one way), in nanoseconds.
    pub(super) cpu_ns: Option<f64>,
}

/// What one-way traffic counts processor time by.
const MEBIBYTE: f64 = 1_048_576.0;

impl Figures {
    pub(super) fn of(round: &Round, job: Job) -> Self {
        let seconds = round.span_ns as f64 / 1e9;
        let one_way = matches!(job, Job::Up | Job::Down);
        let amount = if one_way {
            round.tally.bytes
        } else {
            round.tally.messages
        } as f64;
        let pieces = if one_way { amount / MEBIBYTE } else { amount };
        let cpu = |usage: Usage| (pieces > 0.0).then(|| usage.cpu_ns as f64 / pieces);
        Self {
            rate: amount / seconds,
            p50_ns: round.tally.latency.value_at_quantile(0.5),
            cpu_ns: round.usage.and_then(cpu),
        }
    }

    /// This one by `other`, figure by figure.
    fn ratio(&self, other: &Self) -> Ratios {
        let cpu = self.cpu_ns.zip(other.cpu_ns);
        Ratios {
            rate: by(self.rate, other.rate),
            p50: by(self.p50_ns as f64, other.p50_ns as f64),
            cpu: cpu.and_then(|(mine, its)| by(mine, its)),
        }
    }
}

fn by(mine: f64, its: f64) -> Option<f64> {
    (its > 0.0 && mine > 0.0).then(|| mine / its)
}

/// One server's figures by the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ratios {
    pub(super) rate: Option<f64>,
    pub(super) p50: Option<f64>,
    pub(super) cpu: Option<f64>,
}

impl Ratios {
    /// The median of each, over the pairs that have it.
    fn median(pairs: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> Option<f64>| {
            let mut values: Vec<f64> = pairs.iter().filter_map(pick).collect();
            median(&mut values)
        };
        Self {
            rate: of(|pair| pair.rate),
            p50: of(|pair| pair.p50),
            cpu: of(|pair| pair.cpu),
        }
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

impl Report {
    pub(super) fn new(context: &Context, json: bool, task: &Task) -> Self {
        use std::io::IsTerminal as _;
        Self {
            lang: context.lang(),
            json,
            progress: !context.global.quiet && std::io::stderr().is_terminal(),
            recorder: context.net.recorder.clone(),
            task: task.clone(),
            rounds: [vec![], vec![]],
        }
    }

    /// Whether two servers are compared.
    pub(super) fn compares(&self) -> bool {
        self.task.sides.len() == 2
    }

    /// Figures of the round `number`, which begins at 1, of one server.
    pub(super) fn figures(&self, side: usize, number: usize) -> Option<Figures> {
        let round = self.rounds[side].get(number - 1)?;
        Some(Figures::of(round, self.task.plan.job))
    }

    /// The two servers' ratios in round `number`.
    pub(super) fn pair(&self, number: usize) -> Option<Ratios> {
        Some(self.figures(0, number)?.ratio(&self.figures(1, number)?))
    }

    pub(super) fn median_pair(&self) -> Ratios {
        let pairs: Vec<Ratios> = (1..=self.rounds[1].len())
            .filter_map(|number| self.pair(number))
            .collect();
        Ratios::median(&pairs)
    }

    pub(super) fn begin(&self) -> anyhow::Result<()> {
        if self.json {
            Ok(())
        } else {
            ui::write_stdout(text::heading(self).as_bytes())
        }
    }

    pub(super) fn round(&mut self, side: usize, number: usize, round: Round) -> anyhow::Result<()> {
        self.rounds[side].push(round);
        let mut told = if self.json {
            json::round(self, side, number)
        } else {
            text::round(self, side, number)
        };
        if self.compares() && side == 1 {
            told += &if self.json {
                json::pair(self, number)
            } else {
                text::pair(self, number)
            };
        }
        ui::write_stdout(told.as_bytes())
    }

    pub(super) fn end(&self) -> anyhow::Result<()> {
        let told = match (self.json, self.compares()) {
            (true, _) => json::end(self),
            (false, true) => text::median(self),
            (false, false) => text::picture(self),
        };
        ui::write_stdout(told.as_bytes())
    }

    pub(super) fn idle(&self, idle: &Idle) -> anyhow::Result<()> {
        let told = if self.json {
            json::idle(self, idle)
        } else {
            text::idle(self, idle)
        };
        ui::write_stdout(told.as_bytes())
    }

    pub(super) fn progress(&self, side: usize, number: usize, progress: Progress) {
        if self.progress {
            write_over(&text::progress(self, side, number, progress));
        }
    }

    pub(super) fn opened(&self, open: usize) {
        if self.progress {
            write_over(&text::opened(self, open));
        }
    }

    /// Clears the progress line, so that what comes next begins where it stood.
    pub(super) fn clear_progress(&self) {
        if self.progress {
            write_over("");
        }
    }
}

/// Writes a line over the one before: carriage return, erase to the end (ECMA-48 §8.3.41, EL).
fn write_over(line: &str) {
    let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
}
