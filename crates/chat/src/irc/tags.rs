//! Message tags: <https://ircv3.net/specs/extensions/message-tags>.

use std::borrow::Cow;

/// The tags of a message, as they stand between `@` and the blank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    /// Tags as they are written, without `@`.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// As they are written.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Each key with its value as it is written; a key without one has an empty one. What has no key
    /// is passed over.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .split(';')
            .map(|tag| tag.split_once('=').unwrap_or((tag, "")))
            .filter(|(key, _)| !key.is_empty())
    }

    /// The value of a key; of several the last counts.
    pub fn get(self, key: &str) -> Option<Cow<'a, str>> {
        let found = self.iter().filter(|(name, _)| *name == key).last();
        found.map(|(_, value)| unescape(value))
    }

    /// Those that clients say to each other: their keys begin with `+`.
    pub fn client_only(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter(|(key, _)| key.starts_with('+'))
    }
}

/// A tag's value as it is meant.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut meant = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => meant.extend(chars.next().map(|escaped| match escaped {
                ':' => ';',
                's' => ' ',
                'r' => '\r',
                'n' => '\n',
                // What needs no backslash loses it.
                other => other,
            })),
            other => meant.push(other),
        }
    }
    Cow::Owned(meant)
}

/// A tag's value as it is written.
pub fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains([';', ' ', '\\', '\r', '\n', '\0']) {
        return Cow::Borrowed(value);
    }
    let mut written = String::with_capacity(value.len() + 8);
    for char in value.chars() {
        match char {
            ';' => written.push_str("\\:"),
            // NUL cannot be written at all.
            ' ' | '\0' => written.push_str("\\s"),
            '\\' => written.push_str("\\\\"),
            '\r' => written.push_str("\\r"),
            '\n' => written.push_str("\\n"),
            other => written.push(other),
        }
    }
    Cow::Owned(written)
}
