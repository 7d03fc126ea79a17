//! `half-close`: one end said that it has written all, and went on reading.
//!
//! shutdown(2) with `SHUT_WR` sends FIN and leaves the other direction open (RFC 9293 §3.6): the
//! reader sees the end of the stream and can still answer. That is how a client without framing
//! says "that was my request".

use crate::packet::TcpFlags;
use crate::{FactId, Time, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, capital, count};

pub(super) const HALF_CLOSE: Topic = Topic {
    name: "half-close",
    title: ["half closed, and still reading", "半关闭：不再写，仍在读"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if !view.flow.transport.is_stream() {
        return;
    }
    for end in 0..2 {
        let ended = if view.is_watched(end) {
            view.shut_down(end)
                .filter(|shut| !view.fact(shut.fact).text.contains("SHUT_RDWR"))
                .map(|shut| (shut.at, shut.fact))
        } else {
            let is_reset = view
                .steps
                .iter()
                .any(|step| step.flags().has(TcpFlags::RST));
            view.first_flagged(end, TcpFlags::FIN).filter(|_| !is_reset)
        };
        if let Some((at, fact)) = ended {
            one(view, end, at, fact, found);
        }
    }
}

fn one(view: &View<'_>, end: usize, at: Time, fact: FactId, found: &mut Found) {
    let way = 1 - end;
    // What came back after it: as the end itself read it, or as the wire carried it.
    let (facts, lengths): (Vec<FactId>, Vec<u64>) = if view.is_watched(end) {
        let reads = view.reads[way]
            .iter()
            .filter(|read| view.time(read.fact) > at);
        reads
            .map(|read| (read.fact, read.bytes.end - read.bytes.start))
            .unzip()
    } else {
        let pieces = view.pieces[way].iter().filter(|piece| piece.at > at);
        pieces
            .map(|piece| (piece.fact, piece.bytes.end - piece.bytes.start))
            .unzip()
    };
    let back: u64 = lengths.iter().sum();
    if back == 0 {
        return;
    }
    let total = view.way(way).read.max(view.way(way).carried);
    let place = view.place(way, total.saturating_sub(back)..total, at);
    found.add(&HALF_CLOSE, Weight::Note, place, || {
        let [who, who_zh] = &view.who[end];
        let [how, how_zh] = if view.is_watched(end) {
            ["shutdown SHUT_WR", "shutdown SHUT_WR"]
        } else {
            ["FIN", "FIN"]
        };
        let what = if view.is_watched(end) {
            "read"
        } else {
            "was sent"
        };
        Told {
            facts: [fact].into_iter().chain(facts).collect(),
            sentence: [
                format!(
                    "{} said that it has written all ({how}), and {what} {} after that.",
                    capital(who),
                    bytes(back)
                ),
                format!(
                    "{who_zh}声明不再写（{how_zh}），之后又收到 {} 字节。",
                    count(back)
                ),
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

    fn script(how: &str, answer: &[u8]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"request");
        script.called(tcp, CLIENT, Call::Shutdown, 0, how, TcpState::FinWait1);
        if !answer.is_empty() {
            script.write(tcp, SERVER, answer);
            script.read(tcp, CLIENT, 64, answer.len());
        }
        script
    }

    #[test]
    fn what_came_after_it_is_counted() {
        let found = only(script("SHUT_WR", b"answer"), &HALF_CLOSE);
        assert_eq!(
            found.sentence,
            [
                "The client (python3) said that it has written all (shutdown SHUT_WR), and read \
                6 bytes after that.",
                "客户端（python3）声明不再写（shutdown SHUT_WR），之后又收到 6 字节。",
            ]
        );
        assert_eq!(
            (found.weight, found.way, found.bytes),
            (Weight::Note, Some(1), 0..6)
        );
    }

    #[test]
    fn nothing_after_it_and_both_directions_are_no_half_close() {
        assert!(told(script("SHUT_WR", b""), &HALF_CLOSE).is_empty());
        assert!(told(script("SHUT_RDWR", b"answer"), &HALF_CLOSE).is_empty());
    }
}
