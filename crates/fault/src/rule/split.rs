//! `split:100`, `split:frame=u16be,at=3`: bytes arrive in pieces.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::frames::Frames;
use crate::matcher::FRAME;
use crate::segment;
use crate::stage::{Fault, Meet, Step};

/// The most that `at=` can be: what a framing may hold.
const AT_LIMIT: u64 = 1 << 40;

/// The most pieces of one chunk; the last is longer then.
const PIECES_LIMIT: usize = 65_536;

pub(super) const KIND: Kind = Kind {
    name: "split",
    value: Some("SIZE"),
    keys: &[FRAME, "at=N"],
    read: |args| {
        let size = args.size("SIZE", 1, u32::MAX.into())?;
        let at = args.count("at=N", 0, AT_LIMIT)?;
        let place = match (size, args.framing()?) {
            (_, Some(framing)) => Place::Frame(Frames::new(framing), args.needs("at=N", at)?),
            (size, None) => {
                Place::Every(args.needs("SIZE, or frame=SPEC with at=N", size)? as usize)
            }
        };
        Ok(Arc::new(Split(place)))
    },
};

/// Payloads are cut: a stream's chunks, and segments of TCP, each piece with headers of its own.
#[derive(Clone, Debug)]
struct Split(Place);

#[derive(Clone, Debug)]
enum Place {
    /// Into pieces of this size, and a rest.
    Every(usize),
    /// At this offset of each frame, counted from the first byte of its header.
    Frame(Frames, u64),
}

impl Fault for Split {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn needs_peer(&self) -> bool {
        matches!(self.0, Place::Frame(..))
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let len = meet.view.payload().len();
        let cuts: Vec<usize> = match &mut self.0 {
            Place::Every(size) if len <= *size => return Step::Pass,
            Place::Every(size) => (*size..len).step_by(*size).collect(),
            Place::Frame(frames, at) => frames.starts_in(meet.view, meet.peer, *at),
        };
        let cuts: Vec<usize> = cuts
            .into_iter()
            .filter(|cut| *cut > 0)
            .take(PIECES_LIMIT - 1)
            .collect();
        if cuts.is_empty() {
            return Step::Pass;
        }
        let pieces = match meet.view.packet() {
            None => pieces(meet.chunk().bytes, &cuts),
            Some(packet) => match segment::cut(packet, &cuts) {
                Some(pieces) => pieces,
                None => return Step::Pass,
            },
        };
        let act = Act::Split(pieces.len() as u32);
        Step::Several(pieces, act)
    }
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([bytes.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| bytes[start..end].to_vec())
        .collect()
}
