//! Where the frames of a framing begin in chunks.

use std::collections::{HashMap, VecDeque};

use sockeye_frame::{Decoder, Framing, Step};
use sockeye_trace::packet::{Body, TcpFlags};

use crate::chunk::{View, Way};

/// How many directions of conversations are followed; in others no frames are found.
pub(crate) const FOLLOWED_LIMIT: usize = 64;

/// How many frames back a retransmitted segment finds its own again.
const REMEMBERED: usize = 4096;

/// Follows streams and knows where their frames begin.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    framing: Framing,
    streams: HashMap<(Way, u32), Followed>,
}

#[derive(Clone, Debug)]
struct Followed {
    decoder: Decoder,
    /// What the decoder has been shown and not taken.
    rest: Vec<u8>,
    /// Bytes seen, and the sequence number of the next (packets only).
    seen: u64,
    next: Option<u32>,
    /// Where frames begin.
    starts: VecDeque<u64>,
    /// The next byte belongs to a body that comes piecemeal.
    in_body: bool,
    /// Its bytes stopped being frames.
    broken: bool,
}

impl Frames {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            framing,
            streams: HashMap::new(),
        }
    }

    /// Where frames begin in the chunk's payload, `shift` bytes further on. Offsets are below the payload's
    /// length.
    pub(crate) fn starts_in(&mut self, view: &View<'_>, peer: u32, shift: u64) -> Vec<usize> {
        let payload = view.payload();
        let key = (view.chunk.way, peer);
        if !self.streams.contains_key(&key) && self.streams.len() >= FOLLOWED_LIMIT {
            return vec![];
        }
        let framing = &self.framing;
        let stream = self
            .streams
            .entry(key)
            .or_insert_with(|| Followed::new(framing));
        let Some(from) = stream.take(view, payload) else {
            return vec![];
        };
        let end = from + payload.len() as u64;
        let shifted = stream.starts.iter().map(|start| start + shift);
        shifted
            .filter(|place| (from..end).contains(place))
            .map(|place| (place - from) as usize)
            .collect()
    }
}

impl Followed {
    fn new(framing: &Framing) -> Self {
        Self {
            decoder: framing.decoder(),
            rest: vec![],
            seen: 0,
            next: None,
            starts: VecDeque::new(),
            in_body: false,
            broken: false,
        }
    }

    /// Takes what is new in the chunk. Gives the offset of its first byte in the stream; none for what
    /// carries nothing, and for what lies beyond a hole.
    fn take(&mut self, view: &View<'_>, payload: &[u8]) -> Option<u64> {
        let tcp = match view.packet().map(|packet| &packet.body) {
            None => return self.append(payload, 0),
            Some(Body::Tcp(tcp)) => tcp,
            // Each datagram is a stream of its own.
            Some(Body::Udp(_)) => {
                *self = Self::new(self.decoder.framing());
                return self.append(payload, 0);
            }
            Some(_) => return None,
        };
        if tcp.flags.has(TcpFlags::SYN) {
            *self = Self::new(self.decoder.framing());
            self.next = Some(tcp.seq.wrapping_add(1));
            return None;
        }
        let next = *self.next.get_or_insert(tcp.seq);
        let behind = next.wrapping_sub(tcp.seq) as i32;
        let known = u64::try_from(behind).ok()?;
        let from = self.seen.checked_sub(known)?;
        if (known as usize) < payload.len() {
            let new = &payload[known as usize..];
            self.next = Some(next.wrapping_add(new.len() as u32));
            self.append(new, known)?;
        }
        (!payload.is_empty()).then_some(from)
    }

    /// Shows the decoder new bytes; gives where the chunk begins whose first `known` bytes are old.
    fn append(&mut self, new: &[u8], known: u64) -> Option<u64> {
        let from = self.seen;
        self.seen += new.len() as u64;
        if new.is_empty() {
            return None;
        }
        if !self.broken {
            self.decode(new, from);
        }
        Some(from - known)
    }

    fn decode(&mut self, new: &[u8], from: u64) {
        let mut at = from - self.rest.len() as u64;
        // A frame begins with the first byte behind the one before it, so a start is known when that
        // byte is there.
        let mut fresh = self.rest.is_empty() && !self.in_body;
        self.rest.extend_from_slice(new);
        let mut taken = 0;
        while taken < self.rest.len() {
            if fresh {
                self.starts.push_back(at);
            }
            match self.decoder.decode(&self.rest[taken..]) {
                Ok(Step::NeedMore { .. }) => break,
                Ok(step) => {
                    fresh = match &step {
                        Step::Frame { .. } | Step::Skipped { .. } => true,
                        Step::Body { left, .. } => *left == 0,
                        _ => false,
                    };
                    self.in_body = !fresh;
                    taken += step.used();
                    at += step.used() as u64;
                }
                Err(_) => {
                    self.broken = true;
                    self.rest = vec![];
                    return;
                }
            }
        }
        self.rest.drain(..taken);
        while self.starts.len() > REMEMBERED {
            self.starts.pop_front();
        }
    }
}
