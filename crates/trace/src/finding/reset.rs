//! `reset-unread` and `reset`: a connection ended with RST.
//!
//! A close while bytes lie unread answers the peer with RST, not FIN, so that it learns that its
//! bytes were thrown away (RFC 2525 §2.17, `tcp_close` of Linux); what the closer had written
//! before may be thrown away at the peer with it. A close under `SO_LINGER` with a time of 0 resets
//! as well (socket(7)), and so does a killed connection. RST in answer to bytes for a closed socket
//! is `write-after-close`, RST in answer to SYN is `refused`.

use std::time::Duration;

use crate::packet::TcpFlags;
use crate::{Call, FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{Closed, View, What};
use super::words::{bytes, count};
use super::write_after_close;

pub(super) const RESET_UNREAD: Topic = Topic {
    name: "reset-unread",
    title: ["closed with bytes unread", "还有未读字节就关闭"],
};

pub(super) const RESET: Topic = Topic {
    name: "reset",
    title: ["the connection was reset", "连接被重置"],
};

/// How far an RST may be from the close that caused it: both happen in one system call.
const SAME: Duration = Duration::from_millis(10);

/// How a reset was seen.
#[derive(Clone, Copy)]
struct Reset {
    /// Who sent it.
    end: usize,
    at: Time,
    fact: FactId,
    /// The packet was captured; else a call of the other end failed.
    seen: bool,
}

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    let Some(reset) = first(view) else { return };
    if view.was_refused() || write_after_close::explains(view, reset.end) {
        return;
    }
    let closed = view.closed(reset.end);
    let with_close = closed.filter(|closed| near(view, closed, &reset));
    if let Some(closed) = with_close {
        let unread = unread(view, reset.end, &reset, &closed);
        if unread > 0 {
            return unread_bytes(view, &reset, &closed, unread, found);
        }
    }
    other(view, &reset, with_close.as_ref(), found);
}

/// The first RST, or the first call that failed with `ECONNRESET`.
fn first(view: &View<'_>) -> Option<Reset> {
    if view.flow.transport != Transport::Tcp {
        return None;
    }
    let packet = view
        .steps
        .iter()
        .find(|step| step.flags().has(TcpFlags::RST));
    if let Some(step) = packet {
        let (end, at, fact) = (step.end, step.at, step.fact);
        return Some(Reset {
            end,
            at,
            fact,
            seen: true,
        });
    }
    let failed = [0, 1].into_iter().filter_map(|end| {
        let (at, fact) = view.first_failed(end, libc::ECONNRESET)?;
        Some(Reset {
            end: 1 - end,
            at,
            fact,
            seen: false,
        })
    });
    failed.min_by_key(|reset| reset.at)
}

/// Whether the close and the reset are one event; a failed call comes any time after it.
fn near(view: &View<'_>, closed: &Closed, reset: &Reset) -> bool {
    let began = view.event(closed.fact).began();
    let after = reset.at >= began || began.since(reset.at) <= SAME;
    after && (!reset.seen || reset.at <= closed.at + SAME)
}

/// Bytes that had come to an end and were not read when it closed.
fn unread(view: &View<'_>, end: usize, reset: &Reset, closed: &Closed) -> u64 {
    let way = 1 - end;
    if !view.way(way).joined {
        return 0;
    }
    let until = closed.at.min(reset.at.max(view.event(closed.fact).began()));
    let arrived = if view.is_captured() {
        let pieces = view.pieces[way]
            .iter()
            .take_while(|piece| piece.at <= until);
        pieces.last().map_or(0, |piece| piece.bytes.end)
    } else {
        let writes = view.writes[way]
            .iter()
            .take_while(|write| view.time(write.fact) <= until);
        writes.last().map_or(0, |write| write.bytes.end)
    };
    arrived.saturating_sub(view.way(way).read)
}

