//! Connections that a conversation owns.

use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Link;
use sockeye_trace::Closing;

use super::census::Place;
use super::host::{Host, Moved};
use super::options::Options;
use crate::{Conversation, Outcome, Session};

/// When the server is over, a conversation is given this long to see to what it has started.
const FAREWELL: Duration = Duration::from_secs(5);

/// Lets `conversation` speak with one peer and tells how that came out.
pub(crate) async fn converse(
    link: Link,
    conversation: Arc<dyn Conversation>,
    host: Arc<Host>,
    options: Arc<Options>,
    place: Place,
) {
    let conn = link.conn();
    let stage = host.census.watch();
    let session = Session::new(&link, host.recorder.clone(), options, stage);
    let over = session.over();
    let cut = async {
        over.await;
        tokio::time::sleep(FAREWELL).await;
    };
    let outcome = tokio::select! {
        outcome = conversation.hold(link, session) => outcome,
        () = cut => Outcome::new("the server ended before all was sent"),
    };
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
    drop(place);
}
