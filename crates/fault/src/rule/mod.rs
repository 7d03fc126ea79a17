//! A rule as text, and a file for each kind of rule.

mod coalesce;
mod corrupt;
mod delay;
mod drop;
mod duplicate;
mod half_open;
mod limit;
mod loss;
mod mtu;
mod rate;
mod reorder;
mod reset;
mod split;
mod stall;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::error::{RuleError, RuleProblem};
use crate::matcher::{self, Matcher};
use crate::stage::Fault;

/// The longest time that a rule lets anything wait, but for a stall without an end.
const WAIT_LIMIT: Duration = Duration::from_hours(1);

/// What happens to which chunks, written `NAME[:VALUE][,KEY=VALUE…]`: `delay:20ms`,
/// `drop:nth=3,to=server`. `Display` prints what `FromStr` reads.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    text: Arc<str>,
    pub(crate) matcher: Matcher,
    pub(crate) fault: Arc<dyn Fault>,
}

/// A kind of rule: its name, the value without a key that it takes, its own keys, and how it is read.
struct Kind {
    name: &'static str,
    value: Option<&'static str>,
    keys: &'static [&'static str],
    read: fn(&Args<'_>) -> Result<Arc<dyn Fault>, RuleError>,
}

const KINDS: [&Kind; 14] = [
    &delay::KIND,
    &rate::KIND,
    &loss::KIND,
    &drop::KIND,
    &duplicate::KIND,
    &reorder::KIND,
    &corrupt::KIND,
    &split::KIND,
    &coalesce::KIND,
    &stall::KIND,
    &half_open::KIND,
    &reset::KIND,
    &limit::KIND,
    &mtu::KIND,
];

/// The names of all kinds.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let name = &text[..text.find([':', ',']).unwrap_or(text.len())];
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let (text, name) = (text.to_owned(), name.to_owned());
            let problem = Box::new(RuleProblem::UnknownName { name });
            let at = 0;
            return Err(RuleError { text, at, problem });
        };
        let own = kind.value.iter().chain(kind.keys).copied();
        let others = matcher::KEYS.into_iter();
        let others = others.filter(|key| !kind.keys.contains(key));
        let allowed: Vec<_> = own.chain(others).collect();
        let args = Args::read(text, kind.name, &allowed)?;
        let mut matcher = Matcher::read(&args)?;
        if kind.keys.contains(&matcher::FRAME) {
            matcher = matcher.without_frames();
        }
        Ok(Self {
            fault: (kind.read)(&args)?,
            matcher,
            text: args.canonical().into(),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.text).finish()
    }
}

/// The text says all that a rule is.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Rule {}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests;
