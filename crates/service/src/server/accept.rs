//! The accept loop of one listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::{Handshake, Link, SecureListener, SeqpacketListener, StreamListener};
use sockeye_trace::{Closing, Kind};

use super::census::{Place, Stage};
use super::conversing::converse;
use super::host::{Host, ONE_PEER};
use super::options::Options;
use super::reason::Reason;
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
    Secure(SecureListener),
}

/// Who has come in.
pub(crate) enum Caller {
    Link(Link),
    /// Has a handshake before it.
    Handshake(Handshake),
}

impl Door {
    async fn accept(&self) -> io::Result<Caller> {
        match self {
            Self::Stream(listener) => {
                let link = listener.accept().await?;
                Ok(Caller::Link(Link::Bytes(link)))
            }
            Self::Seqpacket(listener) => {
                let link = listener.accept().await?;
                Ok(Caller::Link(Link::Messages(link)))
            }
            Self::Secure(listener) => listener.accept().await.map(Caller::Handshake),
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
                Ok(caller) => {
                    if std::mem::take(&mut short) {
                        host.record_life(Kind::AcceptResumed, 0);
                    }
                    hold(caller, framing.as_ref(), &service, &host);
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
///
/// The limits come before the handshake, where there is one: the peer has its place first and then
/// earns it, in a task of its own, so that nobody else waits for it.
pub(crate) fn hold(caller: Caller, framing: Option<&Framing>, service: &Serving, host: &Arc<Host>) {
    let options = host.options();
    match caller {
        Caller::Link(link) => {
            let local = || link.local();
            if let Some(place) = host.admit(&options, link.conn(), link.peer_name(), local) {
                serve(link, framing, service, host, options, place);
            }
        }
        Caller::Handshake(handshake) => {
            let local = || handshake.local().clone();
            let (conn, peer) = (handshake.conn(), handshake.peer_name());
            if let Some(place) = host.admit_candidate(&options, conn, peer, local) {
                let (framing, service) = (framing.cloned(), service.clone());
                let host = Arc::clone(host);
                tokio::spawn(async move {
                    if let Some(link) = shake_hands(handshake, &host, options.once).await {
                        serve(link, framing.as_ref(), &service, &host, options, place);
                    }
                });
            }
        }
    }
}

/// Sees a handshake through; one that fails is the end of its connection and told as such. A server
/// that drains waits for none.
async fn shake_hands(handshake: Handshake, host: &Host, once: bool) -> Option<Link> {
    let conn = handshake.conn();
    let mut stage = host.census.watch();
    let reason = tokio::select! {
        done = handshake.complete() => match done {
            Ok(_) if once && !host.is_the_one() => Reason::Refused(ONE_PEER.into()),
            Ok(link) => return Some(link),
            Err(error) => Reason::Handshake(error),
        },
        _ = stage.wait_for(|stage| *stage >= Stage::Draining) => Reason::Drained,
    };
    host.on_closed(conn, || Closing {
        reason: reason.to_string(),
        ..Closing::default()
    });
    None
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
            let host = Arc::clone(host);
            converse(link, &**conversation, host, options, place);
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
