//! Reply: answers with a text in which `{}` stands for the message.

use std::sync::Arc;

use sockeye_trace::Time;

use crate::{Out, Peer, Responder, Responders};

/// Makes responders that answer with one text.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The pieces of the text between which the message goes.
    pieces: Arc<[Box<[u8]>]>,
}

impl Reply {
    /// A reply of this text; every `{}` in it stands for the message. The text is sent as it is, so
    /// it has to be in the connection's encoding already.
    pub fn new(text: &[u8]) -> Self {
        let mut pieces = vec![];
        let mut piece = vec![];
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            if let Some(after) = rest.strip_prefix(b"{}") {
                pieces.push(std::mem::take(&mut piece).into_boxed_slice());
                rest = after;
            } else {
                piece.push(byte);
                rest = after;
            }
        }
        pieces.push(piece.into_boxed_slice());
        Self {
            pieces: pieces.into(),
        }
    }
}

impl Responders for Reply {
    fn open(&self, _peer: &Peer<'_>) -> Box<dyn Responder> {
        Box::new(self.clone())
    }
}

impl Responder for Reply {
    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        let fixed: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let size = fixed + (self.pieces.len() - 1) * message.len();
        out.reply_with(size, |reply| {
            for (index, piece) in self.pieces.iter().enumerate() {
                if index > 0 {
                    reply.extend_from_slice(message);
                }
                reply.extend_from_slice(piece);
            }
        });
    }

    fn needs_time(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::answer;

    #[test]
    fn every_pair_of_braces_is_the_message() {
        let check = |text: &str, want: &str| {
            assert_eq!(
                answer(&mut Reply::new(text.as_bytes()), b"hi"),
                [want.as_bytes()]
            );
        };
        check("Server received {}", "Server received hi");
        check("{}", "hi");
        check("{}{} and {}", "hihi and hi");
        check("fine", "fine");
        check("{ } {", "{ } {");
    }
}
