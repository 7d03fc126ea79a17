//! The laws that every chain keeps, as functions that panic where one is broken: the property tests below
//! and the fuzz target call them.
//!
//! - The same rules, seed, chunks and times give the same verdicts and the same bytes.
//! - No chunk is lost or invented unless a verdict says so.
//! - The bytes of a stream arrive whole and in order under all rules that only wait, cut and join.
//! - A verdict names rules of the chain, and says of what was dropped that it was.
//! - What waits for a finite time comes; nothing comes before its time.

use std::collections::HashMap;
use std::time::Duration;

use sockeye_trace::{Act, Time};

use crate::{Chain, Chunk, Content, Fate, Rule, Way};

/// A chunk that comes, after some time.
#[derive(Clone, Debug)]
pub struct Coming {
    /// Since the one before.
    pub after: Duration,
    /// Which way.
    pub way: Way,
    /// Whose.
    pub peer: u64,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What was seen of a chain: what became of each chunk, and what left in which order.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    verdicts: Vec<(Fate, String)>,
    left: Vec<(Time, Way, u64, Vec<u8>)>,
}

/// When the first chunk comes.
const START: Time = Time::from_nanos(1_000_000_000_000);

/// Tells a chain of all that comes and waits for all that it keeps, but not for ever.
fn run(rules: &[Rule], seed: u64, content: Content, coming: &[Coming]) -> Seen {
    let mut chain = Chain::new(rules.to_vec(), seed);
    let (mut verdicts, mut left, mut now) = (vec![], vec![], START);
    for one in coming {
        let then = now + one.after;
        // As a driver that comes back when it is told to.
        while let Some(due) = chain.poll_timeout().filter(|due| *due <= then) {
            now = now.max(due);
            take(&mut chain, now, &mut left);
        }
        now = then;
        let (way, peer) = (one.way, one.peer);
        let chunk = Chunk {
            way,
            peer,
            content,
            bytes: &one.bytes,
        };
        let verdict = chain.on_chunk(now, chunk);
        if verdict.fate == Fate::Pass {
            left.push((now, way, peer, one.bytes.clone()));
        }
        take(&mut chain, now, &mut left);
        verdicts.push((verdict.fate, verdict.why.to_string()));
    }
    while let Some(due) = chain.poll_timeout() {
        assert!(due > now, "{due} was due and did not come");
        now = due;
        take(&mut chain, now, &mut left);
    }
    let forever = rules.iter().any(lasts);
    assert!(
        forever || chain.waiting_bytes() == 0,
        "something never came"
    );
    Seen { verdicts, left }
}

fn take(chain: &mut Chain, now: Time, left: &mut Vec<(Time, Way, u64, Vec<u8>)>) {
    while let Some(released) = chain.poll_release(now) {
        left.push((now, released.way, released.peer, released.bytes));
    }
}

/// Checks all laws that hold for these rules.
pub fn check(rules: &[Rule], seed: u64, content: Content, coming: &[Coming]) {
    let seen = run(rules, seed, content, coming);
    assert_eq!(
        seen,
        run(rules, seed, content, coming),
        "another run differs"
    );
    for (fate, why) in &seen.verdicts {
        verdict(rules, *fate, why);
    }
    let is_one_of = |rule: &Rule, kinds: &[&str]| {
        let text = rule.to_string();
        kinds.contains(&text.split(':').next().unwrap_or_default())
    };
    let forever = rules.iter().any(lasts);
    let waits = ["delay", "rate", "split", "coalesce", "stall"];
    let complete = !forever && rules.iter().all(|rule| is_one_of(rule, &waits));
    if content == Content::Stream && complete {
        streams_arrive(coming, &seen);
    }
    let changes = ["duplicate", "split", "coalesce", "corrupt", "limit", "mtu"];
    if !rules.iter().any(|rule| is_one_of(rule, &changes)) && !forever {
        nothing_is_lost_or_invented(coming, &seen);
    }
}

