//! `zero-window`: the receiver had no room left and said so.
//!
//! The window that each ACK announces is what is free in the receive buffer (RFC 9293 §3.8.6). When
//! the program does not read, it shrinks to zero; the sender stops, fills its own send buffer, and
//! then its program's writes wait or fail with `EAGAIN`. That is backpressure at work, and a
//! program that reads too slowly.

use std::time::Duration;

use crate::packet::TcpFlags;
use crate::{FactId, Gauge, Time, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{View, What};
use super::words::{bytes, count, duration};

pub(super) const ZERO_WINDOW: Topic = Topic {
    name: "zero-window",
    title: ["the receiver's buffer was full", "接收窗口为零"],
};

/// A wait of a write that is worth a word.
const WAIT: Duration = Duration::from_millis(1);

/// A time in which the window was closed.
pub(super) struct Closed {
    from: Time,
    fact: FactId,
    /// When it opened again; none: not before the recording ended.
    to: Option<(Time, FactId)>,
}

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        for closed in closed(view, 1 - way) {
            one(view, way, &closed, found);
        }
    }
}

/// Whether one of these times touches this one.
pub(super) fn touches(closed: &[Closed], from: Time, to: Time) -> bool {
    let after = closed.partition_point(|closed| closed.from <= to);
    let last = closed[..after].last();
    last.is_some_and(|last| last.to.is_none_or(|(opened, _)| opened >= from))
}

/// When the window of an end was closed.
pub(super) fn closed(view: &View<'_>, end: usize) -> Vec<Closed> {
    let others = TcpFlags::SYN | TcpFlags::RST;
    let counts = |flags: u8| flags & TcpFlags::ACK != 0 && flags & others == 0;
    let headers = view.steps.iter().filter_map(|step| match step.what {
        What::Segment(header) if step.end == end && counts(header.flags.0) => {
            Some((step.at, step.fact, header.window == 0))
        }
        _ => None,
    });
    let wire = view
        .way(end)
        .wire
        .iter()
        .filter(|segment| counts(segment.flags));
    let wire = wire.map(|segment| (view.time(segment.fact), segment.fact, segment.window == 0));
    let mut told: Vec<(Time, FactId, bool)> = headers.chain(wire).collect();
    if !told.iter().any(|(.., is_zero)| *is_zero) {
        return Vec::new();
    }
    told.sort_by_key(|(at, fact, _)| (*at, *fact));
    let mut closed: Vec<Closed> = Vec::new();
    for (at, fact, is_zero) in told {
        let open = closed.last_mut().filter(|last| last.to.is_none());
        match (open, is_zero) {
            (Some(last), false) => last.to = Some((at, fact)),
            (None, true) => closed.push(Closed {
                from: at,
                fact,
                to: None,
            }),
            _ => {}
        }
    }
    closed
}

fn one(view: &View<'_>, way: usize, closed: &Closed, found: &mut Found) {
    let until = closed.to.map_or(view.context.until, |(at, _)| at);
    let sent = view.pieces[way].partition_point(|piece| piece.at <= closed.from);
    let sent = sent
        .checked_sub(1)
        .map_or(0, |last| view.pieces[way][last].bytes.end);
    let place = view.place(way, sent..sent, closed.from);
    found.add(&ZERO_WINDOW, Weight::Notice, place, || {
        let [reader, reader_zh] = &view.who[1 - way];
        let took = duration(until.since(closed.from));
        let [end, end_zh] = if closed.to.is_some() {
            [format!("for {took}"), format!("持续 {took}")]
        } else {
            [
                format!("until the recording ended, {took} later"),
                format!("直到记录结束（{took}）"),
            ]
        };
        let [unread, unread_zh] = match unread(view, way, sent, closed, until) {
            0 => Default::default(),
            unread => [
                format!(": {} lay unread", bytes(unread)),
                format!("：有 {} 字节没有读走", count(unread)),
            ],
        };
        let waited = view.writes[way].iter().filter(|write| {
            let event = view.event(write.fact);
            event.began() <= until
                && event.time >= closed.from
                && event.time.since(event.began()) >= WAIT
        });
        let waited = waited.max_by_key(|write| view.event(write.fact).took_ns);
        let [wait, wait_zh] = waited.map_or_else(Default::default, |write| {
            let event = view.event(write.fact);
            let took = duration(event.time.since(event.began()));
            [
                format!(" Meanwhile a write of {} waited {took}.", view.who[way][0]),
                format!("其间{}的一次写入等了 {took}。", view.who[way][1]),
            ]
        });
        let opened = closed.to.map(|(_, fact)| fact);
        Told {
            facts: [closed.fact]
                .into_iter()
                .chain(opened)
                .chain(waited.map(|write| write.fact))
                .collect(),
            sentence: [
                format!(
                    "The receive buffer of {reader} was full {end} (zero window){unread}.{wait}"
                ),
                format!(
                    "{reader_zh}的接收缓冲区已满，通告零窗口，{end_zh}{unread_zh}。\
                {wait_zh}"
                ),
            ],
        }
    });
}

