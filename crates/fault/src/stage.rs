//! A rule at work: what each kind of rule gives for a chunk, and the frame around it.

use std::fmt;
use std::sync::Arc;

use sockeye_trace::{Act, Time};

use crate::chance::Die;
use crate::chunk::View;
use crate::matcher::Matcher;
use crate::rule::Rule;
use crate::verdict::Why;
use crate::{Chunk, Way};

/// What a kind of rule does. A value is both: what its text says, and what it knows of the chunks so far.
pub(crate) trait Fault: fmt::Debug + Send + Sync {
    /// The same rule before its first chunk.
    fn start(&self) -> Box<dyn Fault>;

    /// What becomes of a chunk that the rule is about.
    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step;

    /// What becomes of another chunk. Asked only while [`Fault::minds_others`].
    fn on_other(&mut self, _meet: &mut Meet<'_, '_>) -> Step {
        Step::Pass
    }

    /// Whether chunks that the rule is not about matter to it now.
    fn minds_others(&self) -> bool {
        false
    }

    /// Whether it asks for [`Meet::peer`].
    fn needs_peer(&self) -> bool {
        false
    }

    /// When it wants to give something that it kept.
    fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// What it kept and gives now; one at a time. With `all`, whatever it kept.
    fn poll_kept(&mut self, _now: Time, _all: bool) -> Option<Kept> {
        None
    }

    /// The gate of this way was opened because its time was over.
    fn on_opened(&mut self, _way: Way) {}
}

/// A chunk meets a rule.
pub(crate) struct Meet<'v, 'a> {
    /// When it comes to this rule.
    pub(crate) at: Time,
    /// The chunk.
    pub(crate) view: &'v View<'a>,
    /// The number of its conversation, from 1; 0 if there are too many, or if nobody asks.
    pub(crate) peer: u32,
    /// The rule's own.
    pub(crate) die: &'v mut Die,
    /// What is done to it is one of the `times` that the rule may act. A rule that acts on many because of
    /// one takes it back for the others.
    pub(crate) counts: bool,
}

/// What a rule decides.
#[derive(Debug)]
pub(crate) enum Step {
    /// It goes on.
    Pass,
    /// It goes on at this time.
    Later(Time, Act<'static>),
    /// It goes on with other bytes.
    Become(Vec<u8>, Act<'static>),
    /// These go on instead, in their order.
    Several(Vec<Vec<u8>>, Act<'static>),
    /// It goes on, and once more.
    Twice(Act<'static>),
    /// It waits at the rule's gate, at most until then. All that waits there goes on with it if `open`.
    Wait {
        until: Time,
        open: bool,
        act: Act<'static>,
    },
    /// It goes on, and behind it what waits at the gate.
    Open,
    /// The rule has kept its bytes.
    Keep(Act<'static>),
    /// So many bytes of it go on, then the connection is reset.
    Cut(usize, Act<'static>),
    /// It is forgotten.
    Drop(Act<'static>),
    /// It is forgotten, and its sender is told.
    Refuse(u32),
    /// It is forgotten, and its connection is reset.
    Reset,
}

/// What a rule kept of a stream.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) way: Way,
    pub(crate) peer: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A rule at its place in a chain.
#[derive(Debug)]
pub(crate) struct Stage {
    text: String,
    matcher: Matcher,
    pub(crate) fault: Box<dyn Fault>,
    die: Die,
    /// What was said last, since it is mostly said again.
    said: Option<(Act<'static>, Arc<str>)>,
}

impl Stage {
    pub(crate) fn new(rule: Rule, seed: u64, index: usize) -> Self {
        Self {
            text: rule.to_string(),
            matcher: rule.matcher,
            fault: rule.fault.start(),
            die: Die::new(seed, index),
            said: None,
        }
    }

    pub(crate) fn needs_peer(&self) -> bool {
        self.matcher.needs_peer() || self.fault.needs_peer()
    }

    /// What becomes of a chunk that comes here at this time.
    pub(crate) fn ask(&mut self, at: Time, view: &View<'_>, peer: u32) -> Step {
        let picked = self.matcher.picks(view, peer);
        if !picked && !self.fault.minds_others() {
            return Step::Pass;
        }
        let mut meet = Meet {
            at,
            view,
            peer,
            die: &mut self.die,
            counts: true,
        };
        if !picked {
            return self.fault.on_other(&mut meet);
        }
        let step = self.fault.on_match(&mut meet);
        if meet.counts && !matches!(step, Step::Pass | Step::Open) {
            self.matcher.acted();
        }
        step
    }

    /// Says in a verdict what this rule did.
    pub(crate) fn say(&mut self, act: Act<'static>, why: &mut Why) {
        if let Some((last, words)) = &self.said
            && *last == act
        {
            return why.add(words);
        }
        let words: Arc<str> = format!("{act} by {}", self.text).into();
        why.add(&words);
        self.said = Some((act, words));
    }
}

impl<'a> Meet<'_, 'a> {
    pub(crate) fn chunk(&self) -> Chunk<'a> {
        self.view.chunk
    }
}
