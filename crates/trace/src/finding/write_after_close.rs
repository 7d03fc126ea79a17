//! `write-after-close`: a program wrote to a peer that had closed.
//!
//! The FIN of a peer says only that it writes no more. Whoever writes to it then learns too late
//! that it has closed: the kernel takes the bytes, the peer's kernel answers with RST (RFC 9293
//! §3.10.7.1), and the next write fails with `EPIPE` and `SIGPIPE` (send(2)). A program's own
//! shutdown(2) makes its writes fail in the same way.

use crate::packet::TcpFlags;
use crate::timeline::Move;
use crate::{FactId, Time, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, capital, duration};

pub(super) const WRITE_AFTER_CLOSE: Topic = Topic {
    name: "write-after-close",
    title: ["written to a peer that had closed", "对端关闭后仍在写"],
};

/// What became of writes to a closed peer.
struct Late<'t> {
    /// When the peer closed, and how that was seen.
    closed: (Time, FactId),
    /// The first write after it that the kernel took.
    taken: Option<&'t Move>,
    /// The peer's answer to it.
    reset: Option<FactId>,
    /// The first that failed.
    failed: Option<(Time, FactId)>,
}

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if !view.flow.transport.is_stream() {
        return;
    }
    for way in 0..2 {
        if let Some(own) = after_own_shutdown(view, way) {
            tell_own(view, way, own, found);
        } else if let Some(late) = late(view, way) {
            tell(view, way, &late, found);
        }
    }
}

/// Whether an RST of this end is the answer to bytes that came after it had closed.
pub(super) fn explains(view: &View<'_>, end: usize) -> bool {
    let way = 1 - end;
    after_own_shutdown(view, way).is_none() && late(view, way).is_some()
}

/// A write that failed although nobody but its own program had ended the stream.
fn after_own_shutdown(view: &View<'_>, way: usize) -> Option<[FactId; 2]> {
    let (at, failed) = view.first_failed_write(way, &[libc::EPIPE])?;
    let shut = view.shut_down(way).filter(|shut| shut.at <= at)?;
    Some([shut.fact, failed])
}

fn late<'t>(view: &View<'t>, way: usize) -> Option<Late<'t>> {
    let peer = 1 - way;
    let close = view.closed(peer).map(|closed| (closed.at, closed.fact));
    let fin = view.first_flagged(peer, TcpFlags::FIN);
    // Who was watched and only shut down has not closed.
    let closed = if view.is_watched(peer) { close } else { fin };
    let began = closed.map(|(_, fact)| view.event(fact).began());
    let failed = view.first_failed_write(way, &[libc::EPIPE, libc::ECONNRESET]);
    let failed = failed.filter(|(at, _)| began.is_some_and(|began| *at >= began));
    let (closed, began) = (closed?, began?);
    let taken = view.writes[way]
        .iter()
        .find(|write| view.event(write.fact).began() >= closed.0.max(began));
    let taken = taken.copied();
    let reset = taken.and_then(|taken| {
        let from = view.event(taken.fact).began();
        let mut steps = view
            .steps
            .iter()
            .filter(|step| step.end == peer && step.at >= from);
        steps
            .find(|step| step.flags().has(TcpFlags::RST))
            .map(|step| step.fact)
    });
    let is_late = taken.is_some() && (reset.is_some() || failed.is_some());
    // A program that is told of the end before it writes fails without any byte taken.
    let is_broken = failed.is_some_and(|(_, fact)| view.event(fact).result == -libc::EPIPE);
    (is_late || is_broken).then_some(Late {
        closed,
        taken,
        reset,
        failed,
    })
}

fn tell(view: &View<'_>, way: usize, late: &Late<'_>, found: &mut Found) {
    let range = late.taken.map_or(0..0, |taken| taken.bytes.clone());
    let first = late
        .taken
        .map(|taken| (view.time(taken.fact), taken.fact))
        .or(late.failed);
    let Some((at, _)) = first else { return };
    let place = view.place(way, range.clone(), at);
    found.add(&WRITE_AFTER_CLOSE, Weight::Trouble, place, || {
        let [sender, sender_zh] = &view.who[way];
        let [peer, peer_zh] = &view.who[1 - way];
        let after = duration(at.since(late.closed.0));
        let (mut en, mut zh) = (Vec::new(), Vec::new());
        if late.taken.is_some() {
            let length = range.end - range.start;
            en.push(format!(
                "{after} later {sender} wrote {} more, and the kernel took them",
                bytes(length)
            ));
            zh.push(format!(
                "{after} 后{sender_zh}又写了 {length} 字节，内核照收"
            ));
        }
        if late.reset.is_some() {
            en.push("the answer was RST".to_owned());
            zh.push("对方回以 RST".to_owned());
        }
        if let Some((_, fact)) = late.failed {
            let errno = -view.event(fact).result;
            let (name, which) = (
                crate::errno_name(errno),
                if late.taken.is_some() {
                    "a later"
                } else {
                    "the next"
                },
            );
            en.push(format!(
                "{which} write of {sender} failed with {name} ({errno})"
            ));
            zh.push(format!("之后的写入以 {name}（{errno}）失败"));
        }
        let failed = late.failed.map(|(_, fact)| fact);
        Told {
            facts: [late.closed.1]
                .into_iter()
                .chain(late.taken.map(|taken| taken.fact))
                .chain(late.reset)
                .chain(failed)
                .collect(),
            sentence: [
                format!("{} closed; {}.", capital(peer), en.join("; ")),
                format!("{peer_zh}已经关闭；{}。", zh.join("；")),
            ],
        }
    });
}

