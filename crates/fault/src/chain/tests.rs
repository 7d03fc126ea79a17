//! What each rule does to chunks.

use std::time::Duration;

use super::*;
use crate::Way;

const MS: Duration = Duration::from_millis(1);
const START: Time = Time::from_nanos(1_000_000_000_000);

/// A chain and the chunks of a stream that are told to it, a peer and way a letter.
struct Lab {
    chain: Chain,
    now: Time,
}

impl Lab {
    fn new(rules: &[&str]) -> Self {
        let rules = rules.iter().map(|rule| rule.parse().unwrap());
        Self {
            chain: Chain::new(rules.collect(), 1),
            now: START,
        }
    }

    fn tell(&mut self, way: Way, peer: u64, bytes: &[u8]) -> Verdict {
        let content = Content::Stream;
        let chunk = Chunk {
            way,
            peer,
            content,
            bytes,
        };
        self.chain.on_chunk(self.now, chunk)
    }

    /// To the server.
    fn send(&mut self, text: &str) -> Verdict {
        self.tell(Way::ToServer, 0, text.as_bytes())
    }

    #[track_caller]
    fn check(&mut self, text: &str, fate: Fate, why: &str) {
        let verdict = self.send(text);
        assert_eq!((verdict.fate, verdict.why.as_str()), (fate, why), "{text}");
    }

    fn passes(&mut self, text: &str) -> bool {
        self.send(text).fate == Fate::Pass
    }

    /// All that comes until there is nothing more, with the milliseconds since the start.
    fn rest(&mut self) -> Vec<(u64, String)> {
        let mut seen = vec![];
        while let Some(time) = self.chain.poll_timeout() {
            self.now = self.now.max(time);
            while let Some(released) = self.chain.poll_release(self.now) {
                let text = String::from_utf8(released.bytes).unwrap();
                let after = self.now.since(START).as_millis() as u64;
                seen.push((after, if released.reset { text + "!" } else { text }));
            }
        }
        assert_eq!(self.chain.waiting_bytes(), 0);
        seen
    }

    #[track_caller]
    fn check_rest(&mut self, wanted: &[(u64, &str)]) {
        let seen = self.rest();
        let seen: Vec<_> = seen.iter().map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(seen, wanted);
    }
}

#[test]
fn a_chain_without_rules_is_idle() {
    let mut lab = Lab::new(&[]);
    assert!(lab.chain.is_idle());
    lab.check("a", Fate::Pass, "");
    assert!(!Lab::new(&["drop"]).chain.is_idle());
}

#[test]
fn drop_takes_those_that_are_meant() {
    let picked = |rule: &str, count: usize| -> Vec<usize> {
        let mut lab = Lab::new(&[rule]);
        let dropped = |n: &usize| lab.send(&n.to_string()).fate == Fate::Drop;
        (1..=count).filter(dropped).collect()
    };
    assert_eq!(picked("drop:nth=3", 9), [3]);
    assert_eq!(picked("drop:first=2", 9), [1, 2]);
    assert_eq!(picked("drop:after=7", 9), [8, 9]);
    assert_eq!(picked("drop:every=4", 9), [4, 8]);
    assert_eq!(picked("drop:after=1,every=4", 9), [5, 9]);
    assert_eq!(picked("drop:times=2,after=3", 9), [4, 5]);
    assert_eq!(picked("drop:min=2", 11), [10, 11]);
    assert_eq!(picked("drop:max=1,after=7", 11), [8, 9]);
    assert_eq!(picked("drop:content=1", 12), [1, 10, 11, 12]);
    assert_eq!(picked("drop:content=0x31,nth=3", 12), [11]);
    assert_eq!(picked("drop:proto=udp", 3), [0; 0]);
    assert_eq!(picked("drop:proto=tcp,nth=1", 3), [1]);
    assert_eq!(picked("drop:flags=S", 3), [0; 0]);
}

#[test]
fn a_verdict_says_by_which_rule() {
    let mut lab = Lab::new(&["delay:20ms", "drop:nth=2,to=server"]);
    lab.check("a", Fate::Held, "delayed 20ms by delay:20ms");
    lab.check(
        "b",
        Fate::Drop,
        "delayed 20ms by delay:20ms; dropped by drop:nth=2,to=server",
    );
    lab.check_rest(&[(20, "a")]);
}

#[test]
fn ways_and_peers_are_told_apart() {
    let mut lab = Lab::new(&["drop:to=client,peer=2"]);
    let fates = [
        (Way::ToServer, 7),
        (Way::ToClient, 9),
        (Way::ToServer, 9),
        (Way::ToClient, 7),
    ]
    .map(|(way, peer)| lab.tell(way, peer, b"x").fate);
    assert_eq!(fates, [Fate::Pass, Fate::Drop, Fate::Pass, Fate::Pass]);
}

#[test]
fn a_delay_keeps_the_order_and_its_length() {
    let mut lab = Lab::new(&["delay:20ms"]);
    lab.send("a");
    lab.now = lab.now + MS;
    lab.send("b");
    lab.check_rest(&[(20, "a"), (21, "b")]);
    // Of a stream nothing may pass what waits.
    let mut lab = Lab::new(&["delay:20ms,nth=1"]);
    lab.send("a");
    lab.now = lab.now + MS;
    lab.check("b", Fate::Held, "");
    assert_eq!(lab.tell(Way::ToClient, 0, b"c").fate, Fate::Pass);
    assert_eq!(lab.tell(Way::ToServer, 1, b"d").fate, Fate::Pass);
    lab.check_rest(&[(20, "a"), (20, "b")]);
    assert!(lab.passes("e"));
}

#[test]
fn jitter_stays_within_its_bounds() {
    let mut lab = Lab::new(&["delay:20ms,jitter=5ms"]);
    for peer in 0..200 {
        lab.tell(Way::ToServer, peer, b"x");
    }
    let seen = lab.rest();
    assert!(seen.iter().all(|(at, _)| (15..=25).contains(at)));
    assert!(seen.iter().any(|(at, _)| *at < 17) && seen.iter().any(|(at, _)| *at > 22));
}

#[test]
fn a_rate_is_exact_over_time() {
    // Three bytes a second and chunks of one byte: thirds of a second never add up in nanoseconds.
    let mut lab = Lab::new(&["rate:3,queue=64KiB"]);
    for _ in 0..3000 {
        lab.send("x");
    }
    let seen = lab.rest();
    assert_eq!(seen.len(), 3000);
    assert_eq!(seen[2].0, 1000);
    assert_eq!(seen[2999].0, 1_000_000);
    // An idle line begins anew.
    lab.now = lab.now + MS;
    let now = lab.now;
    lab.send("abc");
    assert_eq!(lab.chain.poll_timeout(), Some(now + 1000 * MS));
}

#[test]
fn loss_is_seeded() {
    let lost = |seed| -> Vec<bool> {
        let mut chain = Chain::new(vec!["loss:10%".parse().unwrap()], seed);
        let chunk = Chunk {
            way: Way::ToServer,
            peer: 0,
            content: Content::Stream,
            bytes: b"x",
        };
        (0..1000)
            .map(|_| chain.on_chunk(START, chunk).fate == Fate::Drop)
            .collect()
    };
    let count = lost(1).iter().filter(|lost| **lost).count();
    assert!((60..140).contains(&count), "{count}");
    assert_eq!(lost(1), lost(1));
    assert_ne!(lost(1), lost(2));
}
