//! Lanes as they happen: each call and packet on a line of its own, in the order of time.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::Duration;

use sockeye_trace::render::text::{Lanes, Line, TextOptions};
use sockeye_trace::{Session, Time, Timeline};
use tokio::time::Instant;

use crate::exit::unwritten;
use sockeye_net::Errno;

/// How often what happened is joined and drawn.
const LIVE: Duration = Duration::from_millis(100);
/// The longest that a large session keeps people waiting.
const SLOW: Duration = Duration::from_secs(5);
/// Joining takes at most one part in so many of our time.
const SHARE: u32 = 10;
/// Facts of two sources pass each other on their way; what is younger than this may still be overtaken.
const SETTLED: Duration = Duration::from_millis(100);

/// When to join what has grown again: joining takes longer the more there is.
#[derive(Debug)]
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now(),
        }
    }

    /// The time of the next turn.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// A turn took so long.
    pub(super) fn took(&mut self, cost: Duration) {
        self.next = Instant::now() + (cost * SHARE).clamp(LIVE, SLOW);
    }
}

/// What was drawn so far.
#[derive(Debug)]
pub(super) struct Live {
    options: TextOptions,
    drawn: Time,
    /// Flows whose ends have been told, and the one that was drawn last.
    told: HashSet<u32>,
    last: u32,
    pub(super) pace: Pace,
}

impl Live {
    pub(super) fn new(options: TextOptions) -> Self {
        Self {
            options,
            drawn: Time::default(),
            told: HashSet::new(),
            last: 0,
            pace: Pace::new(),
        }
    }

    /// Draws what was over before now and is settled; at the end all that is left.
    pub(super) fn draw(&mut self, session: &Session, is_end: bool) -> anyhow::Result<()> {
        let began = Instant::now();
        let until = if is_end {
            Time::from_nanos(u64::MAX)
        } else {
            crate::recording::now() - SETTLED
        };
        let mut out = vec![];
        self.write(session, until, &mut out)
            .and_then(|()| {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&out).and_then(|()| stdout.flush())
            })
            .map_err(|why| unwritten("to standard output", Errno::of(&why)))?;
        self.pace.took(began.elapsed());
        Ok(())
    }

    fn write(&mut self, session: &Session, until: Time, out: &mut dyn Write) -> io::Result<()> {
        let span = self.drawn..until;
        let timeline = Timeline::build(session);
        let mut rows: Vec<(Time, u32, Vec<Line>)> = vec![];
        for flow in &timeline.flows {
            let asked = self.options.flow.is_none_or(|number| number == flow.number);
            if asked && flow.span.end >= span.start {
                let lanes = Lanes::new(&timeline, flow, &self.options);
                let over = lanes.over_within(&span).into_iter();
                rows.extend(over.map(|(at, lines)| (at, flow.number, lines)));
            }
        }
        rows.sort_by_key(|(at, ..)| *at);
        for (_, number, lines) in rows {
            if self.last != number {
                self.last = number;
                let flow = timeline.flows.iter().find(|flow| flow.number == number);
                let heads = flow.map(|flow| Lanes::new(&timeline, flow, &self.options).heads());
                // What its ways carried so far says little yet; whose lane is whose, once.
                let mut heads = heads.unwrap_or_default();
                heads.drain(1..3.min(heads.len()));
                if !self.told.insert(number) {
                    heads.truncate(1);
                }
                write_lines(heads, self.options.colour, out)?;
            }
            write_lines(lines, self.options.colour, out)?;
        }
        self.drawn = until;
        Ok(())
    }
}

fn write_lines(lines: Vec<Line>, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    lines
        .into_iter()
        .try_for_each(|line| line.write(colour, out))
}

#[cfg(test)]
mod tests {
    use sockeye_trace::sample::{CLIENT, SERVER, Script};

    use super::*;

    /// However often it is looked at, everything is drawn once, and the ends once.
    #[test]
    fn what_happens_is_drawn_once() {
        let mut script = Script::new();
        let talk = script.connected_tcp();
        for word in [&b"hello"[..], b"world"] {
            script.write(talk, CLIENT, word);
            script.wait(50_000);
        }
        script.segment(talk, CLIENT, 0..10);
        script.receive(talk, SERVER, 1024, b"helloworld");
        let session = script.session();
        let span = session.span().unwrap();
        let drawn = |steps: u32| {
            let mut live = Live::new(TextOptions::default());
            let mut out = vec![];
            for step in 1..=steps {
                let until = span.start + span.end.since(span.start) * step / steps;
                live.write(&session, until, &mut out).unwrap();
            }
            let end = Time::from_nanos(u64::MAX);
            live.write(&session, end, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let at_once = drawn(1);
        for text in [
            "sendto 5 [0..5) m1",
            "sendto 5 [5..10) m2",
            "#1 tcp",
            "recvfrom 10",
        ] {
            assert_eq!(at_once.matches(text).count(), 1, "{text} in\n{at_once}");
        }
        for steps in 2..30 {
            assert_eq!(drawn(steps), at_once, "in {steps} steps");
        }
    }
}
