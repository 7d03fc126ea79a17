//! Discard: reads and throws away (RFC 863).

use sockeye_frame::DecodeError;
use sockeye_trace::Time;

use crate::{Out, Peer, Responder, Responders};

/// Throws every message away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Responders for Discard {
    fn open(&self, _peer: &Peer<'_>) -> Box<dyn Responder> {
        Box::new(*self)
    }
}

impl Responder for Discard {
    fn on_message(&mut self, _now: Time, _message: &[u8], _out: &mut Out<'_>) {}

    fn on_head(&mut self, _now: Time, _header: &[u8], _body: u64, _out: &mut Out<'_>) {}

    fn on_bad_frame(&mut self, _now: Time, _error: &DecodeError, _out: &mut Out<'_>) {}

    fn needs_time(&self) -> bool {
        false
    }
}
