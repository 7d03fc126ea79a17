//! The flags of TCP as people write them.

use std::fmt;

use super::TcpFlags;

/// A few letters; prints with width and alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlagText {
    bytes: [u8; 10],
    len: u8,
}

impl FlagText {
    fn of(letters: impl Iterator<Item = u8>) -> Self {
        let mut text = Self {
            bytes: [0; 10],
            len: 0,
        };
        for (place, letter) in text.bytes.iter_mut().zip(letters) {
            *place = letter;
            text.len += 1;
        }
        text
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Display for FlagText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for FlagText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// In the order of the header's bits: U A P R S F.
const BY_POSITION: [(u8, u8); 6] = [
    (TcpFlags::URG, b'U'),
    (TcpFlags::ACK, b'A'),
    (TcpFlags::PSH, b'P'),
    (TcpFlags::RST, b'R'),
    (TcpFlags::SYN, b'S'),
    (TcpFlags::FIN, b'F'),
];

/// The letters of tcpdump(8), in its order.
const OF_TCPDUMP: [(u8, u8); 8] = [
    (TcpFlags::FIN, b'F'),
    (TcpFlags::SYN, b'S'),
    (TcpFlags::RST, b'R'),
    (TcpFlags::PSH, b'P'),
    (TcpFlags::ACK, b'.'),
    (TcpFlags::URG, b'U'),
    (TcpFlags::ECE, b'E'),
    (TcpFlags::CWR, b'W'),
];

impl TcpFlags {
    /// Each flag at its place, a dot where it is not set: `.A..S.`.
    pub fn by_position(self) -> FlagText {
        let letter = |(flag, letter)| if self.has(flag) { letter } else { b'.' };
        FlagText::of(BY_POSITION.into_iter().map(letter))
    }

    /// As tcpdump writes them: `[S.]`, `[P.]`, `[none]`.
    pub fn as_tcpdump(self) -> FlagText {
        let set = OF_TCPDUMP.into_iter().filter(|(flag, _)| self.has(*flag));
        let letters = set.map(|(_, letter)| letter);
        if self.0 == 0 {
            return FlagText::of(b"[none]".iter().copied());
        }
        FlagText::of([b'['].into_iter().chain(letters).chain([b']']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations() {
        let check = |flags: u8, position: &str, tcpdump: &str| {
            assert_eq!(TcpFlags(flags).by_position().as_str(), position);
            assert_eq!(TcpFlags(flags).as_tcpdump().as_str(), tcpdump);
        };
        check(TcpFlags::SYN, "....S.", "[S]");
        check(TcpFlags::SYN | TcpFlags::ACK, ".A..S.", "[S.]");
        check(TcpFlags::ACK, ".A....", "[.]");
        check(TcpFlags::PSH | TcpFlags::ACK, ".AP...", "[P.]");
        check(TcpFlags::FIN | TcpFlags::ACK, ".A...F", "[F.]");
        check(TcpFlags::RST, "...R..", "[R]");
        check(0, "......", "[none]");
        check(0xff, "UAPRSF", "[FSRP.UEW]");
        assert_eq!(format!("{:<8}|", TcpFlags(2).by_position()), "....S.  |");
    }
}
