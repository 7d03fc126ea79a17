//! The list of findings, kept short.

use std::collections::HashMap;
use std::ops::Range;

use crate::{FactId, Lang, Time};

use super::words::{count, of};
use super::{Finding, Topic, Weight, summary, title};

/// Where and when something was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub flow: Option<u32>,
    pub way: Option<u8>,
    pub bytes: Range<u64>,
    pub at: Time,
}

/// What is said about it; made only for what is told one by one.
pub(super) struct Told {
    pub facts: Vec<FactId>,
    pub sentence: [String; 2],
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    list: Vec<Finding>,
    groups: HashMap<Group, State>,
}

/// What is told together when there is too much of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Group {
    name: &'static str,
    weight: Weight,
    flow: Option<u32>,
    way: Option<u8>,
}

/// How many of a group were told, and what was only counted.
#[derive(Default)]
struct State {
    told: u32,
    more: u32,
    /// Of what was only counted: all bytes, and when it began.
    bytes: Option<Range<u64>>,
    since: Time,
    facts: Vec<FactId>,
}

impl Found {
    /// Adds a finding; `tell` is asked for its sentences if it is one that is told by itself.
    pub(super) fn add(
        &mut self,
        topic: &Topic,
        weight: Weight,
        place: Place,
        tell: impl FnOnce() -> Told,
    ) {
        let Place {
            flow,
            way,
            bytes,
            at,
        } = place;
        let name = topic.name;
        let group = Group {
            name,
            weight,
            flow,
            way,
        };
        let state = self.groups.entry(group).or_default();
        // What is of the session, such as gaps, is each a thing of its own.
        let single = match flow {
            Some(_) => Topic::SINGLE,
            None => Topic::TOGETHER as u32 - 1,
        };
        if state.told < single {
            state.told += 1;
            let Told {
                mut facts,
                sentence,
            } = tell();
            facts.truncate(Topic::FACTS);
            let count = 1;
            self.list.push(Finding {
                name,
                weight,
                flow,
                way,
                bytes,
                facts,
                at,
                count,
                sentence,
            });
            return;
        }
        if state.more == 0 {
            state.since = at;
        }
        state.more = state.more.saturating_add(1);
        if state.facts.len() < Topic::FACTS {
            state.facts.extend(tell().facts.first());
        }
        state.bytes = Some(match state.bytes.take() {
            Some(all) => all.start.min(bytes.start)..all.end.max(bytes.end),
            None => bytes,
        });
    }

    /// The list, in the order in which a reader wants it.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let groups = std::mem::take(&mut self.groups);
        self.list
            .extend(groups.into_iter().filter_map(more_of_a_way));
        self.list.sort_by_key(order);
        shorten(self.list)
    }
}

/// The finding that counts what was not told of one way.
fn more_of_a_way((group, state): (Group, State)) -> Option<Finding> {
    let State {
        more,
        bytes,
        since,
        facts,
        ..
    } = state;
    if more == 0 {
        return None;
    }
    let bytes = bytes.unwrap_or_default();
    let (n, name, end) = (count(more.into()), group.name, count(bytes.end));
    let title = title(name, Lang::Zh);
    let sentence = if group.way.is_some() {
        [
            format!("… and {n} more of the same ({name}), up to byte {end}."),
            format!("……还有 {n} 处同类情况（{title}），直到第 {end} 字节。"),
        ]
    } else {
        more_of_a_session(&n, name)
    };
    Some(Finding {
        name: group.name,
        weight: group.weight,
        flow: group.flow,
        way: group.way,
        bytes,
        facts,
        at: since,
        count: more,
        sentence,
    })
}

fn more_of_a_session(n: &str, name: &'static str) -> [String; 2] {
    let title = title(name, Lang::Zh);
    [
        format!("… and {n} more ({name})."),
        format!("……另有 {n} 处（{title}）。"),
    ]
}

/// Summaries, trouble, notices, notes; each in the order of time.
fn order(finding: &Finding) -> impl Ord + use<> {
    let is_summary = finding.name == summary::SUMMARY.name;
    let weight = if is_summary {
        Weight::Note
    } else {
        finding.weight
    };
    let place = (finding.flow, finding.way);
    let first = is_summary.then_some(place);
    (
        !is_summary,
        first,
        std::cmp::Reverse(weight),
        finding.at,
        place,
        finding.name,
        // What counts the rest stands behind what it continues.
        finding.count > 1,
    )
}

/// Puts what is beyond [`Topic::TOGETHER`] of one name and weight into one finding.
fn shorten(list: Vec<Finding>) -> Vec<Finding> {
    let mut seen: HashMap<(&str, Weight), usize> = HashMap::new();
    let mut rest: HashMap<(&str, Weight), Finding> = HashMap::new();
    let mut flows: HashMap<(&str, Weight), (u64, Option<u32>)> = HashMap::new();
    let mut kept = Vec::with_capacity(list.len().min(1024));
    for finding in list {
        let key = (finding.name, finding.weight);
        let seen = seen.entry(key).or_default();
        *seen += 1;
        if *seen <= Topic::TOGETHER {
            kept.push(finding);
            continue;
        }
        let (among, last) = flows.entry(key).or_default();
        if *last != finding.flow {
            (*among, *last) = (*among + 1, finding.flow);
        }
        let together = rest.entry(key).or_insert_with(|| Finding {
            flow: None,
            way: None,
            bytes: 0..0,
            count: 0,
            ..finding.clone()
        });
        together.count = together.count.saturating_add(finding.count);
    }
    for (key, finding) in &mut rest {
        let (all, flows) = (u64::from(finding.count), flows[key].0);
        finding.sentence = match flows {
            0 => more_of_a_session(&count(all), finding.name),
            _ => [
                format!(
                    "… and {} more ({}) in {}.",
                    count(all),
                    finding.name,
                    of(flows, "other flow")
                ),
                format!(
                    "……另有 {} 处（{}），分布在其他 {} 个流中。",
                    count(all),
                    finding.title(Lang::Zh),
                    count(flows)
                ),
            ],
        };
    }
    kept.extend(rest.into_values());
    kept.sort_by_key(order);
    kept
}