fn tell_own(view: &View<'_>, way: usize, [shut, failed]: [FactId; 2], found: &mut Found) {
    let place = view.place(way, 0..0, view.time(failed));
    found.add(&WRITE_AFTER_CLOSE, Weight::Trouble, place, || {
        let [sender, sender_zh] = &view.who[way];
        Told {
            facts: vec![shut, failed],
            sentence: [
                format!(
                    "{} wrote after its own shutdown(SHUT_WR): EPIPE (32).",
                    capital(sender)
                ),
                format!("{sender_zh}自己 shutdown(SHUT_WR) 之后又写：EPIPE（32）。"),
            ],
        }
    });
}

impl View<'_> {
    /// The first write of an end that failed with one of these.
    fn first_failed_write(&self, way: usize, errnos: &[i32]) -> Option<(Time, FactId)> {
        let failed = self
            .way(way)
            .writes
            .iter()
            .filter(|write| errnos.contains(&self.event(write.fact).result.saturating_neg()));
        failed
            .map(|write| (self.time(write.fact), write.fact))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::finding::reset;
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{Call, Kind, TcpState};

    fn script(play: impl Fn(&mut Script)) -> Script {
        let mut script = Script::new();
        script.connected_tcp();
        play(&mut script);
        script
    }

    fn late(script: &mut Script) {
        script.close(0, SERVER);
        script.wait(980);
        script.write(0, CLIENT, b"hello");
        script.segment(0, CLIENT, 0..5);
        script.packet(0, SERVER, TcpFlags::RST, 0..0);
        script.fail(0, CLIENT, Kind::Write, 5, libc::EPIPE);
    }

    #[test]
    fn the_whole_course_is_told_and_no_other_reset() {
        let found = only(script(late), &WRITE_AFTER_CLOSE);
        assert_eq!(
            found.sentence,
            [
                "The server (python3) closed; 990 µs later the client (python3) wrote 5 bytes \
                more, and the kernel took them; the answer was RST; a later write of the client \
                (python3) failed with EPIPE (32).",
                "服务器（python3）已经关闭；990 µs 后客户端（python3）又写了 5 字节，内核照收；\
                对方回以 RST；之后的写入以 EPIPE（32）失败。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (0..5, 4));
        assert!(told(script(late), &reset::RESET).is_empty());
    }

    #[test]
    fn a_half_close_and_writes_before_the_end_are_fine() {
        let half = script(|script| {
            script.packet(0, SERVER, TcpFlags::FIN | TcpFlags::ACK, 0..0);
            script.called(0, SERVER, Call::Shutdown, 0, "SHUT_WR", TcpState::FinWait1);
            script.write(0, CLIENT, b"hello");
            script.segment(0, CLIENT, 0..5);
            script.read(0, SERVER, 64, 5);
        });
        assert!(told(half, &WRITE_AFTER_CLOSE).is_empty());
        let before = script(|script| {
            script.write(0, CLIENT, b"hello");
            script.close(0, SERVER);
            script.packet(0, SERVER, TcpFlags::RST, 0..0);
        });
        assert!(told(before, &WRITE_AFTER_CLOSE).is_empty());
    }

    #[test]
    fn a_programs_own_shutdown_is_named() {
        let own = script(|script| {
            script.called(0, CLIENT, Call::Shutdown, 0, "SHUT_WR", TcpState::FinWait1);
            script.fail(0, CLIENT, Kind::Write, 5, libc::EPIPE);
        });
        assert_eq!(
            told(own, &WRITE_AFTER_CLOSE),
            ["The client (python3) wrote after its own shutdown(SHUT_WR): EPIPE (32)."]
        );
    }
}
