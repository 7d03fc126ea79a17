//! Who is at the other end of each connection: events carry numbers, people read names.

use std::collections::HashMap;

use sockeye_trace::{ConnId, Event, Kind};

/// The ends of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) peer: String,
    pub(crate) local: String,
}

/// The ends of every connection that is open.
#[derive(Debug, Default)]
pub(crate) struct Names {
    open: HashMap<ConnId, Ends>,
}

impl Names {
    /// Learns from an event that opens a connection. Call it before the event is drawn.
    pub(crate) fn learn(&mut self, event: &Event, payload: &[u8]) {
        if matches!(
            event.kind(),
            Kind::Accepted | Kind::Connected | Kind::SessionOpened
        ) {
            let names = String::from_utf8_lossy(payload);
            let (peer, local) = names.split_once('\n').unwrap_or((&names, ""));
            let ends = Ends {
                peer: peer.to_owned(),
                local: local.to_owned(),
            };
            self.open.insert(event.conn(), ends);
        }
    }

    /// Forgets a connection that is over. Call it after the event was drawn.
    pub(crate) fn forget(&mut self, event: &Event) {
        if event.kind() == Kind::Closed {
            self.open.remove(&event.conn());
        }
    }

    /// The ends of a connection, unless the event that named them was lost.
    pub(crate) fn ends(&self, conn: ConnId) -> Option<&Ends> {
        self.open.get(&conn)
    }
}
