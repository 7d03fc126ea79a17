//! `close-wait`: the peer has closed, and this program has not.
//!
//! After the peer's FIN a socket stays in CLOSE-WAIT until its own program closes it (RFC 9293
//! §3.3.2); no timer ends that. A program that takes the empty read for nothing leaks a descriptor
//! with each connection. Told only of ends that were watched, that did nothing on the socket for a
//! second or more, and not where the program went on writing: that is a half-close in use.

use std::time::Duration;

use crate::packet::TcpFlags;
use crate::{FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{View, What};
use super::words::{capital, count, duration};

pub(super) const CLOSE_WAIT: Topic = Topic {
    name: "close-wait",
    title: [
        "the peer closed, this program did not",
        "对端已关闭，本程序没有关闭",
    ],
};

/// From here on it is long.
const LONG: Duration = Duration::from_secs(1);

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport != Transport::Tcp {
        return;
    }
    for end in [0, 1].into_iter().filter(|end| view.is_watched(*end)) {
        one(view, end, found);
    }
}

fn one(view: &View<'_>, end: usize, found: &mut Found) {
    let way = 1 - end;
    let empty = || {
        let reads = view.way(way).reads.iter();
        let is_end = |fact: &FactId| view.event(*fact).result == 0 && view.event(*fact).asked > 0;
        reads.map(|read| read.fact).filter(is_end)
    };
    let told = empty().next().map(|fact| (view.time(fact), fact));
    let told = told.or_else(|| {
        let mut steps = view.steps.iter().filter(|step| step.end == end);
        steps
            .find(|step| matches!(step.what, What::PeerClosed))
            .map(|step| (step.at, step.fact))
    });
    let fin = view.first_flagged(1 - end, TcpFlags::FIN);
    let Some((ended, fact)) = told.into_iter().chain(fin).min() else {
        return;
    };
    let is_over = |flag| view.steps.iter().any(|step| step.flags().has(flag));
    if is_over(TcpFlags::RST) || view.shut_down(end).is_some() {
        return;
    }
    let closed = view.closed(end);
    let last_write = view.writes[end]
        .last()
        .map_or(ended, |write| view.time(write.fact));
    let since = ended.max(last_write);
    let until = closed.map_or(view.context.until, |closed| closed.at);
    let long = until.since(since);
    if long < LONG {
        return;
    }
    let weight = if closed.is_some_and(|closed| !closed.by_exit) {
        Weight::Notice
    } else {
        Weight::Trouble
    };
    let read = view.way(way).read;
    let place = view.place(way, read..read, ended);
    found.add(&CLOSE_WAIT, weight, place, || {
        let [who, who_zh] = &view.who[end];
        let [peer, peer_zh] = &view.who[1 - end];
        let long = duration(long);
        let reads = empty().count() as u64;
        let [seen, seen_zh] = match reads {
            0 => [
                format!(", and {who} did not read the end"),
                format!("，{who_zh}没有读到流的末尾"),
            ],
            1 => [
                format!(", {who} read the end (0 bytes)"),
                format!("，{who_zh}读到了末尾（0 字节）"),
            ],
            reads => [
                format!(", {who} read the end {} times (0 bytes each)", count(reads)),
                format!("，{who_zh}读到末尾 {} 次（每次 0 字节）", count(reads)),
            ],
        };
        let [end, end_zh] = match closed {
            None => [
                format!("and had not closed when the recording ended {long} later"),
                format!("直到 {long} 后记录结束仍未关闭"),
            ],
            Some(closed) if closed.by_exit => [
                format!("and never closed: only its exit did, {long} later"),
                format!("一直没有关闭，{long} 后进程退出才关上"),
            ],
            Some(_) => [
                format!("and closed {long} later"),
                format!("{long} 后才关闭"),
            ],
        };
        let state: (Time, FactId) = (ended, fact);
        Told {
            facts: [state.1]
                .into_iter()
                .chain(told.map(|(_, fact)| fact).filter(|told| *told != fact))
                .chain(closed.map(|closed| closed.fact))
                .collect(),
            sentence: [
                format!("{} closed{seen}, {end}: CLOSE_WAIT.", capital(peer)),
                format!("{peer_zh}已关闭{seen_zh}，{end_zh}：CLOSE_WAIT。"),
            ],
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{Call, TcpState};

    /// The client closes, the server reads the end so often, and this happens so much later.
    fn script(empty: usize, millis: u64, then: impl Fn(&mut Script)) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.close(tcp, CLIENT);
        for _ in 0..empty {
            script.read(tcp, SERVER, 64, 0);
        }
        script.wait(millis * 1000);
        then(&mut script);
        script
    }

    fn closes(script: &mut Script, text: &str) {
        script.called(0, SERVER, Call::Close, 0, text, TcpState::LastAck);
    }

    #[test]
    fn a_socket_that_is_never_closed_is_trouble() {
        let found = only(
            script(3, 2000, |script| _ = script.connected_tcp()),
            &CLOSE_WAIT,
        );
        assert_eq!(
            found.sentence,
            [
                "The client (python3) closed, the server (python3) read the end 3 times (0 \
                bytes each), and had not closed when the recording ended 2.00 s later: \
                CLOSE_WAIT.",
                "客户端（python3）已关闭，服务器（python3）读到末尾 3 次（每次 0 字节），直到 \
                2.00 s 后记录结束仍未关闭：CLOSE_WAIT。",
            ]
        );
        assert_eq!(found.weight, Weight::Trouble);
    }

    #[test]
    fn who_closes_late_or_by_its_end_is_told_apart() {
        let late = only(script(1, 1500, |script| closes(script, "")), &CLOSE_WAIT);
        assert!(
            late.sentence[0]
                .ends_with("read the end (0 bytes), and closed 1.50 s later: CLOSE_WAIT.")
        );
        assert_eq!(late.weight, Weight::Notice);
        let exit = only(
            script(0, 1500, |script| closes(script, "exit")),
            &CLOSE_WAIT,
        );
        assert!(
            exit.sentence[0].contains(
                "did not read the end, and never closed: only its exit did, 1.50 s later"
            )
        );
        assert_eq!(exit.weight, Weight::Trouble);
    }

    #[test]
    fn soon_is_soon_enough_and_writing_on_is_a_use() {
        assert!(told(script(1, 900, |script| closes(script, "")), &CLOSE_WAIT).is_empty());
        assert!(told(script(1, 900, |_| {}), &CLOSE_WAIT).is_empty());
        let in_use = script(1, 1500, |script| {
            script.write(0, SERVER, b"answer");
            closes(script, "");
        });
        assert!(told(in_use, &CLOSE_WAIT).is_empty());
    }
}
