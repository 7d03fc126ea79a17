//! `time-wait`: who keeps the connection in TIME-WAIT.
//!
//! The end that closes first keeps the pair of addresses for a while, so that late packets of this
//! connection cannot be taken for those of the next (RFC 9293 §3.6.1); on Linux 60 seconds
//! (`TCP_TIMEWAIT_LEN`, include/net/tcp.h). At a client that costs one of its own ports; at a
//! server it is why binding the port again fails without `SO_REUSEADDR`.

use crate::packet::TcpFlags;
use crate::{FactId, Time, Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{View, What};
use super::words::capital;
use super::write_after_close;

pub(super) const TIME_WAIT: Topic = Topic {
    name: "time-wait",
    title: ["TIME_WAIT, and at which end", "TIME_WAIT 留在哪一端"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport != Transport::Tcp {
        return;
    }
    let is_reset = view
        .steps
        .iter()
        .any(|step| step.flags().has(TcpFlags::RST))
        || [0, 1].into_iter().any(|end| {
            view.first_failed(end, libc::ECONNRESET).is_some()
                || write_after_close::explains(view, end)
        });
    let [Some(client), Some(server)] = [0, 1].map(|end| ended(view, end)) else {
        return;
    };
    if is_reset {
        return;
    }
    let first = usize::from(server < client);
    let (at, facts) = (
        [client, server][first].0,
        vec![client.1.min(server.1), client.1.max(server.1)],
    );
    let crossed = crossed(view);
    found.add(&TIME_WAIT, Weight::Note, view.whole(at), || {
        let [who, who_zh] = &view.who[first];
        let port = view.flow.ends[first].address.port().unwrap_or(0);
        let sentence = if crossed {
            [
                "Both ends closed at once: TIME_WAIT stays with both for 60 s.".to_owned(),
                "两端同时关闭：TIME_WAIT 在两端各留 60 秒。".to_owned(),
            ]
        } else if first == 1 {
            [
                format!(
                    "{} closed first, so TIME_WAIT stays with it for 60 s: to listen on \
                port {port} again meanwhile needs SO_REUSEADDR.",
                    capital(who)
                ),
                format!(
                    "{who_zh}先关闭，TIME_WAIT 在它那里留 60 秒：其间要再监听 {port} 端口，\
                需设 SO_REUSEADDR。"
                ),
            ]
        } else {
            [
                format!(
                    "{} closed first, so TIME_WAIT stays with it for 60 s, on its port \
                {port}.",
                    capital(who)
                ),
                format!("{who_zh}先关闭，TIME_WAIT 在它的 {port} 端口上留 60 秒。"),
            ]
        };
        Told { facts, sentence }
    });
}

/// When an end sent its FIN: as the wire tells, else by its calls.
fn ended(view: &View<'_>, end: usize) -> Option<(Time, FactId)> {
    if view.is_captured() {
        return view.first_flagged(end, TcpFlags::FIN);
    }
    let closed = view
        .closed(end)
        .map(|closed| (view.event(closed.fact).began(), closed.fact));
    let shut = view.shut_down(end).map(|shut| (shut.at, shut.fact));
    closed.into_iter().chain(shut).min()
}

/// Whether the later FIN was sent before the earlier one had come.
fn crossed(view: &View<'_>) -> bool {
    let fins: Vec<_> = view
        .steps
        .iter()
        .filter_map(|step| match step.what {
            What::Segment(header) if header.flags.has(TcpFlags::FIN) => Some((step.end, header)),
            _ => None,
        })
        .collect();
    let Some((end, first)) = fins.first() else {
        return false;
    };
    let second = fins.iter().find(|(other, _)| other != end);
    second.is_some_and(|(_, second)| second.ack != first.seq.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    fn script(closes: &[u8]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        for end in closes {
            script.close(tcp, *end);
        }
        script
    }

    #[test]
    fn it_stays_with_who_closes_first() {
        let client = only(script(&[CLIENT, SERVER]), &TIME_WAIT);
        assert_eq!(
            client.sentence,
            [
                "The client (python3) closed first, so TIME_WAIT stays with it for 60 s, on its \
                port 40000.",
                "客户端（python3）先关闭，TIME_WAIT 在它的 40000 端口上留 60 秒。",
            ]
        );
        let server = only(script(&[SERVER, CLIENT]), &TIME_WAIT);
        assert!(
            server.sentence[0]
                .ends_with("to listen on port 5000 again meanwhile needs SO_REUSEADDR.")
        );
    }

    #[test]
    fn nobody_has_it_before_both_closed_or_after_a_reset() {
        assert!(told(script(&[CLIENT]), &TIME_WAIT).is_empty());
        let mut reset = script(&[CLIENT, SERVER]);
        reset.packet(0, SERVER, TcpFlags::RST, 0..0);
        assert!(told(reset, &TIME_WAIT).is_empty());
    }

    /// The answer to a late write is RST, which nobody saw here.
    #[test]
    fn what_was_written_after_the_close_leaves_none() {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        let close = |script: &mut Script, end| {
            let state = crate::TcpState::FinWait1;
            script.called(tcp, end, crate::Call::Close, 0, "", state);
        };
        script.write(tcp, CLIENT, b"one");
        close(&mut script, SERVER);
        script.write(tcp, CLIENT, b"two");
        script.fail(tcp, CLIENT, crate::Kind::Write, 3, libc::EPIPE);
        close(&mut script, CLIENT);
        assert!(told(script, &TIME_WAIT).is_empty());
    }

    #[test]
    fn without_packets_the_calls_tell() {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        for end in [SERVER, CLIENT] {
            script.called(
                tcp,
                end,
                crate::Call::Close,
                0,
                "",
                crate::TcpState::FinWait1,
            );
        }
        assert!(told(script, &TIME_WAIT)[0].contains("port 5000"));
    }
}
