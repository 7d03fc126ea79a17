//! Why a file is no capture, or none that can be read.

use std::io;

use thiserror::Error;

/// Why a file is no capture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureFileError {
    /// Reading failed.
    #[error("cannot read the capture file")]
    Io(#[from] io::Error),
    /// The first bytes are those of neither format.
    #[error("not a capture file: {}", beginning(.0))]
    NotACapture(Vec<u8>),
    /// The file makes no sense from here on.
    #[error("the capture file is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the block or packet begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How a file begins that is no capture, and what to do about those that people often try.
fn beginning(start: &[u8]) -> String {
    let packed = match start {
        [] => return "it is empty".into(),
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [0x04, 0x22, 0x4d, 0x18] => "lz4",
        _ => return format!("it begins with {start:02x?}"),
    };
    format!("it is packed with {packed}; unpack it first")
}
