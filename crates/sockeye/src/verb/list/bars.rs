//! How full a socket's buffers are, as bars.

use sockeye_trace::Gauge;

use crate::catalogue::Lang;
use crate::ui::quantity;

use super::text;

/// Cells of a bar.
pub(super) const CELLS: usize = 20;

/// One buffer: what is in it, and what that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fill {
    /// Parts of the content, drawn one after another: `█`, then `▒`.
    pub(super) parts: [u32; 2],
    /// Memory that holds them.
    pub(super) memory: u32,
    /// What that may be.
    pub(super) limit: u32,
}

impl Fill {
    /// The buffer that a program reads from.
    pub(super) fn unread(gauge: &Gauge) -> Self {
        Self {
            parts: [gauge.unread, 0],
            memory: gauge.recv_memory,
            limit: gauge.recv_limit,
        }
    }

    /// The buffer that a program writes into: unacknowledged, then unsent.
    pub(super) fn unsent(gauge: &Gauge) -> Self {
        Self {
            parts: [gauge.unacked, gauge.unsent],
            memory: gauge.send_memory,
            limit: gauge.send_limit,
        }
    }

    /// Cells of each part, and of the memory around them (`░`), of so many. What is there shows at
    /// least one cell.
    pub(super) fn cells(self, cells: usize) -> [usize; 3] {
        let limit = u64::from(self.limit).max(1);
        let scaled = |amount: u64| (amount * cells as u64).div_ceil(limit) as usize;
        let first = scaled(self.parts[0].into()).min(cells);
        let content = u64::from(self.parts[0]) + u64::from(self.parts[1]);
        let second = scaled(content).clamp(first, cells) - first;
        let around = scaled(self.memory.into()).clamp(first + second, cells) - first - second;
        [first, second, around]
    }

    /// The bar between brackets.
    pub(super) fn bar(self, cells: usize) -> String {
        let [first, second, around] = self.cells(cells);
        let free = cells - first - second - around;
        let draw = |what: &str, count: usize| what.repeat(count);
        [
            "[",
            &draw("█", first),
            &draw("▒", second),
            &draw("░", around),
            &draw("·", free),
            "]",
        ]
        .concat()
    }
}

/// What a program has not read, in words: `128 KiB unread in 129 KiB of memory, of 128 KiB`.
pub(super) fn unread(gauge: &Gauge, lang: Lang) -> String {
    text::UNREAD.fill(
        lang,
        &[
            ("unread", &amount(gauge.unread)),
            ("memory", &amount(gauge.recv_memory)),
            ("limit", &amount(gauge.recv_limit)),
        ],
    )
}

/// What has not arrived yet, in words.
pub(super) fn unsent(gauge: &Gauge, lang: Lang) -> String {
    text::UNSENT.fill(
        lang,
        &[
            ("unacked", &amount(gauge.unacked)),
            ("unsent", &amount(gauge.unsent)),
            ("memory", &amount(gauge.send_memory)),
            ("limit", &amount(gauge.send_limit)),
        ],
    )
}

fn amount(bytes: u32) -> String {
    quantity::bytes(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_parts_in_proportion_and_never_overflows() {
        let check = |parts, memory, limit, bar: &str| {
            let fill = Fill {
                parts,
                memory,
                limit,
            };
            assert_eq!(fill.bar(10), bar);
        };
        check([0, 0], 0, 100, "[··········]");
        check([1, 0], 1, 1000, "[█·········]");
        check([30, 40], 90, 100, "[███▒▒▒▒░░·]");
        check([100, 0], 130, 100, "[██████████]");
        check([60, 90], 200, 100, "[██████▒▒▒▒]");
        check([5, 0], 5, 0, "[██████████]");
    }
}
