//! What many facts of a session have in common, said once.

use crate::timeline::SegmentNote;
use crate::{Call, Fact, Kind, TcpState};

/// Which row of a flow an item belongs to: `way * 3` and one of the first three, or one of the last.
pub(super) mod row {
    pub(in crate::render::html) const WRITE: u8 = 0;
    pub(in crate::render::html) const WIRE: u8 = 1;
    pub(in crate::render::html) const READ: u8 = 2;
    /// A call that moves no bytes.
    pub(in crate::render::html) const CALL: u8 = 6;
    /// A packet that carries none.
    pub(in crate::render::html) const PACKET: u8 = 7;
}

/// All of an item but its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// One of [`row`].
    pub(super) row: u8,
    /// Whose it is: 0 the client's, 1 the server's; of a packet, who sent it.
    pub(super) end: u8,
    pub(super) kind: Kind,
    pub(super) call: Call,
    pub(super) flags: u32,
    pub(super) state: TcpState,
    /// Its number in `NOTES` of the page's program.
    pub(super) note: u8,
    pub(super) tcp_flags: u8,
    pub(super) piece: (u16, u16),
    /// Which of the end's sides, from 1; 0: none.
    pub(super) side: u32,
    pub(super) thread: u32,
}

impl Shape {
    pub(super) fn new(row: u8, end: u8, fact: &Fact<'_>) -> Self {
        Self {
            row,
            end,
            kind: fact.kind(),
            call: fact.call(),
            flags: fact.flags,
            state: fact.state,
            note: 0,
            tcp_flags: 0,
            piece: (0, 1),
            side: 0,
            thread: fact.thread,
        }
    }

    /// As the page reads it.
    pub(super) fn numbers(&self) -> [u32; 12] {
        [
            self.row.into(),
            self.end.into(),
            self.kind as u32,
            self.call as u32,
            self.flags,
            self.state as u32,
            self.note.into(),
            self.tcp_flags.into(),
            self.piece.0.into(),
            self.piece.1.into(),
            self.side,
            self.thread,
        ]
    }
}

/// The number in `NOTES` of what did not arrive, whatever else is special about it.
pub(super) const LOST: u8 = 8;

/// The numbers that `NOTES` of the page's program stands by.
pub(super) fn note_number(note: SegmentNote) -> u8 {
    match note {
        SegmentNote::New => 0,
        SegmentNote::Retransmission => 1,
        SegmentNote::PartlyRetransmitted => 2,
        SegmentNote::OutOfOrder => 3,
        SegmentNote::Fragment => 4,
        SegmentNote::Inferred => 5,
        SegmentNote::KeepAlive => 6,
        SegmentNote::WindowProbe => 7,
    }
}
