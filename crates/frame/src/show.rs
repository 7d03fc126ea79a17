//! A framing as its spec text: the one that `FromStr` reads back as the same framing.

use std::fmt::{self, Write as _};

use crate::counted::Header;
use crate::framing::{Framing, Kind, Limits};
use crate::size::ByteSize;

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
