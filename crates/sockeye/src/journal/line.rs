//! Events as JSON Lines. The schema is docs/events.md; change it there first.

use std::fmt::Write;

use encoding_rs::Encoding;
use sockeye_net::Errno;
use sockeye_trace::{Closing, Event, Kind, Time};

use super::names::Names;

/// Version of the schema.
const VERSION: u32 = 1;

/// One line: an object whose fields come in the order in which they are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new(time: Time, event: &str) -> Self {
        let mut line = Self(format!("{{\"v\":{VERSION}"));
        line.put("t", &timestamp(time)).put("ev", event);
        line
    }

    /// A string field.
    pub(crate) fn put(&mut self, name: &str, value: &str) -> &mut Self {
        let value = serde_json::Value::from(value);
        self.raw(name, value)
    }

    /// A field that is left out where it does not apply.
    pub(crate) fn put_some(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.raw(name, value)
    }

    /// A list of strings.
    pub(crate) fn list(&mut self, name: &str, values: &[String]) -> &mut Self {
        self.raw(name, serde_json::Value::from(values))
    }

    /// The two fields of a kernel error.
    pub(crate) fn errno(&mut self, errno: Errno) -> &mut Self {
        self.raw("errno", errno.number()).put("name", errno.name())
    }

    /// A field whose value prints as JSON.
    pub(crate) fn raw(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    /// The fields of a JSON object of ours, as its text.
    pub(crate) fn merge(&mut self, object: &[u8]) -> &mut Self {
        let text = String::from_utf8_lossy(object);
        let fields = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            self.0.push(',');
            self.0.push_str(fields);
        }
        self
    }

    /// The text, newline included.
    pub(crate) fn finish(&self) -> String {
        format!("{}}}\n", self.0)
    }
}

/// RFC 3339 in UTC with nanoseconds.
fn timestamp(time: Time) -> String {
    let nanos = i128::from(time.as_nanos());
    // Every `Time` lies before 2554, jiff's end is in 9999.
    jiff::Timestamp::from_nanosecond(nanos)
        .map_or_else(|_| time.to_string(), |stamp| format!("{stamp:.9}"))
}

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
            line.errno(Errno::new(event.result.saturating_neg()));
        }
        Kind::CommandStarted
        | Kind::CommandEnded
        | Kind::CommandRefused
        | Kind::FileStored
        | Kind::FileSent
        | Kind::FileRefused
        | Kind::FileInterrupted => {
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
        _ => "other",
    }
}

fn call(line: &mut Line, event: &Event, payload: &[u8], encoding: &'static Encoding) {
    line.number("off_bytes", event.offset);
    match u64::try_from(event.result) {
        Ok(bytes) => line.number("len_bytes", bytes),
        Err(_) => line.errno(Errno::new(event.result.saturating_neg())),
    };
    line.number("asked_bytes", event.asked.into())
        .number("took_ns", event.took_ns.into());
    if !payload.is_empty() {
        line.put("data", &base64(payload));
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

/// RFC 4648, section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
