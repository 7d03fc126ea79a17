//! Reading what was recorded.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use sockeye_net::Errno;
use sockeye_trace::pcapng::{self, CaptureFileError};
use sockeye_trace::{FileError, Session};

use crate::exit::{CheckFailed, usage};

/// Bytes by which a file is known for what it is.
const MAGIC: usize = 8;

/// Reads a session from a file, or from standard input (`-`).
pub(super) fn load(path: &Path) -> anyhow::Result<Session> {
    let name = path.display();
    let failed = |error: io::Error| usage!("{name}: {}", Errno::of(&error));
    let mut input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut magic = Vec::with_capacity(MAGIC);
    (&mut input)
        .take(MAGIC as u64)
        .read_to_end(&mut magic)
        .map_err(failed)?;
    if magic.is_empty() {
        return Err(usage!(
            "{name}: empty: a session, a pcap or a pcapng file is needed"
        ));
    }
    let is_session = magic.starts_with(b"sockeye");
    let input = Cursor::new(magic.clone()).chain(input);
    let input = BufReader::with_capacity(1 << 18, input);
    if !is_session {
        return pcapng::read(input).map_err(|error| match error {
            CaptureFileError::NotACapture(_) => usage!(
                "{name}: neither a session of sockeye nor a pcap or pcapng file (it begins with {})",
                shown(&magic)
            ),
            CaptureFileError::Io(error) => failed(error),
            damaged => CheckFailed(format!("{name}: {damaged}")).into(),
        });
    }
    Session::load(input).map_err(|error| match error {
        FileError::Io(error) => failed(error),
        FileError::Version(_) | FileError::NotOurs(_) => usage!("{name}: {error}"),
        damaged => CheckFailed(format!("{name}: {damaged}")).into(),
    })
}

/// The first bytes of a file, for an error.
fn shown(bytes: &[u8]) -> String {
    if bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    {
        return format!("'{}'", String::from_utf8_lossy(bytes));
    }
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
