//! Where the lanes stand.

/// Columns between the lanes.
pub(super) const APART: usize = 1;
/// Columns of a lane of calls that the bars of long calls take: two side by side and a space.
pub(super) const GUTTER: usize = 3;
/// The narrowest wire that an arrow with its bytes fits on.
const WIRE: usize = 22;
/// Wider than this a wire says no more.
const WIRE_WIDE: usize = 34;
/// A lane without calls keeps room for the name of its end.
const SILENT: usize = 22;

/// How wide each column is; 0: it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) time: usize,
    pub(super) left: usize,
    pub(super) wire: usize,
    pub(super) right: usize,
}

impl Layout {
    /// Divides `width` columns; `has` says whether there is something in the left lane, on the wire, in
    /// the right lane.
    pub(super) fn new(width: usize, time: usize, has: [bool; 3]) -> Self {
        let [left, wire, right] = has;
        let room = width.saturating_sub(time + 2 + 2 * APART);
        let wire = match (left, wire, right) {
            (_, false, _) => 0,
            (true, true, true) => (room * 3 / 10).clamp(WIRE, WIRE_WIDE),
            (false, true, false) => room.saturating_sub(2 * SILENT).min(2 * WIRE_WIDE),
            _ => (room * 4 / 10).clamp(WIRE, WIRE_WIDE),
        };
        let room = room.saturating_sub(wire);
        let (left, right) = match (left, right) {
            (true, false) => (room.saturating_sub(SILENT), SILENT),
            (false, true) => (SILENT, room.saturating_sub(SILENT)),
            (false, false) => (SILENT, SILENT),
            (true, true) => (room / 2, room - room / 2),
        };
        Self {
            time,
            left,
            wire,
            right,
        }
    }

    /// The columns of all of it.
    pub(super) fn width(&self) -> usize {
        self.time + 2 + self.left + APART + self.wire + APART + self.right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_fill_the_width_and_no_more() {
        for width in [72, 100, 160, 240] {
            for has in [[true; 3], [true, false, true]] {
                assert_eq!(Layout::new(width, 9, has).width(), width, "{has:?}");
            }
            for has in [
                [true, true, false],
                [false, true, true],
                [false, true, false],
                [false, false, true],
            ] {
                let layout = Layout::new(width, 9, has);
                assert!(layout.width() <= width, "{has:?}: {layout:?}");
            }
        }
    }
}
