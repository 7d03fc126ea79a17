//! Relay: what a peer sends goes on to another place, and what that answers comes back.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use sockeye_frame::Framing;
use sockeye_net::{Endpoint, Net, NetError, Scheme};
use sockeye_trace::{Event, Kind, Time};

use crate::dialogue::Dialogue;
use crate::mailbox::{Mailbox, Posted};
use crate::server::{Host, Options, Stage, drive};
use crate::{Arrival, Out, Peer, Responder, Responders};

/// Connects each peer with a connection of its own to another place, message by message: what one
/// side's framing takes apart the other side's puts together, and datagrams cross a stream as frames
/// and come out as datagrams again.
///
/// A side that sends faster than the other takes is not read from; a datagram peer, which cannot be
/// stopped, loses datagrams and they are counted. The end of one direction is passed on, and so is a
/// reset. A place that cannot be reached costs the peer its connection, by a reset.
#[derive(Clone, Debug)]
pub struct Relay {
    net: Net,
    to: Endpoint,
    framing: Framing,
}

impl Relay {
    /// Goes on to this place. `framing` is for streams whose endpoint does not say.
    pub fn new(net: Net, to: Endpoint, framing: Framing) -> Self {
        let framing = to.settings.framing().cloned().unwrap_or(framing);
        Self { net, to, framing }
    }

    /// Whether the other place can be made to wait.
    fn can_wait(&self) -> bool {
        let scheme = self.to.place.scheme();
        !scheme.is_messages() || matches!(scheme, Scheme::UnixSeqpacket | Scheme::Ws | Scheme::Wss)
    }

    /// How the other place's bytes are cut, where they are bytes: a WebSocket's only if its endpoint
    /// says so.
    fn framing(&self) -> Option<Framing> {
        let says = self.to.settings.framing().is_some();
        (says || !self.to.place.scheme().is_messages()).then(|| self.framing.clone())
    }
}

/// A relay within a server.
pub(crate) struct Relaying {
    pub(crate) relay: Arc<Relay>,
    pub(crate) host: Arc<Host>,
}

impl Responders for Relaying {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let relay = &self.relay;
        let framing = relay.framing();
        let near = Mailbox::new(peer.framing.cloned());
        let far = Mailbox::new(framing.clone());
        let far_end = End {
            own: Arc::clone(&far),
            other: Arc::clone(&near),
            can_wait: relay.can_wait(),
            told: false,
        };
        tokio::spawn(go_on(
            Arc::clone(relay),
            Arc::clone(&self.host),
            framing,
            far_end,
        ));
        let can_wait = peer.arrival != Arrival::Datagrams;
        Box::new(End {
            own: near,
            other: far,
            can_wait,
            told: false,
        })
    }
}

/// Connects to the other place and drives the connection.
async fn go_on(relay: Arc<Relay>, host: Arc<Host>, framing: Option<Framing>, mut end: End) {
    let mut place = host.census.enter_socket();
    let drained = poll_fn(|cx| match place.stage(cx.waker()) {
        Stage::Open => Poll::Pending,
        Stage::Draining | Stage::Over => Poll::Ready(()),
    });
    let link = tokio::select! {
        link = sockeye_net::connect(&relay.net, &relay.to) => link,
        () = drained => return end.on_broken("the server ends"),
    };
    match link {
        Ok(link) => {
            if host.recorder.is_on() {
                let event = Event::new(Kind::Connected, link.conn(), host.recorder.now());
                let names = format!("{}\n{}", link.peer_name(), link.local());
                host.recorder.record(event, names.as_bytes());
            }
            let dialogue = Dialogue::new(framing.as_ref(), Box::new(end));
            drive(link, dialogue, host, Arc::new(Options::default()), place).await;
        }
        Err(error) => end.on_broken(&unreached(&error)),
    }
}

/// One end of a relayed conversation: leaves what its peer sends in the other end's mailbox.
struct End {
    own: Arc<Mailbox>,
    other: Arc<Mailbox>,
    /// Whether the peer can be made to wait.
    can_wait: bool,
    /// The other end knows that nothing more will come from here.
    told: bool,
}

impl End {
    /// Sees to what became of a message.
    fn after(&self, posted: Posted, out: &mut Out<'_>) {
        match posted {
            Posted::Enough if self.can_wait => self.other.hold_until_emptied(&self.own),
            Posted::Unencodable(error) if self.can_wait => {
                out.refuse(format!("the other side cannot carry it: {error}"));
            }
            Posted::Gone => out.refuse("the other side is gone"),
            // What a datagram peer loses is counted in the mailbox.
            Posted::Taken | Posted::Enough | Posted::Lost | Posted::Unencodable(_) => {}
        }
    }
}

impl Responder for End {
    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        let posted = if self.can_wait {
            self.other.post_surely(message)
        } else {
            self.other.post(message)
        };
        self.after(posted, out);
    }

    fn on_head(&mut self, _now: Time, header: &[u8], body: u64, out: &mut Out<'_>) {
        self.after(self.other.post_head(header, body), out);
    }

    fn on_body(&mut self, _now: Time, chunk: &[u8], left: u64, out: &mut Out<'_>) {
        self.after(self.other.post_body(chunk, left), out);
    }

    fn on_half_close(&mut self, _now: Time, _out: &mut Out<'_>) {
        self.told = true;
        self.other.finish();
    }

    fn on_broken(&mut self, reason: &str) {
        self.told = true;
        self.other.break_off(reason.to_owned());
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.own))
    }

    fn needs_time(&self) -> bool {
        false
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.own.close();
        if !self.told {
            self.other.finish();
        }
    }
}

/// The error and what it comes from, in one line.
fn unreached(error: &NetError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
