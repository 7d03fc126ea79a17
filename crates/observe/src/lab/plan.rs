//! What a lab is to do.

use serde::{Deserialize, Serialize};

use super::scenario::{Run, Scenario, Setting};

/// What a lab is to do, as far as it is not the reader's own programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the hosts and the wire are like.
    pub setting: Setting,
    /// The scenario whose steps are done; none: only programs of the reader's own run.
    pub scenario: Option<Scenario>,
    /// Which of its runs.
    pub run: Run,
    /// Bytes kept of each call and packet.
    pub payload_cap: usize,
}

impl Plan {
    /// Bytes kept of each call and packet, unless said.
    pub const PAYLOAD_CAP: usize = 256;

    /// One run of a scenario.
    pub fn of(scenario: &Scenario, run: Run) -> Self {
        let setting = match run {
            Run::Plain => scenario.lab.clone(),
            Run::Cure => scenario.lab.with(&scenario.cure.lab),
        };
        Self {
            setting,
            scenario: Some(scenario.clone()),
            run,
            payload_cap: Self::PAYLOAD_CAP,
        }
    }

    /// The reader's own programs.
    pub fn programs(setting: Setting) -> Self {
        Self {
            setting,
            scenario: None,
            run: Run::Plain,
            payload_cap: Self::PAYLOAD_CAP,
        }
    }
}
