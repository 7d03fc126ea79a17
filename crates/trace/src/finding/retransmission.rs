//! `retransmission`: bytes went over the wire again.
//!
//! TCP sends again what it holds for lost: at once when later bytes are acknowledged around a hole
//! (duplicate ACKs and SACK, RFC 5681 §3.2, RFC 6675), after a short silence as a probe (RFC 8985
//! §7), or when the timer runs out (RFC 6298), which on Linux is never set below 200 ms.
//!
//! Where the recording knows what became of packets on their way, as a lab's does, it says what took the
//! bytes the last time.

use std::time::Duration;

use crate::packet::TcpFlags;
use crate::timeline::{Segment, SegmentNote};
use crate::{Act, Time, Verdict, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{View, What};
use super::words::{bytes, count, duration};

pub(super) const RETRANSMISSION: Topic = Topic {
    name: "retransmission",
    title: ["sent again", "重传"],
};

/// `TCP_RTO_MIN` of Linux (include/net/tcp.h).
const TIMER: Duration = Duration::from_millis(200);
/// Duplicate ACKs that mean a loss where no SACK says so (RFC 5681 §3.2).
const DUPLICATES: usize = 3;

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        let mut last = None;
        for segment in &view.way(way).wire {
            let again = matches!(
                segment.note,
                SegmentNote::Retransmission | SegmentNote::PartlyRetransmitted
            );
            // A packet that stands for several pieces was sent again once.
            if again && last != Some(segment.fact) {
                last = Some(segment.fact);
                one(view, way, segment, found);
            }
        }
    }
}

fn one(view: &View<'_>, way: usize, segment: &Segment, found: &mut Found) {
    let at = view.time(segment.fact);
    let place = view.place(way, segment.bytes.clone(), at);
    found.add(&RETRANSMISSION, Weight::Notice, place, || {
        let earlier = view.earlier(way, segment);
        let first = earlier.first().copied();
        let [sender, sender_zh] = &view.who[way];
        let length = segment.bytes.end - segment.bytes.start;
        let verdict = earlier
            .last()
            .and_then(|last| view.fact(last.fact).verdict());
        let verdict = verdict.unwrap_or_default();
        let [why, why_zh] = first.map_or_else(Default::default, |first| {
            let first = view.time(first.fact);
            let told = too_large(verdict, at.since(first));
            told.unwrap_or_else(|| why(view, way, first, at))
        });
        let [taken, taken_zh] = taken(verdict);
        Told {
            facts: first
                .map(|first| first.fact)
                .into_iter()
                .chain([segment.fact])
                .collect(),
            sentence: [
                format!(
                    "{} by {sender} from byte {} on went over the wire again{why}.{taken}",
                    bytes(length),
                    count(segment.bytes.start),
                ),
                format!(
                    "{sender_zh}从第 {} 字节起的 {} 字节被重传{why_zh}。{taken_zh}",
                    count(segment.bytes.start),
                    count(length),
                ),
            ],
        }
    });
}

/// What the wire took of the transmission before.
fn taken(verdict: Verdict<'_>) -> [String; 2] {
    if let Some(rule) = verdict.lost_to() {
        return [
            format!(" The wire had taken them: {rule}."),
            format!("此前它们在线路上被取走：{rule}。"),
        ];
    }
    let part = verdict.partly_lost_to();
    part.map_or_else(Default::default, |rule| {
        [
            format!(" The wire had taken a part of them: {rule}."),
            format!("此前其中一部分在线路上被取走：{rule}。"),
        ]
    })
}

/// What set it off where ICMP had said that the packet does not fit (RFC 1191): its bytes go again at
/// once, in smaller ones.
fn too_large(verdict: Verdict<'_>, after: Duration) -> Option<[String; 2]> {
    let mtu = verdict.acts().find_map(|(act, _)| match act {
        Act::Refused(mtu) => Some(count(mtu.into())),
        _ => None,
    })?;
    let shown = duration(after);
    Some([
        format!(
            ", {shown} after the first time: ICMP had told of a link that carries {mtu} bytes at \
            most"
        ),
        format!("，距第一次 {shown}：ICMP 说明路径上有一段链路最多只能传 {mtu} 字节"),
    ])
}

/// How long after the first time, and what set it off.
fn why(view: &View<'_>, way: usize, first: Time, at: Time) -> [String; 2] {
    let after = at.since(first);
    let (duplicates, has_sack) = duplicate_acks(view, 1 - way, first, at);
    let shown = duration(after);
    if duplicates >= DUPLICATES || (has_sack && duplicates > 0) {
        let n = count(duplicates as u64);
        return [
            format!(
                ", {shown} after the first time: {n} duplicate ACKs asked for them (fast \
                retransmit)"
            ),
            format!("，距第一次 {shown}：收到 {n} 个重复 ACK（快速重传）"),
        ];
    }
    if after >= TIMER {
        return [
            format!(", {shown} after the first time: the timer had run out, no ACK had come"),
            format!("，距第一次 {shown}：没有等到 ACK，重传定时器到期"),
        ];
    }
    [
        format!(
            ", {shown} after the first time: too early for the timer, so a probe of the tail, \
            likely"
        ),
        format!("，距第一次 {shown}：早于重传定时器，多半是尾部丢包探测"),
    ]
}

