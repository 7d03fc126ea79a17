//! `accept-lag`: a connection waited in the backlog until the program accepted it.
//!
//! The kernel completes the handshake by itself; the connection then waits in the listener's queue
//! (its length is the backlog of listen(2)), and the client may already be writing. A server that
//! does one client after the other makes the next one wait there.

use std::time::Duration;

use crate::packet::TcpFlags;
use crate::{Call, FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{capital, duration};

pub(super) const ACCEPT_LAG: Topic = Topic {
    name: "accept-lag",
    title: ["waited to be accepted", "在监听队列里等待"],
};

/// From here on a person notices.
const LAG: Duration = Duration::from_millis(50);

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport != Transport::Tcp {
        return;
    }
    let accepts = [Call::Accept, Call::Accept4, Call::UringAccept];
    let is_accept =
        |step: &&super::view::Step| step.end == 1 && accepts.into_iter().any(|call| step.did(call));
    let Some(accept) = view.steps.iter().find(is_accept) else {
        return;
    };
    let Some((done, fact)) = connected(view) else {
        return;
    };
    // A program that was in accept(2) already kept nobody waiting: the last ACK was on its way.
    let lag = view.event(accept.fact).began().since(done);
    if lag < LAG {
        return;
    }
    found.add(&ACCEPT_LAG, Weight::Notice, view.whole(accept.at), || {
        let [client, client_zh] = &view.who[0];
        let [server, server_zh] = &view.who[1];
        let lag = duration(lag);
        Told {
            facts: vec![fact, accept.fact],
            sentence: [
                format!(
                    "{} was connected, and waited {lag} in the backlog until {server} accepted \
                    it.",
                    capital(client)
                ),
                format!("{client_zh}早已连上，却在监听队列里等了 {lag}，{server_zh}才 accept。"),
            ],
        }
    });
}

/// When the handshake was complete: the client's first ACK, or the return of its connect.
fn connected(view: &View<'_>) -> Option<(Time, FactId)> {
    let answer = view
        .steps
        .iter()
        .position(|step| step.end == 1 && step.flags().has(TcpFlags::SYN));
    let ack = answer.and_then(|answer| {
        let mut after = view.steps[answer..].iter();
        after.find(|step| {
            let flags = step.flags();
            step.end == 0 && flags.has(TcpFlags::ACK) && !flags.has(TcpFlags::SYN)
        })
    });
    let connect = view
        .steps
        .iter()
        .find(|step| step.end == 0 && step.did(Call::Connect));
    ack.or(connect).map(|step| (step.at, step.fact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TcpState;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    fn script(wait: u64) -> Script {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        script.packet(tcp, CLIENT, TcpFlags::SYN, 0..0);
        script.packet(tcp, SERVER, TcpFlags::SYN | TcpFlags::ACK, 0..0);
        script.packet(tcp, CLIENT, TcpFlags::ACK, 0..0);
        script.wait(wait);
        script.called(
            tcp,
            SERVER,
            Call::Accept4,
            4,
            "127.0.0.1:40000",
            TcpState::Established,
        );
        script
    }

    #[test]
    fn the_wait_in_the_backlog_is_told() {
        let found = only(script(1_199_990), &ACCEPT_LAG);
        assert_eq!(
            found.sentence,
            [
                "The client was connected, and waited 1.20 s in the backlog until the server \
                (python3) accepted it.",
                "客户端早已连上，却在监听队列里等了 1.20 s，服务器（python3）才 accept。",
            ]
        );
    }

    #[test]
    fn a_server_that_was_waiting_is_not() {
        assert!(told(script(0), &ACCEPT_LAG).is_empty());
        assert!(told(script(49_990), &ACCEPT_LAG).is_empty());
        assert_eq!(told(script(50_000), &ACCEPT_LAG).len(), 1);
    }

    #[test]
    fn nor_is_one_whose_client_is_far_away() {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        script.packet(tcp, CLIENT, TcpFlags::SYN, 0..0);
        script.packet(tcp, SERVER, TcpFlags::SYN | TcpFlags::ACK, 0..0);
        script.packet(tcp, CLIENT, TcpFlags::ACK, 0..0);
        script.wait(200_000);
        let mut event = crate::Event::new(crate::Kind::Called, crate::ConnId::new(2), script.now())
            .with_call(Call::Accept4)
            .with_result(4);
        event.took_ns = 300_000_000;
        script.push(&crate::Fact {
            text: "127.0.0.1:40000",
            state: TcpState::Established,
            ..crate::Fact::new(event)
        });
        assert!(told(script, &ACCEPT_LAG).is_empty());
    }
}
