//! What the messages hold, so that every byte that comes back can be checked.
//!
//! A message is its number, its connection's number and a pattern:
//!
//! ```text
//! ELAAAAAA BAAAAAAA 7QX0M4…        (without the spaces)
//! number   conn     pattern
//! ```
//!
//! All of it is capital letters and digits: framings by delimiter can carry it, a person can read
//! it in a capture, and a server that answers in upper case passes the check too. The pattern
//! begins somewhere else in every message, so bytes that were swapped between two messages or
//! two connections are found as well as bytes that changed.

/// Bytes of both numbers. A shorter message carries as many of them as fit, low digits first.
pub(super) const HEADER: usize = 16;
/// Starting places in the pattern: a prime, so that neighbours in number and connection differ.
const STARTS: usize = 251;

/// Makes and checks the messages of one size.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    size: usize,
    pattern: Vec<u8>,
}

/// A reply that is not what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "connection {conn}, message {number}: byte {at} came back as {}, sent was {}",
    escaped(.got), escaped(.sent)
)]
pub(super) struct Mismatch {
    pub(super) conn: u32,
    pub(super) number: u64,
    /// Where in the message the first wrong byte lies.
    pub(super) at: usize,
    /// A few bytes from there on.
    pub(super) got: Vec<u8>,
    pub(super) sent: Vec<u8>,
}

/// How many bytes of a mismatch are shown.
const SHOWN: usize = 16;

fn escaped(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".into();
    }
    format!("\"{}\"", bytes.escape_ascii())
}

impl Messages {
    /// Messages of `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        // Any sequence without a short period will do; this is Knuth's MMIX generator.
        let mut state = 1_u64;
        let pattern = (0..size + STARTS)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                LETTERS[(state >> 59) as usize]
            })
            .collect();
        Self { size, pattern }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The two parts of a message: its numbers, and the pattern that follows them.
    pub(super) fn parts(&self, conn: u32, number: u64) -> ([u8; HEADER], &[u8]) {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&letters(number as u32).to_le_bytes());
        header[8..].copy_from_slice(&letters(conn).to_le_bytes());
        let start = (number.wrapping_mul(37).wrapping_add(u64::from(conn) * 101)) as usize % STARTS;
        (
            header,
            &self.pattern[start..start + self.size.saturating_sub(HEADER)],
        )
    }

    /// Appends a message from its byte `from` on.
    pub(super) fn append(&self, conn: u32, number: u64, from: usize, out: &mut Vec<u8>) {
        let (header, pattern) = self.parts(conn, number);
        let header = &header[..HEADER.min(self.size)];
        match from.checked_sub(header.len()) {
            None => {
                out.extend_from_slice(&header[from..]);
                out.extend_from_slice(pattern);
            }
            Some(from) => out.extend_from_slice(&pattern[from..]),
        }
    }

    /// Checks `got` against the message's bytes from `from` on.
    pub(super) fn check(
        &self,
        conn: u32,
        number: u64,
        from: usize,
        got: &[u8],
    ) -> Result<(), Mismatch> {
        let (header, pattern) = self.parts(conn, number);
        let header = &header[..HEADER.min(self.size)];
        let in_header = header.get(from..).unwrap_or_default();
        let (first, rest) = got.split_at(in_header.len().min(got.len()));
        let pattern = &pattern[from.saturating_sub(HEADER)..];
        if first == &in_header[..first.len()] && pattern.get(..rest.len()) == Some(rest) {
            return Ok(());
        }
        Err(self.mismatch(conn, number, from, got))
    }

    /// Checks that `got` is the whole message.
    pub(super) fn check_whole(&self, conn: u32, number: u64, got: &[u8]) -> Result<(), Mismatch> {
        if got.len() != self.size {
            return Err(self.mismatch(conn, number, 0, got));
        }
        self.check(conn, number, 0, got)
    }

    #[cold]
    fn mismatch(&self, conn: u32, number: u64, from: usize, got: &[u8]) -> Mismatch {
        let mut sent = Vec::new();
        self.append(conn, number, from, &mut sent);
        let same = sent
            .iter()
            .zip(got)
            .take_while(|(sent, got)| sent == got)
            .count();
        let cut = |bytes: &[u8]| bytes[same..].iter().copied().take(SHOWN).collect();
        Mismatch {
            conn,
            number,
            at: from + same,
            got: cut(got),
            sent: cut(&sent),
        }
    }

    /// The number of the message that `reply` claims to be, where `next` is the first that was
    /// not sent yet. None if those are no digits.
    pub(super) fn number(&self, reply: &[u8], next: u64) -> Option<u64> {
        let digits = self.size.min(8).min(reply.len());
        let mut low = 0;
        for (place, &letter) in reply[..digits].iter().enumerate() {
            let digit = letter.checked_sub(b'A').filter(|&digit| digit < 16)?;
            low |= u64::from(digit) << (4 * place);
        }
        // The largest number below `next` that ends in these digits.
        let modulus = 1_u64 << (4 * digits);
        let last = next.checked_sub(1)?;
        let number = (last & !(modulus - 1)) | low;
        if number > last {
            number.checked_sub(modulus)
        } else {
            Some(number)
        }
    }
}

