//! The items of a flow in the order of time.

use super::shape::row;
use crate::timeline::Flow;
use crate::{FactId, Session, Time};

/// One item of a flow, to be put in order.
pub(super) struct Entry {
    pub(super) from: Time,
    pub(super) row: u8,
    pub(super) index: u32,
}

/// All items of a flow in the order in which they began.
pub(super) fn order(session: &Session, flow: &Flow, entries: &mut Vec<Entry>) {
    entries.clear();
    let mut add = |row: u8, facts: &mut dyn Iterator<Item = FactId>| {
        entries.extend(facts.zip(0..).map(|(fact, index)| Entry {
            from: session.event(fact).began(),
            row,
            index,
        }));
    };
    for (way, lanes) in (0..).zip(&flow.ways) {
        add(
            way * 3 + row::WRITE,
            &mut lanes.writes.iter().map(|it| it.fact),
        );
        add(
            way * 3 + row::WIRE,
            &mut lanes.wire.iter().map(|it| it.fact),
        );
        add(
            way * 3 + row::READ,
            &mut lanes.reads.iter().map(|it| it.fact),
        );
    }
    add(row::CALL, &mut flow.life.iter().map(|it| it.fact));
    entries.sort_unstable_by_key(|entry| (entry.from, entry.row, entry.index));
}
