//! What one run came to.

use sockeye_observe::lab::{
    Checked, Holds, Run, Scenario, Subject, Told, Unseen, Value, check, see,
};
use sockeye_trace::{Finding, Session, Timeline, finding};

/// One run: what was seen of it, and what that says of the expectations.
pub(super) struct Outcome<'s> {
    pub(super) run: Run,
    pub(super) timeline: Timeline<'s>,
    pub(super) findings: Vec<Finding>,
    pub(super) told: Told,
    pub(super) checked: Vec<Checked<'s>>,
}

impl<'s> Outcome<'s> {
    /// Looks at a run's session.
    pub(super) fn of(scenario: &'s Scenario, run: Run, session: &'s Session) -> Self {
        let timeline = Timeline::build(session);
        let findings = finding::find(&timeline);
        let checked = check(scenario, run, &timeline, &findings);
        Self {
            run,
            told: Told::of(session),
            timeline,
            findings,
            checked,
        }
    }

    /// How many expectations do not hold.
    pub(super) fn failed(&self) -> usize {
        let failed = self.checked.iter().filter(|one| one.holds == Holds::No);
        failed.count()
    }

    /// How many could not be looked at.
    pub(super) fn unseen(&self) -> usize {
        let unseen = |one: &&Checked<'_>| one.holds == Holds::NotSeen(Unseen::Loopback);
        self.checked.iter().filter(unseen).count()
    }

    /// Whether it came to its end, and all that could be looked at holds.
    pub(super) fn is_good(&self) -> bool {
        self.told.stuck.is_none() && self.failed() == 0
    }

    /// What an expectation looks at, whether it is asked of this run or not.
    pub(super) fn see(&self, value: &str) -> Option<Value> {
        let subject: Subject = value.parse().ok()?;
        see(&subject, &self.timeline, &self.findings)
    }
}
