//! Room for a message that does not stand in one piece on the wire.

use crate::codec::Step;

/// What a decoder keeps of a message; empty and without memory in most framings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) bytes: Vec<u8>,
    /// The last message lies in `bytes`, not on the wire.
    pub(crate) in_use: bool,
}

impl Scratch {
    /// Gives the memory back when nothing has come: a connection that waits holds no buffer.
    pub(crate) fn rest(&mut self, src: &[u8]) {
        if src.is_empty() {
            *self = Self::default();
        }
    }

    /// Joins the two parts of a message between which its length stands.
    #[inline]
    pub(crate) fn join(&mut self, src: &[u8], step: &Step) {
        match step {
            Step::Frame {
                header, payload, ..
            } if header.is_empty() || header.end == payload.start => {}
            Step::Frame {
                header, payload, ..
            } => {
                self.in_use = true;
                self.bytes.clear();
                self.bytes.extend_from_slice(&src[header.clone()]);
                self.bytes.extend_from_slice(&src[payload.clone()]);
            }
            _ if self.in_use => self.rest(src),
            _ => {}
        }
    }
}
