//! The text grammar of framings, one for flags, URLs, the configuration and this crate.

use std::str::FromStr;

use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::error::{SpecError, SpecProblem};
use crate::framing::{Framing, Kind, Limits};
use crate::names::{MAX, MAX_BODY};
use crate::size::ByteSize;

/// The most that `max=` can ask to be held: an address space, less room for headers.
const MAX_CEILING: u64 = (usize::MAX / 8) as u64;

/// The most that `max-body=` can allow; it keeps sums of lengths within 64 bits.
const BODY_CEILING: u64 = u64::MAX / 4;

/// The longest delimiter.
const DELIMITER_LIMIT: usize = 256;

/// The furthest that `adj=` can move a length.
const ADJ_LIMIT: i64 = u32::MAX as i64;

impl FromStr for Framing {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut spec = Spec { text, at: 0 };
        let kind = spec.kind()?;
        let mut framing = Self {
            kind,
            limits: Limits::DEFAULT,
        };
        let mut given = vec![];
        while spec.at < text.len() {
            spec.at += 1;
            spec.modifier(&mut framing, &mut given)?;
        }
        spec.check(&framing)?;
        Ok(framing)
    }
}

/// A spec text and how far it was read.
struct Spec<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Spec<'a> {
    fn error<T>(&self, at: usize, problem: SpecProblem) -> Result<T, SpecError> {
        Err(SpecError {
            text: self.text.to_owned(),
            at,
            problem,
        })
    }

    /// The text up to the next comma.
    fn segment(&self) -> &'a str {
        let rest = &self.text[self.at..];
        &rest[..rest.find(',').unwrap_or(rest.len())]
    }

    fn kind(&mut self) -> Result<Kind, SpecError> {
        if self.text.starts_with("delim:") {
            self.at = "delim:".len();
            return Ok(Kind::Delimited(Delimiter::new(&self.delimiter()?)));
        }
        let name = self.segment();
        if let Some(size) = name.strip_prefix("fixed:") {
            self.at = "fixed:".len();
            let size = self.size("fixed:N", size, 1, MAX_CEILING)?;
            self.at = name.len();
            return Ok(Kind::Fixed(size as usize));
        }
        let Some(kind) = Kind::named(name) else {
            let (name, known) = (name.to_owned(), Self::known());
            return self.error(0, SpecProblem::UnknownName { name, known });
        };
        self.at = name.len();
        Ok(kind)
    }

    fn known() -> &'static [&'static str] {
        Framing::NAMES
    }

    /// The bytes that end a message: `0x` and hex digits, or text with escapes, up to a comma.
    fn delimiter(&mut self) -> Result<Vec<u8>, SpecError> {
        let start = self.at;
        let bytes = match self.segment().strip_prefix("0x") {
            Some(digits) => self.hex(digits)?,
            None => self.escaped()?,
        };
        if bytes.is_empty() || bytes.len() > DELIMITER_LIMIT {
            let (least, most) = (1, DELIMITER_LIMIT as i128);
            let (what, value) = ("the delimiter's length", bytes.len() as i128);
            return self.error(
                start,
                SpecProblem::OutOfRange {
                    what,
                    value,
                    least,
                    most,
                },
            );
        }
        Ok(bytes)
    }

    fn hex(&mut self, digits: &str) -> Result<Vec<u8>, SpecError> {
        let start = self.at + 2;
        self.at = start + digits.len();
        if let Some(i) = digits.find(|c: char| !c.is_ascii_hexdigit()) {
            let found = digits[i..].chars().take(1).collect();
            return self.error(
                start + i,
                SpecProblem::NotA {
                    found,
                    wanted: "hex digit",
                },
            );
        }
        if !digits.len().is_multiple_of(2) {
            let found = digits.to_owned();
            let wanted = "even number of hex digits";
            return self.error(start, SpecProblem::NotA { found, wanted });
        }
        let byte = |pair: &[u8]| nibble(pair[0]) << 4 | nibble(pair[1]);
        Ok(digits.as_bytes().chunks(2).map(byte).collect())
    }

    fn escaped(&mut self) -> Result<Vec<u8>, SpecError> {
        let mut bytes = vec![];
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b',' => break,
                b'\\' => bytes.push(self.escape()?),
                byte => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        Ok(bytes)
    }

    /// Reads one escape, whose backslash is next.
    fn escape(&mut self) -> Result<u8, SpecError> {
        let rest = &self.text[self.at + 1..];
        let (byte, len) = match rest.as_bytes() {
            [b'n', ..] => (b'\n', 2),
            [b'r', ..] => (b'\r', 2),
            [b't', ..] => (b'\t', 2),
            [b'0', ..] => (0, 2),
            [byte @ (b'\\' | b','), ..] => (*byte, 2),
            [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (nibble(*high) << 4 | nibble(*low), 4)
            }
            _ => {
                let shown = if rest.starts_with('x') { 3 } else { 1 };
                let escape = rest.chars().take(shown).collect();
                return self.error(self.at, SpecProblem::BadEscape(escape));
            }
        };
        self.at += len;
        Ok(byte)
    }

    /// Reads one modifier, which begins here and ends at a comma.
    fn modifier(
        &mut self,
        framing: &mut Framing,
        given: &mut Vec<&'static str>,
    ) -> Result<(), SpecError> {
        let segment = self.segment();
        let (key, value) = segment
            .split_once('=')
            .map_or((segment, None), |(k, v)| (k, Some(v)));
        let allowed = framing.kind.modifiers();
        let known = allowed.iter().find(|shape| match shape.split_once('=') {
            Some((name, _)) => name == key && value.is_some(),
            None => **shape == key && value.is_none(),
        });
        let Some(shape) = known else {
            let (modifier, name) = (segment.to_owned(), framing.kind.name().to_owned());
            return self.error(
                self.at,
                SpecProblem::UnknownModifier {
                    modifier,
                    name,
                    allowed,
                },
            );
        };
        if given.contains(shape) {
            return self.error(self.at, SpecProblem::Twice(shape));
        }
        given.push(shape);
        let start = self.at + key.len() + 1;
        self.set(framing, shape, start, value.unwrap_or_default())?;
        self.at += segment.len();
        Ok(())
    }

    fn set(
        &mut self,
        framing: &mut Framing,
        shape: &str,
        start: usize,
        value: &str,
    ) -> Result<(), SpecError> {
        let here = Self {
            text: self.text,
            at: start,
        };
        match (shape, &mut framing.kind) {
            (MAX, _) => framing.limits.max = here.size(MAX, value, 1, MAX_CEILING)?,
            (MAX_BODY, _) => {
                framing.limits.max_body = Some(here.size(MAX_BODY, value, 1, BODY_CEILING)?);
            }
            ("incl", Kind::Counted(Header::Length(field))) => field.incl = true,
            ("off=N", Kind::Counted(Header::Length(field))) => {
                field.off = here.size("off=N", value, 0, MAX_CEILING)? as usize;
            }
            ("adj=N", Kind::Counted(Header::Length(field))) => {
                field.adj = here.adjustment(value)?;
            }
            _ => unreachable!("the framing's own list has only these"),
        }
        Ok(())
    }

    /// A size within a range, which stands here.
    fn size(
        &self,
        what: &'static str,
        text: &str,
        least: u64,
        most: u64,
    ) -> Result<u64, SpecError> {
        let Ok(ByteSize(value)) = text.parse() else {
            let wanted = "size: write a number of bytes, alone or with KiB, MiB, GiB or TiB";
            return self.error(
                self.at,
                SpecProblem::NotA {
                    found: text.to_owned(),
                    wanted,
                },
            );
        };
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let (value, least, most) = (value.into(), least.into(), most.into());
        self.error(
            self.at,
            SpecProblem::OutOfRange {
                what,
                value,
                least,
                most,
            },
        )
    }

    fn adjustment(&self, text: &str) -> Result<i64, SpecError> {
        let Ok(value) = text.parse::<i64>() else {
            let wanted = "whole number, with or without a sign";
            return self.error(
                self.at,
                SpecProblem::NotA {
                    found: text.to_owned(),
                    wanted,
                },
            );
        };
        if (-ADJ_LIMIT..=ADJ_LIMIT).contains(&value) {
            return Ok(value);
        }
        let (least, most) = ((-ADJ_LIMIT).into(), ADJ_LIMIT.into());
        let problem = SpecProblem::OutOfRange {
            what: "adj=N",
            value: value.into(),
            least,
            most,
        };
        self.error(self.at, problem)
    }

    /// Whether the parts make sense together.
    fn check(&self, framing: &Framing) -> Result<(), SpecError> {
        let Limits { max, max_body } = framing.limits;
        let end = self.text.len();
        if max_body.is_some_and(|most| most <= max) {
            return self.error(
                end,
                SpecProblem::NothingFits("max-body= has to be above max="),
            );
        }
        match &framing.kind {
            Kind::Fixed(size) if *size as u64 > max => {
                self.error(end, SpecProblem::NothingFits("the size is above max="))
            }
            Kind::Counted(Header::Length(field)) => {
                let least = (field.off as u64).saturating_add_signed(field.delta().max(0));
                if least > max {
                    let problem = "off= and adj= are together above max=";
                    return self.error(end, SpecProblem::NothingFits(problem));
                }
                if field.delta() < 0 && field.most() < field.delta().unsigned_abs() {
                    let problem = "adj= takes away more than the length can announce";
                    return self.error(end, SpecProblem::NothingFits(problem));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The value of an ASCII hex digit.
fn nibble(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` is read, and shown as `shown`, which reads back as the same framing.
    #[track_caller]
    fn check(text: &str, shown: &str) {
        let framing: Framing = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(framing.to_string(), shown);
        assert_eq!(shown.parse::<Framing>(), Ok(framing), "{shown}");
    }

    /// `text` is refused with this sentence.
    #[track_caller]
    fn check_refused(text: &str, sentence: &str) {
        assert_eq!(text.parse::<Framing>().unwrap_err().to_string(), sentence);
    }

    #[test]
    fn every_name_is_read_and_shown() {
        for name in Framing::NAMES {
            let text = match *name {
                "delim:TEXT" => "delim:###",
                "fixed:N" => "fixed:512",
                name => name,
            };
            check(text, text);
        }
    }

    #[test]
    fn one_framing_has_one_text() {
        check("delim:\\n", "line");
        check("delim:0x00", "nul");
        check("delim:\\r\\n", "delim:\\r\\n");
        check("line,max=1MiB", "line");
        check("line,max=1024", "line,max=1KiB");
        check("fixed:4KiB", "fixed:4096");
        check("u32le,adj=+4,off=0", "u32le,adj=4");
        check(
            "u16be,max=64KiB,adj=-2,off=2,incl",
            "u16be,incl,off=2,adj=-2,max=64KiB",
        );
        check("json-header,max-body=1TiB", "json-header,max-body=1TiB");
    }

    #[test]
    fn delimiters_are_text_with_escapes_or_hex() {
        check("delim:0xFFFFFF", "delim:0xFFFFFF");
        check("delim:0xfFfe", "delim:0xFFFE");
        check("delim:0x414243", "delim:ABC");
        check("delim:\\xff\\xff", "delim:0xFFFF");
        check("delim:a\\,b\\\\\\t,max=9", "delim:a\\,b\\\\\\t,max=9");
        check("delim:</test>", "delim:</test>");
        check("delim:。", "delim:\\xe3\\x80\\x82");
        check("delim:一", "delim:一");
        check("delim:\\x30x1", "delim:0\\x781");
        check("delim:a b", "delim:a\\x20b");
        check("delim:\\x1b[", "delim:\\x1b[");
    }

    #[test]
    fn what_is_no_framing_is_explained() {
        check_refused(
            "u33be",
            "framing \"u33be\" breaks at byte 0: no framing is called \"u33be\"; known are raw, \
             line, crlf, nul, delim:TEXT, fixed:N, u8, u16be, u16le, u24be, u24le, u32be, u32le, \
             u64be, u64le, i8, i16be, i16le, i24be, i24le, i32be, i32le, i64be, i64le, varint, \
             json-header, content-length, netstring, octet-count, slip, cobs",
        );
        check_refused(
            "line,incl",
            "framing \"line,incl\" breaks at byte 5: \"incl\" cannot follow line; allowed is \
             max=SIZE",
        );
        check_refused(
            "u32be,of=2",
            "framing \"u32be,of=2\" breaks at byte 6: \"of=2\" cannot follow u32be; allowed is \
             incl, off=N, adj=N, max=SIZE, max-body=SIZE",
        );
        check_refused(
            "u8,max=1,max=2",
            "framing \"u8,max=1,max=2\" breaks at byte 9: max=SIZE is given twice",
        );
        check_refused(
            "line,max=1MB",
            "framing \"line,max=1MB\" breaks at byte 9: \"1MB\" is no size: write a number of \
             bytes, alone or with KiB, MiB, GiB or TiB",
        );
        check_refused(
            "fixed:",
            "framing \"fixed:\" breaks at byte 6: \"\" is no size: write a number of bytes, \
             alone or with KiB, MiB, GiB or TiB",
        );
        check_refused(
            "u8,adj=x",
            "framing \"u8,adj=x\" breaks at byte 7: \"x\" is no whole number, with or without a \
             sign",
        );
    }

    #[test]
    fn what_is_no_delimiter_is_explained() {
        check_refused(
            "delim:a\\q",
            "framing \"delim:a\\\\q\" breaks at byte 7: \\q is no escape; known are \\n \\r \\t \
             \\0 \\\\ \\, and \\xNN",
        );
        check_refused(
            "delim:\\xg0",
            "framing \"delim:\\\\xg0\" breaks at byte 6: \\xg0 is no escape; known are \\n \\r \
             \\t \\0 \\\\ \\, and \\xNN",
        );
        check_refused(
            "delim:",
            "framing \"delim:\" breaks at byte 6: the delimiter's length is 0, allowed is 1 to 256",
        );
        check_refused(
            "delim:0xFFF",
            "framing \"delim:0xFFF\" breaks at byte 8: \"FFF\" is no even number of hex digits",
        );
        check_refused(
            "delim:0xFG",
            "framing \"delim:0xFG\" breaks at byte 9: \"G\" is no hex digit",
        );
    }

    #[test]
    fn a_delimiter_has_a_limit() {
        let longest = format!("delim:{}", "ab".repeat(DELIMITER_LIMIT / 2));
        check(&longest, &longest);
        let error = format!("{longest}a").parse::<Framing>().unwrap_err();
        assert!(matches!(
            error.problem,
            SpecProblem::OutOfRange {
                value: 257,
                most: 256,
                ..
            }
        ));
    }

    #[test]
    fn numbers_have_limits() {
        check(
            &format!("u64be,adj={ADJ_LIMIT},max=8GiB"),
            "u64be,adj=4294967295,max=8GiB",
        );
        for text in [
            format!("u64be,adj={},max=8GiB", ADJ_LIMIT + 1),
            format!("line,max={}", MAX_CEILING + 1),
            format!("u8,max-body={}", BODY_CEILING + 1),
            "line,max=0".to_owned(),
            "fixed:0".to_owned(),
        ] {
            let error = text.parse::<Framing>().unwrap_err();
            assert!(
                matches!(error.problem, SpecProblem::OutOfRange { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn what_can_carry_nothing_is_refused() {
        for (text, fits) in [
            ("fixed:11,max=10", "fixed:10,max=10"),
            ("u8,off=11,max=10", "u8,off=10,max=10"),
            ("u8,off=1,adj=10,max=10", "u8,adj=10,max=10"),
            ("u8,incl,adj=-255", "u8,incl,adj=-254"),
            ("u8,max=10,max-body=10", "u8,max=10,max-body=11"),
        ] {
            let error = text.parse::<Framing>().unwrap_err();
            assert!(
                matches!(error.problem, SpecProblem::NothingFits(_)),
                "{error}"
            );
            check(fits, fits);
        }
    }
}
