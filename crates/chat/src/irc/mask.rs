//! Masks of names.

/// A mask of `nick!user@host` with `*` for any characters and `?` for one.
///
/// ```
/// use sockeye_chat::irc::Mask;
/// let mask = Mask::new("*@10.0.*");
/// assert_eq!(mask.as_str(), "*!*@10.0.*");
/// assert!(mask.fits("tom!t@10.0.7.1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask(Box<str>);

impl Mask {
    /// Completes what people write: `tom` is `tom!*@*`, `*@host` is `*!*@host`. Of several `*` in a
    /// row one stays.
    pub fn new(text: &str) -> Self {
        let whole = match (text.contains('!'), text.contains('@')) {
            (true, true) => text.to_owned(),
            (true, false) => format!("{text}@*"),
            (false, true) => format!("*!{text}"),
            (false, false) => format!("{text}!*@*"),
        };
        Self::of_name(&whole)
    }

    /// Takes it as it is: a mask of any name, such as a room's. Of several `*` in a row one stays.
    pub fn of_name(text: &str) -> Self {
        let mut last = None;
        let short = text
            .chars()
            .filter(|c| last.replace(*c) != Some('*') || *c != '*');
        Self(short.collect::<String>().into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits a `nick!user@host`, or another name. Letters of ASCII are the same in both cases.
    pub fn fits(&self, source: &str) -> bool {
        fits(self.0.as_bytes(), source.as_bytes())
    }
}

/// Whether a text is what a pattern says; at most as many steps as the product of their lengths,
/// since only the last star is ever tried again.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            // A whole character, from its beginning.
            Some(b'?') if !is_inner(text[t]) => {
                p += 1;
                t += 1;
                t += text[t..].iter().take_while(|byte| is_inner(**byte)).count();
                continue;
            }
            Some(b'?') | None => {}
            Some(byte) if byte.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
                continue;
            }
            Some(_) => {}
        }
        let Some((at, from)) = star else {
            return false;
        };
        star = Some((at, from + 1));
        p = at + 1;
        t = from + 1;
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether a byte of UTF-8 is not the first of its character.
fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a pattern means, by its definition.
    fn means(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|at| means(rest, &text[at..])),
            (['?', rest @ ..], [_, behind @ ..]) => means(rest, behind),
            ([c, rest @ ..], [d, behind @ ..]) => c.eq_ignore_ascii_case(d) && means(rest, behind),
            (_, []) => false,
        }
    }

    #[test]
    fn masks_are_completed() {
        for (said, whole) in [
            ("tom", "tom!*@*"),
            ("*@host", "*!*@host"),
            ("tom!t", "tom!t@*"),
            ("a!b@c", "a!b@c"),
            ("***", "*!*@*"),
            ("", "!*@*"),
            ("a**?**b", "a*?*b!*@*"),
        ] {
            assert_eq!(Mask::new(said).as_str(), whole);
        }
    }

    #[test]
    fn masks_fit_or_not() {
        for (mask, fitting, others) in [
            (
                "*!*@loopback",
                &["tom!t@loopback", "!@LOOPBACK"][..],
                &["tom!t@loopbacks"][..],
            ),
            (
                "t?m",
                &["tom!x@y", "t树m!x@y", "T🐟M!x@y"],
                &["tm!x@y", "toom!x@y"],
            ),
            ("*e*e*", &["eel!x@y", "e.e!@"], &["tom!x@h"]),
            ("[a]", &["[A]!b@c"], &["a!b@c", "{a}!b@c"]),
            ("?", &["树!b@c"], &["树树!b@c", "!b@c"]),
            ("*?", &["a!b@c", "树!b@c"], &["!b@c"]),
        ] {
            let mask = Mask::new(mask);
            for source in fitting {
                assert!(mask.fits(source), "{mask:?} {source}");
            }
            for source in others {
                assert!(!mask.fits(source), "{mask:?} {source}");
            }
        }
    }

    /// A mask that would take a matcher which goes back to every star longer than the world lasts.
    #[test]
    fn a_hostile_mask_costs_little() {
        let mask = Mask::new(&format!("{}b", "*a".repeat(250)));
        let began = std::time::Instant::now();
        assert!(!mask.fits(&"a".repeat(500)));
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn a_mask_means_what_its_definition_says(pattern in "[ab树*?]{0,8}", text in "[abB树]{0,10}") {
            let (p, t): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), means(&p, &t));
        }
    }
}
