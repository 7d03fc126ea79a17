//! Everything that people read, in English and Chinese.
//!
//! A [`Text`] is one message with `{name}` placeholders; a [`Page`] is the help of one verb. English
//! help is the doc comments of the flags themselves; a page adds the Chinese and the examples.
//! Errors of the crates below are made in English; `known` looks up their Chinese by their words, and what the
//! kernel says with its number stays, since people search for it.

pub(crate) mod bench;
pub(crate) mod capture;
pub(crate) mod chat;
pub(crate) mod chat_screen;
pub(crate) mod doctor;
mod errors;
mod exits;
mod help;
pub(crate) mod key;
mod known;
pub(crate) mod lab;
pub(crate) mod list;
mod log;
mod pages;
pub(crate) mod watch;

use std::ffi::OsString;
use std::fmt::Display;

pub(crate) use exits::EXITS;
pub(crate) use help::localize;
pub(crate) use known::{chained, known};
pub(crate) use log::*;
#[cfg(test)]
pub(crate) use pages::PAGES;
pub(crate) use pages::examples_of;

/// The language of everything that people read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// The language that `--lang` asks for, else the environment's.
    ///
    /// Runs before the command line is parsed, because the help that parsing may print depends on it.
    /// What it does not understand it leaves to the parser to complain about.
    pub(crate) fn choose(args: &[OsString], env: impl Fn(&str) -> Option<String>) -> Self {
        Self::from_args(args).unwrap_or_else(|| Self::from_env(env))
    }

    fn from_args(args: &[OsString]) -> Option<Self> {
        let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str());
        let mut chosen = None;
        while let Some(word) = words.next().filter(|word| *word != "--") {
            let value = match word.strip_prefix("--lang") {
                Some("") => words.next(),
                Some(rest) => rest.strip_prefix('='),
                None => continue,
            };
            chosen = value.and_then(Self::named).or(chosen);
        }
        chosen
    }

    /// The first of the three variables that is set decides, as in locale(7).
    fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| env(name).filter(|value| !value.is_empty()))
            .and_then(|value| Self::named(&value))
            .unwrap_or_default()
    }

    /// Reads `zh`, `zh_TW.UTF-8`, `en`, `en_GB`, `C`, …
    fn named(name: &str) -> Option<Self> {
        match name.split(['_', '.', '@', '-']).next()? {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

impl From<Lang> for sockeye_trace::Lang {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::En,
            Lang::Zh => Self::Zh,
        }
    }
}

/// One message in both languages. `{name}` is a placeholder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
}

impl Text {
    /// The message as it stands in the catalogue.
    pub(crate) fn get(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }

    /// The message with its placeholders filled.
    pub(crate) fn fill(self, lang: Lang, values: &[(&str, &dyn Display)]) -> String {
        let mut filled = String::new();
        let mut rest = self.get(lang);
        while let Some((before, name, after)) = split_placeholder(rest) {
            filled.push_str(before);
            let value = values
                .iter()
                .find(|(of, _)| *of == name)
                .map(|(_, value)| value);
            let value = value.expect("the caller fills every placeholder of its text");
            filled.push_str(&value.to_string());
            rest = after;
        }
        filled + rest
    }
}

/// `1 byte`, `2 bytes`.
pub(crate) fn counted_bytes(n: u64, lang: Lang) -> String {
    if n == 1 { BYTES_ONE } else { BYTES }.fill(lang, &[("n", &n)])
}

/// `1 message`, `2 messages`.
pub(crate) fn counted_messages(n: u64, lang: Lang) -> String {
    if n == 1 { MESSAGES_ONE } else { MESSAGES }.fill(lang, &[("n", &n)])
}

/// Splits at the first `{name}`.
fn split_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// Declares texts and lists them in `ALL`, so that one test sees every one of them.
macro_rules! texts {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        $(pub(crate) const $name: $crate::catalogue::Text =
            $crate::catalogue::Text { en: $en, zh: $zh };)*
        /// Every text of this file, by name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, $crate::catalogue::Text)] = &[$((stringify!($name), $name)),*];
    };
}
use texts;

/// What a command line does, for the end of a verb's help.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    /// As typed in a shell.
    pub(crate) line: &'static str,
    pub(crate) does: Text,
}

/// What a verb's help has beside the doc comments of its flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// The verb, or what a verb can do (`key pin`); empty for the program itself.
    pub(crate) verb: &'static str,
    /// The Chinese of the verb's doc comment.
    pub(crate) about: &'static str,
    /// The Chinese of each argument's doc comment, by the argument's id.
    pub(crate) args: &'static [(&'static str, &'static str)],
    pub(crate) examples: &'static [Example],
}

/// Whether a text is there in both languages, with the same holes.
#[cfg(test)]
#[track_caller]
pub(crate) fn check_text(name: &str, text: Text) {
    fn placeholders(mut text: &str) -> Vec<&str> {
        let mut names = vec![];
        while let Some((_, name, after)) = split_placeholder(text) {
            names.push(name);
            text = after;
        }
        names.sort_unstable();
        names
    }
    let is_english = !text.en.is_empty() && !has_chinese(text.en);
    assert!(is_english, "{name} in English");
    let is_chinese = !text.zh.is_empty() && text.zh != text.en;
    assert!(is_chinese, "{name} in Chinese");
    let (en, zh) = (placeholders(text.en), placeholders(text.zh));
    assert_eq!(en, zh, "placeholders of {name}");
}

#[cfg(test)]
fn has_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_both_languages_and_the_same_placeholders() {
        let examples = PAGES.iter().flat_map(|page| page.examples);
        let texts = examples.map(|example| (example.line, example.does));
        for (name, text) in texts.chain(
            [
                log::ALL,
                bench::ALL,
                key::ALL,
                capture::ALL,
                chat::ALL,
                chat_screen::ALL,
                doctor::ALL,
                lab::ALL,
                list::ALL,
                watch::ALL,
            ]
            .concat(),
        ) {
            check_text(name, text);
        }
    }

    #[test]
    fn a_text_is_filled_by_name() {
        let text = Text {
            en: "{got} of {of} bytes",
            zh: "{of} 字节中的 {got}",
        };
        assert_eq!(
            text.fill(Lang::En, &[("got", &1), ("of", &2)]),
            "1 of 2 bytes"
        );
        assert_eq!(
            text.fill(Lang::Zh, &[("got", &1), ("of", &2)]),
            "2 字节中的 1"
        );
    }

    #[test]
    fn the_flag_beats_the_environment_and_lc_all_beats_lang() {
        let check = |args: &str, env: &[(&str, &str)], expected| {
            let args: Vec<OsString> = args.split(' ').map(Into::into).collect();
            let env = |name: &str| {
                env.iter()
                    .find(|(of, _)| *of == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Lang::choose(&args, env), expected, "{args:?}");
        };
        check("sockeye serve", &[], Lang::En);
        check(
            "sockeye --lang zh serve",
            &[("LANG", "en_US.UTF-8")],
            Lang::Zh,
        );
        check(
            "sockeye serve --lang=en",
            &[("LANG", "zh_CN.UTF-8")],
            Lang::En,
        );
        check("sockeye serve", &[("LANG", "zh_TW")], Lang::Zh);
        check(
            "sockeye serve",
            &[("LC_ALL", "C"), ("LANG", "zh_CN")],
            Lang::En,
        );
        check(
            "sockeye serve",
            &[("LC_ALL", ""), ("LC_MESSAGES", "zh")],
            Lang::Zh,
        );
        check("sockeye exec -- --lang zh", &[], Lang::En);
    }
}
