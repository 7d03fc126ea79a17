//! The chain that every chunk goes through.

use std::borrow::Cow;

use sockeye_trace::{Act, Time};

use crate::chunk::View;
use crate::peers::Peers;
use crate::queue::{NEVER, Queue};
use crate::stage::{Stage, Step};
use crate::verdict::{Fate, Released, Verdict, Why};
use crate::{Chunk, Content, Rule};

/// Rules, one behind the other.
///
/// The driver says what comes ([`Chain::on_chunk`]) and what time it is; it takes what is due
/// ([`Chain::poll_release`], until there is none) before it tells of the next chunk, and comes back at
/// [`Chain::poll_timeout`].
///
/// Each rule is asked about a chunk when it comes, with the time at which the rules before let it go
/// on; so its verdict is whole at once, and whoever counts chunks counts them in the order in which they
/// came.
#[derive(Debug)]
pub struct Chain {
    stages: Vec<Stage>,
    seed: u64,
    peers: Peers,
    needs_peers: bool,
    queue: Queue,
}

/// A chunk on its way through the rules.
struct Passing<'a> {
    chunk: Chunk<'a>,
    bytes: Cow<'a, [u8]>,
    /// When it comes to the next rule.
    at: Time,
    /// The gate at which it waits in the end: the first that it met.
    gate: Option<(usize, Time)>,
    /// The rule because of which it waits.
    waits_for: Option<usize>,
    /// It reached the end as the first of several: what follows must not go at once either.
    reset: bool,
    /// It opens the gates of these rules behind itself.
    opens: Vec<usize>,
}

