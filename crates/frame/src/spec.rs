//! The text grammar of framings, one for flags, URLs, the configuration and this crate.

use std::fmt;
use std::str::FromStr;

use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::error::SpecError;
use crate::framing::{Framing, Kind, Limits};
use crate::length::LengthField;

impl FromStr for Framing {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let field = LengthField {
            width: 4,
            little: false,
            signed: false,
            incl: false,
            off: 0,
            adj: 0,
        };
        let kind = match text {
            "raw" => Kind::Raw,
            "line" => Kind::Delimited(Delimiter::Byte(b'\n')),
            "crlf" => Kind::Delimited(Delimiter::Crlf),
            "nul" => Kind::Delimited(Delimiter::Byte(0)),
            "u32be" => Kind::Counted(Header::Length(field)),
            _ if text.len() > 6 && text.starts_with("delim:") => {
                Kind::Delimited(Delimiter::new(&text.as_bytes()[6..]))
            }
            _ => {
                let problem = "no framing is called so".to_owned();
                return Err(SpecError {
                    text: text.to_owned(),
                    at: 0,
                    problem,
                });
            }
        };
        Ok(Self {
            kind,
            limits: Limits::DEFAULT,
        })
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Raw => f.write_str("raw"),
            Kind::Delimited(Delimiter::Byte(b'\n')) => f.write_str("line"),
            Kind::Delimited(Delimiter::Crlf) => f.write_str("crlf"),
            Kind::Delimited(Delimiter::Byte(0)) => f.write_str("nul"),
            Kind::Delimited(delimiter) => {
                write!(f, "delim:{}", String::from_utf8_lossy(delimiter.bytes()))
            }
            Kind::Counted(_) => f.write_str("u32be"),
        }
    }
}
