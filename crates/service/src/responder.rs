//! What answers messages.

use std::fmt;
use std::sync::Arc;

use sockeye_frame::{DecodeError, Framing};
use sockeye_trace::Time;

use crate::{Mailbox, Out};

/// What one end of a conversation answers, message by message.
///
/// A responder sees messages and never a socket, so the same value runs over TCP, over datagrams,
/// behind a proxy and in a test with no runtime at all. Services that need time, processes, disk or
/// other peers are conversations instead and own their link.
///
/// The order of calls: [`on_open`](Self::on_open) once, then messages (or the head of a streamed
/// one, then its body), and [`on_half_close`](Self::on_half_close) at most once and last; between
/// any two of them [`on_drained`](Self::on_drained). Nothing is called after a close.
pub trait Responder: Send {
    /// The connection is open. Over datagrams this comes with the first message, ahead of it.
    fn on_open(&mut self, _now: Time, _out: &mut Out<'_>) {}

    /// Answers one message; replies leave in the order in which they are pushed to `out`.
    fn on_message(&mut self, now: Time, message: &[u8], out: &mut Out<'_>);

    /// A message begins whose body is too large to be held: `body` bytes of it will follow, piece by
    /// piece. Whoever does not expect such a thing refuses it.
    fn on_head(&mut self, _now: Time, _header: &[u8], _body: u64, out: &mut Out<'_>) {
        out.refuse("this service takes no messages above the limit of its framing");
    }

    /// The next piece of the body that [`on_head`](Self::on_head) announced; `left` bytes follow.
    fn on_body(&mut self, _now: Time, _chunk: &[u8], _left: u64, _out: &mut Out<'_>) {}

    /// The peer's bytes are no frame. Unless the responder ends the conversation here, decoding goes
    /// on behind them where the error is [resumable](DecodeError::is_resumable); otherwise the
    /// connection is closed in any case.
    fn on_bad_frame(&mut self, _now: Time, _error: &DecodeError, out: &mut Out<'_>) {
        out.close();
    }

    /// Everything that was pushed has been handed to the kernel, and there is room for more. Called
    /// on streams only, once each time that [`Out::more_when_drained`] asked for it.
    fn on_drained(&mut self, _now: Time, _out: &mut Out<'_>) {}

    /// The connection broke, so nothing can be sent any more. What ends in any other way is only
    /// dropped.
    fn on_broken(&mut self, _reason: &str) {}

    /// Where others leave messages for this peer. Asked for once, before anything else.
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        None
    }

    /// Whether `now` matters to it. Who answers no gets any time, and saves a reading of the clock
    /// a batch: half a per cent of a small message's price.
    fn needs_time(&self) -> bool {
        true
    }

    /// The peer half-closed: no more messages will come, but replies can still leave.
    fn on_half_close(&mut self, _now: Time, out: &mut Out<'_>) {
        out.close();
    }
}

/// What makes a responder for each connection, and for each peer of a datagram socket.
pub trait Responders: Send + Sync {
    /// The responder for this peer. A responder without state costs no allocation.
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder>;
}

impl<F: Fn(&Peer<'_>) -> Box<dyn Responder> + Send + Sync> Responders for F {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        self(peer)
    }
}

/// Whom a responder is going to talk to.
#[derive(Clone, Copy)]
pub struct Peer<'a> {
    /// The peer's name, for people; it is written out only where somebody asks for it.
    pub name: &'a (dyn fmt::Display + Sync),
    /// How its messages come.
    pub arrival: Arrival,
    /// The framing of its stream; none where the socket keeps boundaries.
    pub framing: Option<&'a Framing>,
}

/// How a peer's messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// As bytes without a framing: a message is whatever one read returned, so it may end anywhere,
    /// inside a character too.
    Chunks,
    /// Whole messages on a connection: frames of a stream, or packets whose boundaries the socket
    /// keeps.
    Frames,
    /// As datagrams: whole messages, no end of the connection, and nobody knows that it is open
    /// until the first one.
    Datagrams,
}
