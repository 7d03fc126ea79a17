//! The table as JSON Lines: docs/events.md.

use std::fmt::Write;

use sockeye_observe::sockets::{Family, Memory, Socket, TcpDetails, TimerKind};
use sockeye_trace::{Address, Transport};

use super::cells::number;
use super::snapshot::Snapshot;
use super::summary::counts;
use crate::journal::Line;

/// A line for each socket, then one for the whole.
pub(super) fn sockets(from: &Snapshot, out: &mut String) {
    let begin = Line::new(from.time, "listed").finish();
    let begin = begin.trim_end_matches("}\n");
    for index in &from.shown {
        out.push_str(begin);
        socket(&from.sockets[*index as usize], from, from.peer(*index), out);
        out.push_str("}\n");
    }
    looked(from, out);
}

/// A line for each kind and state, then one for the whole.
pub(super) fn summary(from: &Snapshot, out: &mut String) {
    for ((kind, _), (state, count)) in counts(from) {
        let mut line = Line::new(from.time, "counted");
        line.put("kind", kind)
            .put("state", state)
            .number("sockets", count);
        out.push_str(&line.finish());
    }
    looked(from, out);
}

fn looked(from: &Snapshot, out: &mut String) {
    let mut line = Line::new(from.time, "looked");
    line.number("sockets", from.shown.len() as u64);
    if from.hidden() > 0 {
        line.number("hidden_processes", from.hidden() as u64);
    }
    let missing = from
        .missing()
        .iter()
        .map(|missing| missing.part.name().to_owned());
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        line.list("missing", &missing);
    }
    let interrupted = from.interrupted().iter().map(|part| part.name().to_owned());
    let interrupted: Vec<String> = interrupted.collect();
    if !interrupted.is_empty() {
        line.list("interrupted", &interrupted);
    }
    out.push_str(&line.finish());
}

/// Fields behind the beginning of an object.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn name(&mut self, name: &str) {
        // A comma unless the object begins here.
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        quoted(text, self.0);
    }

    fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.name(name);
        number(value.into(), self.0);
    }

    /// A number that is left out where it is nothing.
    fn some(&mut self, name: &str, value: impl Into<u64>) {
        let value = value.into();
        if value > 0 {
            self.number(name, value);
        }
    }
}

fn socket(socket: &Socket, from: &Snapshot, peer: Option<&Socket>, out: &mut String) {
    let mut fields = Fields(out);
    fields.text("transport", socket.transport.name());
    if let Some(family) = family(socket.family) {
        fields.text("family", family);
    }
    if socket.is_mptcp {
        fields.name("mptcp");
        fields.0.push_str("true");
    }
    fields.text("state", socket.state_name());
    address(&mut fields, "local", &socket.local);
    if !matches!(&socket.remote, Address::Ip(it) if it.port() == 0 && it.ip().is_unspecified()) {
        address(&mut fields, "remote", &socket.remote);
    }
    if matches!(socket.transport, Transport::Raw | Transport::Packet) {
        fields.number("protocol", socket.protocol);
    }
    fields.some("interface", socket.interface);
    fields.number("recv_queue", socket.recv_queue);
    fields.number("send_queue", socket.send_queue);
    if socket.timer.kind != TimerKind::Off {
        fields.text("timer", socket.timer.kind.name());
        fields.number("timer_ms", socket.timer.left_ms);
        fields.number("expired", socket.timer.expired);
    }
    if let Some(uid) = socket.uid {
        fields.number("uid", uid);
        if let Some(name) = from.users.name(uid) {
            fields.text("user", name);
        }
    }
    fields.number("inode", socket.inode);
    fields.number("cookie", socket.cookie);
    if let Some(peer) = peer {
        fields.number("peer_cookie", peer.cookie);
    }
    programs(&mut fields, socket, from);
    if let Some(it) = &socket.memory {
        memory(&mut fields, it);
    }
    if let Some(it) = &socket.tcp {
        tcp(&mut fields, it);
    }
}

fn family(family: Family) -> Option<&'static str> {
    match family {
        Family::V4 => Some("ipv4"),
        Family::V6 => Some("ipv6"),
        Family::Unix | Family::Link => None,
    }
}

