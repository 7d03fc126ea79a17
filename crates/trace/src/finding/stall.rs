//! `delayed-ack-stall`: a small write waited until what was sent before it was acknowledged.
//!
//! Nagle's algorithm keeps a segment that is not full back while earlier bytes are unacknowledged
//! (RFC 9293 §3.7.4); the receiver keeps its ACK back, 40 ms and more on Linux (`TCP_DELACK_MIN`,
//! RFC 9293 §3.8.6.3), in the hope of sending it along with an answer. A program that writes a
//! message in two parts and then waits for an answer makes both wait for each other. `TCP_NODELAY`,
//! or one write for both parts, ends it.

use std::cell::OnceCell;
use std::time::Duration;

use crate::packet::TcpFlags;
use crate::timeline::Move;
use crate::{Call, FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{View, What};
use super::words::{bytes, count, duration};
use super::zero_window;

pub(super) const DELAYED_ACK_STALL: Topic = Topic {
    name: "delayed-ack-stall",
    title: [
        "a small write waited for an ACK",
        "Nagle 与延迟确认互相等待",
    ],
};

/// From here on a wait is one: half of the shortest delay of an ACK on Linux.
const STALL: Duration = Duration::from_millis(20);
/// How soon a segment follows the ACK that let it go, and a second write the first.
const SOON: Duration = Duration::from_millis(5);
/// The MSS of Ethernet with time stamps, where the handshake was not seen.
const MSS: u64 = 1448;
/// What a delayed ACK can make a reader wait, where the wire was not seen: 40 to 200 ms
/// (`TCP_DELACK_MIN`, `TCP_DELACK_MAX`), and what the machine adds.
const UNSEEN: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(30)..=Duration::from_millis(250);

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport != Transport::Tcp {
        return;
    }
    for way in [0, 1]
        .into_iter()
        .filter(|way| view.way(*way).joined && !is_nodelay(view, *way))
    {
        if view.is_captured() {
            seen(view, way, found);
        } else {
            unseen(view, way, found);
        }
    }
}

/// Whether an end switched Nagle's algorithm off.
fn is_nodelay(view: &View<'_>, end: usize) -> bool {
    let steps = view.steps.iter().filter(|step| step.end == end);
    let mut set = steps
        .filter(|step| step.did(Call::Setsockopt))
        .map(|step| view.fact(step.fact));
    set.any(|fact| fact.text.contains("TCP_NODELAY") && !fact.text.ends_with(" 0"))
}

fn seen(view: &View<'_>, way: usize, found: &mut Found) {
    let mss = view
        .mss()
        .map_or(MSS, |mss| u64::from(mss).saturating_sub(12));
    let closed = OnceCell::new();
    let mut told_up_to = 0;
    for (index, write) in view.writes[way].iter().enumerate().skip(1) {
        let at = view.time(write.fact);
        let [first, ..] = view.pieces_of(way, &write.bytes) else {
            continue;
        };
        let wait = first.at.since(at);
        let is_full = first.bytes.end - first.bytes.start >= mss;
        if wait < STALL || is_full || write.bytes.start < told_up_to {
            continue;
        }
        let Some(ack) = let_go(view, 1 - way, first.at) else {
            continue;
        };
        let before = &view.writes[way][index - 1];
        let earlier = view.pieces_of(way, &before.bytes).first();
        if earlier.is_none_or(|earlier| earlier.at > at)
            || zero_window::touches(
                closed.get_or_init(|| zero_window::closed(view, 1 - way)),
                at,
                first.at,
            )
        {
            continue;
        }
        told_up_to = first.bytes.end;
        let facts = vec![before.fact, write.fact, ack, first.fact];
        tell(view, way, write, wait, facts, found);
    }
}

/// What came from the other end just before a segment left.
fn let_go(view: &View<'_>, end: usize, left: Time) -> Option<FactId> {
    let is_recent = |at: Time| at <= left && left.since(at) <= SOON;
    let after = view.steps.partition_point(|step| step.at <= left);
    let acks = view.steps[..after]
        .iter()
        .rev()
        .take_while(|step| is_recent(step.at));
    let ack = acks
        .into_iter()
        .find(|step| step.end == end && step.flags().has(TcpFlags::ACK));
    let wire = &view.way(end).wire;
    let after = wire.partition_point(|segment| view.time(segment.fact) <= left);
    let answer = wire[..after]
        .last()
        .filter(|segment| is_recent(view.time(segment.fact)));
    ack.map(|step| step.fact)
        .or(answer.map(|segment| segment.fact))
}