fn unread_bytes(view: &View<'_>, reset: &Reset, closed: &Closed, unread: u64, found: &mut Found) {
    let way = 1 - reset.end;
    let read = view.way(way).read;
    let place = view.place(way, read..read + unread, closed.at);
    found.add(&RESET_UNREAD, Weight::Trouble, place, || {
        let [closer, closer_zh] = &view.who[reset.end];
        let [peer, peer_zh] = &view.who[1 - reset.end];
        let (seen, seen_zh) = if reset.seen {
            (
                format!(
                    "its kernel sent RST and no FIN, and {peer} may lose what was on its way to \
                    it"
                ),
                format!("内核发出 RST 而不是 FIN，正在发给{peer_zh}的数据也可能丢失"),
            )
        } else {
            (
                format!("a call of {peer} failed with ECONNRESET (the packet was not seen)"),
                format!("{peer_zh}的调用以 ECONNRESET 失败（没有看到那个包）"),
            )
        };
        let failed = view
            .first_failed(1 - reset.end, libc::ECONNRESET)
            .map(|(_, fact)| fact);
        Told {
            facts: [closed.fact, reset.fact]
                .into_iter()
                .chain(failed.filter(|fact| *fact != reset.fact))
                .collect(),
            sentence: [
                format!(
                    "{} closed with {} unread: {seen}. Read until the end before closing.",
                    super::words::capital(closer),
                    bytes(unread)
                ),
                format!(
                    "{closer_zh}在还有 {} 字节未读时关闭：{seen_zh}。应先读到流的末尾再关闭。",
                    count(unread)
                ),
            ],
        }
    });
}

fn other(view: &View<'_>, reset: &Reset, closed: Option<&Closed>, found: &mut Found) {
    let place = view.place(reset.end, 0..0, reset.at);
    found.add(&RESET, Weight::Trouble, place, || {
        let [who, who_zh] = &view.who[reset.end];
        let lingers = linger(view, reset.end);
        let last = last_call(view, reset.end, reset.at);
        let [why, why_zh] = match (closed, lingers, last) {
            (Some(_), Some(_), _) => [
                " as it closed: SO_LINGER with a time of 0 asks for that".to_owned(),
                "，发生在关闭时：SO_LINGER 的时间设为 0 就会这样".to_owned(),
            ],
            (Some(_), None, _) => [" as it closed".to_owned(), "，发生在关闭时".to_owned()],
            (None, _, Some(last)) => {
                let call = view.event(last).call().name();
                [
                    format!("; its last call had been {call}"),
                    format!("；它此前最后的调用是 {call}"),
                ]
            }
            (None, _, None) => Default::default(),
        };
        let [seen, seen_zh] = if reset.seen {
            ["", ""]
        } else {
            [
                " (a call of the other end says so: ECONNRESET; the packet was not seen)",
                "（由另一端调用的 ECONNRESET 得知，没有看到那个包）",
            ]
        };
        let facts = lingers
            .into_iter()
            .chain(closed.map(|closed| closed.fact))
            .chain(last);
        let mut facts: Vec<FactId> = facts.chain([reset.fact]).collect();
        facts.dedup();
        Told {
            facts,
            sentence: [
                format!(
                    "{} reset the connection (RST){why}{seen}.",
                    super::words::capital(who)
                ),
                format!("{who_zh}重置了连接（RST）{why_zh}{seen_zh}。"),
            ],
        }
    });
}

/// The call by which an end asked for a reset at its close.
fn linger(view: &View<'_>, end: usize) -> Option<FactId> {
    let mut steps = view
        .steps
        .iter()
        .filter(|step| step.end == end && step.did(Call::Setsockopt));
    let is_zero = |text: &str| text.contains("l_linger=0") || text.ends_with(" 0");
    let step = steps.find(|step| {
        let text = view.fact(step.fact).text;
        text.contains("SO_LINGER") && is_zero(text.trim_end_matches(['}', ']']))
    });
    step.map(|step| step.fact)
}

/// What an end called last before a time.
fn last_call(view: &View<'_>, end: usize, until: Time) -> Option<FactId> {
    let called = |step: &&super::view::Step| matches!(step.what, What::Called(..));
    let steps = view
        .steps
        .iter()
        .rev()
        .filter(|step| step.end == end && step.at <= until);
    let step = steps.clone().find(called).map(|step| step.fact);
    let moves = [&view.writes[end], &view.reads[1 - end]];
    let moves = moves.into_iter().filter_map(|moves| {
        moves
            .iter()
            .rev()
            .map(|each| each.fact)
            .find(|fact| view.time(*fact) <= until)
    });
    step.into_iter()
        .chain(moves)
        .max_by_key(|fact| view.time(*fact))
}

