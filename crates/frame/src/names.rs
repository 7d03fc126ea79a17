//! What framings and their modifiers are called.

use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::framing::{Framing, Kind};
use crate::length::LengthField;
use crate::stuffed::Stuffing;

pub(crate) const MAX: &str = "max=SIZE";
pub(crate) const MAX_BODY: &str = "max-body=SIZE";

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
    pub(crate) fn named(name: &str) -> Option<Self> {
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
    pub(crate) fn name(&self) -> &'static str {
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

    pub(crate) fn modifiers(&self) -> &'static [&'static str] {
        match self {
            Self::Counted(Header::Length(_)) => &["incl", "off=N", "adj=N", MAX, MAX_BODY],
            Self::Counted(_) => &[MAX, MAX_BODY],
            Self::Raw | Self::Delimited(_) | Self::Fixed(_) | Self::Stuffed(_) => &[MAX],
        }
    }
}
