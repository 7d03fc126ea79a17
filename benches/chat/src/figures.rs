//! What rounds of two servers come to, as the first one's figures by the second's.

use serde_json::Value;

/// The share of a round that its client and its server may have waited for a processor. Where others
/// took more from one of them, its round says nothing about the server.
const DISTURBED: f64 = 0.05;
/// Fewer undisturbed pairs than this make no median; then all are taken.
const ENOUGH: usize = 5;

/// A figure of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// Deliveries a second.
    Rate,
    /// The server's processor time a delivery.
    Cpu,
    P50,
    P99,
}

/// Rounds of two servers, in turns.
#[derive(Debug)]
pub(crate) struct Rounds(Vec<(Value, Value)>);

impl Figure {
    pub(crate) fn of(self, round: &Value) -> Option<f64> {
        match self {
            Self::Rate => round["rate"].as_f64(),
            Self::P50 => round["p50_ns"].as_f64(),
            Self::P99 => round["p99_ns"].as_f64(),
            Self::Cpu => Some(round["server_cpu_ns"].as_f64()? / round["messages"].as_f64()?),
        }
    }
}

impl Rounds {
    /// Those of `bench --against --json`.
    pub(crate) fn of(events: &[Value]) -> Self {
        let side = |side: &'static str| {
            let rounds = events.iter().filter(|event| event["ev"] == "bench_round");
            rounds.filter(move |event| event["side"] == side).cloned()
        };
        Self(side("a").zip(side("b")).collect())
    }

    /// Those that were measured one by one.
    pub(crate) fn pairs(pairs: Vec<(Value, Value)>) -> Self {
        Self(pairs)
    }

    /// Those that were not disturbed, if they are enough.
    fn taken(&self) -> Vec<&(Value, Value)> {
        let calm: Vec<_> = self.0.iter().filter(|pair| !is_disturbed(pair)).collect();
        if calm.len() >= ENOUGH {
            calm
        } else {
            self.0.iter().collect()
        }
    }

    /// The median of a figure's ratios.
    pub(crate) fn ratio(&self, figure: Figure) -> Option<f64> {
        let pairs = self.taken().into_iter();
        median(
            pairs
                .filter_map(|(a, b)| Some(figure.of(a)? / figure.of(b)?))
                .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
                .collect(),
        )
    }

    /// The medians of a figure itself.
    pub(crate) fn medians(&self, figure: Figure) -> (Option<f64>, Option<f64>) {
        let taken = self.taken();
        let of = |pick: fn(&(Value, Value)) -> &Value| {
            median(
                taken
                    .iter()
                    .filter_map(|pair| figure.of(pick(pair)))
                    .collect(),
            )
        };
        (of(|pair| &pair.0), of(|pair| &pair.1))
    }

    /// How many were not disturbed, and all.
    pub(crate) fn calm(&self) -> String {
        let calm = self.0.iter().filter(|pair| !is_disturbed(pair)).count();
        format!("{calm} of {}", self.0.len())
    }
}

fn is_disturbed((a, b): &(Value, Value)) -> bool {
    let waited = |round: &Value| {
        let of = |field: &str| round[field].as_f64().unwrap_or(0.0);
        (of("client_starved_ns") + of("server_starved_ns")) / of("span_ns")
    };
    waited(a) > DISTURBED || waited(b) > DISTURBED
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
