//! Which chunks a rule is about.

use memchr::memmem::Finder;
use sockeye_trace::packet::Body;

use crate::args::Args;
use crate::chunk::{View, Way};
use crate::error::{RuleError, Wanted};
use crate::flags::Flags;
use crate::frames::Frames;

pub(crate) const CONTENT: &str = "content=TEXT|0xHEX";
pub(crate) const FRAME: &str = "frame=SPEC";

/// The keys that every rule takes.
pub(crate) const KEYS: [&str; 13] = [
    "to=server|client",
    "peer=N",
    "proto=tcp|udp|icmp",
    "flags=FLAGS",
    "min=SIZE",
    "max=SIZE",
    CONTENT,
    FRAME,
    "nth=N",
    "first=N",
    "after=N",
    "every=N",
    "times=N",
];

/// The longest text to look for.
const CONTENT_LIMIT: usize = 256;

/// Which chunks a rule is about: all that is given must hold. Counts are of chunks for which the rest holds.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    to: Option<Way>,
    peer: Option<u32>,
    protocol: Option<Protocol>,
    flags: Option<Flags>,
    min: u64,
    max: u64,
    content: Option<Box<Finder<'static>>>,
    frames: Option<Frames>,
    count: Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Which of the chunks that fit are meant.
#[derive(Clone, Copy, Debug)]
struct Count {
    seen: u64,
    nth: Option<u64>,
    first: u64,
    after: u64,
    every: u64,
    /// How often the rule may act still.
    left: u64,
}

impl Matcher {
    pub(crate) fn read(args: &Args<'_>) -> Result<Self, RuleError> {
        let count = |shape, least| args.count(shape, least, u64::MAX);
        let size = |shape| args.size(shape, 0, u64::MAX);
        Ok(Self {
            to: args.read_as("to=server|client", Wanted::Way, way)?,
            peer: args
                .count("peer=N", 1, u32::MAX.into())?
                .map(|peer| peer as u32),
            protocol: args.read_as("proto=tcp|udp|icmp", Wanted::Protocol, protocol)?,
            flags: args.read_as("flags=FLAGS", Wanted::Flags, |text| text.parse().ok())?,
            min: size("min=SIZE")?.unwrap_or(0),
            max: size("max=SIZE")?.unwrap_or(u64::MAX),
            content: args
                .read_as(CONTENT, Wanted::Bytes, content)?
                .map(|bytes| Box::new(Finder::new(&bytes).into_owned())),
            frames: args.framing()?.map(Frames::new),
            count: Count {
                seen: 0,
                nth: count("nth=N", 1)?,
                first: count("first=N", 1)?.unwrap_or(u64::MAX),
                after: count("after=N", 0)?.unwrap_or(0),
                every: count("every=N", 1)?.unwrap_or(1),
                left: count("times=N", 1)?.unwrap_or(u64::MAX),
            },
        })
    }

    /// The same without `frame=`, for rules that mean something else by it.
    pub(crate) fn without_frames(mut self) -> Self {
        self.frames = None;
        self
    }

    /// Whether the rule has to know which conversation a chunk belongs to.
    pub(crate) fn needs_peer(&self) -> bool {
        self.peer.is_some() || self.frames.is_some()
    }

    /// Whether this chunk is meant. Counts it.
    pub(crate) fn picks(&mut self, view: &View<'_>, peer: u32) -> bool {
        if self.to.is_some_and(|to| to != view.chunk.way)
            || self.peer.is_some_and(|wanted| wanted != peer)
            || self.protocol.is_some_and(|wanted| !wanted.fits(view))
            || self.flags.is_some_and(|wanted| !fits(wanted, view))
            || !self.fits_inside(view)
        {
            return false;
        }
        match &mut self.frames {
            None => self.count.picks(),
            Some(frames) => {
                let starts = frames.starts_in(view, peer, 0).len();
                (0..starts).fold(false, |any, _| self.count.picks() || any)
            }
        }
    }

    /// The rule has done what it does to a chunk that was picked.
    pub(crate) fn acted(&mut self) {
        self.count.left = self.count.left.saturating_sub(1);
    }

    fn fits_inside(&self, view: &View<'_>) -> bool {
        if self.min == 0 && self.max == u64::MAX && self.content.is_none() {
            return true;
        }
        let payload = view.payload();
        (self.min..=self.max).contains(&(payload.len() as u64))
            && self
                .content
                .as_ref()
                .is_none_or(|wanted| wanted.find(payload).is_some())
    }
}

impl Count {
    fn picks(&mut self) -> bool {
        self.seen = self.seen.saturating_add(1);
        self.left > 0
            && self.seen <= self.first
            && self.seen > self.after
            && (self.seen - self.after).is_multiple_of(self.every)
            && self.nth.is_none_or(|nth| nth == self.seen)
    }
}

impl Protocol {
    fn fits(self, view: &View<'_>) -> bool {
        let Some(packet) = view.packet() else {
            // A stream is what a program sees of TCP.
            return self == Self::Tcp;
        };
        match (&packet.body, self) {
            (Body::Tcp(_), Self::Tcp)
            | (Body::Udp(_), Self::Udp)
            | (Body::Icmp { .. }, Self::Icmp) => true,
            // Fragments beyond the first have IP's header only.
            (Body::Fragment, wanted) => packet.net.is_some_and(|net| match wanted {
                Self::Tcp => net.protocol == 6,
                Self::Udp => net.protocol == 17,
                Self::Icmp => matches!(net.protocol, 1 | 58),
            }),
            _ => false,
        }
    }
}

fn fits(wanted: Flags, view: &View<'_>) -> bool {
    view.tcp_flags()
        .is_some_and(|flags| wanted.fits(flags, view.payload().len()))
}

fn way(text: &str) -> Option<Way> {
    match text {
        "server" => Some(Way::ToServer),
        "client" => Some(Way::ToClient),
        _ => None,
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "icmp" => Some(Protocol::Icmp),
        _ => None,
    }
}

/// The bytes to look for: `0x` and pairs of hex digits, or text with escapes.
fn content(text: &str) -> Option<Vec<u8>> {
    let bytes = match text.strip_prefix("0x") {
        Some(digits) => hex(digits.as_bytes())?,
        None => escaped(text.as_bytes())?,
    };
    (1..=CONTENT_LIMIT).contains(&bytes.len()).then_some(bytes)
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

fn escaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let (byte, left) = match (first, behind) {
            (b'\\', [b'n', left @ ..]) => (b'\n', left),
            (b'\\', [b'r', left @ ..]) => (b'\r', left),
            (b'\\', [b't', left @ ..]) => (b'\t', left),
            (b'\\', [b'0', left @ ..]) => (0, left),
            (b'\\', [itself @ (b'\\' | b',' | b'"'), left @ ..]) => (*itself, left),
            (b'\\', [b'x', high, low, left @ ..]) => (hex(&[*high, *low])?[0], left),
            (b'\\', _) => return None,
            (byte, left) => (*byte, left),
        };
        bytes.push(byte);
        rest = left;
    }
    Some(bytes)
}
