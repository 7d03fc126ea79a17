//! `refused` and `unanswered`: a connection that did not come about, or late.
//!
//! Where nobody listens, the peer's kernel answers SYN with RST, and connect(2) fails with
//! `ECONNREFUSED`. Where nothing answers (a firewall, a machine that is down, a full backlog: Linux
//! drops the SYN, listen(2)), the SYN is sent again after 1, 3, 7 … seconds (RFC 6298 §2,
//! `tcp_syn_retries`), and at last connect fails with `ETIMEDOUT`.

use crate::packet::TcpFlags;
use crate::{Address, FactId, Time, Transport, Weight, errno_name};

use super::Topic;
use super::found::{Found, Place, Told};
use super::view::{Attempt, CONNECTS, Context, Step, View, What};
use super::words::{self, capital, count, duration};

pub(super) const REFUSED: Topic = Topic {
    name: "refused",
    title: ["nobody listens there", "连接被拒绝：没有程序在监听"],
};

pub(super) const UNANSWERED: Topic = Topic {
    name: "unanswered",
    title: ["no answer to the SYN", "SYN 没有得到回答"],
};

/// Errors of a connect that found no way to the peer, or no answer.
const NO_ANSWER: [i32; 4] = [
    libc::ETIMEDOUT,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::EHOSTDOWN,
];

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport.is_stream() && view.was_refused() {
        return refused(view, found);
    }
    if view.flow.transport == Transport::Tcp {
        unanswered(view, found);
    }
}

/// Connects whose packets nobody saw.
pub(super) fn find_alone(context: &Context<'_>, found: &mut Found) {
    for attempt in &context.alone {
        let topic = match attempt.errno {
            libc::ECONNREFUSED => &REFUSED,
            errno if NO_ANSWER.contains(&errno) => &UNANSWERED,
            _ => continue,
        };
        alone(context, attempt, topic, found);
    }
}

fn alone(context: &Context<'_>, attempt: &Attempt, topic: &Topic, found: &mut Found) {
    let place = Place {
        at: attempt.at,
        ..Place::default()
    };
    let weight = weight(context, &attempt.to);
    found.add(topic, weight, place, || {
        let Attempt { pid, to, errno, .. } = attempt;
        let [who, who_zh] = match context.program_of(*pid).map(words::name) {
            Some(name) => [
                format!("{name} (pid {pid})"),
                format!("{name}（进程 {pid}）"),
            ],
            None => [format!("process {pid}"), format!("进程 {pid} ")],
        };
        let failed = format!("{} ({errno})", errno_name(*errno));
        let failed_zh = format!("{}（{errno}）", errno_name(*errno));
        Told {
            facts: vec![attempt.fact],
            sentence: if topic.name == REFUSED.name {
                [
                    format!("A connect of {who} found nobody listening at {to}: {failed}."),
                    format!("{who_zh}要连接的 {to} 没有程序在监听：{failed_zh}。"),
                ]
            } else {
                [
                    format!("A connect of {who} to {to} had no answer: {failed}."),
                    format!("{who_zh}连接 {to} 没有得到回答：{failed_zh}。"),
                ]
            },
        }
    });
}

/// A program that tries the addresses of a name in turn (`::1`, then `127.0.0.1`) and was answered
/// at another one is not in trouble.
fn weight(context: &Context<'_>, to: &Address) -> Weight {
    let elsewhere = to
        .port()
        .is_some_and(|port| context.answered.contains(&port));
    if elsewhere {
        Weight::Notice
    } else {
        Weight::Trouble
    }
}

impl View<'_> {
    /// Whether the connection was turned down.
    pub(super) fn was_refused(&self) -> bool {
        self.failed_connect(&[libc::ECONNREFUSED]).is_some() || self.reset_of_syn().is_some()
    }

    fn failed_connect(&self, errnos: &[i32]) -> Option<(&Step, i32)> {
        self.steps.iter().find_map(|step| match step.what {
            What::Called(call, result) if CONNECTS.contains(&call) => {
                // A file may say that a call returned the least number there is.
                let errno = result.saturating_neg();
                errnos.contains(&errno).then_some((step, errno))
            }
            _ => None,
        })
    }

    /// The server's RST where it never answered the SYN with its own.
    fn reset_of_syn(&self) -> Option<&Step> {
        let mut syns = self
            .steps
            .iter()
            .filter(|step| step.flags().has(TcpFlags::SYN));
        let of_server = syns.clone().any(|step| step.end == 1);
        let reset = || {
            self.steps
                .iter()
                .find(|step| step.end == 1 && step.flags().has(TcpFlags::RST))
        };
        (syns.any(|step| step.end == 0) && !of_server)
            .then(reset)
            .flatten()
    }
}

