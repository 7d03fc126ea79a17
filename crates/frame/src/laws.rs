//! The laws that every framing keeps, as functions that panic where one is broken: the property
//! tests below and the fuzz targets call them.
//!
//! - *Cuts never change messages*: not the messages, nor the errors and where they stand.
//! - *decode(encode(x)) = x* for every message that encode accepts.
//! - What was decoded can be encoded; a frame is canonical if and only if that gives its bytes.
//! - `NeedMore` asks for no byte that is not needed.
//! - The work is linear, however the bytes drip in.
//!
//! `raw` keeps none of the first two: it has no boundaries that a cut could respect.

use crate::codec::{Decoder, Finish, Step};
use crate::effort;
use crate::error::{DecodeError, Unencodable};
use crate::framing::{Framing, Kind};

/// One thing that a stream said. Pieces of a streamed message are joined again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Vec<u8>),
    /// A message whose delimiter never came.
    Unterminated(Vec<u8>),
    /// Bytes that belong to no message.
    Skipped(u64),
    /// Where and why decoding failed, without the evidence: that may show what came by chance.
    Refused(String),
}

/// What `wire` says when it comes in pieces of these lengths, over and over.
pub fn run(framing: &Framing, wire: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut reader = Reader::new(framing);
    let mut rest = wire;
    let mut lengths = cuts.iter().copied().cycle();
    while !rest.is_empty() && !reader.failed {
        let cut = lengths.next().unwrap_or(rest.len()).clamp(1, rest.len());
        reader.push(&rest[..cut]);
        rest = &rest[cut..];
    }
    reader.finish();
    reader.events
}

/// Checks that a stream says the same in one piece and in these pieces, and all that can be
/// checked on the way.
pub fn cuts_never_change_messages(framing: &Framing, wire: &[u8], cuts: &[usize]) {
    if !framing.is_raw() {
        let whole = run(framing, wire, &[]);
        assert_eq!(run(framing, wire, cuts), whole, "{framing} cut by {cuts:?}");
        assert_eq!(
            run(framing, wire, &[1]),
            whole,
            "{framing} cut byte by byte"
        );
    }
}

/// Checks that what encode accepts comes out again, and that all ways to encode agree.
pub fn decode_inverts_encode(framing: &Framing, messages: &[Vec<u8>], cuts: &[usize]) {
    let (mut wire, mut accepted) = (vec![], vec![]);
    for message in messages {
        let before = wire.len();
        match framing.encode(message, &mut wire) {
            Ok(()) => accepted.push(Event::Message(message.clone())),
            Err(_) => assert_eq!(
                wire.len(),
                before,
                "{framing} left bytes of a refused message"
            ),
        }
        let result = wire[before..].to_vec();
        encoders_agree(framing, message, &result);
    }
    if !framing.is_raw() {
        assert_eq!(run(framing, &wire, cuts), accepted, "{framing}");
    }
}

/// Checks `encode_with` and `encode_head` against what `encode` wrote.
fn encoders_agree(framing: &Framing, message: &[u8], frame: &[u8]) {
    let mut again = b"before".to_vec();
    let result = framing.encode_with(&mut again, |out| out.extend_from_slice(message));
    assert_eq!(&again[6..], frame, "{framing} in place");
    let mut decoder = framing.decoder();
    let Kind::Counted(_) = framing.kind else {
        return;
    };
    let mut head = vec![];
    if result.is_ok() {
        let step = decoder.decode(frame).expect("a frame of our own is one");
        let own = match &step {
            Step::Frame { header, .. } | Step::Head { header, .. } => &frame[header.clone()],
            other => panic!("{framing} begins a frame with {other:?}"),
        };
        let body = &message[own.len()..];
        framing
            .encode_head(own, body.len() as u64, &mut head)
            .expect("as encode did");
        head.extend_from_slice(body);
        framing.encode_tail(&mut head);
        assert_eq!(head, frame, "{framing} piecemeal");
    } else if !matches!(result, Err(Unencodable::TooShort { .. })) {
        assert!(
            !matches!(result, Err(Unencodable::NotStreamed)),
            "{framing}"
        );
    }
}

/// A decoder with its buffer, checked at every step.
struct Reader<'a> {
    framing: &'a Framing,
    decoder: Decoder,
    buf: Vec<u8>,
    /// Bytes of `buf` that were taken.
    taken: usize,
    /// Bytes that have to come before anything but `NeedMore` may be said.
    needed: usize,
    events: Vec<Event>,
    /// A message that is being streamed.
    streamed: Option<Vec<u8>>,
    calls: u64,
    /// Bytes that the decoder looked at, as far as they were summed up.
    seen: u64,
    failed: bool,
}

