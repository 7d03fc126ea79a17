//! One thing that was said or that happened.

/// What stands in a conversation.
///
/// Everything here came from a peer and is as it came, but for the codes of colours, which are
/// gone: whoever shows it escapes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its number in this run; never used again.
    pub(crate) seq: u64,
    /// When, in milliseconds since 1970: by the server's clock where it tells.
    pub(crate) time_ms: u64,
    /// Who says or does it; none for what the client itself has to say.
    pub(crate) from: Option<String>,
    /// What is said: a reason, a new nick, a topic, by its kind.
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// We said it ourselves.
    pub(crate) mine: bool,
    /// It was said while we were not connected, or before we came.
    pub(crate) missed: bool,
    /// It names us.
    pub(crate) mention: bool,
    pub(crate) delivery: Delivery,
    /// By what the server knows it.
    pub(crate) id: Option<Box<str>>,
}

/// What kind of thing a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Said,
    /// `/me`.
    Action,
    /// What must not be answered by programs.
    Notice,
    Join,
    Part,
    Quit,
    /// `text` is the new nick.
    Nick,
    /// `text` has who was put out, then a blank and the reason.
    Kick,
    /// `text` has the letters and what they are about.
    Mode,
    Topic,
    /// `text` is the room.
    Invite,
    /// `text` is the message, empty for somebody who is back.
    Away,
    /// What a server or the client tells.
    Status,
    /// What went wrong.
    Error,
}

impl Kind {
    /// Whether somebody talks.
    pub(crate) fn is_talk(self) -> bool {
        matches!(self, Self::Said | Self::Action | Self::Notice)
    }
}

/// Whether what we said has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Delivery {
    /// Known to the server; also everything that others say.
    Done,
    /// On its way.
    Pending,
    /// The connection broke first, or the server refused it.
    Failed,
}

/// The text without the codes of colours and styles (<https://modern.ircdocs.horse/formatting>).
pub(crate) fn without_styles(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_style) {
        plain.push_str(&rest[..at]);
        let code = rest[at..].chars().next().unwrap_or_default();
        rest = &rest[at + code.len_utf8()..];
        rest = match code {
            '\x03' => behind_numbers(rest, 2, |c| c.is_ascii_digit()),
            '\x04' => behind_numbers(rest, 6, |c| c.is_ascii_hexdigit()),
            _ => rest,
        };
    }
    plain.push_str(rest);
    plain
}

fn is_style(c: char) -> bool {
    matches!(
        c,
        '\x02' | '\x03' | '\x04' | '\x0f' | '\x11' | '\x16' | '\x1d' | '\x1e' | '\x1f'
    )
}

/// What stands behind one colour or two with a comma between.
fn behind_numbers(text: &str, most: usize, is_digit: impl Fn(char) -> bool) -> &str {
    let digits = |text: &str| text.chars().take(most).take_while(|c| is_digit(*c)).count();
    let first = digits(text);
    let rest = &text[first..];
    match rest.strip_prefix(',') {
        Some(second) if first > 0 && digits(second) > 0 => &second[digits(second)..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_gone_and_text_stays() {
        let check = |text: &str, plain| assert_eq!(without_styles(text), plain, "{text:?}");
        check("plain 一棵树", "plain 一棵树");
        check("\x02bold\x0f", "bold");
        check("\x0304,12red\x03 on", "red on");
        check("\x03123", "3");
        check("\x034, and", ", and");
        check("\x04ff0000x", "x");
        check("\x03", "");
        check("\x1b[31m", "\x1b[31m");
    }
}
