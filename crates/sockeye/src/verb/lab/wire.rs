//! What hosts and wire are like, as flags: for the reader's own programs and for scenarios alike.

use clap::Args;
use sockeye_fault::{Rule, RuleError};
use sockeye_observe::lab::Setting;

const WIRE: &str = "What the wire does";

/// Flags that change a setting.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct WireFlags {
    /// What the wire does to packets: drop:nth=3,to=server (docs/faults.md); may be given several times, one behind the other
    #[arg(long, value_name = "RULE", help_heading = WIRE)]
    fault: Vec<Rule>,
    /// Every packet takes so long, both ways; 20ms,jitter=5ms
    #[arg(long, value_name = "TIME", value_parser = |text: &str| short("delay", text), help_heading = WIRE)]
    delay: Option<Rule>,
    /// So many of a hundred packets are lost, both ways: 1%
    #[arg(long, value_name = "PERCENT", value_parser = |text: &str| short("loss", text), help_heading = WIRE)]
    loss: Option<Rule>,
    /// So many bytes a second pass each way: 1MiB
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| short("rate", text), help_heading = WIRE)]
    rate: Option<Rule>,
    /// The largest packet that the hosts send [default: 1500]
    #[arg(long, value_name = "BYTES", help_heading = WIRE)]
    mtu: Option<u32>,
    /// What chance begins with: the same seed loses the same packets [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = WIRE)]
    seed: Option<u64>,
    /// Leave segmentation offload on: faster, and a packet on the wire may stand for several
    #[arg(long, help_heading = WIRE)]
    fast: bool,
}

/// A rule in the words of a flag of its own.
fn short(name: &str, value: &str) -> Result<Rule, String> {
    format!("{name}:{value}")
        .parse()
        .map_err(|why: RuleError| why.to_string())
}

impl WireFlags {
    /// The setting with all of it: rules come behind those that are there.
    pub(super) fn apply(&self, setting: &Setting) -> Setting {
        let mut faults = setting.faults.clone().unwrap_or_default();
        // As on a real path: what is lost takes no room in the queue, what queued is then on its way.
        let ours = self.fault.iter();
        let ours = ours.chain(&self.loss).chain(&self.rate).chain(&self.delay);
        faults.extend(ours.cloned());
        setting.with(&Setting {
            mtu: self.mtu,
            faults: (!faults.is_empty()).then_some(faults),
            seed: self.seed,
            fast: self.fast.then_some(true),
            // What the scenario can do without there, whoever asks for it would miss.
            loopback: (setting.loopback == Some(true) && self.is_some()).then_some(false),
            ..Setting::default()
        })
    }

    /// Whether anything is changed.
    pub(super) fn is_some(&self) -> bool {
        let rules = [&self.delay, &self.loss, &self.rate];
        let has_rules = !self.fault.is_empty() || rules.into_iter().any(Option::is_some);
        has_rules || self.mtu.is_some() || self.seed.is_some() || self.fast
    }
}
