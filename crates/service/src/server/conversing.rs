//! Connections that a conversation owns.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Link;
use sockeye_trace::{Closing, ConnId};

use super::census::Place;
use super::host::{Host, Moved};
use super::options::Options;
use crate::{BoxFuture, Conversation, Outcome, Session};

/// When the server is over, a conversation is given this long to see to what it has started.
const FAREWELL: Duration = Duration::from_secs(5);

/// Lets `conversation` speak with one peer, in a task of its own, and tells how that came out.
pub(crate) fn converse(
    link: Link,
    conversation: &dyn Conversation,
    host: Arc<Host>,
    options: Arc<Options>,
    place: Place,
) {
    let conn = link.conn();
    let stage = host.census.watch();
    let session = Session::new(&link, host.recorder.clone(), options, stage);
    if conversation.ends_itself() {
        let held = conversation.hold(link, session);
        tokio::spawn(trusted(held, host, conn, place));
        return;
    }
    let over = session.over();
    let held = conversation.hold(link, session);
    tokio::spawn(async move {
        let outcome = tokio::select! {
            outcome = held => outcome,
            () = cut(over) => Outcome::new("the server ended before all was sent"),
        };
        finish(&host, conn, outcome);
        drop(place);
    });
}

/// A conversation that needs nobody to end it. There may be very many of them, and this is what
/// each costs.
async fn trusted(held: BoxFuture<Outcome>, host: Arc<Host>, conn: ConnId, place: Place) {
    finish(&host, conn, held.await);
    drop(place);
}

/// Ready when a conversation has had all the time that there is.
async fn cut(over: impl Future<Output = ()>) {
    over.await;
    tokio::time::sleep(FAREWELL).await;
}

/// Tells how a conversation came out.
fn finish(host: &Host, conn: ConnId, outcome: Outcome) {
    let Outcome {
        read_bytes,
        written_bytes,
        read_messages,
        written_messages,
        reason,
    } = outcome;
    host.add(Moved {
        read_bytes,
        written_bytes,
        read_messages,
        written_messages,
    });
    host.on_closed(conn, || Closing {
        read_bytes,
        written_bytes,
        read_messages,
        written_messages,
        reason: reason.into_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle member of a chat may cost 4 KiB, of which this is the part of every conversation.
    #[test]
    fn a_conversation_is_small() {
        fn size<F>(_: impl Fn(BoxFuture<Outcome>, Arc<Host>, ConnId, Place) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(trusted);
        assert!(size <= 160, "{size} bytes");
    }
}
