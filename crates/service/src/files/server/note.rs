//! What happened to a file, for logs and events.

use serde::Serialize;
use sockeye_trace::{ConnId, Event, Kind, Recorder};

/// Bytes of a name that an event has room for.
const NAME: usize = 1024;

/// Tells what happens to the files of one peer.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    pub(super) recorder: Recorder,
    pub(super) conn: ConnId,
    /// Who the peer is.
    pub(super) who: String,
}

/// What happened to a file: the payload of its event, as JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct Note<'a> {
    pub(super) who: &'a str,
    pub(super) file_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) took_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<super::super::message::Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a str>,
}

impl Notes {
    /// Records a note, if anybody observes.
    pub(super) fn tell(&self, kind: Kind, note: Note<'_>) {
        if !self.recorder.is_on() {
            return;
        }
        let note = Note {
            who: &self.who,
            file_name: shortened(note.file_name),
            ..note
        };
        // A note is plain data, which always becomes JSON.
        let Ok(payload) = serde_json::to_vec(&note) else {
            return;
        };
        let event = Event::new(kind, self.conn, self.recorder.now());
        self.recorder.record(event, &payload);
    }
}

/// The end of a name that is too long for an event.
fn shortened(name: &str) -> &str {
    let mut from = name.len().saturating_sub(NAME);
    while !name.is_char_boundary(from) {
        from += 1;
    }
    &name[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_told_by_its_end() {
        assert_eq!(shortened("a/b"), "a/b");
        let long = format!("{}é{}", "x".repeat(2000), "y".repeat(NAME - 1));
        assert_eq!(shortened(&long), "y".repeat(NAME - 1));
    }
}
