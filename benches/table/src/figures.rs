//! What the rounds of two servers come to, as the first one's figures by the second's.
//!
//! On a shared machine the kernel tells which rounds to believe: those whose threads did not have to
//! wait for a processor.

use serde_json::Value;

use crate::row::Target;

/// The ratios of one row: medians over its pairs of rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Messages (or bytes) a second.
    pub(crate) rate: Option<f64>,
    /// The server's processor time a message.
    pub(crate) cpu: Option<f64>,
    /// Median latency.
    pub(crate) p50: Option<f64>,
    /// Pairs that were not disturbed, and all.
    pairs: (usize, usize),
}

/// The share of a round that its client and its server may have waited for a processor. Where others
/// took more from one of them, its round says nothing about the server.
const DISTURBED: f64 = 0.05;
/// Fewer undisturbed pairs than this make no median; then all are taken.
const ENOUGH: usize = 5;

/// Both servers in one round.
struct Pair<'a>(&'a Value, &'a Value);

impl Pair<'_> {
    fn ratio(&self, figure: impl Fn(&Value) -> Option<f64>) -> Option<f64> {
        let (first, second) = (figure(self.0)?, figure(self.1)?);
        (first > 0.0 && second > 0.0).then(|| first / second)
    }

    fn is_disturbed(&self) -> bool {
        let waited = |round: &Value| {
            let of = |field: &str| round[field].as_f64().unwrap_or(0.0);
            (of("client_starved_ns") + of("server_starved_ns")) / of("span_ns")
        };
        waited(self.0) > DISTURBED || waited(self.1) > DISTURBED
    }
}

fn cpu(round: &Value) -> Option<f64> {
    let one_way = matches!(round["job"].as_str(), Some("up" | "down"));
    let pieces = if one_way { "payload_bytes" } else { "messages" };
    Some(round["server_cpu_ns"].as_f64()? / round[pieces].as_f64()?)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Figures {
    /// Reads them from what `bench --against --json` wrote; nothing if it never came to an end.
    /// On one core client and server take turns, which is no disturbance.
    pub(crate) fn of(events: &[Value], on_one_core: bool) -> Option<Self> {
        events.iter().find(|event| event["ev"] == "bench")?;
        let side = |side: &'static str| {
            let rounds = events.iter().filter(|event| event["ev"] == "bench_round");
            rounds.filter(move |event| event["side"] == side)
        };
        let all: Vec<Pair> = side("a").zip(side("b")).map(|(a, b)| Pair(a, b)).collect();
        let calm: Vec<&Pair> = all
            .iter()
            .filter(|pair| on_one_core || !pair.is_disturbed())
            .collect();
        let pairs = (calm.len(), all.len());
        let taken = if calm.len() >= ENOUGH {
            calm
        } else {
            all.iter().collect()
        };
        let of = |figure: &dyn Fn(&Value) -> Option<f64>| {
            median(taken.iter().filter_map(|pair| pair.ratio(figure)).collect())
        };
        Some(Self {
            rate: of(&|round| round["rate"].as_f64()),
            cpu: of(&cpu),
            p50: of(&|round| round["p50_ns"].as_f64()),
            pairs,
        })
    }

    /// Whether a target is met; nothing if it was not measured.
    pub(crate) fn meets(&self, target: Target) -> Option<bool> {
        match target {
            Target::Rate(least) => self.rate.map(|rate| rate >= least),
            Target::Cpu(most) => self.cpu.map(|cpu| cpu <= most),
            Target::P50(most) => self.p50.map(|p50| p50 <= most),
        }
    }

    /// All of them as cells of a Markdown table.
    pub(crate) fn cells(&self) -> String {
        let cell =
            |ratio: Option<f64>| ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
        let (calm, all) = self.pairs;
        let ratios = [self.rate, self.cpu, self.p50].map(cell).join(" | ");
        format!("{ratios} | {calm} of {all}")
    }
}