/// What lay unread meanwhile: by the gauges, else by what had arrived and was not read.
fn unread(view: &View<'_>, way: usize, sent: u64, closed: &Closed, until: Time) -> u64 {
    let gauges = view
        .flow
        .gauges
        .iter()
        .filter(|gauge| usize::from(gauge.end) == 1 - way);
    let gauges = gauges.map(|gauge| view.fact(gauge.fact));
    let within = gauges.filter(|fact| (closed.from..=until).contains(&fact.event.time));
    let most = within
        .filter_map(|fact| Gauge::from_payload(fact.data))
        .map(|gauge| gauge.unread);
    if let Some(most) = most.max() {
        return most.into();
    }
    if !view.is_watched(1 - way) || !view.way(way).joined {
        return 0;
    }
    let reads = &view.reads[way];
    let read = reads.partition_point(|read| view.time(read.fact) <= closed.from);
    sent.saturating_sub(read.checked_sub(1).map_or(0, |last| reads[last].bytes.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script, Talk};

    /// A server that reads slowly: 1000 bytes have come, 100 are read, and its window is this.
    fn script(window: u16, then: impl Fn(&mut Script, Talk)) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, &[b'x'; 1000]);
        script.segment(tcp, CLIENT, 0..1000);
        script.read(tcp, SERVER, 100, 100);
        script.window(tcp, SERVER, window);
        script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
        then(&mut script, tcp);
        script
    }

    fn opens(script: &mut Script, tcp: Talk) {
        script.wait(119_990).window(tcp, SERVER, 1);
        script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
    }

    #[test]
    fn what_lay_unread_is_told_with_how_long() {
        let found = only(script(0, opens), &ZERO_WINDOW);
        assert_eq!(
            found.sentence,
            [
                "The receive buffer of the server (python3) was full for 120 ms (zero window): \
                900 bytes lay unread.",
                "服务器（python3）的接收缓冲区已满，通告零窗口，持续 120 ms：有 900 字节没有读\
                走。",
            ]
        );
        assert_eq!((found.way, found.facts.len()), (Some(0), 2));
    }

    #[test]
    fn a_gauge_knows_better() {
        let found = told(
            script(0, |script, tcp| {
                let gauge = Gauge {
                    unread: 128_512,
                    ..Gauge::default()
                };
                script.gauge(tcp, SERVER, gauge);
                opens(script, tcp);
            }),
            &ZERO_WINDOW,
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with(": 128,512 bytes lay unread."));
    }

    #[test]
    fn one_that_never_opens_lasts_to_the_end() {
        let found = told(script(0, |_, _| {}), &ZERO_WINDOW);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(
            "was full until the recording ended, 0 ns later (zero \
        window)"
        ));
    }

    #[test]
    fn a_small_window_and_a_reset_are_no_zero_window() {
        assert!(told(script(1, opens), &ZERO_WINDOW).is_empty());
        let reset = script(1, |script, tcp| {
            script.window(tcp, SERVER, 0);
            script.packet(tcp, SERVER, TcpFlags::RST | TcpFlags::ACK, 0..0);
        });
        assert!(told(reset, &ZERO_WINDOW).is_empty());
    }
}