fn refused(view: &View<'_>, found: &mut Found) {
    let called = view
        .failed_connect(&[libc::ECONNREFUSED])
        .map(|(step, _)| step);
    let reset = view.reset_of_syn();
    let Some(at) = called.or(reset).map(|step| step.at) else {
        return;
    };
    let weight = weight(view.context, &view.flow.ends[1].address);
    found.add(&REFUSED, weight, view.whole(at), || {
        let [client, client_zh] = &view.who[0];
        let address = &view.flow.ends[1].address;
        let [how, how_zh] = match (called, reset) {
            (Some(_), Some(_)) => [
                "RST answered the SYN, connect failed with ECONNREFUSED (111)",
                "SYN 得到 RST，connect 以 ECONNREFUSED（111）失败",
            ],
            (Some(_), None) => [
                "connect failed with ECONNREFUSED (111)",
                "connect 以 ECONNREFUSED（111）失败",
            ],
            _ => ["RST answered the SYN", "SYN 得到 RST"],
        };
        Told {
            facts: reset
                .into_iter()
                .chain(called)
                .map(|step| step.fact)
                .collect(),
            sentence: [
                format!(
                    "{} found nobody listening at {address}: {how}.",
                    capital(client)
                ),
                format!("{client_zh}要连接的 {address} 没有程序在监听：{how_zh}。"),
            ],
        }
    });
}

