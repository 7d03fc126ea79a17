//! What we say when the command line asked for help, or could not be read.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::catalogue::{self as say, Lang, Text};
use crate::exit::{Exit, of, unwritten};
use crate::ui::Ui;
use sockeye_net::Errno;

/// The command that the first word of `args` names which is a verb: `sockeye serve`.
pub(super) fn verb_among(args: &[OsString], tree: &clap::Command) -> String {
    let mut words = args.iter().skip(1).filter_map(|word| word.to_str());
    match words.find_map(|word| tree.find_subcommand(word)) {
        Some(verb) => format!("sockeye {}", verb.get_name()),
        None => "sockeye".to_owned(),
    }
}

/// Answers what the parser did not turn into a verb: help and version as they are, errors in one
/// line. `verb` is whose command line it was.
pub(super) fn give(error: &clap::Error, verb: &str, lang: Lang) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => Exit::Done,
            Err(why) => {
                // The reader may have had enough of it: `sockeye --help | head`.
                let why = unwritten("to standard output", Errno::of(&why));
                let exit = of(&why);
                if exit != Exit::Done {
                    Ui::new(lang).error(&why);
                }
                exit
            }
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            Ui::new(lang).complain(&one_line(error, verb, lang));
            Exit::Usage
        }
    }
}

/// What was read, where it broke, what is allowed, and where to read more.
fn one_line(error: &clap::Error, verb: &str, lang: Lang) -> String {
    let text = error.render().to_string();
    let (english, usage) = text.split_once("Usage: ").unwrap_or((&text, verb));
    let said = match lang {
        Lang::En => None,
        Lang::Zh => in_chinese(error),
    };
    let said = said.unwrap_or_else(|| joined(english));
    // `Usage: sockeye serve [OPTIONS] …`: the words before the first placeholder.
    let verb: Vec<&str> = usage
        .split_whitespace()
        .take_while(|word| !word.starts_with(['[', '<', '-']))
        .collect();
    let command = format!("{} --help", verb.join(" "));
    format!(
        "{said}{}",
        say::TRY_HELP.fill(lang, &[("command", &command)])
    )
}

/// The parser's own words, which it spreads over several lines.
fn joined(english: &str) -> String {
    let said: Vec<&str> = english
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ").replace(" tip:", "; tip:");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}

/// The errors that people make, made of the parser's facts; the rare ones stay English.
fn in_chinese(error: &clap::Error) -> Option<String> {
    let fact = |kind| error.get(kind).map(shown).filter(|fact| !fact.is_empty());
    let (text, argument): (Text, _) = match error.kind() {
        ErrorKind::UnknownArgument => (say::UNKNOWN_ARGUMENT, ContextKind::InvalidArg),
        ErrorKind::InvalidSubcommand => (say::UNKNOWN_VERB, ContextKind::InvalidSubcommand),
        ErrorKind::MissingRequiredArgument => (say::MISSING_ARGUMENT, ContextKind::InvalidArg),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            (say::INVALID_VALUE, ContextKind::InvalidArg)
        }
        ErrorKind::ArgumentConflict => (say::ARGUMENT_CONFLICT, ContextKind::InvalidArg),
        _ => return None,
    };
    let (argument, value) = (fact(argument)?, fact(ContextKind::InvalidValue));
    let other = fact(ContextKind::PriorArg);
    let values: [(&str, &dyn std::fmt::Display); 3] = [
        ("argument", &argument),
        ("value", &value.unwrap_or_default()),
        ("other", &other.unwrap_or_default()),
    ];
    let source = std::error::Error::source(error).map(ToString::to_string);
    let allowed = fact(ContextKind::ValidValue);
    let meant = fact(ContextKind::SuggestedArg)
        .or_else(|| fact(ContextKind::SuggestedSubcommand))
        .or_else(|| fact(ContextKind::SuggestedValue));
    let more = [
        source.map(|why| format!("：{}", say::known(&why, Lang::Zh))),
        allowed.map(|all| say::ALLOWED.fill(Lang::Zh, &[("values", &all)])),
        meant.map(|word| say::MEANT.fill(Lang::Zh, &[("word", &word)])),
    ];
    Some(text.fill(Lang::Zh, &values) + &more.into_iter().flatten().collect::<String>())
}

fn shown(fact: &ContextValue) -> String {
    match fact {
        ContextValue::Strings(all) => all.join("、"),
        fact => fact.to_string(),
    }
}
