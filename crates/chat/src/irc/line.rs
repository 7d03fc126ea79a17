//! Writing one line.

use super::escape;

/// A line that is being written; [`end`](Self::end) ends it, else nothing of it stays.
///
/// ```
/// use sockeye_chat::irc::Line;
/// let mut out = Vec::new();
/// Line::new(&mut out).tag("time", "t").source("irc.test").command("001").param("tom").end_with("Welcome");
/// assert_eq!(out, b"@time=t :irc.test 001 tom :Welcome\r\n");
/// ```
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    has_tags: bool,
    ended: bool,
}

impl<'a> Line<'a> {
    /// A line behind whatever stands in `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            out,
            has_tags: false,
            ended: false,
        }
    }

    /// A tag, ahead of everything else. An empty value is left out.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.out.push(if self.has_tags { b';' } else { b'@' });
        self.has_tags = true;
        self.out.extend_from_slice(key.as_bytes());
        if !value.is_empty() {
            self.out.push(b'=');
            self.out.extend_from_slice(escape(value).as_bytes());
        }
        self
    }

    /// Who says it.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.behind_tags();
        self.out.push(b':');
        self.out.extend_from_slice(source.as_bytes());
        self.out.push(b' ');
        self
    }

    /// Who says it, from its parts: `nick!user@host`.
    #[must_use]
    pub fn source_of(self, nick: &str, user: &str, host: &str) -> Self {
        let line = self.source(nick);
        // The blank behind the nick.
        line.out.pop();
        for part in ["!", user, "@", host, " "] {
            line.out.extend_from_slice(part.as_bytes());
        }
        line
    }

    /// Tags that are written already, `;` between them.
    #[must_use]
    pub fn written_tags(mut self, tags: &str) -> Self {
        if !tags.is_empty() {
            self.out.push(if self.has_tags { b';' } else { b'@' });
            self.has_tags = true;
            self.out.extend_from_slice(tags.as_bytes());
        }
        self
    }

    /// The command, or a numeric.
    #[must_use]
    pub fn command(mut self, command: &str) -> Self {
        self.behind_tags();
        self.out.extend_from_slice(command.as_bytes());
        self
    }

    /// A parameter in the middle: not empty, without blanks, not beginning with a colon. What is
    /// none of that is written as `*`, so that the line keeps its shape.
    #[must_use]
    pub fn param(self, param: &str) -> Self {
        let fits = !param.is_empty() && !param.starts_with(':') && !param.contains(' ');
        self.out.push(b' ');
        self.out
            .extend_from_slice(if fits { param.as_bytes() } else { b"*" });
        self
    }

    /// Ends the line with a last parameter that may be anything.
    pub fn end_with(mut self, trailing: &str) {
        self.out.extend_from_slice(b" :");
        self.out.extend_from_slice(trailing.as_bytes());
        self.finish();
    }

    /// Ends the line.
    pub fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.out.extend_from_slice(b"\r\n");
        self.ended = true;
    }

    fn behind_tags(&mut self) {
        if self.has_tags {
            self.out.push(b' ');
            self.has_tags = false;
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.out.truncate(self.start);
        }
    }
}