impl Chain {
    /// A chain of these rules; the same seed makes the same choices.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Self {
        let mut chain = Self {
            stages: vec![],
            seed,
            peers: Peers::default(),
            needs_peers: false,
            queue: Queue::default(),
        };
        chain.set(rules);
        chain
    }

    /// These rules from now on, with counts and chance from their start. What is on its way arrives; what
    /// waited for others, or for ever, goes on now.
    pub fn replace(&mut self, now: Time, rules: Vec<Rule>) {
        while let Some((rule, way)) = self.queue.any_gate() {
            self.queue.open(rule, way, now);
        }
        self.give_kept(now, true);
        self.queue.wake(now);
        self.set(rules);
    }

    fn set(&mut self, rules: Vec<Rule>) {
        let stages = rules.into_iter().enumerate();
        self.stages = stages
            .map(|(index, rule)| Stage::new(rule, self.seed, index))
            .collect();
        self.needs_peers = self.stages.iter().any(Stage::needs_peer);
    }

    /// Whether every chunk passes untouched and nothing waits, so that nobody needs to ask.
    pub fn is_idle(&self) -> bool {
        self.stages.is_empty() && self.queue.bytes() == 0
    }

    /// Bytes that wait in the chain, with what each chunk costs beside its bytes. Whoever drives streams stops
    /// reading while there are too many; at [`WAITING_LIMIT`](crate::WAITING_LIMIT) connections are reset.
    pub const fn waiting_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// What becomes of this chunk.
    pub fn on_chunk(&mut self, now: Time, chunk: Chunk<'_>) -> Verdict {
        let mut why = Why::NOTHING;
        let passing = Passing {
            chunk,
            bytes: Cow::Borrowed(chunk.bytes),
            at: now,
            gate: None,
            waits_for: None,
            reset: false,
            opens: vec![],
        };
        let fate = self.run(0, passing, now, &mut why);
        Verdict { fate, why }
    }

    /// Asks the rules from this one on.
    fn run(&mut self, from: usize, mut passing: Passing<'_>, now: Time, why: &mut Why) -> Fate {
        let mut index = from;
        while index < self.stages.len() {
            let (step, at) = self.ask(index, &mut passing);
            let stage = &mut self.stages[at];
            index = at + 1;
            match step {
                Step::Pass => {}
                Step::Later(time, act) => {
                    stage.say(act, why);
                    passing.at = time;
                    passing.waits_for = Some(at);
                    if time == NEVER {
                        // It does not come to the rules behind.
                        break;
                    }
                }
                Step::Become(bytes, act) => {
                    stage.say(act, why);
                    passing.bytes = Cow::Owned(bytes);
                }
                Step::Twice(act) => {
                    stage.say(act, why);
                    let copies = vec![passing.bytes.to_vec(), passing.bytes.to_vec()];
                    return self.run_several(index, &passing, copies, now, why);
                }
                Step::Several(pieces, act) => {
                    stage.say(act, why);
                    return self.run_several(index, &passing, pieces, now, why);
                }
                Step::Wait { until, open, act } => {
                    stage.say(act, why);
                    // A chunk waits at one gate only, the first that it meets.
                    passing.gate.get_or_insert((at, until));
                    passing.waits_for = Some(at);
                    if open {
                        passing.opens.push(at);
                    }
                }
                Step::Open => passing.opens.push(at),
                Step::Cut(left, act) => {
                    stage.say(act, why);
                    passing.bytes = Cow::Owned(passing.bytes[..left].to_vec());
                    passing.reset = true;
                }
                Step::Keep(act) => {
                    stage.say(act, why);
                    return self.ends(&passing, now, Fate::Held);
                }
                Step::Drop(act) => {
                    stage.say(act, why);
                    return self.ends(&passing, now, Fate::Drop);
                }
                Step::Refuse(mtu) => {
                    stage.say(Act::Refused(mtu), why);
                    return self.ends(&passing, now, Fate::TooBig(mtu));
                }
                Step::Reset => {
                    stage.say(Act::Reset, why);
                    return self.ends(&passing, now, Fate::Reset);
                }
            }
        }
        self.arrive(passing, now, why)
    }

    /// Asks the rules from `index` on until one of them has something to say: what, and which. The chunk is
    /// taken apart once at most.
    fn ask(&mut self, index: usize, passing: &mut Passing<'_>) -> (Step, usize) {
        let view = View::new(Chunk {
            bytes: &passing.bytes,
            ..passing.chunk
        });
        let peer = if self.needs_peers {
            self.peers.number(&view)
        } else {
            0
        };
        for (offset, stage) in self.stages[index..].iter_mut().enumerate() {
            let step = stage.ask(passing.at, &view, peer);
            if !matches!(step, Step::Pass) {
                return (step, index + offset);
            }
        }
        (Step::Pass, self.stages.len() - 1)
    }

    /// Lets several go on instead of one.
    fn run_several(
        &mut self,
        index: usize,
        passing: &Passing<'_>,
        pieces: Vec<Vec<u8>>,
        now: Time,
        why: &mut Why,
    ) -> Fate {
        let mut of_pieces = Vec::with_capacity(pieces.len());
        let last = pieces.len().saturating_sub(1);
        for (number, bytes) in pieces.into_iter().enumerate() {
            let piece = Passing {
                bytes: Cow::Owned(bytes),
                opens: if number == last {
                    passing.opens.clone()
                } else {
                    vec![]
                },
                reset: passing.reset && number == last,
                ..*passing
            };
            let mut why = Why::NOTHING;
            of_pieces.push((self.run(index, piece, now, &mut why), why));
        }
        let fate = of_pieces.iter().map(|(fate, _)| *fate);
        let fate = fate.reduce(worse).unwrap_or(Fate::Drop);
        for (of_piece, said) in &of_pieces {
            why.add_piece(said, *of_piece == Fate::Drop && fate == Fate::Held);
        }
        fate
    }

    /// A chunk that does not arrive opens its gates all the same.
    fn ends(&mut self, passing: &Passing<'_>, now: Time, fate: Fate) -> Fate {
        for rule in &passing.opens {
            self.queue.open(*rule, passing.chunk.way, now);
        }
        fate
    }

    /// All rules let it go on.
    fn arrive(&mut self, passing: Passing<'_>, now: Time, why: &mut Why) -> Fate {
        let Chunk { way, peer, .. } = passing.chunk;
        let is_stream = passing.chunk.content == Content::Stream;
        let lane = is_stream.then_some((way, peer));
        let untouched = matches!(passing.bytes, Cow::Borrowed(_)) && passing.gate.is_none();
        if untouched && !passing.reset && passing.at <= now && self.queue.is_free(now, lane) {
            return self.ends(&passing, now, Fate::Pass);
        }
        if !self.queue.has_room(passing.bytes.len()) {
            return self.overflows(&passing, now, why);
        }
        let released = Released {
            way,
            peer,
            bytes: passing.bytes.into_owned(),
            reset: passing.reset,
        };
        match passing.gate {
            Some(gate) => self.queue.wait(gate, passing.at, is_stream, released),
            None => self.queue.push(passing.at, is_stream, released),
        }
        for rule in passing.opens {
            self.queue.open(rule, way, passing.at);
        }
        Fate::Held
    }

    /// Too much waits already.
    fn overflows(&mut self, passing: &Passing<'_>, now: Time, why: &mut Why) -> Fate {
        let blamed = passing.waits_for.unwrap_or(0);
        let (act, fate) = match passing.chunk.content {
            Content::Packet => (Act::QueueFull, Fate::Drop),
            Content::Stream => (Act::Reset, Fate::Reset),
        };
        if let Some(stage) = self.stages.get_mut(blamed) {
            stage.say(act, why);
        }
        self.ends(passing, now, fate)
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let kept = self.stages.iter().filter_map(|s| s.fault.poll_timeout());
        kept.chain(self.queue.next()).min()
    }

    /// What is due, one after the other, until there is none.
    pub fn poll_release(&mut self, now: Time) -> Option<Released> {
        self.give_kept(now, false);
        while let Some((rule, way, until)) = self.queue.overdue(now) {
            self.queue.open(rule, way, until);
            if let Some(stage) = self.stages.get_mut(rule) {
                stage.fault.on_opened(way);
            }
        }
        self.queue.pop(now)
    }

    /// Lets go on what rules kept and give now.
    fn give_kept(&mut self, now: Time, all: bool) {
        for index in 0..self.stages.len() {
            while let Some(kept) = self.stages[index].fault.poll_kept(now, all) {
                let chunk = Chunk {
                    way: kept.way,
                    peer: kept.peer,
                    content: Content::Stream,
                    bytes: &[],
                };
                let passing = Passing {
                    chunk,
                    bytes: Cow::Owned(kept.bytes),
                    at: now,
                    gate: None,
                    waits_for: Some(index),
                    reset: false,
                    opens: vec![],
                };
                self.run(index + 1, passing, now, &mut Why::default());
            }
        }
    }
}

/// What the driver has to do where pieces of a chunk fare differently.
fn worse(one: Fate, other: Fate) -> Fate {
    let rank = |fate: Fate| match fate {
        Fate::Drop => 0,
        Fate::Pass | Fate::Held => 1,
        Fate::TooBig(_) => 2,
        Fate::Reset => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests;
