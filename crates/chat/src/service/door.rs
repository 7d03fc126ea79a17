//! Who comes in and goes out, for logs and events.

use serde::Serialize;
use sockeye_trace::{ConnId, Event, Kind, Recorder};

/// Tells of one member.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) recorder: Recorder,
    pub(super) conn: ConnId,
}

/// Who a member is: the payload of the events.
#[derive(Debug, Serialize)]
pub(crate) struct Who {
    pub(crate) nick: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}

/// Who went, and why.
#[derive(Serialize)]
struct Gone<'a> {
    #[serde(flatten)]
    who: &'a Who,
    reason: &'a str,
}

impl Door {
    /// Somebody was let in.
    pub(super) fn came(&self, who: &Who) {
        self.tell(Kind::MemberIn, who);
    }

    /// He is gone.
    pub(super) fn left(&self, who: &Who, reason: &str) {
        self.tell(Kind::MemberOut, &Gone { who, reason });
    }

    fn tell(&self, kind: Kind, what: &impl Serialize) {
        if !self.recorder.is_on() {
            return;
        }
        // It is plain data, which always becomes JSON.
        if let Ok(payload) = serde_json::to_vec(what) {
            let event = Event::new(kind, self.conn, self.recorder.now());
            self.recorder.record(event, &payload);
        }
    }
}
