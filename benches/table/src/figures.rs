//! What the rounds of two servers come to, as the first one's figures by the second's.

use serde_json::Value;

use crate::row::Target;

/// The ratios of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Messages (or bytes) a second: the median over the pairs.
    pub(crate) rate: Option<f64>,
    /// The first one's best round by the second one's best: what is left when the neighbours rest.
    pub(crate) best: Option<f64>,
    /// The server's processor time a message: the median over the pairs.
    pub(crate) cpu: Option<f64>,
    /// Median latency: the median over the pairs.
    pub(crate) p50: Option<f64>,
}

impl Figures {
    /// Reads them from what `bench --against --json` wrote; nothing if it never came to an end.
    pub(crate) fn of(events: &[Value]) -> Option<Self> {
        let end = events.iter().rfind(|event| event["ev"] == "bench")?;
        let median = |field: &str| Some(end[field].as_f64()? / 1e6);
        let best = |side: &str| {
            let rounds = events
                .iter()
                .filter(|event| event["ev"] == "bench_round" && event["side"] == side);
            rounds
                .filter_map(|round| round["rate"].as_f64())
                .reduce(f64::max)
        };
        Some(Self {
            rate: median("rate_ratio_ppm"),
            best: best("a")
                .zip(best("b"))
                .map(|(first, second)| first / second),
            cpu: median("server_cpu_ratio_ppm"),
            p50: median("p50_ratio_ppm"),
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

    /// The four as cells of a Markdown table.
    pub(crate) fn cells(&self) -> String {
        let cell =
            |ratio: Option<f64>| ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
        let Self {
            rate,
            best,
            cpu,
            p50,
        } = *self;
        [rate, best, cpu, p50].map(cell).join(" | ")
    }
}
