//! What the command reads: our standard input, read only as far as the command takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use encoding_rs::{Encoder, Encoding};
use sockeye_net::{Link, ReadHalf};
use tokio::io::{AsyncRead, ReadBuf};

use crate::verb::dial::stdio;

/// Our standard input.
#[derive(Debug)]
pub(super) struct Input {
    stdin: ReadHalf,
    /// Where what is typed has to be written in another encoding.
    keys: Option<Keys>,
}

impl Input {
    /// Standard input; `encoding` is the command's where a person types.
    pub(super) async fn open(encoding: Option<&'static Encoding>) -> anyhow::Result<Self> {
        let Link::Bytes(link) = stdio().await? else {
            unreachable!("standard input and output are bytes");
        };
        let (stdin, _) = link.into_split();
        Ok(Self {
            stdin,
            keys: encoding.map(Keys::new),
        })
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stdin, keys } = &mut *self;
        let Some(keys) = keys else {
            return stdin.poll_read_buf(cx, buf);
        };
        loop {
            if keys.take(buf) {
                return Poll::Ready(Ok(()));
            }
            let mut typed = [0; 4096];
            let mut typed = ReadBuf::new(&mut typed);
            ready!(stdin.poll_read_buf(cx, &mut typed))?;
            if typed.filled().is_empty() {
                keys.end();
                keys.take(buf);
                return Poll::Ready(Ok(()));
            }
            keys.typed(typed.filled());
        }
    }
}

/// Typed text on its way into another encoding.
struct Keys {
    encoder: Encoder,
    /// The beginning of a character that the last read cut.
    cut: Vec<u8>,
    encoded: Vec<u8>,
    taken: usize,
}

impl Keys {
    fn new(encoding: &'static Encoding) -> Self {
        Self {
            encoder: encoding.new_encoder(),
            cut: vec![],
            encoded: vec![],
            taken: 0,
        }
    }

    /// Encodes what was typed. A key that the encoding does not have becomes a question mark, as
    /// the command's own terminal would show it.
    fn typed(&mut self, bytes: &[u8]) {
        self.cut.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.cut);
        let mut text = String::with_capacity(bytes.len());
        for part in bytes.utf8_chunks() {
            text += part.valid();
            let rest = part.invalid();
            // Only what the end cuts can become a character yet: at most three of four bytes.
            let is_last = bytes.as_ptr_range().end == rest.as_ptr_range().end;
            if is_last && std::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none()) {
                self.cut = rest.to_vec();
            } else if !rest.is_empty() {
                text.push('?');
            }
        }
        self.encode(&text);
    }

    fn end(&mut self) {
        if !self.cut.is_empty() {
            self.cut.clear();
            self.encode("?");
        }
    }

    fn encode(&mut self, mut text: &str) {
        loop {
            self.encoded.reserve(text.len() * 4 + 16);
            let encoder = &mut self.encoder;
            let (result, read) =
                encoder.encode_from_utf8_to_vec_without_replacement(text, &mut self.encoded, false);
            text = &text[read..];
            match result {
                encoding_rs::EncoderResult::InputEmpty => return,
                encoding_rs::EncoderResult::OutputFull => {}
                encoding_rs::EncoderResult::Unmappable(_) => self.encoded.push(b'?'),
            }
        }
    }

    /// Moves encoded bytes to the reader; false if there are none.
    fn take(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.encoded[self.taken..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.encoded.len() {
            self.encoded.clear();
            self.taken = 0;
        }
        count > 0
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.encoder.encoding().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command gets of these reads.
    fn encoded(reads: &[&[u8]]) -> Vec<u8> {
        let mut keys = Keys::new(encoding_rs::GBK);
        let mut got = vec![];
        for read in reads {
            keys.typed(read);
        }
        keys.end();
        let mut room = [0; 3];
        loop {
            let mut buf = ReadBuf::new(&mut room);
            if !keys.take(&mut buf) {
                return got;
            }
            got.extend_from_slice(buf.filled());
        }
    }

    #[test]
    fn keys_are_encoded_however_they_are_read() {
        let hanzi = "一棵树\r".as_bytes();
        let (gbk, _, _) = encoding_rs::GBK.encode("一棵树\r");
        assert_eq!(encoded(&[hanzi]), *gbk);
        let drip: Vec<&[u8]> = hanzi.chunks(1).collect();
        assert_eq!(encoded(&drip), *gbk);
    }

    #[test]
    fn what_the_encoding_has_not_is_a_question_mark() {
        assert_eq!(encoded(&["a🐟b".as_bytes()]), b"a?b");
        assert_eq!(encoded(&[b"a\xffb\xe4"]), b"a?b?");
    }
}