fn address(fields: &mut Fields<'_>, name: &str, address: &Address) {
    match address {
        Address::None => {}
        Address::Ip(address) => {
            fields.name(name);
            let _ = write!(fields.0, "\"{address}\"");
        }
        Address::Unix(path) => fields.text(name, path),
    }
}

fn programs(fields: &mut Fields<'_>, socket: &Socket, from: &Snapshot) {
    let Some(all) = &from.programs else { return };
    let mut programs = all.of(socket.inode).peekable();
    if programs.peek().is_none() {
        return;
    }
    fields.name("programs");
    fields.0.push('[');
    for program in programs {
        if !fields.0.ends_with('[') {
            fields.0.push(',');
        }
        fields.0.push('{');
        fields.text("name", program.name);
        fields.number("pid", program.pid);
        fields.number("fd", program.fd);
        fields.0.push('}');
    }
    fields.0.push(']');
}

fn memory(fields: &mut Fields<'_>, memory: &Memory) {
    fields.name("memory");
    fields.0.push('{');
    fields.number("recv_bytes", memory.recv);
    fields.number("recv_limit_bytes", memory.recv_limit);
    fields.number("sending_bytes", memory.sending);
    fields.number("send_queued_bytes", memory.send_queued);
    fields.number("send_limit_bytes", memory.send_limit);
    fields.number("backlog_bytes", memory.backlog);
    fields.number("drops", memory.drops);
    fields.0.push('}');
}

fn tcp(fields: &mut Fields<'_>, tcp: &TcpDetails) {
    fields.name("tcp");
    fields.0.push('{');
    if !tcp.congestion.as_str().is_empty() {
        fields.text("congestion", tcp.congestion.as_str());
    }
    let times = [
        ("rtt_us", tcp.rtt_us),
        ("rtt_var_us", tcp.rtt_var_us),
        ("min_rtt_us", tcp.min_rtt_us),
        ("rto_us", tcp.rto_us),
        ("send_mss_bytes", tcp.send_mss),
        ("recv_mss_bytes", tcp.recv_mss),
        ("path_mtu_bytes", tcp.path_mtu),
        ("cwnd", tcp.cwnd),
        ("unacked", tcp.unacked_segments),
        ("unsent_bytes", tcp.unsent),
        ("retransmitting", tcp.retransmitting),
        ("retransmits", tcp.retransmits),
        ("lost", tcp.lost),
        ("send_window_bytes", tcp.send_window),
        ("segments_out", tcp.segments_out),
        ("segments_in", tcp.segments_in),
        ("data_segments_out", tcp.data_segments_out),
        ("data_segments_in", tcp.data_segments_in),
        ("out_of_order", tcp.out_of_order),
        ("last_sent_ms", tcp.last_sent_ms),
        ("last_received_ms", tcp.last_received_ms),
    ];
    for (name, value) in times {
        fields.number(name, value);
    }
    let amounts = [
        ("delivery_bytes_per_s", tcp.delivery_rate),
        ("sent_bytes", tcp.bytes_sent),
        ("acked_bytes", tcp.bytes_acked),
        ("received_bytes", tcp.bytes_received),
        ("retransmitted_bytes", tcp.bytes_retransmitted),
        ("busy_us", tcp.busy_us),
        ("rwnd_limited_us", tcp.rwnd_limited_us),
        ("sndbuf_limited_us", tcp.sndbuf_limited_us),
    ];
    for (name, value) in amounts {
        fields.number(name, value);
    }
    if let Some(threshold) = tcp.ssthresh {
        fields.number("ssthresh", threshold);
    }
    if let Some(rate) = tcp.pacing_rate {
        fields.number("pacing_bytes_per_s", rate);
    }
    fields.0.push('}');
}

/// A JSON string: whatever could not stand there is an escape (RFC 8259 §7).
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_reads_back() {
        for text in [
            "",
            "a\"b\\c",
            "\x1b[2J\n\u{7f}\u{9b}",
            "一棵树 🐟",
            "\u{202e}",
        ] {
            let mut out = String::new();
            quoted(text, &mut out);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
