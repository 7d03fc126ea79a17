//! What stands below a socket: its buffers, its timer, what TCP knows of the connection.

use std::fmt::Display;

use sockeye_observe::sockets::{Socket, TcpDetails};
use sockeye_trace::{TcpState, Transport};

use super::bars::{CELLS, Fill, unread, unsent};
use super::cells;
use super::text;
use crate::catalogue::Lang;
use crate::ui::quantity::{bytes, bytes_a_second, count, duration};

/// Before every line.
const INDENT: &str = "       ";

/// Writes whole lines. With the other end its unread bytes stand below what this end has not got rid
/// of: together they are all that is on its way.
pub(super) fn write(socket: &Socket, peer: Option<&Socket>, lang: Lang, out: &mut String) {
    let mut line = |text: &str| {
        if !text.is_empty() {
            out.push_str(INDENT);
            out.push_str(text);
            out.push('\n');
        }
    };
    for text in buffers(socket, peer, lang, CELLS) {
        line(&text);
    }
    let mut timer = String::new();
    cells::timer(socket, &mut timer);
    if !timer.is_empty() {
        line(&text::TIMER_LINE.fill(lang, &[("timer", &timer)]));
    }
    if let Some(tcp) = &socket.tcp
        && socket.state != TcpState::Listen
    {
        for text in connection(tcp, lang) {
            line(&text);
        }
    }
    line(&identity(socket, lang));
}

/// The bars of a socket, and of the buffer in which its peer finds what it sends.
pub(super) fn buffers(
    socket: &Socket,
    peer: Option<&Socket>,
    lang: Lang,
    cells: usize,
) -> Vec<String> {
    if socket.is_listener() {
        let values: [(&str, &dyn Display); 2] = [
            ("waiting", &socket.recv_queue),
            ("backlog", &socket.send_queue),
        ];
        return vec![text::ACCEPT_QUEUE.fill(lang, &values)];
    }
    if socket.memory.is_none() {
        return vec![];
    }
    let gauge = socket.gauge();
    let is_udp = socket.transport == Transport::Udp;
    let mut lines = vec![format!(
        "{} {} {}",
        text::RECEIVE.get(lang),
        Fill::unread(&gauge).bar(cells),
        if is_udp {
            memory_only(socket, lang)
        } else {
            unread(&gauge, lang)
        }
    )];
    lines.push(format!(
        "{} {} {}",
        text::SEND.get(lang),
        Fill::unsent(&gauge).bar(cells),
        unsent(&gauge, lang)
    ));
    if let Some(peer) = peer.filter(|peer| peer.memory.is_some()) {
        let there = peer.gauge();
        lines.push(format!(
            "{} {} {}",
            text::PEER.get(lang),
            Fill::unread(&there).bar(cells),
            unread(&there, lang)
        ));
    }
    let drops = socket.memory.map_or(0, |memory| memory.drops);
    if drops > 0 {
        lines.push(text::DROPS.fill(lang, &[("n", &count(drops.into()))]));
    }
    lines
}

/// UDP tells how much memory waits, and not how many bytes.
fn memory_only(socket: &Socket, lang: Lang) -> String {
    let gauge = socket.gauge();
    text::UNREAD_MEMORY.fill(
        lang,
        &[
            ("memory", &bytes(gauge.recv_memory.into())),
            ("limit", &bytes(gauge.recv_limit.into())),
        ],
    )
}

/// What TCP knows.
pub(super) fn connection(tcp: &TcpDetails, lang: Lang) -> Vec<String> {
    let us = |us: u32| duration(u64::from(us) * 1000);
    let time = text::TCP_TIME.fill(
        lang,
        &[
            ("rtt", &us(tcp.rtt_us)),
            ("var", &us(tcp.rtt_var_us)),
            ("least", &us(tcp.min_rtt_us)),
            ("rto", &us(tcp.rto_us)),
        ],
    );
    let threshold = tcp
        .ssthresh
        .map_or_else(|| "—".to_owned(), |it| it.to_string());
    let window = text::TCP_WINDOW.fill(
        lang,
        &[
            ("name", &tcp.congestion.as_str()),
            ("cwnd", &tcp.cwnd),
            ("ssthresh", &threshold),
            ("mss", &tcp.send_mss),
            ("window", &bytes(tcp.send_window.into())),
        ],
    );
    let data = text::TCP_DATA.fill(
        lang,
        &[
            ("sent", &bytes(tcp.bytes_sent)),
            ("acked", &bytes(tcp.bytes_acked)),
            ("received", &bytes(tcp.bytes_received)),
            ("out", &count(tcp.segments_out.into())),
            ("in", &count(tcp.segments_in.into())),
        ],
    );
    vec![time, window, data, rates(tcp, lang), trouble(tcp, lang)]
}

fn rates(tcp: &TcpDetails, lang: Lang) -> String {
    let rate = |rate: u64| bytes_a_second(rate as f64);
    let pacing = tcp.pacing_rate.map_or_else(|| "—".to_owned(), rate);
    text::TCP_RATES.fill(
        lang,
        &[("pacing", &pacing), ("delivery", &rate(tcp.delivery_rate))],
    )
}

/// What held a connection up, where something did.
fn trouble(tcp: &TcpDetails, lang: Lang) -> String {
    let mut said = vec![];
    if tcp.retransmits > 0 {
        let values: [(&str, &dyn Display); 3] = [
            ("n", &tcp.retransmits),
            ("bytes", &bytes(tcp.bytes_retransmitted)),
            ("lost", &tcp.lost),
        ];
        said.push(text::RETRANSMITTED.fill(lang, &values));
    }
    if tcp.out_of_order > 0 {
        said.push(text::OUT_OF_ORDER.fill(lang, &[("n", &tcp.out_of_order)]));
    }
    if tcp.rwnd_limited_us > 0 {
        let took = duration(tcp.rwnd_limited_us * 1000);
        said.push(text::RWND_LIMITED.fill(lang, &[("took", &took)]));
    }
    if tcp.sndbuf_limited_us > 0 {
        let took = duration(tcp.sndbuf_limited_us * 1000);
        said.push(text::SNDBUF_LIMITED.fill(lang, &[("took", &took)]));
    }
    said.join(text::BETWEEN.get(lang))
}

/// The numbers by which other tools know it.
fn identity(socket: &Socket, lang: Lang) -> String {
    let values: [(&str, &dyn Display); 2] = [("inode", &socket.inode), ("cookie", &socket.cookie)];
    text::IDENTITY.fill(lang, &values)
}
