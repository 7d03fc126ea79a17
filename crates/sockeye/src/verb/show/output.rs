//! Where pictures go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;

use sockeye_net::Errno;

use crate::exit::{unwritten, usage};

/// Where one form of a session is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    pub(super) fn is_stdout(&self) -> bool {
        *self == Self::Stdout
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("a file's name is missing".into()),
            "-" => Ok(Self::Stdout),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// An open target.
pub(super) struct Output {
    name: String,
    out: BufWriter<Box<dyn Write>>,
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self {
            name: "to standard output".into(),
            out: BufWriter::with_capacity(1 << 16, Box::new(io::stdout().lock())),
        }
    }

    pub(super) fn open(target: &Target) -> anyhow::Result<Self> {
        let Target::File(path) = target else {
            return Ok(Self::stdout());
        };
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| usage!("{name}: {}", Errno::of(&error)))?;
        Ok(Self {
            name,
            out: BufWriter::with_capacity(1 << 16, Box::new(file)),
        })
    }

    /// Writes all of it. That nobody reads our standard output any more is the end and no failure.
    pub(super) fn wrote(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let written = write(&mut self.out).and_then(|()| self.out.flush());
        written.map_err(|error| unwritten(&self.name, Errno::of(&error)))
    }
}
