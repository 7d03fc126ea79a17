//! Writing one line.

use memchr::memchr3;

use super::{LINE_BYTES, escape};

/// A line that is being written; [`end`](Self::end) ends it, else nothing of it stays.
///
/// Whatever it is given, it is one line of the shape that was asked for: what would end it, or
/// make a word of two, is replaced.
///
/// ```
/// use sockeye_chat::irc::Line;
/// let mut out = Vec::new();
/// Line::new(&mut out).tag("time", "t").source("irc.test").command("001").param("tom").end_with("Welcome");
/// assert_eq!(out, b"@time=t :irc.test 001 tom :Welcome\r\n");
/// out.clear();
/// Line::new(&mut out).command("PRIVMSG").param("#r").end_with("hi\r\nQUIT");
/// assert_eq!(out, b"PRIVMSG #r :hi  QUIT\r\n");
/// ```
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    /// Where it begins behind its tags.
    body: usize,
    /// Its last parameter is cut where the line would be longer than a client reads.
    cuts: bool,
    has_tags: bool,
    ended: bool,
}

impl<'a> Line<'a> {
    /// A line behind whatever stands in `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            body: out.len(),
            cuts: false,
            out,
            has_tags: false,
            ended: false,
        }
    }

    /// The same, whose last parameter is cut rather than that the line is longer than
    /// [`LINE_BYTES`]: for what a server says of its own.
    #[must_use]
    pub fn cut_to_fit(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// A tag, ahead of everything else. An empty value is left out.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.begin_tag();
        self.put_word(key);
        if !value.is_empty() {
            self.out.push(b'=');
            self.out.extend_from_slice(escape(value).as_bytes());
        }
        self
    }

    /// Tags that are written already, `;` between them.
    #[must_use]
    pub fn written_tags(mut self, tags: &str) -> Self {
        if !tags.is_empty() {
            self.begin_tag();
            self.put_word(tags);
        }
        self
    }

    /// Who says it.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.behind_tags();
        self.out.push(b':');
        self.put_word(source);
        self.out.push(b' ');
        self
    }

    /// Who says it, from its parts: `nick!user@host`.
    #[must_use]
    pub fn source_of(mut self, nick: &str, user: &str, host: &str) -> Self {
        self.behind_tags();
        for (sign, part) in [(b':', nick), (b'!', user), (b'@', host)] {
            self.out.push(sign);
            self.put_word(part);
        }
        self.out.push(b' ');
        self
    }

    /// The command, or a numeric.
    #[must_use]
    pub fn command(mut self, command: &str) -> Self {
        self.behind_tags();
        self.put_word(command);
        self
    }

    /// A parameter in the middle: not empty, without blanks, not beginning with a colon. What is
    /// none of that is written as `*`, so that the line keeps its shape.
    #[must_use]
    pub fn param(self, param: &str) -> Self {
        let fits = !param.is_empty() && !param.starts_with(':') && is_word(param);
        self.out.push(b' ');
        self.out
            .extend_from_slice(if fits { param.as_bytes() } else { b"*" });
        self
    }

    /// Ends the line with a last parameter that may be anything; CR, LF and NUL become blanks.
    pub fn end_with(mut self, trailing: &str) {
        self.out.extend_from_slice(b" :");
        let start = self.out.len();
        self.out.extend_from_slice(trailing.as_bytes());
        if memchr3(0, b'\r', b'\n', &self.out[start..]).is_some() {
            replace(&mut self.out[start..], b' ', |byte| {
                matches!(byte, 0 | b'\r' | b'\n')
            });
        }
        if self.cuts {
            let room = (self.body + LINE_BYTES - 2).saturating_sub(start);
            let kept = trailing.floor_char_boundary(room);
            self.out.truncate(start + kept);
        }
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

    /// Writes what has to stay one word: what would end it becomes `_`.
    fn put_word(&mut self, word: &str) {
        let start = self.out.len();
        self.out.extend_from_slice(word.as_bytes());
        if !is_word(word) {
            replace(&mut self.out[start..], b'_', |byte| !is_in_word(byte));
        }
    }

    fn begin_tag(&mut self) {
        self.out.push(if self.has_tags { b';' } else { b'@' });
        self.has_tags = true;
    }

    fn behind_tags(&mut self) {
        if self.has_tags {
            self.out.push(b' ');
            self.has_tags = false;
            self.body = self.out.len();
        }
    }
}

fn is_word(text: &str) -> bool {
    text.bytes().all(is_in_word)
}

fn is_in_word(byte: u8) -> bool {
    !matches!(byte, 0 | b'\r' | b'\n' | b' ')
}

fn replace(bytes: &mut [u8], with: u8, is_bad: fn(u8) -> bool) {
    for byte in bytes.iter_mut().filter(|byte| is_bad(**byte)) {
        *byte = with;
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.out.truncate(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, write: impl FnOnce(Line<'_>)) {
        let mut out = b"ahead\r\n".to_vec();
        write(Line::new(&mut out));
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.strip_prefix("ahead\r\n"), Some(expected));
    }

    #[test]
    fn a_line_keeps_its_shape_whatever_it_is_given() {
        check("@a;b=c\\sd;+e=1 :n!u@h C * * :\r\n", |line| {
            line.tag("a", "")
                .tag("b", "c d")
                .written_tags("+e=1")
                .source_of("n", "u", "h")
                .command("C")
                .param("")
                .param(":x")
                .end_with("");
        });
        check("@k_=\\r\\n\\sv;a_=1 :s__s C_ * p :t  t \r\n", |line| {
            line.tag("k\n", "\r\n\0v")
                .written_tags("a =1")
                .source("s\r\ns")
                .command("C\0")
                .param("a\nb")
                .param("p")
                .end_with("t\r\nt\0");
        });
    }

    #[test]
    fn a_line_is_cut_to_what_a_client_reads() {
        for (len, kept) in [(501, 501), (502, 502), (503, 502)] {
            let mut out = vec![];
            let line = Line::new(&mut out).cut_to_fit().tag("t", "1").source("s");
            line.command("001").end_with(&"x".repeat(len));
            let body = out.strip_prefix(b"@t=1 ").unwrap();
            assert_eq!(body.len(), kept + ":s 001 :\r\n".len());
        }
        let mut out = vec![];
        Line::new(&mut out)
            .cut_to_fit()
            .command("X")
            .end_with(&"树".repeat(200));
        assert_eq!(out.len(), "X :\r\n".len() + 3 * 169);
        assert!(str::from_utf8(&out).is_ok());
    }

    #[test]
    fn what_is_not_ended_is_nothing() {
        check("", |line| drop(line.tag("a", "b").source("s").command("C")));
    }
}
