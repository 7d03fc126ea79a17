//! The accept loop of one listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::{Link, SeqpacketListener, StreamListener};
use sockeye_trace::Kind;

use super::census::Place;
use super::conversing::converse;
use super::host::Host;
use super::options::Options;
use super::service::Serving;
use super::stream::StreamDriver;
use crate::bounded::Bounded;
use crate::dialogue::Dialogue;
use crate::{Arrival, Peer};

/// Connections accepted in a row before those that were accepted get their turn.
const IN_A_ROW: u32 = 32;

/// Without a free descriptor accepting is tried again when a connection ends, and after this long:
/// descriptors are given back by others too.
const SHORTAGE_RETRY: Duration = Duration::from_millis(100);

/// What connections come from.
pub(crate) enum Door {
    Stream(StreamListener),
    Seqpacket(SeqpacketListener),
}

impl Door {
    async fn accept(&self) -> io::Result<Link> {
        match self {
            Self::Stream(listener) => listener.accept().await.map(Link::Bytes),
            Self::Seqpacket(listener) => listener.accept().await.map(Link::Messages),
        }
    }
}

/// Accepts until the task is dropped.
pub(crate) async fn accept(
    door: Door,
    framing: Option<Framing>,
    service: Serving,
    host: Arc<Host>,
) {
    let mut short = false;
    loop {
        for _ in 0..IN_A_ROW {
            match door.accept().await {
                Ok(link) => {
                    if std::mem::take(&mut short) {
                        host.record_life(Kind::AcceptResumed, 0);
                    }
                    hold(link, framing.as_ref(), &service, &host);
                }
                Err(error) => {
                    // Those who wait stay in the kernel's queue meanwhile.
                    let left = host.census.left();
                    if !std::mem::replace(&mut short, true) {
                        host.record_life(Kind::AcceptPaused, error.raw_os_error().unwrap_or(0));
                    }
                    let _ = tokio::time::timeout(SHORTAGE_RETRY, left).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Starts to serve a connection, unless a limit turns it away.
pub(crate) fn hold(link: Link, framing: Option<&Framing>, service: &Serving, host: &Arc<Host>) {
    let options = host.options();
    let Some(place) = host.admit(&options, link.conn(), link.peer_name(), || link.local()) else {
        return;
    };
    serve(link, framing, service, host, options, place);
}

/// Starts to serve a connection that has a place.
pub(crate) fn serve(
    link: Link,
    framing: Option<&Framing>,
    service: &Serving,
    host: &Arc<Host>,
    options: Arc<Options>,
    place: Place,
) {
    let service = match service {
        Serving::Responders(service) => service,
        Serving::Conversation(conversation) => {
            let (conversation, host) = (Arc::clone(conversation), Arc::clone(host));
            tokio::spawn(converse(link, conversation, host, options, place));
            return;
        }
    };
    let framing = match &link {
        Link::Bytes(_) => Some(framing.unwrap_or(&options.framing)),
        _ => None,
    };
    let arrival = match framing {
        Some(framing) if framing.is_raw() => Arrival::Chunks,
        _ => Arrival::Frames,
    };
    let responder = service.open(&Peer {
        name: link.peer_name(),
        arrival,
        framing,
    });
    let dialogue = Dialogue::new(framing, Bounded::around(responder, options.bounds()));
    let host = Arc::clone(host);
    match link {
        Link::Bytes(link) => {
            tokio::spawn(StreamDriver::new(link, dialogue, host, options, place));
        }
        link => {
            tokio::spawn(drive(link, dialogue, host, options, place));
        }
    }
}

/// Drives a link of either kind.
pub(crate) async fn drive(
    link: Link,
    dialogue: Dialogue,
    host: Arc<Host>,
    options: Arc<Options>,
    place: Place,
) {
    match link {
        Link::Bytes(link) => StreamDriver::new(link, dialogue, host, options, place).await,
        Link::Messages(link) => StreamDriver::new(link, dialogue, host, options, place).await,
        // `net` has no other links, and whoever adds one will see it refused here.
        _ => {}
    }
}
