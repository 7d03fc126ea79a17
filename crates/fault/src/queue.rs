//! What waits: until its time, or at the gate of a rule until others have passed.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use sockeye_trace::Time;

use crate::Way;
use crate::verdict::Released;

/// Bytes that may wait in a chain. What does not fit is dropped (packets), or its connection is reset
/// (streams, which cannot lose a piece).
pub const WAITING_LIMIT: usize = 64 << 20;

/// What each chunk that waits costs beside its bytes.
const OVERHEAD: usize = 128;

/// All that waits in a chain.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Waiting>,
    gates: Vec<Gate>,
    lanes: HashMap<(Way, u64), Lane>,
    count: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    due: Time,
    /// What is due at one time goes in the order in which it came.
    number: u64,
    is_stream: bool,
    released: Released,
}

/// What waits at a rule until others have passed.
#[derive(Debug)]
struct Gate {
    rule: usize,
    way: Way,
    until: Time,
    waiting: Vec<Waiting>,
}

/// A direction of a stream some of which waits: what comes now must not pass it.
#[derive(Debug, Default)]
struct Lane {
    waiting: usize,
    last: Time,
}

impl Queue {
    /// Whether this can go at once without passing what has to go first.
    pub(crate) fn is_free(&self, now: Time, lane: Option<(Way, u64)>) -> bool {
        if self.heap.peek().is_some_and(|first| first.due <= now) {
            return false;
        }
        lane.is_none_or(|lane| !self.lanes.contains_key(&lane))
    }

    /// Whether so many bytes more may wait.
    pub(crate) const fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes + OVERHEAD <= WAITING_LIMIT
    }

    /// Bytes that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets it wait until its time.
    pub(crate) fn push(&mut self, due: Time, is_stream: bool, released: Released) {
        let waiting = self.waiting(due, is_stream, released);
        self.enter(waiting);
    }

    fn waiting(&mut self, due: Time, is_stream: bool, released: Released) -> Waiting {
        self.count += 1;
        self.bytes += released.bytes.len() + OVERHEAD;
        Waiting {
            due,
            number: self.count,
            is_stream,
            released,
        }
    }

    fn enter(&mut self, mut waiting: Waiting) {
        if waiting.is_stream {
            let key = (waiting.released.way, waiting.released.peer);
            let lane = self.lanes.entry(key).or_default();
            waiting.due = waiting.due.max(lane.last);
            lane.last = waiting.due;
            lane.waiting += 1;
        }
        self.heap.push(waiting);
    }

    /// Lets it wait at the gate of this rule. The gate's first says until when at most.
    pub(crate) fn wait(
        &mut self,
        (rule, until): (usize, Time),
        due: Time,
        is_stream: bool,
        released: Released,
    ) {
        let way = released.way;
        let waiting = self.waiting(due, is_stream, released);
        let gate = self
            .gates
            .iter_mut()
            .find(|gate| (gate.rule, gate.way) == (rule, way));
        match gate {
            Some(gate) => gate.waiting.push(waiting),
            None => self.gates.push(Gate {
                rule,
                way,
                until,
                waiting: vec![waiting],
            }),
        }
    }

    /// Lets go on what waits at this gate, not before this time.
    pub(crate) fn open(&mut self, rule: usize, way: Way, at: Time) {
        let gate = self
            .gates
            .iter()
            .position(|gate| (gate.rule, gate.way) == (rule, way));
        let Some(gate) = gate.map(|gate| self.gates.swap_remove(gate)) else {
            return;
        };
        for mut waiting in gate.waiting {
            waiting.due = waiting.due.max(at);
            // Behind what was let pass meanwhile and is due at the same time.
            self.count += 1;
            waiting.number = self.count;
            self.enter(waiting);
        }
    }

    /// Lets go on what waits for ever.
    pub(crate) fn wake(&mut self, now: Time) {
        let mut waiting = std::mem::take(&mut self.heap).into_vec();
        let of_heap = waiting.iter_mut().map(|one| &mut one.due);
        let of_lanes = self.lanes.values_mut().map(|lane| &mut lane.last);
        for due in of_heap.chain(of_lanes).filter(|due| **due == NEVER) {
            *due = now;
        }
        self.heap = waiting.into();
    }

    /// The gate whose time is over.
    pub(crate) fn overdue(&self, now: Time) -> Option<(usize, Way, Time)> {
        let gate = self.gates.iter().find(|gate| gate.until <= now)?;
        Some((gate.rule, gate.way, gate.until))
    }

    /// Any gate.
    pub(crate) fn any_gate(&self) -> Option<(usize, Way)> {
        self.gates.first().map(|gate| (gate.rule, gate.way))
    }

    /// When something is due, or a gate's time is over.
    pub(crate) fn next(&self) -> Option<Time> {
        let due = self.heap.peek().map(|first| first.due);
        let gate = self.gates.iter().map(|gate| gate.until).min();
        due.into_iter()
            .chain(gate)
            .min()
            .filter(|time| *time != NEVER)
    }

    /// What is due.
    pub(crate) fn pop(&mut self, now: Time) -> Option<Released> {
        let first = self.heap.peek()?;
        if first.due > now || first.due == NEVER {
            return None;
        }
        let first = self.heap.pop()?;
        self.bytes -= first.released.bytes.len() + OVERHEAD;
        if first.is_stream {
            let key = (first.released.way, first.released.peer);
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.waiting -= 1;
                if lane.waiting == 0 {
                    self.lanes.remove(&key);
                }
            }
        }
        Some(first.released)
    }
}

/// The time of what waits for ever.
pub(crate) const NEVER: Time = Time::from_nanos(u64::MAX);

impl Ord for Waiting {
    /// The first to go is the greatest: that is what a heap gives.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}
