//! What a header that makes no sense probably is instead.

use std::fmt;

/// How many bytes of a header an error keeps.
const KEPT: usize = 16;

/// The first bytes of a frame that could not be read, and a guess at what they are instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(Box<Seen>);

/// Boxed, so that the answer of `decode` stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    what: What,
    header: Vec<u8>,
    guess: Option<String>,
}

/// How much of the frame an [`Evidence`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Header,
    Beginning,
}

impl Evidence {
    /// The length header of a frame.
    pub(crate) fn header(src: &[u8], width: usize) -> Self {
        Self::of(What::Header, src, width)
    }

    /// The first bytes of a frame that has no header.
    pub(crate) fn beginning(src: &[u8]) -> Self {
        Self::of(What::Beginning, src, KEPT)
    }

    fn of(what: What, src: &[u8], width: usize) -> Self {
        let header = src[..width.min(KEPT).min(src.len())].to_vec();
        let guess = guess(src).map(str::to_owned);
        Self(Box::new(Seen {
            what,
            header,
            guess,
        }))
    }

    /// The bytes that are shown.
    pub fn bytes(&self) -> &[u8] {
        &self.0.header
    }

    /// What the peer seems to speak instead.
    pub fn guess(&self) -> Option<&str> {
        self.0.guess.as_deref()
    }
}

fn guess(src: &[u8]) -> Option<&'static str> {
    let start = &src[..src.len().min(KEPT)];
    let text = start
        .iter()
        .all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e));
    (text && !start.is_empty()).then_some("the peer seems to speak text")
}

/// Reads as the end of a sentence that already says what is wrong.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.what {
            What::Header => "; the header is",
            What::Beginning => "; it begins with",
        })?;
        for byte in &self.0.header {
            write!(f, " {byte:02x}")?;
        }
        if self.0.header.iter().any(u8::is_ascii_graphic) {
            let ascii = |b: &u8| {
                if matches!(b, 0x20..=0x7e) {
                    char::from(*b)
                } else {
                    '.'
                }
            };
            write!(
                f,
                ", ASCII \"{}\"",
                self.0.header.iter().map(ascii).collect::<String>()
            )?;
        }
        match &self.0.guess {
            Some(guess) => write!(f, ": {guess}"),
            None => Ok(()),
        }
    }
}
