//! What differs between the plain run and the cured one.

use super::super::outcome::Outcome;
use sockeye_observe::lab::{Scenario, Value};

/// A value that is not the same in both runs.
pub(super) struct Differing {
    /// What was looked at: `to-server.reads`.
    pub(super) value: String,
    /// What was seen in the plain run, and in the cured one.
    pub(super) seen: [Option<Value>; 2],
}

/// Everything that expectations speak of and that differs, in their order.
pub(super) fn difference(
    scenario: &Scenario,
    plain: &Outcome<'_>,
    cure: &Outcome<'_>,
) -> Vec<Differing> {
    let mut rows: Vec<Differing> = vec![];
    for expect in &scenario.expects {
        let value = &expect.value;
        if rows.iter().any(|row| row.value == *value) {
            continue;
        }
        let seen = [plain.see(value), cure.see(value)];
        if seen[0] != seen[1] {
            let value = value.clone();
            rows.push(Differing { value, seen });
        }
    }
    rows
}