/// Whether a rule keeps what it stalls for ever.
fn lasts(rule: &Rule) -> bool {
    let text = rule.to_string();
    let value = text.strip_prefix("stall").map(|rest| rest.get(1..2));
    value.is_some_and(|digit| !digit.unwrap_or_default().starts_with(char::is_numeric))
}

/// Checks a verdict by itself.
fn verdict(rules: &[Rule], fate: Fate, why: &str) {
    let Some(said) = sockeye_trace::Verdict::of(why) else {
        // What nothing was done to may have to wait behind what something was done to.
        assert!(
            matches!(fate, Fate::Pass | Fate::Held),
            "{fate:?} without a why"
        );
        return;
    };
    let lost = !matches!(fate, Fate::Pass | Fate::Held);
    assert_eq!(said.is_lost(), lost, "{fate:?}: {why}");
    for (act, rule) in said.acts() {
        let known = rules.iter().any(|known| known.to_string() == rule);
        assert!(known && !matches!(act, Act::Other(_)), "{why}");
    }
}

/// Every byte of every direction arrives once, in its place.
fn streams_arrive(coming: &[Coming], seen: &Seen) {
    let mut sent: HashMap<_, Vec<u8>> = HashMap::new();
    for one in coming {
        let stream = sent.entry((one.way, one.peer)).or_default();
        stream.extend_from_slice(&one.bytes);
    }
    let mut got: HashMap<_, Vec<u8>> = HashMap::new();
    for (_, way, peer, bytes) in &seen.left {
        got.entry((*way, *peer))
            .or_default()
            .extend_from_slice(bytes);
    }
    sent.retain(|_, bytes| !bytes.is_empty());
    got.retain(|_, bytes| !bytes.is_empty());
    assert_eq!(got, sent);
}