fn tell(
    view: &View<'_>,
    way: usize,
    write: &Move,
    wait: Duration,
    facts: Vec<FactId>,
    found: &mut Found,
) {
    let place = view.place(way, write.bytes.clone(), view.time(write.fact));
    found.add(&DELAYED_ACK_STALL, Weight::Notice, place, || {
        let [sender, sender_zh] = &view.who[way];
        let [reader, reader_zh] = &view.who[1 - way];
        let (length, shown) = (write.bytes.end - write.bytes.start, duration(wait));
        // Where a round trip takes that long by itself, nobody delayed the ACK.
        let is_far = view.handshake().is_some_and(|trip| trip * 2 > wait);
        let [late, late_zh] = if is_far {
            [
                ", a round trip away".to_owned(),
                "（往返本身就要这么久）".to_owned(),
            ]
        } else {
            [
                format!(", and the kernel of {reader} delayed that ACK"),
                format!("，而{reader_zh}的内核推迟了这个 ACK"),
            ]
        };
        Told {
            facts,
            sentence: [
                format!(
                    "A write of {} by {sender} stayed {shown} in its kernel: Nagle's algorithm \
                    waited for the ACK of what was sent before{late}. TCP_NODELAY, or one write \
                    for the whole message, ends it.",
                    bytes(length),
                ),
                format!(
                    "{sender_zh}写的 {} 字节在内核里停了 {shown}：Nagle 算法在等前面数据的 \
                    ACK{late_zh}。设置 TCP_NODELAY，或把一条消息一次写完即可。",
                    count(length),
                ),
            ],
        }
    });
}

/// What it looks like from both programs where nobody saw the wire: two small writes in a row, and
/// a reader that sat in its read all the while.
fn unseen(view: &View<'_>, way: usize, found: &mut Found) {
    if !view.is_watched(1 - way) {
        return;
    }
    for pair in view.writes[way].windows(2) {
        let [before, write] = [&pair[0], &pair[1]];
        let (first, second) = (view.event(before.fact), view.event(write.fact));
        let small = |each: &Move| each.bytes.end - each.bytes.start < MSS;
        if !small(before) || !small(write) || second.began().since(first.time) > SOON {
            continue;
        }
        let Some(read) = view.reads_of(way, write.bytes.start) else {
            continue;
        };
        let event = view.event(read.fact);
        let wait = event.time.since(second.time);
        let sat = event.began() <= second.time + SOON;
        if !sat || !UNSEEN.contains(&wait) || read.bytes.start < write.bytes.start {
            continue;
        }
        let place = view.place(way, write.bytes.clone(), second.time);
        found.add(&DELAYED_ACK_STALL, Weight::Notice, place, || {
            let [sender, sender_zh] = &view.who[way];
            let [reader, reader_zh] = &view.who[1 - way];
            let (length, shown) = (write.bytes.end - write.bytes.start, duration(wait));
            Told {
                facts: vec![before.fact, write.fact, read.fact],
                sentence: [
                    format!(
                        "The second of two small writes by {sender} ({}) reached {reader}, \
                        which was waiting for it, {shown} later. The wire was not seen; this is \
                        what Nagle's algorithm and a delayed ACK look like. Try TCP_NODELAY, or \
                        one write for both.",
                        bytes(length),
                    ),
                    format!(
                        "{sender_zh}连续两次小写入，第二次（{} 字节）过了 {shown} 才到达正在等待\
                        的{reader_zh}。线路未被观察，但这很像 Nagle 算法遇上延迟确认。可试 \
                        TCP_NODELAY，或合成一次写入。",
                        count(length),
                    ),
                ],
            }
        });
    }
}

