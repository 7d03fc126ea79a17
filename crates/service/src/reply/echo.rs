//! Echo: every message goes back as it came (RFC 862).

use sockeye_trace::Time;

use crate::{Out, Peer, Responder, Responders};

/// Sends every message back as it came, streamed bodies too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Responders for Echo {
    fn open(&self, _peer: &Peer<'_>) -> Box<dyn Responder> {
        Box::new(*self)
    }
}

impl Responder for Echo {
    fn on_message(&mut self, _now: Time, _message: &[u8], out: &mut Out<'_>) {
        out.forward();
    }

    fn on_head(&mut self, _now: Time, header: &[u8], body: u64, out: &mut Out<'_>) {
        out.head(header, body);
    }

    fn on_body(&mut self, _now: Time, chunk: &[u8], left: u64, out: &mut Out<'_>) {
        out.body(chunk, left);
    }

    fn needs_time(&self) -> bool {
        false
    }
}