fn unanswered(view: &View<'_>, found: &mut Found) {
    let syns: Vec<(Time, FactId)> = view
        .steps
        .iter()
        .filter(|step| step.end == 0 && step.flags().has(TcpFlags::SYN))
        .map(|step| (step.at, step.fact))
        .collect();
    let answer = view
        .steps
        .iter()
        .find(|step| step.end == 1 && step.flags().has(TcpFlags::SYN));
    let failed = view.failed_connect(&NO_ANSWER);
    let late = syns.len() > 1 && answer.is_some_and(|answer| answer.at > syns[1].0);
    if failed.is_none() && !late && !(syns.len() > 1 && answer.is_none()) {
        return;
    }
    let Some(at) = syns
        .first()
        .map(|syn| syn.0)
        .or(failed.map(|(step, _)| step.at))
    else {
        return;
    };
    let weight = if answer.is_some() {
        Weight::Notice
    } else {
        Weight::Trouble
    };
    found.add(&UNANSWERED, weight, view.whole(at), || {
        let [client, client_zh] = &view.who[0];
        let address = &view.flow.ends[1].address;
        let (mut en, mut zh) = (Vec::new(), Vec::new());
        if let (Some(first), Some(last), true) = (syns.first(), syns.last(), syns.len() > 1) {
            let (n, within) = (count(syns.len() as u64), duration(last.0.since(first.0)));
            en.push(format!("{n} SYNs in {within}"));
            zh.push(format!("{within} 内发了 {n} 个 SYN"));
        }
        if let Some(answer) = answer {
            let after = duration(answer.at.since(at));
            en.push(format!(
                "an answer only after {after}: the first were lost, or the \
            listener's backlog was full"
            ));
            zh.push(format!("过了 {after} 才有回答：前面的丢了，或监听队列已满"));
        } else if !syns.is_empty() {
            en.push(
                "no answer: a firewall, a full backlog, or nobody at that \
            address"
                    .to_owned(),
            );
            zh.push("没有回答：防火墙、监听队列已满，或那个地址上没有机器".to_owned());
        }
        if let Some((_, errno)) = failed {
            let name = errno_name(errno);
            en.push(format!("connect failed with {name} ({errno})"));
            zh.push(format!("connect 以 {name}（{errno}）失败"));
        }
        let failed = failed.map(|(step, _)| step.fact);
        Told {
            facts: syns
                .iter()
                .map(|syn| syn.1)
                .take(Topic::FACTS - 2)
                .chain(answer.map(|step| step.fact))
                .chain(failed)
                .collect(),
            sentence: [
                format!(
                    "{} tried to reach {address}: {}.",
                    capital(client),
                    en.join("; ")
                ),
                format!("{client_zh}连接 {address}：{}。", zh.join("；")),
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

    fn syns(waits: &[u64], then: impl Fn(&mut Script)) -> Script {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        for wait in waits {
            script.packet(tcp, CLIENT, TcpFlags::SYN, 0..0);
            script.wait(*wait);
        }
        then(&mut script);
        script
    }

    fn fails(script: &mut Script, errno: i32) {
        script.called(
            0,
            CLIENT,
            Call::Connect,
            -errno,
            "127.0.0.1:5000",
            TcpState::Close,
        );
    }

    #[test]
    fn a_reset_in_answer_to_a_syn_is_a_refusal() {
        let found = only(
            syns(&[0], |script| {
                script.packet(0, SERVER, TcpFlags::RST | TcpFlags::ACK, 0..0);
                fails(script, libc::ECONNREFUSED);
            }),
            &REFUSED,
        );
        assert_eq!(
            found.sentence,
            [
                "The client (python3) found nobody listening at 127.0.0.1:5000: RST answered \
                the SYN, connect failed with ECONNREFUSED (111).",
                "客户端（python3）要连接的 127.0.0.1:5000 没有程序在监听：SYN 得到 RST，connect \
                以 ECONNREFUSED（111）失败。",
            ]
        );
        let call = told(
            syns(&[], |script| fails(script, libc::ECONNREFUSED)),
            &REFUSED,
        );
        assert_eq!(
            call,
            [
                "The client (python3) found nobody listening at 127.0.0.1:5000: connect failed \
                with ECONNREFUSED (111)."
            ]
        );
    }

    /// What never had a peer is apart in the timeline; with packets or without, the program is
    /// named.
    #[test]
    fn a_connect_that_never_had_a_peer_is_told() {
        let attempt = |script: &mut Script, errno: i32| {
            let side = crate::Side {
                id: 9,
                pid: 100,
                ..crate::Side::default()
            };
            let text = serde_json::to_string(&side).expect("plain data");
            let event = crate::Event::new(crate::Kind::Side, crate::ConnId::new(9), script.now());
            script.push(&crate::Fact {
                text: &text,
                ..crate::Fact::new(event)
            });
            script.wait(1000);
            let mut event =
                crate::Event::new(crate::Kind::Called, crate::ConnId::new(9), script.now())
                    .with_call(Call::Connect)
                    .with_result(-errno);
            event.took_ns = 1_200_000;
            script.push(&crate::Fact {
                text: "127.0.0.1:5000",
                ..crate::Fact::new(event)
            });
        };
        let seen = syns(&[0], |script| {
            script.packet(0, SERVER, TcpFlags::RST | TcpFlags::ACK, 0..0);
        });
        let unseen = |errno| {
            let mut script = Script::new();
            attempt(&mut script, errno);
            script
        };
        assert_eq!(
            told(seen, &REFUSED),
            ["The client found nobody listening at 127.0.0.1:5000: \
        RST answered the SYN."]
        );
        let mut both = Script::new();
        both.wait(900);
        both.talk(Transport::Tcp, true);
        both.packet(0, CLIENT, TcpFlags::SYN, 0..0);
        both.packet(0, SERVER, TcpFlags::RST | TcpFlags::ACK, 0..0);
        attempt(&mut both, libc::ECONNREFUSED);
        let found = told(both, &REFUSED);
        assert_eq!(
            found,
            [
                "The client (python3) found nobody listening at 127.0.0.1:5000: RST answered the \
            SYN, connect failed with ECONNREFUSED (111)."
            ]
        );
        assert_eq!(
            told(unseen(libc::ECONNREFUSED), &REFUSED),
            [
                "A connect of python3 (pid 100) found nobody listening at 127.0.0.1:5000: \
            ECONNREFUSED (111)."
            ]
        );
        assert_eq!(
            told(unseen(libc::ENETUNREACH), &UNANSWERED),
            ["A connect of python3 (pid 100) to 127.0.0.1:5000 had no answer: ENETUNREACH (101)."]
        );
        assert!(told(unseen(libc::EINPROGRESS), &UNANSWERED).is_empty());
    }

    #[test]
    fn a_result_that_no_kernel_returns_is_no_refusal() {
        let script = syns(&[0], |script| {
            let (call, to) = (Call::Connect, "127.0.0.1:5000");
            script.called(0, CLIENT, call, i32::MIN, to, TcpState::Close);
        });
        assert!(told(script, &REFUSED).is_empty());
    }

    #[test]
    fn silence_is_told_with_how_long_it_was() {
        let found = only(
            syns(&[999_990, 1_999_990, 0], |script| {
                fails(script, libc::ETIMEDOUT);
            }),
            &UNANSWERED,
        );
        assert_eq!(
            found.sentence[0],
            "The client (python3) tried to reach 127.0.0.1:5000: 3 SYNs in 3.00 s; no answer: a \
            firewall, a full backlog, or nobody at that address; connect failed with ETIMEDOUT \
            (110)."
        );
        assert_eq!(found.weight, Weight::Trouble);
    }

    #[test]
    fn a_late_answer_is_a_notice() {
        let found = only(
            syns(&[999_990, 0], |script| {
                script.packet(0, SERVER, TcpFlags::SYN | TcpFlags::ACK, 0..0);
            }),
            &UNANSWERED,
        );
        assert_eq!(found.weight, Weight::Notice);
        assert!(found.sentence[0].contains("an answer only after 1.00 s"));
    }

    #[test]
    fn a_connection_that_came_about_is_not_told() {
        let mut script = Script::new();
        script.connected_tcp();
        assert!(told(script, &UNANSWERED).is_empty());
        assert!(told(syns(&[0], |_| {}), &UNANSWERED).is_empty());
        let reset = syns(&[0], |script| {
            script.packet(0, SERVER, TcpFlags::SYN | TcpFlags::ACK, 0..0);
            script.packet(0, SERVER, TcpFlags::RST, 0..0);
        });
        assert!(told(reset, &REFUSED).is_empty());
    }
}