impl View<'_> {
    /// The first read or write of an end that failed with this errno.
    pub(super) fn first_failed(&self, end: usize, errno: i32) -> Option<(Time, FactId)> {
        let moves = [&self.way(end).writes, &self.way(1 - end).reads];
        let failed = moves
            .into_iter()
            .flatten()
            .filter(|each| self.event(each.fact).result == -errno);
        failed.map(|each| (self.time(each.fact), each.fact)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script, Talk};
    use crate::{Kind, TcpState};

    const RST: u8 = TcpFlags::RST | TcpFlags::ACK;

    /// A server that got ten bytes, read these, and closes with RST.
    fn script(read: usize, with_wire: bool) -> Script {
        let mut script = Script::new();
        let tcp = if with_wire {
            script.connected_tcp()
        } else {
            script.talk(Transport::Tcp, true)
        };
        script.write(tcp, CLIENT, b"0123456789");
        if with_wire {
            script.segment(tcp, CLIENT, 0..10);
        }
        script.read(tcp, SERVER, 64, read);
        if with_wire {
            script.packet(tcp, SERVER, RST, 0..0);
        }
        closes(&mut script, tcp, SERVER);
        script.fail(tcp, CLIENT, Kind::Read, 64, libc::ECONNRESET);
        closes(&mut script, tcp, CLIENT);
        script
    }

    fn closes(script: &mut Script, tcp: Talk, end: u8) {
        script.called(tcp, end, Call::Close, 0, "", TcpState::Close);
    }

    #[test]
    fn a_close_with_bytes_unread_resets() {
        let found = only(script(4, true), &RESET_UNREAD);
        assert_eq!(
            found.sentence,
            [
                "The server (python3) closed with 6 bytes unread: its kernel sent RST and no \
                FIN, and the client (python3) may lose what was on its way to it. Read until \
                the end before closing.",
                "服务器（python3）在还有 6 字节未读时关闭：内核发出 RST 而不是 FIN，正在发给客户\
                端（python3）的数据也可能丢失。应先读到流的末尾再关闭。",
            ]
        );
        assert_eq!((found.bytes, found.way), (4..10, Some(0)));
        assert!(told(script(4, true), &RESET).is_empty());
    }

    #[test]
    fn without_the_packet_the_failed_call_tells() {
        let found = only(script(4, false), &RESET_UNREAD);
        assert!(found.sentence[0].contains("failed with ECONNRESET (the packet was not seen)"));
    }

    #[test]
    fn with_nothing_unread_it_is_some_other_reset() {
        assert!(told(script(10, true), &RESET_UNREAD).is_empty());
        assert_eq!(
            told(script(10, true), &RESET),
            ["The server (python3) reset the connection (RST) as it closed."]
        );
        assert_eq!(
            told(script(10, false), &RESET),
            [
                "The server (python3) reset the connection (RST) as it closed (a call of the \
                other end says so: ECONNRESET; the packet was not seen)."
            ]
        );
    }

    #[test]
    fn linger_and_the_last_call_are_named() {
        let reset = |linger: &str, close: bool| {
            let mut script = Script::new();
            let tcp = script.connected_tcp();
            script.called(
                tcp,
                CLIENT,
                Call::Setsockopt,
                0,
                linger,
                TcpState::Established,
            );
            script.wait(50_000);
            script.packet(tcp, CLIENT, RST, 0..0);
            if close {
                closes(&mut script, tcp, CLIENT);
            }
            told(script, &RESET)
        };
        let asked = "The client (python3) reset the connection (RST) as it closed: SO_LINGER \
        with a time of 0 asks for that.";
        assert_eq!(reset("SO_LINGER {l_onoff=1, l_linger=0}", true), [asked]);
        assert_eq!(reset("SO_LINGER 1 0", true), [asked]);
        let plain = "The client (python3) reset the connection (RST) as it closed.";
        assert_eq!(reset("SO_LINGER {l_onoff=1, l_linger=10}", true), [plain]);
        let other =
            "The client (python3) reset the connection (RST); its last call had been setsockopt.";
        assert_eq!(reset("SO_REUSEADDR 1", false), [other]);
    }

    #[test]
    fn an_orderly_end_is_no_reset() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.close(tcp, CLIENT);
        script.close(tcp, SERVER);
        assert!(told(script, &RESET).is_empty());
    }
}