impl View<'_> {
    /// The smaller of the two MSS that the handshake announced.
    fn mss(&self) -> Option<u16> {
        let headers = self.steps.iter().filter_map(|step| match step.what {
            What::Segment(header) => header.mss,
            _ => None,
        });
        headers.min()
    }

    /// How long the answer to the SYN took.
    fn handshake(&self) -> Option<Duration> {
        let mut syns = self
            .steps
            .iter()
            .filter(|step| step.flags().has(TcpFlags::SYN));
        let (first, answer) = (
            syns.next()?,
            syns.find(|step| step.flags().has(TcpFlags::ACK))?,
        );
        Some(answer.at.since(first.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TcpState;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    /// A header and a body, which leaves this long after it was written, behind an ACK or not.
    fn script(wait: u64, with_ack: bool, before: impl Fn(&mut Script)) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        before(&mut script);
        script.write(tcp, CLIENT, b"head");
        script.segment(tcp, CLIENT, 0..4);
        script.write(tcp, CLIENT, b"body!");
        script.wait(wait);
        if with_ack {
            script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
        }
        script.segment(tcp, CLIENT, 4..9);
        script.read(tcp, SERVER, 64, 9);
        script
    }

    #[test]
    fn both_parties_and_both_cures_are_named() {
        let found = only(script(39_980, true, |_| {}), &DELAYED_ACK_STALL);
        assert_eq!(
            found.sentence,
            [
                "A write of 5 bytes by the client (python3) stayed 40.0 ms in its kernel: \
                Nagle's algorithm waited for the ACK of what was sent before, and the kernel of \
                the server (python3) delayed that ACK. TCP_NODELAY, or one write for the whole \
                message, ends it.",
                "客户端（python3）写的 5 字节在内核里停了 40.0 ms：Nagle 算法在等前面数据的 \
                ACK，而服务器（python3）的内核推迟了这个 ACK。设置 TCP_NODELAY，或把一条消息一次\
                写完即可。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (4..9, 4));
    }

    #[test]
    fn a_short_wait_one_without_an_ack_and_nodelay_are_something_else() {
        assert!(told(script(19_970, true, |_| {}), &DELAYED_ACK_STALL).is_empty());
        assert_eq!(
            told(script(19_980, true, |_| {}), &DELAYED_ACK_STALL).len(),
            1
        );
        assert!(told(script(40_000, false, |_| {}), &DELAYED_ACK_STALL).is_empty());
        let nodelay = script(40_000, true, |script| {
            script.called(
                0,
                CLIENT,
                Call::Setsockopt,
                0,
                "TCP_NODELAY 1",
                TcpState::Established,
            );
        });
        assert!(told(nodelay, &DELAYED_ACK_STALL).is_empty());
    }

    /// The same without the wire: the server sits in its second read.
    fn unseen(wait: u32, pause: u64) -> Script {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        script.write(tcp, CLIENT, b"head");
        script.wait(pause);
        script.write(tcp, CLIENT, b"body!");
        script.read(tcp, SERVER, 64, 4);
        script.wait(u64::from(wait) / 1000);
        let mut event = crate::Event::new(crate::Kind::Read, crate::ConnId::new(2), script.now())
            .with_call(Call::Recvfrom)
            .with_offset(4)
            .with_result(5)
            .with_asked(64);
        event.took_ns = wait;
        script.push(&crate::Fact {
            data: b"body!",
            ..crate::Fact::new(event)
        });
        script
    }

    #[test]
    fn without_the_wire_it_is_a_guess_and_says_so() {
        let found = told(unseen(40_000_000, 0), &DELAYED_ACK_STALL);
        assert_eq!(
            found,
            [
                "The second of two small writes by the client (python3) (5 bytes) reached the \
                server (python3), which was waiting for it, 40.0 ms later. The wire was not \
                seen; this is what Nagle's algorithm and a delayed ACK look like. Try \
                TCP_NODELAY, or one write for both."
            ]
        );
        assert!(told(unseen(10_000_000, 0), &DELAYED_ACK_STALL).is_empty());
        assert!(told(unseen(400_000_000, 0), &DELAYED_ACK_STALL).is_empty());
        assert!(told(unseen(40_000_000, 10_000), &DELAYED_ACK_STALL).is_empty());
    }
}