/// The eight hexadecimal digits of a number as the letters A to P, the lowest first.
fn letters(number: u32) -> u64 {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    spread + 0x4141_4141_4141_4141
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(messages: &Messages, conn: u32, number: u64) -> Vec<u8> {
        let mut out = vec![];
        messages.append(conn, number, 0, &mut out);
        out
    }

    #[test]
    fn reads_as_its_numbers_and_a_pattern() {
        let messages = Messages::new(20);
        let text = message(&messages, 1, 0x0b4);
        assert!(
            text.starts_with(b"ELAAAAAABAAAAAAA"),
            "{}",
            text.escape_ascii()
        );
        assert_eq!(text.len(), 20);
        assert!(
            text.iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        );
    }

    #[test]
    fn every_piece_of_a_message_passes_and_every_changed_byte_is_found() {
        for size in [1, 7, 8, 15, 16, 17, 64, 300] {
            let messages = Messages::new(size);
            let text = message(&messages, 70_000, 123_456);
            assert_eq!(text.len(), size);
            for from in 0..size {
                for to in from..=size {
                    assert_eq!(
                        messages.check(70_000, 123_456, from, &text[from..to]),
                        Ok(())
                    );
                }
                let mut changed = text.clone();
                changed[from] ^= 1;
                let mismatch = messages.check_whole(70_000, 123_456, &changed).unwrap_err();
                assert_eq!((mismatch.at, mismatch.got[0]), (from, text[from] ^ 1));
            }
        }
    }

    #[test]
    fn a_reply_of_another_length_is_wrong() {
        let messages = Messages::new(20);
        let mut text = message(&messages, 1, 2);
        text.push(b'X');
        let mismatch = messages.check_whole(1, 2, &text).unwrap_err();
        assert_eq!(
            (mismatch.at, mismatch.got, mismatch.sent),
            (20, vec![b'X'], vec![])
        );
        assert!(messages.check_whole(1, 2, &text[..19]).is_err());
        assert!(
            messages
                .check(1, 2, 10, &[text[10..20].to_vec(), vec![b'X']].concat())
                .is_err()
        );
    }

    #[test]
    fn the_middle_of_another_message_is_wrong() {
        let messages = Messages::new(200);
        for (conn, number) in [(1, 8), (2, 7), (2, 8)] {
            let other = message(&messages, conn, number);
            assert!(
                messages.check(1, 7, 100, &other[100..]).is_err(),
                "{conn} {number}"
            );
        }
    }

    #[test]
    fn numbers_are_read_back_from_what_a_short_message_has_room_for() {
        for (size, behind) in [(1, 15), (2, 200), (8, 1_000_000), (64, 1_000_000)] {
            let messages = Messages::new(size);
            let next = 5_000_000_000;
            for number in [next - 1, next - 3, next - behind] {
                let text = message(&messages, 3, number);
                assert_eq!(messages.number(&text, next), Some(number), "size {size}");
            }
        }
        let messages = Messages::new(8);
        assert_eq!(messages.number(b"AAAA0AAA", 9), None);
        assert_eq!(messages.number(b"PAAAAAAA", 9), None, "was never sent");
    }
}
