//! The text grammar of framings, one for flags, URLs, the configuration and this crate.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::error::{SpecError, SpecProblem};
use crate::framing::{Framing, Kind, Limits};
use crate::length::LengthField;
use crate::size::ByteSize;
use crate::stuffed::Stuffing;

/// The most that `max=` can ask to be held: an address space, less room for headers.
const MAX_CEILING: u64 = (usize::MAX / 8) as u64;

/// The most that `max-body=` can allow; it keeps sums of lengths within 64 bits.
const BODY_CEILING: u64 = u64::MAX / 4;

/// The longest delimiter.
const DELIMITER_LIMIT: usize = 256;

/// The furthest that `adj=` can move a length.
const ADJ_LIMIT: i64 = u32::MAX as i64;

const MAX: &str = "max=SIZE";
const MAX_BODY: &str = "max-body=SIZE";

impl Framing {
    /// All framings, as they are written in a spec text.
    pub const NAMES: &'static [&'static str] = &[
        "raw",
        "line",
        "crlf",
        "nul",
        "delim:TEXT",
        "fixed:N",
        "u8",
        "u16be",
        "u16le",
        "u24be",
        "u24le",
        "u32be",
        "u32le",
        "u64be",
        "u64le",
        "i8",
        "i16be",
        "i16le",
        "i24be",
        "i24le",
        "i32be",
        "i32le",
        "i64be",
        "i64le",
        "varint",
        "json-header",
        "content-length",
        "netstring",
        "octet-count",
        "slip",
        "cobs",
    ];
}

impl Kind {
    /// The rule of that name, for names that say everything.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "raw" => Self::Raw,
            "line" => Self::Delimited(Delimiter::Byte(b'\n')),
            "crlf" => Self::Delimited(Delimiter::Crlf),
            "nul" => Self::Delimited(Delimiter::Byte(0)),
            "varint" => Self::Counted(Header::Varint),
            "json-header" => Self::Counted(Header::Json),
            "content-length" => Self::Counted(Header::ContentLength),
            "netstring" => Self::Counted(Header::Netstring),
            "octet-count" => Self::Counted(Header::OctetCount),
            "slip" => Self::Stuffed(Stuffing::Slip),
            "cobs" => Self::Stuffed(Stuffing::Cobs),
            name => Self::Counted(Header::Length(LengthField::named(name)?)),
        })
    }

    /// What the rule is called, without what follows a colon.
    fn name(&self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Delimited(Delimiter::Byte(b'\n')) => "line",
            Self::Delimited(Delimiter::Byte(0)) => "nul",
            Self::Delimited(Delimiter::Crlf) => "crlf",
            Self::Delimited(_) => "delim",
            Self::Fixed(_) => "fixed",
            Self::Counted(Header::Length(field)) => field.name(),
            Self::Counted(Header::Varint) => "varint",
            Self::Counted(Header::Json) => "json-header",
            Self::Counted(Header::ContentLength) => "content-length",
            Self::Counted(Header::Netstring) => "netstring",
            Self::Counted(Header::OctetCount) => "octet-count",
            Self::Stuffed(Stuffing::Slip) => "slip",
            Self::Stuffed(Stuffing::Cobs) => "cobs",
        }
    }

    fn modifiers(&self) -> &'static [&'static str] {
        match self {
            Self::Counted(Header::Length(_)) => &["incl", "off=N", "adj=N", MAX, MAX_BODY],
            Self::Counted(_) => &[MAX, MAX_BODY],
            Self::Raw | Self::Delimited(_) | Self::Fixed(_) | Self::Stuffed(_) => &[MAX],
        }
    }
}

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
            let size = self.size("fixed:", size, 1, MAX_CEILING)?;
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
                let least = i128::from(field.off as u64) + field.delta().max(0);
                if least > i128::from(max) {
                    let problem = "off= and adj= are together above max=";
                    return self.error(end, SpecProblem::NothingFits(problem));
                }
                if i128::from(field.most()) + field.delta() < 0 {
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

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.kind {
            Kind::Delimited(delimiter) if self.kind.name() == "delim" => {
                write!(f, ":{}", Escaped(delimiter.bytes()))?;
            }
            Kind::Fixed(size) => write!(f, ":{size}")?,
            Kind::Counted(Header::Length(field)) => {
                if field.incl {
                    f.write_str(",incl")?;
                }
                if field.off > 0 {
                    write!(f, ",off={}", field.off)?;
                }
                if field.adj != 0 {
                    write!(f, ",adj={}", field.adj)?;
                }
            }
            _ => {}
        }
        if self.limits.max != Limits::DEFAULT.max {
            write!(f, ",max={}", ByteSize(self.limits.max))?;
        }
        match self.limits.max_body {
            Some(most) => write!(f, ",max-body={}", ByteSize(most)),
            None => Ok(()),
        }
    }
}

/// A delimiter as the grammar writes it: printable text as it is, anything else escaped; bytes
/// that are no text at all in hex.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(self.0) else {
            f.write_str("0x")?;
            return self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"));
        };
        for (i, c) in text.chars().enumerate() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\0' => f.write_str("\\0")?,
                '\\' | ',' => write!(f, "\\{c}")?,
                // `0x` at the front would be read as hex.
                'x' if i == 1 && text.starts_with('0') => f.write_str("\\x78")?,
                // A space is hard to see at the end and easy to lose in a shell.
                '!'..='~' => f.write_char(c)?,
                c if c.is_alphanumeric() => f.write_char(c)?,
                c => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        write!(f, "\\x{byte:02x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
