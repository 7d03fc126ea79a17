//! The accept loop of one listener.

use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::{ByteLink, StreamListener};
use sockeye_trace::Kind;

use super::host::Host;
use super::service::Service;
use super::stream::StreamDriver;
use crate::bounded::Bounded;
use crate::dialogue::Dialogue;
use crate::{Arrival, Peer};

/// Connections accepted in a row before those that were accepted get their turn.
const IN_A_ROW: u32 = 32;

/// Without a free descriptor accepting is tried again when a connection ends, and after this long:
/// descriptors are given back by others too.
const SHORTAGE_RETRY: Duration = Duration::from_millis(100);

/// Accepts until the task is dropped.
pub(crate) async fn accept_streams(
    listener: StreamListener,
    framing: Option<Framing>,
    service: Service,
    host: Arc<Host>,
) {
    let mut short = false;
    loop {
        for _ in 0..IN_A_ROW {
            match listener.accept().await {
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
pub(crate) fn hold(link: ByteLink, framing: Option<&Framing>, service: &Service, host: &Arc<Host>) {
    let options = host.options();
    let Some(place) = host.admit(&options, link.conn(), link.peer_name(), || link.local()) else {
        return;
    };
    let framing = framing.unwrap_or(&options.framing);
    match service {
        Service::Replies(responders) => {
            let arrival = if framing.is_raw() {
                Arrival::Chunks
            } else {
                Arrival::Frames
            };
            let responder = responders.open(&Peer {
                name: link.peer_name(),
                arrival,
            });
            let responder = Bounded::around(responder, options.bounds());
            let dialogue = Dialogue::new(framing.decoder(), responder);
            let host = Arc::clone(host);
            tokio::spawn(StreamDriver::new(link, dialogue, host, options, place));
        }
    }
}
