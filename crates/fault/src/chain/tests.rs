//! What each rule does to chunks.

mod packets;

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

#[test]
fn a_duplicate_arrives_twice() {
    let mut lab = Lab::new(&["duplicate:nth=2"]);
    assert!(lab.passes("a"));
    lab.check("b", Fate::Held, "duplicated by duplicate:nth=2");
    lab.check_rest(&[(0, "b"), (0, "b")]);
}

#[test]
fn of_pieces_some_may_be_lost() {
    let mut lab = Lab::new(&["split:2", "drop:nth=2"]);
    lab.check(
        "aabbc",
        Fate::Held,
        "split in 3 by split:2; dropped in part by drop:nth=2",
    );
    lab.check_rest(&[(0, "aa"), (0, "c")]);
    let mut lab = Lab::new(&["duplicate", "drop"]);
    lab.check("a", Fate::Drop, "duplicated by duplicate; dropped by drop");
    lab.check_rest(&[]);
}

#[test]
fn reordered_is_what_others_pass() {
    let mut lab = Lab::new(&["reorder:nth=1,by=2"]);
    lab.check("a", Fate::Held, "put behind 2 by reorder:nth=1,by=2");
    assert!(lab.passes("b"));
    // The other way has nothing to do with it.
    assert_eq!(lab.tell(Way::ToClient, 0, b"x").fate, Fate::Pass);
    assert_eq!(lab.chain.poll_release(lab.now), None);
    assert!(lab.passes("c"));
    lab.check_rest(&[(0, "a")]);
}

#[test]
fn a_reordered_chunk_does_not_wait_for_ever() {
    let mut lab = Lab::new(&["reorder:nth=1,by=2,within=30ms"]);
    lab.send("a");
    lab.send("b");
    lab.check_rest(&[(30, "a")]);
    // It is over: the next is not held, and passes count for nobody.
    assert!(lab.passes("c"));
    // Behind a delay it goes when the one that it waited for does.
    let mut lab = Lab::new(&["reorder:nth=1,by=1", "delay:5ms"]);
    lab.send("a");
    lab.send("b");
    lab.check_rest(&[(5, "b"), (5, "a")]);
}

#[test]
fn corrupted_is_one_bit() {
    let mut lab = Lab::new(&["corrupt:nth=1"]);
    let verdict = lab.send("abcdefgh");
    let got = lab.chain.poll_release(lab.now).unwrap().bytes;
    let differs = got.iter().zip(b"abcdefgh");
    let bits: u32 = differs.map(|(got, was)| (got ^ was).count_ones()).sum();
    assert_eq!(bits, 1);
    assert!(verdict.why.starts_with("corrupted at byte "), "{verdict:?}");
    assert!(lab.passes("b"));
    let mut lab = Lab::new(&["corrupt"]);
    assert!(lab.passes(""));
}

#[test]
fn split_cuts_at_sizes_and_at_places_in_frames() {
    let mut lab = Lab::new(&["split:3"]);
    lab.check("abcdefgh", Fate::Held, "split in 3 by split:3");
    assert!(!lab.passes("abc"));
    lab.check_rest(&[(0, "abc"), (0, "def"), (0, "gh"), (0, "abc")]);
    assert!(lab.passes("abc"));

    // Frames of three letters and their length; each is cut behind its first letter, wherever chunks end.
    let mut lab = Lab::new(&["split:frame=u8,at=2"]);
    lab.send("\u{3}abc\u{3}de");
    assert!(!lab.passes("f"));
    lab.send("\u{3}");
    lab.send("ghi");
    lab.check_rest(&[
        (0, "\u{3}a"),
        (0, "bc\u{3}d"),
        (0, "e"),
        (0, "f"),
        (0, "\u{3}"),
        (0, "g"),
        (0, "hi"),
    ]);
}

