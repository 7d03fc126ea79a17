//! What a stream says to a reader who takes it in pieces, for the tests of this crate.

use sockeye_frame::{Finish, Framing, Step};

/// Everything that came out of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) messages: Vec<Vec<u8>>,
    /// The last line, where it had no delimiter.
    pub(crate) unterminated: Option<Vec<u8>>,
    /// How many bytes belonged to no message.
    pub(crate) skipped: usize,
    pub(crate) errors: Vec<String>,
}

/// Reads `wire` in pieces of `cut` bytes, up to its end or to an error that ends it.
pub(crate) fn read(framing: &Framing, wire: &[u8], cut: usize) -> Said {
    let (mut decoder, mut buf) = (framing.decoder(), vec![]);
    let (mut said, mut streamed) = (Said::default(), vec![]);
    for piece in wire.chunks(cut) {
        buf.extend_from_slice(piece);
        loop {
            let step = match decoder.decode(&buf) {
                Ok(Step::NeedMore { .. }) => break,
                Ok(step) => step,
                Err(error) => {
                    said.errors.push(error.to_string());
                    if error.is_resumable() {
                        continue;
                    }
                    return said;
                }
            };
            match &step {
                Step::NeedMore { .. } => {}
                Step::Frame { .. } => said.messages.push(decoder.message(&buf, &step).to_vec()),
                Step::Head { header, .. } => streamed = buf[header.clone()].to_vec(),
                Step::Body { chunk, left, .. } => {
                    streamed.extend_from_slice(&buf[chunk.clone()]);
                    if *left == 0 {
                        said.messages.push(std::mem::take(&mut streamed));
                    }
                }
                Step::Skipped { used } => said.skipped += used,
            }
            buf.drain(..step.used());
        }
    }
    match decoder.finish(&buf) {
        Ok(Finish::Clean) => {}
        Ok(Finish::Unterminated { payload }) => said.unterminated = Some(buf[payload].to_vec()),
        Err(error) => said.errors.push(error.to_string()),
    }
    said
}