impl<'a> Reader<'a> {
    fn new(framing: &'a Framing) -> Self {
        effort::take();
        Self {
            framing,
            decoder: framing.decoder(),
            buf: vec![],
            taken: 0,
            needed: 0,
            events: vec![],
            streamed: None,
            calls: 0,
            seen: 0,
            failed: false,
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.buf.extend_from_slice(piece);
        while !self.failed {
            self.calls += 1;
            let src = &self.buf[self.taken..];
            let early = src.len() < self.needed;
            match self.decoder.decode(src) {
                Ok(Step::NeedMore { at_least }) => {
                    assert!(at_least > 0, "{} needs nothing", self.framing);
                    self.needed = self.needed.max(src.len() + at_least);
                    assert_eq!(self.decoder.offset(), self.taken as u64);
                    return;
                }
                step_or_error => {
                    let refused = step_or_error.is_err();
                    assert!(!early || refused, "{} asked for too much", self.framing);
                    self.needed = 0;
                    match step_or_error {
                        Ok(step) => self.on_step(&step),
                        Err(error) => self.on_error(&error),
                    }
                }
            }
        }
    }

    fn on_step(&mut self, step: &Step) {
        let src = &self.buf[self.taken..];
        match step {
            Step::NeedMore { .. } => {}
            Step::Frame { payload, used, .. } => {
                assert!(*used > 0 && payload.end <= *used && *used <= src.len());
                let message = self.decoder.message(src, step).to_vec();
                let mut again = vec![];
                let encoded = self.framing.encode(&message, &mut again);
                assert_eq!(
                    self.framing.is_canonical(src, step),
                    again == src[..*used],
                    "{} encodes {message:x?}",
                    self.framing
                );
                let mut forwarded = vec![];
                self.decoder.forward(src, step, &mut forwarded);
                assert_eq!((encoded, forwarded), (Ok(()), again), "{}", self.framing);
                self.events.push(Event::Message(message));
            }
            Step::Head { header, body, .. } => {
                assert!(*body > 0);
                self.streamed = Some(src[header.clone()].to_vec());
            }
            Step::Body { chunk, left, .. } => {
                assert!(!chunk.is_empty());
                let message = self
                    .streamed
                    .as_mut()
                    .expect("a head comes ahead of a body");
                message.extend_from_slice(&src[chunk.clone()]);
                if *left == 0 {
                    self.events.extend(self.streamed.take().map(Event::Message));
                }
            }
            Step::Skipped { used } => {
                assert!(*used > 0);
                match self.events.last_mut() {
                    Some(Event::Skipped(sum)) => *sum += *used as u64,
                    _ => self.events.push(Event::Skipped(*used as u64)),
                }
            }
        }
        self.taken += step.used();
    }

    fn on_error(&mut self, error: &DecodeError) {
        self.events.push(Event::Refused(without_evidence(error)));
        assert!(error.at() <= self.taken as u64);
        assert!(
            !error.to_string().contains(|c: char| c.is_control()),
            "{error}"
        );
        if error.is_resumable() {
            let step = self.decoder.decode(&self.buf[self.taken..]);
            assert!(
                matches!(step, Ok(Step::NeedMore { .. } | Step::Skipped { .. })),
                "{} goes on with {step:?}",
                self.framing
            );
            self.on_step(&step.expect("checked above"));
        } else {
            self.seen += effort::take();
            let again = self.decoder.decode(&self.buf[self.taken..]);
            effort::take();
            assert_eq!(
                again.as_ref(),
                Err(error),
                "{} changes its mind",
                self.framing
            );
            self.failed = true;
        }
    }

    fn finish(&mut self) {
        let seen = self.seen + effort::take();
        // A delimiter that may be cut is looked at again. Where bytes are stuffed, the end is looked
        // for first.
        let (times, again) = match &self.framing.kind {
            Kind::Delimited(delimiter) => (1, delimiter.bytes().len() as u64 - 1),
            Kind::Stuffed(_) => (2, 0),
            _ => (1, 0),
        };
        let most = times * self.buf.len() as u64 + self.calls * again;
        assert!(
            seen <= most,
            "{} looked at {seen} bytes of {}",
            self.framing,
            self.buf.len()
        );
        if self.failed {
            return;
        }
        let rest = &self.buf[self.taken..];
        match self.decoder.finish(rest) {
            Ok(Finish::Clean) => {}
            Ok(Finish::Unterminated { payload }) => {
                self.events
                    .push(Event::Unterminated(rest[payload].to_vec()));
            }
            Err(error @ DecodeError::Truncated { .. }) => {
                assert_ne!(self.buf.len(), 0);
                self.events.push(Event::Refused(without_evidence(&error)));
            }
            Err(error) => self.events.push(Event::Refused(without_evidence(&error))),
        }
    }
}

fn without_evidence(error: &DecodeError) -> String {
    match error {
        DecodeError::TooLong {
            at,
            announced,
            length,
            limit,
            ..
        } => {
            format!("too long at {at}: {announced} {length} {limit}")
        }
        DecodeError::Unending { at, limit, .. } => format!("unending at {at}: {limit}"),
        DecodeError::Malformed {
            at, byte, fault, ..
        } => {
            format!("malformed at {at}, byte {byte}: {fault:?}")
        }
        DecodeError::Truncated { at, missing } => format!("truncated at {at}: {missing}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Any framing with any modifiers that make sense together.
    fn framings() -> impl Strategy<Value = Framing> {
        let delimiter = vec(select(vec!["a", "b", "\\n", "\\xff", "\\,", "\\0"]), 1..4)
            .prop_map(|parts| format!("delim:{}", parts.concat()));
        let length = (
            select(
                Framing::NAMES
                    .iter()
                    .filter(|name| is_length(name))
                    .copied()
                    .collect::<Vec<_>>(),
            ),
            any::<bool>(),
            0..4_u8,
            -6..6_i8,
        );
        let length = length.prop_map(|(name, incl, off, adj)| {
            format!(
                "{name}{},off={off},adj={adj}",
                if incl { ",incl" } else { "" }
            )
        });
        let plain = select(
            Framing::NAMES
                .iter()
                .filter(|name| !name.contains(':'))
                .copied()
                .collect::<Vec<_>>(),
        );
        let rule = prop_oneof![
            plain.prop_map(str::to_owned),
            delimiter,
            length,
            (1..9_u8).prop_map(|size| format!("fixed:{size}")),
        ];
        (rule, prop::option::of(1..40_u8), prop::option::of(1..80_u8)).prop_filter_map(
            "modifiers that contradict each other",
            |(mut spec, max, more)| {
                let max = max.map_or(1 << 20, u64::from);
                let _ = write!(spec, ",max={max}");
                let body = more.map(|more| format!("{spec},max-body={}", max + u64::from(more)));
                body.and_then(|body| body.parse().ok())
                    .or_else(|| spec.parse().ok())
            },
        )
    }

    fn is_length(name: &str) -> bool {
        let digits = name.trim_start_matches(['u', 'i']);
        digits.len() < name.len() && digits.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Bytes among which everything stands that means something to a framing.
    fn content(most: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            select(b"\0\x01\x02\x03\x05ab\n\r:, 0123\xc0\xdb\xdc\xdd\xff\xfe".to_vec()),
            any::<u8>(),
        ];
        vec(byte, 0..most)
    }

    /// Messages, among them such as only `json-header` carries.
    fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let json = (
            select(vec!["size", "file_size", "name"]),
            select(vec!["", " ", "\n "]),
            content(24),
        )
            .prop_map(|(field, space, body)| {
                let mut message = format!("{{\"{field}\":{}}}{space}", body.len()).into_bytes();
                message.extend_from_slice(&body);
                message
            });
        vec(prop_oneof![3 => content(48), 1 => json], 0..6)
    }

    fn cuts() -> impl Strategy<Value = Vec<usize>> {
        vec(1..12_usize, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn what_is_encoded_is_decoded(
            framing in framings(),
            messages in messages(),
            cuts in cuts(),
        ) {
            decode_inverts_encode(&framing, &messages, &cuts);
        }

        #[test]
        fn no_cut_changes_what_a_good_stream_says(
            framing in framings(),
            messages in messages(),
            cuts in cuts(),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut wire = vec![];
            for message in &messages {
                let _ = framing.encode(message, &mut wire);
            }
            if let Some((at, byte)) = damage.filter(|_| !wire.is_empty()) {
                let at = at.index(wire.len());
                wire[at] = byte;
            }
            cuts_never_change_messages(&framing, &wire, &cuts);
        }

        #[test]
        fn no_cut_changes_what_noise_says(
            framing in framings(),
            wire in content(200),
            cuts in cuts(),
        ) {
            cuts_never_change_messages(&framing, &wire, &cuts);
        }

        #[test]
        fn a_spec_text_reads_back(framing in framings()) {
            prop_assert_eq!(framing.to_string().parse::<Framing>(), Ok(framing));
        }
    }
}