#[test]
fn frames_are_counted_where_they_begin() {
    let mut lab = Lab::new(&["drop:frame=line,nth=3"]);
    let fates = ["a\nb", "b\n", "c\n", "d\n"].map(|text| lab.send(text).fate);
    assert_eq!(fates, [Fate::Pass, Fate::Pass, Fate::Drop, Fate::Pass]);
    // What is no frame of this framing has none from there on.
    let mut lab = Lab::new(&["drop:frame=\"u8,max=3\""]);
    let fates = ["\u{1}a", "\u{9}", "\u{1}a"].map(|text| lab.send(text).fate);
    assert_eq!(fates, [Fate::Drop, Fate::Drop, Fate::Pass]);
}

#[test]
fn frames_are_followed_in_so_many_streams() {
    let mut lab = Lab::new(&["drop:frame=line"]);
    let limit = crate::frames::FOLLOWED_LIMIT as u64;
    let fates: Vec<_> = (0..=limit)
        .map(|peer| lab.tell(Way::ToServer, peer, b"a\n").fate)
        .collect();
    let passed = fates.iter().position(|fate| *fate == Fate::Pass);
    assert_eq!(passed, Some(limit as usize));
}

#[test]
fn coalesced_chunks_become_one() {
    let mut lab = Lab::new(&["coalesce:5,within=20ms"]);
    lab.check("ab", Fate::Held, "gathered by coalesce:5,within=20ms");
    lab.now = lab.now + MS;
    lab.send("c");
    lab.check("de", Fate::Held, "gathered by coalesce:5,within=20ms");
    assert_eq!(lab.chain.poll_release(lab.now).unwrap().bytes, b"abcde");
    lab.send("f");
    lab.check_rest(&[(21, "f")]);
    assert!(lab.passes("abcdef"));
    // What it is not about takes along what waits in front of it.
    let mut lab = Lab::new(&["coalesce:5,max=1"]);
    lab.send("a");
    lab.send("bcd");
    lab.check_rest(&[(0, "abcd")]);
}

#[test]
fn a_stall_holds_all_until_its_end() {
    let mut lab = Lab::new(&["stall:10ms,nth=2"]);
    assert!(lab.passes("a"));
    lab.check("b", Fate::Held, "stalled by stall:10ms,nth=2");
    lab.now = lab.now + MS;
    lab.check("c", Fate::Held, "stalled by stall:10ms,nth=2");
    assert_eq!(lab.tell(Way::ToClient, 0, b"d").fate, Fate::Held);
    assert_eq!(lab.tell(Way::ToServer, 1, b"e").fate, Fate::Pass);
    lab.check_rest(&[(10, "b"), (10, "c"), (10, "d")]);
    assert!(lab.passes("f"));

    let mut lab = Lab::new(&["stall:10ms,to=server,times=2"]);
    lab.send("a");
    lab.send("b");
    assert_eq!(lab.tell(Way::ToClient, 0, b"c").fate, Fate::Pass);
    lab.check_rest(&[(10, "a"), (10, "b")]);
    lab.send("d");
    lab.check_rest(&[(20, "d")]);
    assert!(lab.passes("e"));
}

#[test]
fn a_stall_may_last() {
    let mut lab = Lab::new(&["stall"]);
    lab.check("a", Fate::Held, "stalled by stall");
    lab.check("b", Fate::Held, "stalled by stall");
    assert_eq!(lab.chain.poll_timeout(), None);
    assert_eq!(
        lab.chain.poll_release(lab.now + Duration::from_hours(9)),
        None
    );
    // Until other rules let it go on.
    lab.now = lab.now + MS;
    lab.chain.replace(lab.now, vec![]);
    lab.check_rest(&[(1, "a"), (1, "b")]);
    assert!(lab.passes("c"));

    // It takes nothing of a line that it never comes to.
    let mut lab = Lab::new(&["stall:nth=1", "rate:1000"]);
    lab.send("a");
    let verdict = lab.tell(Way::ToServer, 1, b"b");
    assert_eq!(verdict.why.as_str(), "queued 1ms by rate:1000");
}

