//! The text grammar of rules, one for flags, scenarios and this crate.

use std::fmt::Write as _;
use std::time::Duration;

use sockeye_frame::{ByteSize, Framing};

use crate::chance::Chance;
use crate::error::{RuleError, RuleProblem, Wanted};
use crate::matcher::{CONTENT, FRAME};

/// What stands behind the name of a rule, each piece with the shape that it has in the list of what the
/// rule allows: `jitter=DURATION`, `icmp`, and `DURATION` for the value that has no key.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    text: &'a str,
    rule: &'static str,
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    shape: &'static str,
    value: String,
    at: usize,
}

type Read<T> = Result<T, RuleError>;

impl<'a> Args<'a> {
    /// Reads what stands behind the name, `allowed` being the shapes of this rule's own pieces and of all
    /// matchers.
    pub(crate) fn read(text: &'a str, rule: &'static str, allowed: &[&'static str]) -> Read<Self> {
        let mut args = Self {
            text,
            rule,
            given: vec![],
        };
        let mut at = rule.len();
        while at < text.len() {
            let first = text.as_bytes()[at] == b':';
            at = args.piece(at + 1, first, allowed)?;
        }
        Ok(args)
    }

    /// Reads the piece that begins at `at`; gives where it ends.
    fn piece(&mut self, at: usize, first: bool, allowed: &[&'static str]) -> Read<usize> {
        let rest = &self.text[at..];
        let word = &rest[..rest.find([',', '=']).unwrap_or(rest.len())];
        let has_key = rest[word.len()..].starts_with('=');
        let fits = |shape: &&&'static str| match shape.split_once('=') {
            Some((key, _)) => has_key && key == word,
            None if is_value(shape) => false,
            None => !has_key && **shape == word,
        };
        let value_alone = allowed.iter().find(|shape| first && is_value(shape));
        let shape = match (allowed.iter().find(fits), value_alone) {
            (Some(shape), _) => *shape,
            (None, Some(shape)) if !has_key => *shape,
            _ => {
                let key = if has_key { &rest[..=word.len()] } else { word };
                let (key, rule) = (key.to_owned(), self.rule);
                let allowed = allowed.to_vec();
                return self.fails(at, RuleProblem::UnknownKey { key, rule, allowed });
            }
        };
        if self.given.iter().any(|given| given.shape == shape) {
            return self.fails(at, RuleProblem::Twice(shape));
        }
        let at = if has_key { at + word.len() + 1 } else { at };
        let (value, end) = self.value(at)?;
        self.given.push(Given { shape, value, at });
        Ok(end)
    }

    /// The value that begins at `at`, and where it ends: at a comma that no backslash protects, or
    /// behind the second of two quotation marks.
    fn value(&self, at: usize) -> Read<(String, usize)> {
        let bytes = self.text.as_bytes();
        let quoted = bytes.get(at) == Some(&b'"');
        let start = at + usize::from(quoted);
        let end_mark = if quoted { b'"' } else { b',' };
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                byte if byte == end_mark => break,
                // What is protected is ASCII, or the rest of the character is no mark.
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let end = end.min(bytes.len());
        let closed = bytes.get(end) == Some(&b'"');
        let behind = end + usize::from(quoted);
        let ends_there = bytes.get(behind).is_none_or(|byte| *byte == b',');
        if quoted && !(closed && ends_there) {
            return self.fails(at, RuleProblem::Unclosed);
        }
        let end = (end..=bytes.len())
            .find(|end| self.text.is_char_boundary(*end))
            .unwrap_or(bytes.len());
        let value = self.text[start..end].to_owned();
        Ok((value, end + usize::from(quoted)))
    }

    pub(crate) fn fails<T>(&self, at: usize, problem: RuleProblem) -> Read<T> {
        Err(RuleError {
            text: self.text.to_owned(),
            at,
            problem: Box::new(problem),
        })
    }

    fn is_no<T>(&self, given: &Given, wanted: Wanted) -> Read<T> {
        let found = given.value.clone();
        self.fails(given.at, RuleProblem::NotA { found, wanted })
    }

    fn given(&self, shape: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.shape == shape)
    }

    /// Whether this is there.
    pub(crate) fn has(&self, shape: &str) -> bool {
        self.given(shape).is_some()
    }

    /// The text of a value.
    pub(crate) fn text(&self, shape: &str) -> Option<&str> {
        self.given(shape).map(|given| given.value.as_str())
    }

    /// What a value says, by `read`, which gives none for what is no `wanted`.
    pub(crate) fn read_as<T>(
        &self,
        shape: &str,
        wanted: Wanted,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(given) = self.given(shape) else {
            return Ok(None);
        };
        match read(&given.value) {
            Some(value) => Ok(Some(value)),
            None => self.is_no(given, wanted),
        }
    }

