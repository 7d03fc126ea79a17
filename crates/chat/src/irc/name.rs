//! Names of people and rooms.

use std::borrow::Borrow;
use std::fmt;

use unicode_width::UnicodeWidthChar;

/// Bytes of a nick at most: ten hanzi, or thirty letters.
pub const NICK_BYTES: usize = 30;

/// Bytes of a room's name at most, with its `#`.
pub const ROOM_BYTES: usize = 64;

/// Marks on one letter at most: what Thai and Devanagari need, but no towers.
const MARKS: usize = 3;

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

/// So that a name that is folded already is looked up without another copy of it.
impl Borrow<str> for Folded {
    fn borrow(&self) -> &str {
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
///
/// ```
/// use sockeye_chat::irc::is_nick;
/// assert!(is_nick("一棵树") && is_nick("[tom]^") && is_nick("_x-9"));
/// assert!(!is_nick("9lives") && !is_nick("a b") && !is_nick("#r") && !is_nick(""));
/// ```
pub fn is_nick(name: &str) -> bool {
    let first = name.chars().next();
    (1..=NICK_BYTES).contains(&name.len())
        && first.is_some_and(|c| !c.is_ascii_digit() && !"-#&+%~".contains(c))
        && name.chars().all(|c| is_plain(c) && !"!@*?,.:$".contains(c))
        && has_few_marks(name)
}

/// Whether a room may be called so: `#` and anything but blanks, commas and control characters.
pub fn is_room(name: &str) -> bool {
    name.starts_with('#')
        && (2..=ROOM_BYTES).contains(&name.len())
        && name.chars().all(|c| is_plain(c) && c != ',')
        && has_few_marks(name)
}

/// What somebody says that his user name is, as it may stand in a source: at most `limit` bytes,
/// never empty.
pub fn user_name(said: &str, limit: usize) -> String {
    let kept = said
        .chars()
        .filter(|c| is_plain(*c) && !"!@*?:".contains(*c));
    let name = first_bytes(kept, limit);
    if name.is_empty() { "user".into() } else { name }
}

/// A text for people to read, without what steers terminals or is not seen: a real name, a topic,
/// a reason. At most `limit` bytes.
pub fn shown_text(said: &str, limit: usize) -> String {
    let kept = said.chars().filter(|c| *c == ' ' || is_plain(*c));
    first_bytes(kept, limit)
}

fn first_bytes(chars: impl Iterator<Item = char>, limit: usize) -> String {
    let mut text = String::new();
    for c in chars {
        if text.len() + c.len_utf8() > limit {
            break;
        }
        text.push(c);
    }
    text
}

fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() || !(c.is_control() || c.is_whitespace() || is_invisible(c))
}

/// Characters that are not seen, or that turn the direction of what is (Unicode, UAX #9; the
/// property `Default_Ignorable_Code_Point`, and the blank of Braille).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks without columns of their own stand on a letter, and only few of them.
fn has_few_marks(name: &str) -> bool {
    if name.is_ascii() {
        return true;
    }
    // Whatever is shown ahead of a name would carry its first mark.
    let mut marks = MARKS;
    name.chars().all(|c| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        marks <= MARKS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_have_names_of_any_script() {
        let longest = "n".repeat(NICK_BYTES);
        for name in [
            "tom",
            "T",
            "[a]\\^{b}|`_",
            "a-1",
            "一棵树",
            "Ωmega",
            "กู้ภัย",
            "नमस्ते",
            "é",
            "e\u{301}",
            "🐟",
            "guest-1",
            &longest,
        ] {
            assert!(is_nick(name), "{name:?}");
        }
        let longer = "n".repeat(NICK_BYTES + 1);
        let tower = format!("a{}", "\u{301}".repeat(MARKS + 1));
        for name in [
            "",
            " ",
            "a b",
            "1a",
            "-a",
            "#a",
            "&a",
            "+a",
            "%a",
            "@a",
            "~a",
            ":a",
            "a:b",
            "a!b",
            "a@b",
            "a*",
            "a?",
            "a,b",
            "a.b",
            "$a",
            "a\0",
            "a\u{7}",
            "a\u{85}b",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{301}a",
            "\u{feff}a",
            "\u{3164}",
            "a\u{e0041}",
            &longer,
            &tower,
        ] {
            assert!(!is_nick(name), "{name:?}");
        }
    }

    #[test]
    fn rooms_may_be_called_nearly_anything() {
        let longest = format!("#{}", "r".repeat(ROOM_BYTES - 1));
        for name in ["#a", "#茶馆", "##", "#a:b", "#*", &longest] {
            assert!(is_room(name), "{name:?}");
        }
        let longer = format!("{longest}r");
        for name in [
            "",
            "#",
            "a",
            "&a",
            "#a b",
            "#a,b",
            "#a\u{7}",
            "#\u{301}\u{301}\u{301}\u{301}",
            &longer,
        ] {
            assert!(!is_room(name), "{name:?}");
        }
    }

    #[test]
    fn what_people_say_of_themselves_is_made_fit() {
        assert_eq!(user_name("t!o@m *", 18), "tom");
        assert_eq!(user_name("一棵树", 7), "一棵");
        assert_eq!(user_name("\u{202e} ", 18), "user");
        assert_eq!(
            shown_text("Tom \u{1b}[31mred\u{202e} 你好", 17),
            "Tom [31mred 你"
        );
        assert_eq!(shown_text("", 5), "");
    }
}
