//! Events as JSON Lines. The schema is docs/events.md; change it there first.

use encoding_rs::Encoding;
pub(crate) use sockeye_trace::render::json::Line;
use sockeye_trace::{Closing, Event, Kind};

use super::names::Names;

/// The line for what the recorder saw.
pub(super) fn of_event(
    event: &Event,
    payload: &[u8],
    names: &Names,
    encoding: &'static Encoding,
) -> Line {
    let mut line = Line::new(event.time, name(event.kind()));
    if event.conn().number() > 0 {
        line.number("conn", event.conn().number());
    }
    let ends = names.ends(event.conn());
    let peer = ends.map(|ends| ends.peer.as_str());
    match event.kind() {
        Kind::Accepted | Kind::Connected | Kind::SessionOpened => {
            line.put_some("peer", peer)
                .put_some("local", ends.map(|ends| ends.local.as_str()));
        }
        Kind::Read | Kind::Write => call(line.put_some("peer", peer), event, payload, encoding),
        Kind::PeerClosed | Kind::Shutdown => {
            line.number("off_bytes", event.offset);
        }
        Kind::Closed => closed(line.put_some("peer", peer), &Closing::from_payload(payload)),
        Kind::Refused => {
            let (peer, limit) = two_lines(payload);
            line.put("peer", &peer).put("limit", &limit);
        }
        Kind::Truncated => {
            line.put_some("peer", peer)
                .number("len_bytes", event.result.unsigned_abs().into())
                .number("of_bytes", event.asked.into());
        }
        Kind::BadFrame | Kind::Dropped | Kind::Denied => {
            line.put_some("peer", peer)
                .put("error", &String::from_utf8_lossy(payload));
        }
        Kind::AcceptPaused => {
            line.errno(event.result.saturating_neg());
        }
        Kind::CommandStarted
        | Kind::CommandEnded
        | Kind::CommandRefused
        | Kind::FileStored
        | Kind::FileSent
        | Kind::FileRefused
        | Kind::FileInterrupted
        | Kind::MemberIn
        | Kind::MemberOut => {
            line.put_some("peer", peer).merge(payload);
        }
        _ => {}
    }
    line
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Accepted => "accepted",
        Kind::Connected => "connected",
        Kind::SessionOpened => "session",
        Kind::Read => "read",
        Kind::Write => "write",
        Kind::PeerClosed => "peer_closed",
        Kind::Shutdown => "shutdown",
        Kind::Closed => "closed",
        Kind::Refused => "refused",
        Kind::BadFrame => "bad_frame",
        Kind::Truncated => "truncated",
        Kind::Dropped => "dropped",
        Kind::AcceptPaused => "accept_paused",
        Kind::AcceptResumed => "accept_resumed",
        Kind::Denied => "turned_away",
        Kind::CommandStarted => "command_started",
        Kind::CommandEnded => "command_ended",
        Kind::CommandRefused => "command_refused",
        Kind::FileStored => "file_stored",
        Kind::FileSent => "file_sent",
        Kind::FileRefused => "file_refused",
        Kind::FileInterrupted => "file_interrupted",
        Kind::MemberIn => "member_in",
        Kind::MemberOut => "member_out",
        _ => "other",
    }
}

fn call(line: &mut Line, event: &Event, payload: &[u8], encoding: &'static Encoding) {
    line.number("off_bytes", event.offset);
    match u64::try_from(event.result) {
        Ok(bytes) => line.number("len_bytes", bytes),
        Err(_) => line.errno(event.result.saturating_neg()),
    };
    line.number("asked_bytes", event.asked.into())
        .number("took_ns", event.took_ns.into());
    if !payload.is_empty() {
        line.data(payload);
        let text = encoding.decode_without_bom_handling_and_without_replacement(payload);
        line.put_some("text", text.as_deref());
    }
}

fn closed(line: &mut Line, closing: &Closing) {
    line.number("read_bytes", closing.read_bytes)
        .number("written_bytes", closing.written_bytes)
        .number("read_messages", closing.read_messages)
        .number("written_messages", closing.written_messages);
    if !closing.reason.is_empty() {
        line.put("reason", &closing.reason);
    }
}

fn two_lines(payload: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(payload);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), second.to_owned())
}