#[test]
fn half_open_is_silence_both_ways() {
    let mut lab = Lab::new(&["half-open:content=BYE,to=server"]);
    assert!(lab.passes("a"));
    lab.check(
        "BYE",
        Fate::Drop,
        "dropped by half-open:content=BYE,to=server",
    );
    lab.check(
        "b",
        Fate::Drop,
        "dropped by half-open:content=BYE,to=server",
    );
    assert_eq!(lab.tell(Way::ToClient, 0, b"c").fate, Fate::Drop);
    assert_eq!(lab.tell(Way::ToClient, 1, b"c").fate, Fate::Pass);
}

#[test]
fn reset_takes_the_chunk_with_it() {
    let mut lab = Lab::new(&["reset:nth=2"]);
    assert!(lab.passes("a"));
    lab.check("b", Fate::Reset, "reset by reset:nth=2");
}

#[test]
fn a_limit_is_exact() {
    let mut lab = Lab::new(&["limit:5"]);
    assert!(lab.passes("abc") && lab.passes("de"));
    assert_eq!(lab.tell(Way::ToClient, 0, b"abcde").fate, Fate::Pass);
    lab.check("f", Fate::Reset, "reset by limit:5");
    let mut lab = Lab::new(&["limit:5"]);
    assert!(lab.passes("abc"));
    lab.check("defg", Fate::Held, "cut after 5 bytes by limit:5");
    lab.check_rest(&[(0, "de!")]);
}

#[test]
fn what_waits_has_a_limit() {
    let chunk = |content, bytes| Chunk {
        way: Way::ToServer,
        peer: 0,
        content,
        bytes,
    };
    let big = vec![0; 1 << 20];
    for (content, fate, why) in [
        (
            Content::Packet,
            Fate::Drop,
            "dropped from a full queue by stall",
        ),
        (Content::Stream, Fate::Reset, "reset by stall"),
    ] {
        let mut chain = Chain::new(vec!["stall".parse().unwrap()], 1);
        let verdicts: Vec<_> = (0..64)
            .map(|_| chain.on_chunk(START, chunk(content, &big)))
            .collect();
        assert!(verdicts[..63].iter().all(|held| held.fate == Fate::Held));
        assert_eq!(verdicts[63].fate, fate);
        assert!(verdicts[63].why.ends_with(why), "{:?}", verdicts[63]);
        assert!(chain.waiting_bytes() <= crate::WAITING_LIMIT);
    }
}

#[test]
fn a_queue_has_a_limit_and_an_idle_line_none() {
    let mut chain = Chain::new(vec!["rate:1000,queue=250".parse().unwrap()], 1);
    let mut send = |len: usize| {
        let chunk = Chunk {
            way: Way::ToServer,
            peer: 0,
            content: Content::Packet,
            bytes: &vec![0; len],
        };
        chain.on_chunk(START, chunk).why.to_string()
    };
    let rule = "rate:1000,queue=250";
    assert_eq!(send(200), format!("queued 200ms by {rule}"));
    assert_eq!(send(50), format!("queued 250ms by {rule}"));
    assert_eq!(send(1), format!("dropped from a full queue by {rule}"));
    let mut chain = Chain::new(vec![rule.parse().unwrap()], 1);
    let mut late = Chunk {
        way: Way::ToServer,
        peer: 0,
        content: Content::Packet,
        bytes: &[0; 300],
    };
    assert_eq!(chain.on_chunk(START, late).fate, Fate::Held);
    // A part of it has passed after 200 ms, and there is room again.
    late.bytes = &[0; 150];
    let verdict = chain.on_chunk(START + 200 * MS, late);
    assert_eq!(verdict.why.as_str(), format!("queued 250ms by {rule}"));
}

#[test]
fn other_rules_let_arrive_what_was_on_its_way() {
    let mut lab = Lab::new(&[
        "delay:20ms,to=server",
        "reorder:nth=1,by=9",
        "coalesce:9,min=2",
    ]);
    lab.send("a");
    lab.send("bb");
    lab.now = lab.now + MS;
    lab.chain.replace(lab.now, vec!["drop".parse().unwrap()]);
    lab.check("c", Fate::Drop, "dropped by drop");
    let mut seen = lab.rest();
    seen.sort();
    let texts: Vec<_> = seen.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["a", "bb"]);
}
