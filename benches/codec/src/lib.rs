//! The same work for our framings and for tokio-util's codecs: a batch of messages to bytes, and
//! the bytes of a batch, which lie in memory as a read left them, to messages.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use sockeye_frame::{Framing, Step};
use tokio_util::codec::{Decoder as _, Encoder, LengthDelimitedCodec, LinesCodec};

/// What one large read returns.
const READ: usize = 256 << 10;

/// Messages of this size fill one large read, 16 messages at least.
#[must_use]
pub fn batch(size: usize) -> usize {
    (READ / size).max(16)
}

/// Printable text, so that every codec can carry it.
#[must_use]
pub fn message(size: usize) -> Vec<u8> {
    (b' '..=b'~').cycle().take(size).collect()
}

/// The bytes of a whole batch.
///
/// # Panics
/// If the framing cannot carry the message.
#[must_use]
pub fn wire(framing: &Framing, message: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for _ in 0..batch(message.len()) {
        framing
            .encode(message, &mut out)
            .expect("the framing carries text");
    }
    out
}

/// Decodes a batch with ours and returns how many messages there were.
///
/// # Panics
/// If the bytes are not frames.
#[must_use]
pub fn decode_ours(framing: &Framing, wire: &[u8]) -> usize {
    let (mut decoder, mut rest, mut count) = (framing.decoder(), wire, 0);
    loop {
        let step = decoder.decode(rest).expect("the wire is good");
        let Step::Frame { used, .. } = step else {
            return count;
        };
        black_box(decoder.message(rest, &step));
        rest = &rest[used..];
        count += 1;
    }
}

/// Encodes a batch with ours.
///
/// # Panics
/// If the framing cannot carry the message.
pub fn encode_ours(framing: &Framing, message: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for _ in 0..batch(message.len()) {
        framing
            .encode(black_box(message), out)
            .expect("the framing carries text");
    }
}

/// Decodes a batch with tokio-util's lengths.
///
/// # Panics
/// If the bytes are not frames.
pub fn decode_lengths(wire: &mut BytesMut) -> usize {
    let (mut codec, mut count) = (LengthDelimitedCodec::new(), 0);
    while let Some(frame) = codec.decode(wire).expect("the wire is good") {
        black_box(&frame[..]);
        count += 1;
    }
    count
}

/// Decodes a batch with tokio-util's lines.
///
/// # Panics
/// If the bytes are not lines.
pub fn decode_lines(wire: &mut BytesMut) -> usize {
    let (mut codec, mut count) = (LinesCodec::new_with_max_length(1 << 20), 0);
    while let Some(line) = codec.decode(wire).expect("the wire is good") {
        black_box(&line[..]);
        count += 1;
    }
    count
}

/// Encodes a batch with tokio-util's lengths.
///
/// # Panics
/// If the message is too long.
pub fn encode_lengths(message: &Bytes, out: &mut BytesMut) {
    out.clear();
    let mut codec = LengthDelimitedCodec::new();
    for _ in 0..batch(message.len()) {
        codec
            .encode(black_box(message).clone(), out)
            .expect("the message is short enough");
    }
}

/// Encodes a batch with tokio-util's lines.
///
/// # Panics
/// Never: the codec refuses nothing.
pub fn encode_lines(message: &str, out: &mut BytesMut) {
    out.clear();
    let mut codec = LinesCodec::new();
    for _ in 0..batch(message.len()) {
        Encoder::<&str>::encode(&mut codec, black_box(message), out)
            .expect("lines are not refused");
    }
}

/// Decodes a batch with ours and frames every message again, as an echo does.
///
/// # Panics
/// If the bytes are not frames.
pub fn echo_ours(framing: &Framing, wire: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut decoder, mut rest) = (framing.decoder(), wire);
    loop {
        let step = decoder.decode(rest).expect("the wire is good");
        let Step::Frame { used, .. } = step else {
            return;
        };
        decoder.forward(rest, &step, out);
        rest = &rest[used..];
    }
}

/// Decodes a batch with tokio-util's lengths and frames every message again.
///
/// # Panics
/// If the bytes are not frames.
pub fn echo_lengths(wire: &mut BytesMut, out: &mut BytesMut) {
    out.clear();
    let mut codec = LengthDelimitedCodec::new();
    while let Some(frame) = codec.decode(wire).expect("the wire is good") {
        codec
            .encode(frame.freeze(), out)
            .expect("it was short enough before");
    }
}

/// Decodes a batch with tokio-util's lines and frames every message again.
///
/// # Panics
/// If the bytes are not lines.
pub fn echo_lines(wire: &mut BytesMut, out: &mut BytesMut) {
    out.clear();
    let mut codec = LinesCodec::new_with_max_length(1 << 20);
    while let Some(line) = codec.decode(wire).expect("the wire is good") {
        codec.encode(line, out).expect("lines are not refused");
    }
}
