//! Which TCP flags are meant.

use std::fmt;
use std::str::FromStr;

use sockeye_trace::packet::TcpFlags;

/// Which segments of TCP are meant: `S`, `SA`, `F`, `R`, `data`, `ack`.
///
/// - Letters: `SYN`, `FIN` and `RST` are set as named and no others of them; `A`, `P` and `U` are set
///   where they are named. `S` is a SYN without ACK, since `SA` is another thing.
/// - `data`: it carries bytes.
/// - `ack`: it carries none, and acknowledges only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(Wanted);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Letters(u8),
    Data,
    Ack,
}

const LETTERS: [(char, u8); 6] = [
    ('S', TcpFlags::SYN),
    ('A', TcpFlags::ACK),
    ('F', TcpFlags::FIN),
    ('R', TcpFlags::RST),
    ('P', TcpFlags::PSH),
    ('U', TcpFlags::URG),
];

/// What changes a connection's state.
const TURNS: u8 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;

impl Flags {
    /// Whether a segment with these flags and so many bytes is meant.
    pub const fn fits(self, flags: TcpFlags, payload: usize) -> bool {
        match self.0 {
            Wanted::Data => payload > 0,
            Wanted::Ack => payload == 0 && flags.0 & (TURNS | TcpFlags::ACK) == TcpFlags::ACK,
            Wanted::Letters(wanted) => {
                let exact = if wanted & TcpFlags::SYN == 0 {
                    TURNS
                } else {
                    TURNS | TcpFlags::ACK
                };
                flags.0 & exact == wanted & exact && flags.has(wanted)
            }
        }
    }
}

impl FromStr for Flags {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "data" => return Ok(Self(Wanted::Data)),
            "ack" => return Ok(Self(Wanted::Ack)),
            "" => return Err(()),
            _ => {}
        }
        let mut wanted = 0;
        for letter in text.chars() {
            let (_, flag) = LETTERS
                .iter()
                .find(|(known, _)| *known == letter)
                .ok_or(())?;
            wanted |= flag;
        }
        Ok(Self(Wanted::Letters(wanted)))
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Wanted::Data => f.write_str("data"),
            Wanted::Ack => f.write_str("ack"),
            Wanted::Letters(wanted) => LETTERS
                .iter()
                .filter(|(_, flag)| wanted & flag != 0)
                .try_for_each(|(letter, _)| write!(f, "{letter}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, flags: u8, payload: usize, fits: bool) {
        let wanted: Flags = wanted.parse().unwrap();
        assert_eq!(wanted.fits(TcpFlags(flags), payload), fits, "{wanted}");
        assert_eq!(wanted.to_string().parse(), Ok(wanted));
    }

    #[test]
    fn letters_say_what_turns_a_connection_exactly() {
        use TcpFlags as T;
        check("S", T::SYN, 0, true);
        check("S", T::SYN | T::ECE | T::CWR, 0, true);
        check("S", T::SYN | T::ACK, 0, false);
        check("SA", T::SYN | T::ACK, 0, true);
        check("AS", T::SYN, 0, false);
        check("F", T::FIN | T::ACK, 0, true);
        check("FA", T::FIN | T::ACK | T::PSH, 9, true);
        check("R", T::RST, 0, true);
        check("R", T::RST | T::ACK, 0, true);
        check("RA", T::RST, 0, false);
        check("A", T::ACK, 0, true);
        check("A", T::ACK | T::PSH, 5, true);
        check("A", T::ACK | T::FIN, 0, false);
        check("P", T::ACK | T::PSH, 5, true);
        check("P", T::ACK, 5, false);
        check("data", T::ACK, 1, true);
        check("data", T::ACK, 0, false);
        check("ack", T::ACK, 0, true);
        check("ack", T::ACK, 1, false);
        check("ack", T::ACK | T::SYN, 0, false);
        for text in ["", "s", "SX", "syn", "S A"] {
            assert_eq!(text.parse::<Flags>(), Err(()), "{text}");
        }
    }
}
