//! Packets and messages as JSON Lines. The schema is docs/events.md; change it there first.

use sockeye_trace::packet::row::{Host, Row, Seq};
use sockeye_trace::{Clock, Fact, Interface, Lang, Time, packet_flag};

use super::streams::{Conversation, Way};
use crate::journal::Line;

/// The time now, for what has no time of its own.
pub(super) fn now() -> Time {
    Clock::start().now()
}

/// What is captured, before the first packet.
pub(super) fn begin(interfaces: &[Interface]) -> String {
    let names: Vec<String> = interfaces.iter().map(|one| one.name.clone()).collect();
    let mut line = Line::new(now(), "capturing");
    line.list("interfaces", &names);
    line.finish()
}

/// What it came to.
pub(super) fn end(packets: u64, dropped: u64, out: &mut Vec<u8>) {
    let mut line = Line::new(now(), "captured");
    line.number("packets", packets).number("dropped", dropped);
    out.extend_from_slice(line.finish().as_bytes());
}

/// A packet, or a piece of one.
pub(super) fn packet(
    row: &Row,
    interface: &str,
    fact: &Fact<'_>,
    data: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    let mut line = Line::new(row.time, "frame");
    line.number("number", row.number);
    if row.piece.1 > 1 {
        line.number("piece", u64::from(row.piece.0) + 1)
            .number("pieces", row.piece.1.into());
    }
    line.put("interface", interface);
    if fact.flags & packet_flag::OUTGOING != 0 {
        line.raw("outgoing", true);
    }
    for (name, host) in [("source", &row.source), ("destination", &row.destination)] {
        if *host != Host::None {
            line.put(name, &host.to_string());
        }
    }
    line.number("frame_bytes", row.frame_len.into());
    if let Some(whole) = row.frame_len_with_fcs {
        line.number("frame_fcs_bytes", whole.into());
    }
    line.put("protocol", &row.protocol.words(Lang::En).to_string());
    if let Some((source, destination)) = row.ports {
        line.number("source_port", source.into())
            .number("destination_port", destination.into());
    }
    if let Some(flags) = row.flags {
        line.put("tcp_flags", flags.by_position().as_str());
    }
    for (name, seq) in [("seq", row.seq), ("ack", row.ack)] {
        match seq {
            Some(Seq::Relative(number)) => line.number(name, number),
            Some(Seq::Absolute(number)) => line.number(&format!("{name}_absolute"), number.into()),
            None => &mut line,
        };
    }
    if let Some(window) = row.window {
        line.number("window_bytes", window.into());
    }
    line.number("len_bytes", row.len.into());
    let mut detail = String::new();
    // Writing into memory does not fail.
    let _: std::fmt::Result = row.write_detail(Lang::En, &mut detail);
    line.put_some("detail", Some(&*detail).filter(|detail| !detail.is_empty()));
    if let Some(data) = data.filter(|_| row.piece.0 == 0) {
        line.data(data);
    }
    out.extend_from_slice(line.finish().as_bytes());
}

/// A line about a conversation.
pub(super) fn stream(time: Time, event: &str, of: &Conversation, way: Option<Way>) -> Line {
    let mut line = Line::new(time, event);
    line.number("stream", of.number)
        .put("protocol", of.protocol())
        .put("client", &of.client.to_string())
        .put("server", &of.server.to_string());
    if let Some(way) = way {
        line.put("way", way.name());
    }
    line
}
