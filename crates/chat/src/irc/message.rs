//! One line, taken apart where it lies.

use thiserror::Error;

use super::{MAX_PARAMS, Tags};

/// A message, lent from its line.
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
}

impl<'a> Message<'a> {
    /// Takes a line apart, given without its CR LF.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(line).map_err(|error| ParseError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        if let Some(at) = text.find(['\0', '\r', '\n']) {
            return Err(ParseError::Control { at });
        }
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
            message.source = Some(source);
            rest = behind;
        }
        let (command, mut rest) = word(rest);
        if command.is_empty() {
            return Err(ParseError::NoCommand);
        }
        message.command = command;
        while !rest.is_empty() && message.count < MAX_PARAMS {
            let (param, behind) = match rest.strip_prefix(':') {
                Some(trailing) => (trailing, ""),
                // The last one takes all that is left.
                None if message.count == MAX_PARAMS - 1 => (rest, ""),
                None => word(rest),
            };
            message.params[message.count] = param;
            message.count += 1;
            rest = behind;
        }
        Ok(message)
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
}

/// What stands before the next blanks, and what behind them.
fn word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, behind)) => (word, behind.trim_start_matches(' ')),
        None => (text, ""),
    }
}
