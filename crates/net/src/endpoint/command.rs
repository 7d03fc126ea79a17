//! Command lines, split as a shell would split them, run without one.

use std::fmt;
use std::str::FromStr;

use super::error::{EndpointError, is_unprintable, shown};

/// What a shell would act on. Without a shell these would silently become arguments, so they
/// have to be quoted.
const SHELL_ONLY: &[char] = &['|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '\n'];

/// A program and its arguments; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandLine {
    words: Box<[String]>,
}

impl CommandLine {
    /// The command line of these words; nothing for no words, an empty program or a NUL.
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Option<Self> {
        let words: Box<[String]> = words.into_iter().map(Into::into).collect();
        let is_good = words.first().is_some_and(|program| !program.is_empty())
            && words.iter().all(|word| !word.contains('\0'));
        is_good.then_some(Self { words })
    }

    /// The program: a path, or a name that is looked for in `PATH`.
    pub fn program(&self) -> &str {
        &self.words[0]
    }

    /// What it is given.
    pub fn args(&self) -> &[String] {
        &self.words[1..]
    }

    /// Reads up to an unquoted `?`, which begins the options of an endpoint, and returns what
    /// follows it.
    pub(super) fn read(text: &str) -> Result<(Self, Option<&str>), EndpointError> {
        let bad = |why: String| EndpointError::BadCommand {
            text: shown(text),
            why,
        };
        let (words, options) = split(text).map_err(bad)?;
        let line = Self::new(words)
            .ok_or_else(|| bad("a program to run is missing (or holds a NUL byte)".into()))?;
        Ok((line, options))
    }
}

/// Splits `text` into words (POSIX XCU §2.2, quoting) and what follows an unquoted `?`.
fn split(text: &str) -> Result<(Vec<String>, Option<&str>), String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '?' => {
                words.extend(word);
                return Ok((words, Some(&text[at + 1..])));
            }
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some((_, '\'')) => break,
                        Some((_, c)) => word.push(c),
                        None => return Err(format!("the ' at byte {at} is never closed")),
                    }
                }
            }
            '$' if text[at + 1..].starts_with('\'') => {
                chars.next();
                dollar_quoted(&mut chars, at, word.get_or_insert_default())?;
            }
            '"' => double_quoted(&mut chars, at, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some((_, c)) => word.get_or_insert_default().push(c),
                None => return Err("the \\ at the end quotes nothing".into()),
            },
            '~' if word.is_none() => return Err(unquoted('~', at)),
            c if SHELL_ONLY.contains(&c) => return Err(unquoted(c, at)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok((words, None))
}

fn double_quoted(
    chars: &mut std::str::CharIndices<'_>,
    start: usize,
    word: &mut String,
) -> Result<(), String> {
    loop {
        match chars.next() {
            Some((_, '"')) => return Ok(()),
            Some((at, c @ ('$' | '`'))) => return Err(unquoted(c, at)),
            Some((_, '\\')) => match chars.next() {
                // Inside double quotes a backslash quotes only these (XCU §2.2.3).
                Some((_, c @ ('"' | '\\' | '$' | '`'))) => word.push(c),
                Some((_, c)) => word.extend(['\\', c]),
                None => {}
            },
            Some((_, c)) => word.push(c),
            None => return Err(format!("the \" at byte {start} is never closed")),
        }
    }
}

/// `$'…'` (POSIX.1-2024, XCU §2.2.4, with bash's `\u` and `\U`), for what cannot be shown.
fn dollar_quoted(
    chars: &mut std::str::CharIndices<'_>,
    start: usize,
    word: &mut String,
) -> Result<(), String> {
    loop {
        match chars.next() {
            Some((_, '\'')) => return Ok(()),
            Some((at, '\\')) => {
                let c = dollar_escape(chars);
                word.push(c.ok_or_else(|| {
                    format!(
                        "the \\ at byte {at} begins none of \\n \\t \\r \\\\ \\' \\\" \\xHH \\uHHHH"
                    )
                })?);
            }
            Some((_, c)) => word.push(c),
            None => return Err(format!("the $' at byte {start} is never closed")),
        }
    }
}

fn dollar_escape(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    let (_, c) = chars.next()?;
    let digits = match c {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        '\\' | '\'' | '"' => return Some(c),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let hex = chars
        .as_str()
        .get(..digits)
        .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let number = u32::from_str_radix(hex, 16).ok()?;
    chars.nth(digits - 1);
    // Arguments are text here, and a byte above 7F alone is none.
    char::from_u32(number).filter(|c| digits > 2 || c.is_ascii())
}

fn unquoted(c: char, at: usize) -> String {
    let c = shown(&c.to_string());
    format!("no shell reads the `{c}` at byte {at}: quote it, or run sh -c '…'")
}

impl FromStr for CommandLine {
    type Err = EndpointError;

    /// Reads a whole command line; an unquoted `?` is refused like all that needs quotes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::read(text)? {
            (line, None) => Ok(line),
            (_, Some(rest)) => Err(EndpointError::BadCommand {
                text: shown(text),
                why: unquoted('?', text.len() - rest.len() - 1),
            }),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
            if !word.is_empty() && word.chars().all(is_plain) {
                out.write_str(word)?;
            } else if word.chars().any(is_unprintable) {
                write_dollar_quoted(out, word)?;
            } else {
                write!(out, "'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

fn write_dollar_quoted(out: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    out.write_str("$'")?;
    for c in word.chars() {
        match c {
            '\n' => out.write_str(r"\n")?,
            '\t' => out.write_str(r"\t")?,
            '\\' | '\'' => write!(out, "\\{c}")?,
            c if !is_unprintable(c) => write!(out, "{c}")?,
            c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c))?,
            c => write!(out, "\\U{:08x}", u32::from(c))?,
        }
    }
    out.write_str("'")
}