/// What left is what came, but for what the verdicts say was lost.
fn nothing_is_lost_or_invented(coming: &[Coming], seen: &Seen) {
    let alive = coming.iter().zip(&seen.verdicts);
    let alive = alive.filter(|(_, (fate, _))| matches!(fate, Fate::Pass | Fate::Held));
    let mut wanted: Vec<_> = alive
        .map(|(one, _)| (one.way as u8, one.peer, &one.bytes[..]))
        .collect();
    let left = seen.left.iter();
    let mut left: Vec<_> = left
        .map(|(_, way, peer, bytes)| (*way as u8, *peer, &bytes[..]))
        .collect();
    wanted.sort_unstable();
    left.sort_unstable();
    assert_eq!(left, wanted);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sockeye_trace::packet::{Body, dissect, link_type};

    use super::*;
    use crate::frames_by_hand::{tcp, udp};

    /// Rules that only wait, cut and join.
    const WAITING: [&str; 12] = [
        "delay:20ms",
        "delay:3ms,jitter=3ms",
        "delay:5ms,nth=2",
        "delay:5ms,jitter=5ms,unordered,every=2",
        "rate:10KiB",
        "rate:1KiB,every=3,to=server",
        "split:3",
        "split:frame=u8,at=1",
        "split:frame=line,at=0,to=client",
        "coalesce:10,within=4ms",
        "coalesce:7,every=2",
        "coalesce:100,content=a",
    ];

    const OTHERS: [&str; 26] = [
        "loss:30%",
        "drop:nth=3",
        "drop:frame=u8,nth=2",
        "drop:flags=S,times=1",
        "duplicate:50%",
        "reorder:30%,by=2",
        "reorder,by=3,within=2ms",
        "corrupt:50%",
        "stall:5ms",
        "stall:2ms,times=3,every=3",
        "stall,to=client",
        "half-open:after=5",
        "reset:nth=4",
        "limit:20",
        "mtu:68",
        "mtu:70,icmp",
        "drop:peer=2,proto=tcp",
        "drop:min=3,max=9,every=2",
        "reorder:by=2,to=server",
        "delay:1ms,unordered",
        "rate:1KiB,queue=100",
        "split:1",
        "coalesce:3",
        "loss:5%,flags=data",
        "drop:content=0x00",
        "reset:content=zz",
    ];

    fn rules(from: &'static [&'static str]) -> impl Strategy<Value = Vec<Rule>> {
        prop::collection::vec(prop::sample::select(from), 0..4)
            .prop_map(|rules| rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    fn coming(bytes: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Vec<Coming>> {
        let one = (0u64..8, any::<bool>(), 0u64..3, bytes);
        let one = one.prop_map(|(ms, to_server, peer, bytes)| Coming {
            after: Duration::from_millis(ms),
            way: if to_server {
                Way::ToServer
            } else {
                Way::ToClient
            },
            peer,
            bytes,
        });
        prop::collection::vec(one, 0..24)
    }

    fn piece() -> BoxedStrategy<Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"a\n\x02z\0\x01".as_slice()), 0..20).boxed()
    }

    fn packet() -> BoxedStrategy<Vec<u8>> {
        let whole = (any::<bool>(), 0u8..32, any::<u32>(), piece());
        let whole = whole.prop_map(|(is_tcp, flags, seq, payload)| {
            if is_tcp {
                tcp(flags, seq, &payload)
            } else {
                udp(&payload, flags & 1 == 0)
            }
        });
        // One byte in it lies.
        let damaged = (whole.clone(), any::<prop::sample::Index>(), any::<u8>());
        let damaged = damaged.prop_map(|(mut frame, at, byte)| {
            let at = at.index(frame.len());
            frame[at] = byte;
            frame
        });
        let noise = prop::collection::vec(any::<u8>(), 0..80);
        prop_oneof![4 => whole, 2 => damaged, 1 => noise].boxed()
    }

    const ALL: &[&str] = &{
        let mut all = [""; WAITING.len() + OTHERS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = if at < WAITING.len() {
                WAITING[at]
            } else {
                OTHERS[at - WAITING.len()]
            };
            at += 1;
        }
        all
    };

    proptest! {
        #[test]
        fn streams_arrive_whole_and_in_order(rules in rules(&WAITING), seed: u64, coming in coming(piece())) {
            check(&rules, seed, Content::Stream, &coming);
        }

        #[test]
        fn streams_keep_the_laws_under_all_rules(rules in rules(ALL), seed: u64, coming in coming(piece())) {
            check(&rules, seed, Content::Stream, &coming);
        }

        #[test]
        fn packets_keep_the_laws_under_all_rules(rules in rules(ALL), seed: u64, coming in coming(packet())) {
            check(&rules, seed, Content::Packet, &coming);
        }

        /// Whatever cuts a segment, what arrives is its bytes under right sequence numbers.
        #[test]
        fn cut_segments_are_the_same_stream(seq: u32, payload in prop::collection::vec(any::<u8>(), 1..200), size in 1usize..60) {
            let rules: Vec<Rule> = vec![format!("split:{size}").parse().unwrap()];
            let one = Coming { after: Duration::ZERO, way: Way::ToServer, peer: 0, bytes: tcp(0x19, seq, &payload) };
            let seen = run(&rules, 1, Content::Packet, &[one]);
            let mut got = vec![];
            for (_, _, _, bytes) in &seen.left {
                let packet = dissect(link_type::ETHERNET, bytes, bytes.len() as u32);
                let Body::Tcp(tcp) = &packet.body else { panic!("{packet:?}") };
                prop_assert_eq!(tcp.seq, seq.wrapping_add(got.len() as u32));
                prop_assert!(packet.oddity.is_none());
                got.extend_from_slice(&bytes[packet.payload.clone()]);
                let last = got.len() == payload.len();
                prop_assert_eq!(tcp.flags.0, if last { 0x19 } else { 0x10 });
                prop_assert!(crate::frames_by_hand::sums_are_right(bytes));
            }
            prop_assert_eq!(got, payload);
        }

        #[test]
        fn no_text_is_worse_than_refused(text in "(drop|split|delay|stall):?[ -~é]{0,20}") {
            if let Ok(rule) = text.parse::<Rule>() {
                let shown = rule.to_string();
                prop_assert!(!shown.contains(char::is_whitespace) && !shown.contains(';'), "{}", shown);
                prop_assert_eq!(shown.parse::<Rule>().unwrap(), rule);
            }
        }
    }
}
