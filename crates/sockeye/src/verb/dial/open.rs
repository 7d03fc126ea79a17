//! The peer: dialled or accepted, and what is told of it.

use std::fmt::Display;
use std::future::{Future as _, poll_fn};
use std::io;
use std::task::Poll;

use sockeye_net::{Endpoint, HandshakeError, Link, Listener, Moment, Name, describe_asked};
use sockeye_trace::{Closing, ConnId, Event, Kind, Recorder};

use super::Dial;
use crate::catalogue as say;
use crate::context::Context;
use crate::exit::Exit;
use crate::journal::{Journal, View, tell_socket};
use crate::trust;

/// An open link, and who tells of it.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) report: Report,
}

/// Tells how the connection went.
pub(super) struct Report {
    journal: Journal,
    recorder: Recorder,
    conn: ConnId,
    peer: String,
}

/// Dials, or waits for one peer.
pub(super) async fn open(
    dial: &Dial,
    context: &Context,
    endpoint: &Endpoint,
    by_hand: bool,
) -> anyhow::Result<Opened> {
    let recorder = &context.net.recorder;
    let tells = dial.show || dial.listen || dial.show_socket || context.global.verbose > 0;
    let view = View {
        log: tells && !context.global.quiet,
        json: dial.events.clone(),
        show: dial.show,
        ansi: dial.ansi,
        verbose: context.global.verbose > 0,
        encoding: dial.encoding.unwrap_or_default().0,
        trace: dial.trace.plan(
            "dial",
            dial.framing(endpoint)?.map(|framing| framing.to_string()),
        ),
    };
    let journal = Journal::start(recorder, context.ui, view)?;
    let link = if dial.listen {
        accept_one(context, endpoint, &journal).await
    } else {
        trust::connect(context, endpoint).await
    };
    let link = match link {
        Ok(link) => link,
        Err(error) => {
            journal.error(&error);
            // This error is the one to tell.
            let _ = journal.finish();
            return Err(error);
        }
    };
    let (peer, local) = (link.peer_name().to_string(), link.local().to_string());
    let (kind, moment) = if dial.listen {
        (Kind::Accepted, Moment::Accepted)
    } else {
        (Kind::Connected, Moment::Dial)
    };
    let event = Event::new(kind, link.conn(), recorder.now());
    recorder.record(event, format!("{peer}\n{local}").as_bytes());
    if dial.show_socket {
        let report = describe_asked(&link, &endpoint.settings, endpoint.place.scheme(), moment)?;
        tell_socket(&journal, context.lang(), &peer, &report);
    }
    if by_hand && !tells && !context.global.quiet {
        // At once, and not when the journal gets to it: the prompt comes next.
        context
            .ui
            .say(&say::TALKING.fill(context.lang(), &[("peer", &peer), ("local", &local)]));
    }
    let report = Report {
        journal,
        recorder: recorder.clone(),
        conn: link.conn(),
        peer,
    };
    Ok(Opened { link, report })
}

impl Report {
    /// The other end, as an endpoint.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Tells that the conversation is over, and what it came to.
    pub(super) fn finish(
        self,
        ended: anyhow::Result<()>,
        mut closing: Closing,
    ) -> anyhow::Result<Exit> {
        if let Err(error) = &ended {
            closing.reason = format!("{error:#}");
        }
        let event = Event::new(Kind::Closed, self.conn, self.recorder.now());
        self.recorder.record(event, &closing.to_payload());
        if let Err(error) = &ended {
            self.journal.error(error);
        }
        let told = self.journal.finish();
        ended.and(told).map(|()| Exit::Done)
    }
}

async fn accept_one(
    context: &Context,
    endpoint: &Endpoint,
    journal: &Journal,
) -> anyhow::Result<Link> {
    let listeners = sockeye_net::listen(&context.net, endpoint).await?;
    for listener in &listeners {
        let local = listener.local()?.to_string();
        let asked = endpoint.to_string();
        let text = say::LISTENING.fill(
            context.lang(),
            &[("endpoint", &local), ("service", &"dial")],
        );
        journal.say(
            "listening",
            |line| {
                line.put("service", "dial")
                    .put("endpoint", &local)
                    .put("asked", &asked);
            },
            Some(text),
        );
    }
    let failed = |peer: &Name, error: &HandshakeError| {
        let fields: [(&str, &dyn Display); 2] = [("peer", peer), ("reason", error)];
        journal.tell(say::NO_HANDSHAKE.fill(context.lang(), &fields));
    };
    first_peer(listeners, &failed).await.map_err(Into::into)
}

/// The first peer of any of these listeners; the others are closed.
async fn first_peer(
    listeners: Vec<Listener>,
    failed: &impl Fn(&Name, &HandshakeError),
) -> io::Result<Link> {
    let mut waiting: Vec<_> = listeners
        .into_iter()
        .map(|one| Box::pin(peer_of(one, failed)))
        .collect();
    poll_fn(|cx| {
        let mut polled = waiting.iter_mut().map(|one| one.as_mut().poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

async fn peer_of(listener: Listener, failed: &impl Fn(&Name, &HandshakeError)) -> io::Result<Link> {
    match listener {
        Listener::Ready(link) => Ok(link),
        Listener::Stream(listener) => listener.accept().await.map(Link::Bytes),
        Listener::Seqpacket(listener) => poll_fn(|cx| listener.poll_accept(cx))
            .await
            .map(Link::Messages),
        Listener::Secure(listener) => listener.first_link(failed).await,
        Listener::Datagram(socket) => socket.into_first_peer().await.map(Link::Messages),
        other => Err(io::Error::other(format!("{other:?} takes no peers"))),
    }
}