    /// A time to wait, from a microsecond to `most`.
    pub(crate) fn duration(&self, shape: &'static str, most: Duration) -> Read<Option<Duration>> {
        let Some(wait) = self.read_as(shape, Wanted::Duration, duration)? else {
            return Ok(None);
        };
        let least = Duration::from_micros(1);
        if (least..=most).contains(&wait) {
            return Ok(Some(wait));
        }
        self.out_of_range(shape, format!("{least:?}"), format!("{most:?}"))
    }

    /// A number of bytes within a range.
    pub(crate) fn size(&self, shape: &'static str, least: u64, most: u64) -> Read<Option<u64>> {
        let read = |text: &str| text.parse().ok().map(|ByteSize(size)| size);
        let size = self.read_as(shape, Wanted::Size, read)?;
        if size.is_none_or(|size| (least..=most).contains(&size)) {
            return Ok(size);
        }
        let shown = |size| ByteSize(size).to_string();
        self.out_of_range(shape, shown(least), shown(most))
    }

    /// A number within a range.
    pub(crate) fn count(&self, shape: &'static str, least: u64, most: u64) -> Read<Option<u64>> {
        let count = self.read_as(shape, Wanted::Count, |text| text.parse().ok())?;
        if count.is_none_or(|count| (least..=most).contains(&count)) {
            return Ok(count);
        }
        self.out_of_range(shape, least.to_string(), most.to_string())
    }

    /// How likely something is; always, if it is not said.
    pub(crate) fn chance(&self, shape: &'static str) -> Read<Chance> {
        let chance = self.read_as(shape, Wanted::Chance, Chance::read)?;
        Ok(chance.unwrap_or(Chance::ALWAYS))
    }

    /// A framing.
    pub(crate) fn framing(&self) -> Read<Option<Framing>> {
        let Some(given) = self.given(FRAME) else {
            return Ok(None);
        };
        match given.value.parse() {
            Ok(framing) => Ok(Some(framing)),
            Err(error) => self.fails(given.at, RuleProblem::Framing(error)),
        }
    }

    /// What this rule cannot be without.
    pub(crate) fn needs<T>(&self, what: &'static str, value: Option<T>) -> Read<T> {
        let rule = self.rule;
        match value {
            Some(value) => Ok(value),
            None => self.fails(self.text.len(), RuleProblem::Missing { rule, what }),
        }
    }

    fn out_of_range<T>(&self, shape: &'static str, least: String, most: String) -> Read<T> {
        let given = self.given(shape);
        let found = given.map(|given| given.value.clone()).unwrap_or_default();
        let problem = RuleProblem::OutOfRange {
            what: shape,
            found,
            least,
            most,
        };
        self.fails(given.map_or(self.text.len(), |given| given.at), problem)
    }

    /// The rule as `Display` prints it: its pieces in the order in which they were given, without a blank or
    /// a semicolon, since rules stand in sentences.
    pub(crate) fn canonical(&self) -> String {
        let mut text = self.rule.to_owned();
        for (index, given) in self.given.iter().enumerate() {
            text.push(if index == 0 { ':' } else { ',' });
            if let Some((key, _)) = given.shape.split_once('=') {
                let _ = write!(text, "{key}=");
            }
            match given.shape {
                CONTENT => text.push_str(&shown(&given.value)),
                FRAME => text.push_str(&framing_shown(&given.value)),
                _ => text.push_str(&given.value),
            }
        }
        text
    }
}

/// Shapes in capitals are values without a key.
fn is_value(shape: &str) -> bool {
    shape.starts_with(|c: char| c.is_ascii_uppercase())
}

/// A text to look for with everything escaped that ends a value or a word in a sentence.
fn shown(value: &str) -> String {
    let mut text = String::new();
    let mut protected = false;
    for c in value.chars() {
        match c {
            ',' | '"' if !protected => {
                text.push('\\');
                text.push(c);
            }
            ';' => text.push_str("\\x3b"),
            c if c.is_whitespace() || c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            c => text.push(c),
        }
        protected = c == '\\' && !protected;
    }
    text
}

/// A framing, in quotation marks where a comma would end it.
fn framing_shown(value: &str) -> String {
    let framing = value
        .parse()
        .map_or_else(|_| value.to_owned(), |framing: Framing| framing.to_string());
    let framing = framing.replace(';', "\\x3b").replace('"', "\\x22");
    if framing.contains(',') {
        format!("\"{framing}\"")
    } else {
        framing
    }
}

/// `250us`, `20ms`, `2s`, `1m`.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_micros(number.checked_mul(micros)?))
}
