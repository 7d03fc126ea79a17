//! Names of people and rooms, and masks of them.

use std::fmt;

/// Bytes of a nick at most: ten hanzi, or thirty letters.
pub(super) const NICK_BYTES: usize = 30;

/// Bytes of a room's name at most, with its `#`.
pub(super) const ROOM_BYTES: usize = 64;

/// A name as names are compared: without regard to the case of ASCII letters
/// (`CASEMAPPING=ascii`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folded(Box<str>);

impl Folded {
    /// Folds a name.
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether somebody may be called so: UTF-8 letters of any script, no blank, nothing that steers a
/// terminal or that IRC itself uses.
pub fn is_nick(name: &str) -> bool {
    let first = name.chars().next();
    (1..=NICK_BYTES).contains(&name.len())
        && first.is_some_and(|c| !c.is_ascii_digit() && !"-#&+%@~:".contains(c))
        && name.chars().all(|c| is_plain(c) && !"!@*?,.:$".contains(c))
}

/// Whether a room may be called so: `#` and anything but blanks, commas and control characters.
pub fn is_room(name: &str) -> bool {
    name.starts_with('#')
        && (2..=ROOM_BYTES).contains(&name.len())
        && name.chars().all(|c| is_plain(c) && c != ',')
}

fn is_plain(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !is_invisible(c)
}

/// Characters that are not seen, or that turn the direction of what is (Unicode, UAX #9).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

/// A mask of `nick!user@host` with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask(Box<str>);

impl Mask {
    /// Completes what people write: `tom` is `tom!*@*`, `*@host` is `*!*@host`.
    pub fn new(text: &str) -> Self {
        let whole = match (text.contains('!'), text.contains('@')) {
            (true, true) => text.to_owned(),
            (true, false) => format!("{text}@*"),
            (false, true) => format!("*!{text}"),
            (false, false) => format!("{text}!*@*"),
        };
        Self(whole.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits a `nick!user@host`.
    pub fn fits(&self, source: &str) -> bool {
        fits(&self.0, source)
    }
}

/// Whether a text fits a pattern of `*` and `?`, without regard to the case of ASCII letters; in
/// time that is bounded by the product of both lengths.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || c.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
