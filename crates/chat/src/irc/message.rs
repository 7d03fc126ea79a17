//! One line, taken apart where it lies.

use memchr::{memchr, memchr3};
use thiserror::Error;

use super::{CLIENT_TAGS_BYTES, LINE_BYTES, MAX_PARAMS, Tags};

/// A message, lent from its line: nothing is copied, nothing is allocated.
///
/// ```
/// use sockeye_chat::irc::Message;
/// let line = "@label=7 :tom!t@loopback PRIVMSG #r :你好, all";
/// let message = Message::parse(line.as_bytes())?;
/// assert!(message.is("PRIVMSG"));
/// assert_eq!(message.params(), ["#r", "你好, all"]);
/// assert_eq!(message.tags.get("label").as_deref(), Some("7"));
/// assert_eq!(message.who().map(|who| who.name), Some("tom"));
/// # Ok::<(), sockeye_chat::irc::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// What stands behind `@`.
    pub tags: Tags<'a>,
    /// Who says it, where that is said.
    pub source: Option<&'a str>,
    /// A word, or three digits. As it came: commands are compared without regard to case.
    pub command: &'a str,
    params: [&'a str; MAX_PARAMS],
    count: usize,
}

/// Who says something, taken apart: `nick!user@host`, or the name of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// The nick, or a server's name.
    pub name: &'a str,
    /// What stands behind `!`.
    pub user: Option<&'a str>,
    /// What stands behind `@`.
    pub host: Option<&'a str>,
}

/// Why a line is no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// There is nothing in it: to be passed over.
    #[error("the line is empty")]
    Empty,
    /// Its bytes are not UTF-8.
    #[error("byte {at} of the line is not UTF-8")]
    NotUtf8 {
        /// Where, from the line's beginning.
        at: usize,
    },
    /// It holds NUL, CR or LF.
    #[error("byte {at} of the line is NUL, CR or LF")]
    Control {
        /// Where, from the line's beginning.
        at: usize,
    },
    /// Nothing stands where the command should.
    #[error("there is no command")]
    NoCommand,
    /// The tags are longer than a client's may be.
    #[error("the tags have {bytes} bytes, {CLIENT_TAGS_BYTES} are allowed")]
    TagsTooLong {
        /// With `@` and the blank behind them.
        bytes: usize,
    },
    /// All but the tags is longer than a line may be.
    #[error("the line has {bytes} bytes without its tags, {LINE_BYTES} are allowed")]
    TooLong {
        /// With CR LF.
        bytes: usize,
    },
}

impl ParseError {
    /// Whether there is just too much of it: `ERR_INPUTTOOLONG`.
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::TagsTooLong { .. } | Self::TooLong { .. })
    }
}

impl<'a> Message<'a> {
    /// Takes a line apart, given without its CR LF. How long it may be is for whoever reads it.
    ///
    /// # Errors
    /// When it is no message; never for its length.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        if let Some(at) = memchr3(0, b'\r', b'\n', line) {
            return Err(ParseError::Control { at });
        }
        let text = str::from_utf8(line).map_err(|error| ParseError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        let mut rest = text.trim_start_matches(' ');
        if rest.is_empty() {
            return Err(ParseError::Empty);
        }
        let mut message = Self::default();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (tags, behind) = word(tagged);
            message.tags = Tags::new(tags);
            rest = behind;
        }
        if let Some(sourced) = rest.strip_prefix(':') {
            let (source, behind) = word(sourced);
            message.source = Some(source).filter(|source| !source.is_empty());
            rest = behind;
        }
        let (command, rest) = word(rest);
        if command.is_empty() || command.starts_with(['@', ':']) {
            return Err(ParseError::NoCommand);
        }
        message.command = command;
        message.take_params(rest);
        Ok(message)
    }

    /// The same for what a client says to a server, which may have so many bytes and no more
    /// (<https://ircv3.net/specs/extensions/message-tags#size-limit>).
    ///
    /// # Errors
    /// Also [`ParseError::TagsTooLong`] and [`ParseError::TooLong`].
    pub fn parse_said(line: &'a [u8]) -> Result<Self, ParseError> {
        // Nearly all lines are shorter than any of the limits.
        if line.len() + 2 > LINE_BYTES {
            let tags = match line.first() {
                Some(b'@') => memchr(b' ', line).map_or(line.len(), |at| at + 1),
                _ => 0,
            };
            if tags > CLIENT_TAGS_BYTES {
                return Err(ParseError::TagsTooLong { bytes: tags });
            }
            let bytes = line.len() - tags + 2;
            if bytes > LINE_BYTES {
                return Err(ParseError::TooLong { bytes });
            }
        }
        Self::parse(line)
    }

    fn take_params(&mut self, mut rest: &'a str) {
        while !rest.is_empty() && self.count < MAX_PARAMS {
            let (param, behind) = match rest.strip_prefix(':') {
                Some(trailing) => (trailing, ""),
                // The last one takes all that is left: RFC 2812, section 2.3.1.
                None if self.count == MAX_PARAMS - 1 => (rest, ""),
                None => word(rest),
            };
            self.params[self.count] = param;
            self.count += 1;
            rest = behind;
        }
    }

    /// Its parameters.
    pub fn params(&self) -> &[&'a str] {
        &self.params[..self.count]
    }

    /// One parameter, from 0.
    pub fn param(&self, index: usize) -> Option<&'a str> {
        self.params().get(index).copied()
    }

    /// Whether this is the command, given in capitals.
    pub fn is(&self, command: &str) -> bool {
        self.command.eq_ignore_ascii_case(command)
    }

    /// Its source, taken apart.
    pub fn who(&self) -> Option<Who<'a>> {
        self.source.map(Who::of)
    }
}

impl<'a> Who<'a> {
    /// Takes a source apart. What is behind the last `@` is the host, what is behind the first `!`
    /// ahead of that the user.
    pub fn of(source: &'a str) -> Self {
        let (ahead, host) = match source.rsplit_once('@') {
            Some((ahead, host)) => (ahead, Some(host)),
            None => (source, None),
        };
        let (name, user) = match ahead.split_once('!') {
            Some((name, user)) => (name, Some(user)),
            None => (ahead, None),
        };
        Self { name, user, host }
    }
}

/// What stands before the next blanks, and what behind them.
fn word(text: &str) -> (&str, &str) {
    match memchr(b' ', text.as_bytes()) {
        Some(at) => (&text[..at], text[at..].trim_start_matches(' ')),
        None => (text, ""),
    }
}