/// ACKs of an end that acknowledged nothing new, and whether one spoke of bytes beyond a hole.
fn duplicate_acks(view: &View<'_>, end: usize, from: Time, to: Time) -> (usize, bool) {
    let first = view.steps.partition_point(|step| step.at < from);
    let (mut last, mut duplicates, mut has_sack) = (None, 0, false);
    for step in view.steps[first..].iter().take_while(|step| step.at <= to) {
        let What::Segment(header) = step.what else {
            continue;
        };
        if step.end != end || header.flags != TcpFlags(TcpFlags::ACK) {
            continue;
        }
        if last == Some(header.ack) || header.has_sack {
            duplicates += 1;
            has_sack |= header.has_sack;
        }
        last = Some(header.ack);
    }
    (duplicates, has_sack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script, Talk};

    /// A segment that goes again after what happens in between.
    fn script(between: impl Fn(&mut Script, Talk)) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.segment(tcp, CLIENT, 0..5);
        between(&mut script, tcp);
        script.segment(tcp, CLIENT, 0..5);
        script
    }

    #[test]
    fn the_timer_takes_its_time() {
        let found = only(
            script(|script, _| _ = script.wait(204_990)),
            &RETRANSMISSION,
        );
        assert_eq!(
            found.sentence,
            [
                "5 bytes by the client (python3) from byte 0 on went over the wire again, 205 \
                ms after the first time: the timer had run out, no ACK had come.",
                "客户端（python3）从第 0 字节起的 5 字节被重传，距第一次 205 ms：没有等到 ACK，\
                重传定时器到期。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (0..5, 2));
        let early = only(
            script(|script, _| _ = script.wait(199_000)),
            &RETRANSMISSION,
        );
        assert!(early.sentence[0].ends_with(
            "too early for the timer, so a probe of the tail, \
            likely."
        ));
    }

    #[test]
    fn three_duplicate_acks_are_faster() {
        let acks = |n: usize| {
            script(move |script, tcp| {
                for _ in 0..n {
                    script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
                }
            })
        };
        let fast = only(acks(4), &RETRANSMISSION);
        assert!(fast.sentence[0].ends_with("3 duplicate ACKs asked for them (fast retransmit)."));
        let few = only(acks(3), &RETRANSMISSION);
        assert!(few.sentence[0].contains("a probe of the tail"));
    }

    #[test]
    fn what_the_wire_took_is_told_with_its_rule() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.verdict("dropped by drop:nth=3,to=server");
        script.segment(tcp, CLIENT, 0..5);
        script.verdict("").wait(204_990);
        script.segment(tcp, CLIENT, 0..5);
        let found = only(script, &RETRANSMISSION);
        assert_eq!(
            found.sentence,
            [
                "5 bytes by the client (python3) from byte 0 on went over the wire again, 205 \
                ms after the first time: the timer had run out, no ACK had come. The wire had \
                taken them: drop:nth=3,to=server.",
                "客户端（python3）从第 0 字节起的 5 字节被重传，距第一次 205 ms：没有等到 ACK，\
                重传定时器到期。此前它们在线路上被取走：drop:nth=3,to=server。",
            ]
        );
        // Of what was cut on its way a piece may be missing.
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.verdict("split in 2 by split:3; dropped in part by drop:nth=4");
        script.segment(tcp, CLIENT, 0..5);
        script.verdict("").segment(tcp, CLIENT, 0..5);
        let found = only(script, &RETRANSMISSION);
        let part = "The wire had taken a part of them: drop:nth=4.";
        assert!(found.sentence[0].ends_with(part));
        // What was not taken was sent again for another reason.
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.verdict("delayed 300ms by delay:300ms");
        script.segment(tcp, CLIENT, 0..5);
        script.segment(tcp, CLIENT, 0..5);
        let found = only(script, &RETRANSMISSION);
        assert!(!found.sentence[0].contains("The wire"));
    }

    #[test]
    fn what_was_too_large_goes_again_because_icmp_said_so() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.verdict("refused as larger than 1400 by mtu:1400,icmp");
        script.segment(tcp, CLIENT, 0..5);
        script.verdict("").wait(90);
        script.segment(tcp, CLIENT, 0..5);
        let found = only(script, &RETRANSMISSION);
        assert_eq!(
            found.sentence,
            [
                "5 bytes by the client (python3) from byte 0 on went over the wire again, 100 \
                µs after the first time: ICMP had told of a link that carries 1,400 bytes at \
                most. The wire had taken them: mtu:1400,icmp.",
                "客户端（python3）从第 0 字节起的 5 字节被重传，距第一次 100 µs：ICMP 说明路径上\
                有一段链路最多只能传 1,400 字节。此前它们在线路上被取走：mtu:1400,icmp。",
            ]
        );
    }

    #[test]
    fn new_bytes_are_not_sent_again() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello hello");
        script.segment(tcp, CLIENT, 0..5);
        script.segment(tcp, CLIENT, 5..11);
        assert!(told(script, &RETRANSMISSION).is_empty());
    }

    #[test]
    fn many_are_counted() {
        let script = script(|script, tcp| {
            for _ in 0..40_999 {
                script.segment(tcp, CLIENT, 0..5);
            }
        });
        let found = told(script, &RETRANSMISSION);
        assert_eq!(found.len(), 4);
        assert_eq!(
            found[3],
            "… and 40,997 more of the same (retransmission), up to byte 5."
        );
    }
}
