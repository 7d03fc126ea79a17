//! `nobody-listens`: datagrams to a port where no program waits.
//!
//! The peer's kernel answers with ICMP "port unreachable" (RFC 1122 §4.1.3.1). A connected socket
//! reports it at its next call as `ECONNREFUSED`; one that is not connected says nothing (udp(7)),
//! and for it the send succeeded.

use crate::{Address, FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{capital, of};

pub(super) const NOBODY_LISTENS: Topic = Topic {
    name: "nobody-listens",
    title: ["datagrams to nobody", "数据报发给了没人监听的端口"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport != Transport::Udp {
        return;
    }
    for way in 0..2 {
        let [from, to] = [
            &view.flow.ends[way].address,
            &view.flow.ends[1 - way].address,
        ];
        let told: &[(Time, FactId)] = match (from, to) {
            (Address::Ip(from), Address::Ip(to)) => view.context.unreachable(*from, *to),
            _ => &[],
        };
        let failed = view.first_failed(way, libc::ECONNREFUSED);
        if let Some(at) = told
            .first()
            .copied()
            .into_iter()
            .chain(failed)
            .map(|(at, _)| at)
            .min()
        {
            one(view, way, told, failed, at, found);
        }
    }
}

fn one(
    view: &View<'_>,
    way: usize,
    told: &[(Time, FactId)],
    failed: Option<(Time, FactId)>,
    at: Time,
    found: &mut Found,
) {
    found.add(
        &NOBODY_LISTENS,
        Weight::Trouble,
        view.place(way, 0..0, at),
        || {
            let [sender, sender_zh] = &view.who[way];
            let address = &view.flow.ends[1 - way].address;
            let answers = told.len() as u64;
            let (mut en, mut zh) = (Vec::new(), Vec::new());
            if answers > 0 {
                en.push(format!(
                    "{} \"port unreachable\" came back",
                    of(answers, "ICMP message")
                ));
                zh.push(format!("收到 {answers} 个 ICMP 端口不可达"));
            }
            if failed.is_some() {
                en.push("a later call failed with ECONNREFUSED (111)".to_owned());
                zh.push("之后的调用以 ECONNREFUSED（111）失败".to_owned());
            } else if view.is_watched(way) {
                en.push("no call of the program was told of it".to_owned());
                zh.push("但程序的调用都没有得知".to_owned());
            }
            let write = view.writes[way]
                .iter()
                .rev()
                .find(|write| view.event(write.fact).began() <= at);
            let facts = write.map(|write| write.fact).into_iter();
            let facts = facts.chain(told.iter().map(|(_, fact)| *fact).take(Topic::FACTS - 2));
            Told {
                facts: facts.chain(failed.map(|(_, fact)| fact)).collect(),
                sentence: [
                    format!(
                        "{} sent to {address}, where nobody listens: {}.",
                        capital(sender),
                        en.join(", and ")
                    ),
                    format!(
                        "{sender_zh}发往 {address}，那里没有程序在监听：{}。",
                        zh.join("，")
                    ),
                ],
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};
    use etherparse::PacketBuilder;

    /// The answer of a kernel to a datagram from port 40000 to this port.
    fn unreachable(port: u16) -> Vec<u8> {
        let build =
            || PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64);
        let mut datagram = Vec::new();
        build()
            .udp(40_000, port)
            .write(&mut datagram, b"hello")
            .expect("a vector takes everything");
        let mut frame = Vec::new();
        build()
            .icmpv4_raw(3, 3, [0; 4])
            .write(&mut frame, &datagram[14..])
            .expect("a vector takes everything");
        frame
    }

    fn script(port: u16) -> Script {
        let mut script = Script::new();
        let udp = script.udp();
        script.write(udp, CLIENT, b"hello");
        script.datagram(udp, CLIENT, b"hello");
        script.frame(unreachable(port), 0);
        script
    }

    #[test]
    fn icmp_tells_and_the_program_is_not_told() {
        let found = only(script(5000), &NOBODY_LISTENS);
        assert_eq!(
            found.sentence,
            [
                "The client (python3) sent to 127.0.0.1:5000, where nobody listens: 1 ICMP \
                message \"port unreachable\" came back, and no call of the program was told of \
                it.",
                "客户端（python3）发往 127.0.0.1:5000，那里没有程序在监听：收到 1 个 ICMP 端口不\
                可达，但程序的调用都没有得知。",
            ]
        );
        assert_eq!(found.facts.len(), 2);
    }

    #[test]
    fn a_connected_socket_hears_of_it() {
        let mut script = Script::new();
        let udp = script.talk(Transport::Udp, true);
        script.write(udp, CLIENT, b"hello");
        script.fail(udp, CLIENT, Kind::Read, 64, libc::ECONNREFUSED);
        let found = told(script, &NOBODY_LISTENS);
        assert_eq!(
            found,
            [
                "The client (python3) sent to 127.0.0.1:5000, where nobody listens: a later \
                call failed with ECONNREFUSED (111)."
            ]
        );
    }

    #[test]
    fn word_of_another_port_and_an_answer_are_not_it() {
        assert!(told(script(5001), &NOBODY_LISTENS).is_empty());
        let mut answered = Script::new();
        let udp = answered.udp();
        answered.write(udp, CLIENT, b"hello");
        answered.write(udp, SERVER, b"hi");
        assert!(told(answered, &NOBODY_LISTENS).is_empty());
    }
}
