//! Where a responder is tested: an outbox without a connection.

use sockeye_frame::Framing;
use sockeye_trace::Time;

use crate::out::{Outbox, Style};
use crate::{Out, Responder};

/// Keeps what a responder pushes.
pub(crate) struct Stage {
    outbox: Outbox,
    framing: Option<Framing>,
}

impl Stage {
    /// On a stream without a framing.
    pub(crate) fn raw() -> Self {
        Self::framed("raw")
    }

    /// On a stream with this framing.
    pub(crate) fn framed(spec: &str) -> Self {
        Self {
            outbox: Outbox::default(),
            framing: Some(spec.parse().expect("a test's spec")),
        }
    }

    /// On a datagram socket.
    pub(crate) fn datagrams() -> Self {
        Self {
            outbox: Outbox::default(),
            framing: None,
        }
    }

    /// For the answer to `message`, which is never forwarded in place.
    pub(crate) fn out<'a>(&'a mut self, message: &'a [u8]) -> Out<'a> {
        let style = self.framing.as_ref().map_or(Style::Messages, Style::Stream);
        Out::new(&mut self.outbox, style, b"").answering(message, 0..0)
    }

    /// All bytes pushed so far.
    pub(crate) fn sent(&self) -> Vec<u8> {
        [&self.outbox.bytes, self.outbox.lent].concat()
    }

    /// All datagrams pushed so far.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let mut from = 0;
        let cut =
            |end: &usize| self.outbox.bytes[std::mem::replace(&mut from, *end)..*end].to_vec();
        self.outbox.ends.iter().map(cut).collect()
    }

    /// Messages pushed so far.
    pub(crate) fn count(&self) -> u64 {
        self.outbox.messages
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outbox.ending.is_some()
    }
}

/// What `responder` answers to one datagram.
pub(crate) fn answer(responder: &mut dyn Responder, message: &[u8]) -> Vec<Vec<u8>> {
    let mut stage = Stage::datagrams();
    responder.on_message(Time::default(), message, &mut stage.out(message));
    stage.messages()
}
