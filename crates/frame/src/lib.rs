//! Framings: how a byte stream becomes messages and back.
//!
//! A [`Framing`] is read from a spec text (`line`, `u32be,max=64KiB`), makes a [`Decoder`] for each
//! direction of a stream, and encodes messages. It is pure: it sees bytes, never sockets.

#![forbid(unsafe_code)]

mod codec;
mod counted;
mod delimited;
mod error;
mod explain;
mod framing;
mod length;
mod size;
mod spec;

pub use codec::{Decoder, Finish, Step};
pub use error::{Blame, DecodeError, Fault, SpecError, Unencodable};
pub use explain::Evidence;
pub use framing::{DEFAULT_MAX, Framing};
pub use size::{ByteSize, SizeError};

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages that a stream holds when it comes in pieces of `cut` bytes.
    #[track_caller]
    fn check(spec: &str, wire: &[u8], cut: usize, messages: &[&[u8]]) {
        let framing: Framing = spec.parse().unwrap();
        let (mut decoder, mut buf, mut seen) = (framing.decoder(), vec![], vec![]);
        for piece in wire.chunks(cut) {
            buf.extend_from_slice(piece);
            loop {
                let step = decoder.decode(&buf).unwrap();
                match step {
                    Step::NeedMore { .. } => break,
                    Step::Frame { .. } => seen.push(decoder.message(&buf, &step).to_vec()),
                    other => panic!("{other:?}"),
                }
                buf.drain(..step.used());
            }
        }
        assert_eq!(seen, messages, "{spec} cut by {cut}");
        assert_eq!(decoder.finish(&buf), Ok(Finish::Clean));
        let mut again = vec![];
        for message in messages {
            framing.encode(message, &mut again).unwrap();
        }
        assert_eq!(again, wire);
    }

    #[test]
    fn frames_come_out_however_they_are_cut() {
        for cut in 1..20 {
            check("line", b"hello\n\nworld\n", cut, &[b"hello", b"", b"world"]);
            check("delim:###", b"a##b###c###", cut, &[b"a##b", b"c"]);
            check("u32be", b"\0\0\0\x05hello\0\0\0\0", cut, &[b"hello", b""]);
        }
    }

    #[test]
    fn text_is_recognised_in_a_length() {
        let framing: Framing = "u32be".parse().unwrap();
        let error = framing.decoder().decode(b"rtbu").unwrap_err();
        assert_eq!(
            error.to_string(),
            "frame at byte 0 announces 1920230005 bytes, the limit is 1048576; \
             the header is 72 74 62 75, ASCII \"rtbu\": the peer seems to speak text"
        );
    }
}
