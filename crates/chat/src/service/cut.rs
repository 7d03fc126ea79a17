//! Bytes into lines.

use std::sync::LazyLock;

use sockeye_frame::{Decoder, Framing, Step};

use crate::irc::LINE_BYTES;

/// Bytes of the tags that a line may have at most, whoever made them (IRCv3, message-tags). What a
/// client may send of its own is less, and whoever reads the line says so.
const TAGS_BYTES: usize = 8191;

/// Lines end with LF or CR LF. The limit is without them.
static CRLF: LazyLock<Framing> = LazyLock::new(|| {
    let limit = TAGS_BYTES + LINE_BYTES;
    let framing = format!("crlf,max={limit}").parse();
    framing.expect("the text is in the grammar of framings")
});

/// Cuts what a member sends.
#[derive(Debug)]
pub(super) struct Cutter(Decoder);

/// What stands at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// A line that is not empty, without its end.
    Line(&'a [u8]),
    /// A line that is longer than any may be; it is passed over.
    TooLong,
    /// No whole line.
    Nothing,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self(CRLF.decoder())
    }

    /// The next line behind the first `used` bytes, which grow by what is taken. `src` begins with
    /// the first byte that was not taken before.
    pub(super) fn cut<'a>(&mut self, src: &'a [u8], used: &mut usize) -> Cut<'a> {
        loop {
            let left = &src[*used..];
            let step = match self.0.decode(left) {
                Ok(Step::NeedMore { .. }) => return Cut::Nothing,
                Ok(step) => step,
                Err(_) => return Cut::TooLong,
            };
            *used += step.used();
            if let Step::Frame { payload, .. } = step
                && !payload.is_empty()
            {
                return Cut::Line(&left[payload]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts what comes in such pieces.
    fn lines(src: &[u8], pieces: impl IntoIterator<Item = usize>) -> Vec<Option<Vec<u8>>> {
        let (mut cutter, mut rest, mut found, mut at) = (Cutter::new(), vec![], vec![], 0);
        for piece in pieces {
            let end = (at + piece).min(src.len());
            rest.extend_from_slice(&src[at..end]);
            at = end;
            let mut used = 0;
            loop {
                match cutter.cut(&rest, &mut used) {
                    Cut::Line(line) => found.push(Some(line.to_vec())),
                    Cut::TooLong => found.push(None),
                    Cut::Nothing => break,
                }
            }
            rest.drain(..used);
            if at == src.len() {
                break;
            }
        }
        found
    }

    fn check(src: &[u8], expected: &[Option<&[u8]>]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|line| line.map(<[u8]>::to_vec))
            .collect();
        assert_eq!(lines(src, [src.len()]), expected);
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf_and_empty_ones_are_none() {
        check(
            b"PING a\r\n\r\n\nPING b\nPING c\r",
            &[Some(b"PING a"), Some(b"PING b")],
        );
    }

    #[test]
    fn the_longest_line_is_a_line_and_a_longer_one_is_passed_over() {
        let longest = [b'x'; TAGS_BYTES + LINE_BYTES];
        let mut src = longest.to_vec();
        src.extend_from_slice(b"\r\nPING a\r\n");
        check(&src, &[Some(&longest), Some(b"PING a")]);
        src.insert(0, b'x');
        check(&src, &[None, Some(b"PING a")]);
        // It need not be whole for that to be seen.
        check(&[b'x'; 16_384], &[None]);
    }

    proptest! {
        #[test]
        fn cuts_never_change_lines(
            words in prop::collection::vec(prop_oneof![
                Just("PING a\r\n".to_owned()), Just("\n".to_owned()), Just("\r".to_owned()),
                "[a-z]{1,40}\n", Just("x".repeat(9000)),
            ], 0..12),
            pieces in prop::collection::vec(1usize..3000, 1..40),
        ) {
            let src = words.concat().into_bytes();
            let whole = lines(&src, [src.len()]);
            prop_assert_eq!(lines(&src, pieces.into_iter().cycle()), whole);
        }
    }
}
