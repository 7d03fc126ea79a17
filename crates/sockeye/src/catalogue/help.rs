//! Turns the command tree of the derives into one language's help.

use clap::{Arg, Command};

use super::pages::{HEADINGS, PAGES};
use super::{Example, Lang, Page};

/// What clap's own template is, without the words that it always writes in English.
const TEMPLATE_ZH: &str = "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

/// Gives every verb its examples and, in Chinese, every word of help its translation.
pub(crate) fn localize(root: Command, lang: Lang) -> Command {
    below(root, "", lang)
}

/// The command at this path, `key pin` for one, and all that it can do.
fn below(command: Command, path: &str, lang: Lang) -> Command {
    let names = command.get_subcommands().map(Command::get_name);
    let names: Vec<String> = names.map(str::to_owned).collect();
    names
        .iter()
        .fold(page(command, path, lang), |command, name| {
            let path = format!("{path} {name}");
            command.mut_subcommand(name, |command| below(command, path.trim_start(), lang))
        })
}

fn page(command: Command, verb: &str, lang: Lang) -> Command {
    let Some(page) = PAGES.iter().find(|page| page.verb == verb) else {
        return command;
    };
    let command = command.after_help(examples(page.examples, lang));
    if lang == Lang::En {
        return command;
    }
    let ids: Vec<String> = command
        .get_arguments()
        .map(|arg| arg.get_id().to_string())
        .collect();
    let command = command
        .about(page.about)
        .help_template(TEMPLATE_ZH)
        .subcommand_help_heading("命令")
        .subcommand_value_name("命令");
    ids.iter()
        .enumerate()
        .fold(command, |command, (place, id)| {
            command.mut_arg(id, |arg| {
                let place = arg.is_positional().then_some(place);
                translate(arg, page, place)
            })
        })
}

/// The argument with its help in Chinese, and what clap would add in English added here.
fn translate(arg: Arg, page: &Page, place: Option<usize>) -> Arg {
    let id = arg.get_id().as_str();
    let Some((_, help)) = page.args.iter().find(|(of, _)| *of == id) else {
        return arg;
    };
    let plain = if arg.is_positional() {
        "Arguments"
    } else {
        "Options"
    };
    let heading = arg.get_help_heading().unwrap_or(plain);
    let heading = HEADINGS
        .iter()
        .find(|(en, _)| *en == heading)
        .map_or("选项", |(_, zh)| *zh);
    let takes_values = arg.get_action().takes_values();
    let values = if takes_values {
        values(&arg)
    } else {
        String::new()
    };
    let arg = arg.help(format!("{help}{values}")).help_heading(heading);
    // Under a heading of ours clap sorts what has no order by name; positions have to stay.
    let arg = match place {
        Some(place) => arg.display_order(place),
        None => arg,
    };
    if takes_values {
        arg.hide_default_value(true).hide_possible_values(true)
    } else {
        arg
    }
}

/// What clap says behind an argument's help.
fn values(arg: &Arg) -> String {
    let mut said = String::new();
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|v| v.to_string_lossy())
        .collect();
    if !default.is_empty() && !arg.is_hide_default_value_set() {
        said = format!("{said} [默认：{}]", default.join(" "));
    }
    let values = arg.get_possible_values();
    if !values.is_empty() && !arg.is_hide_possible_values_set() {
        let names: Vec<_> = values
            .iter()
            .map(clap::builder::PossibleValue::get_name)
            .collect();
        said = format!("{said} [可选：{}]", names.join("、"));
    }
    said
}

fn examples(examples: &[Example], lang: Lang) -> String {
    let title = if lang == Lang::En {
        "Examples:"
    } else {
        "例子："
    };
    examples.iter().fold(title.to_owned(), |text, example| {
        let does = example.does.get(lang);
        format!("{text}\n  # {does}\n  {}", example.line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    /// A flag that its engineer forgot to translate, and a translation whose flag is gone.
    #[test]
    fn every_flag_has_its_chinese_and_every_chinese_its_flag() {
        let root = cli::command(Lang::En);
        let mut paths = vec![];
        for verb in root.get_subcommands() {
            let verb_name = verb.get_name();
            paths.push(verb_name.to_owned());
            let below = verb.get_subcommands().map(Command::get_name);
            paths.extend(below.map(|name| format!("{verb_name} {name}")));
        }
        assert_eq!(
            paths,
            PAGES[1..].iter().map(|page| page.verb).collect::<Vec<_>>(),
            "verbs and pages"
        );
        for page in PAGES {
            let words = page.verb.split_whitespace();
            let command = words.fold(&root, |command, word| {
                command.find_subcommand(word).unwrap()
            });
            let mut flags: Vec<_> = command
                .get_arguments()
                .filter(|arg| page.verb.is_empty() || !arg.is_global_set())
                .map(|arg| arg.get_id().as_str())
                .collect();
            let mut chinese: Vec<_> = page.args.iter().map(|(id, _)| *id).collect();
            flags.sort_unstable();
            chinese.sort_unstable();
            assert_eq!(flags, chinese, "flags of {}", page.verb);
            for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
                assert!(
                    HEADINGS.iter().any(|(en, _)| *en == heading),
                    "{heading} in Chinese"
                );
            }
        }
    }

    /// Every command of ours in a line of a shell has to be one that we read.
    #[track_caller]
    fn check(line: &str) {
        let parts = line.split(" | ").flat_map(|part| part.split(" & "));
        let ours = parts.filter_map(|part| part.find("sockeye ").map(|at| &part[at..]));
        let ours: Vec<_> = ours.collect();
        assert!(!ours.is_empty(), "no sockeye in {line}");
        for part in ours {
            let words = cli::words_of(part.split([';', '>', '<']).next().unwrap_or(part));
            match cli::command(Lang::En).try_get_matches_from(&words) {
                Ok(_) => {}
                Err(error) if error.exit_code() == 0 => {}
                Err(error) => panic!("{line}: {error}"),
            }
        }
    }

    #[test]
    fn every_verb_has_three_examples_that_parse() {
        for page in PAGES {
            let least = if page.verb.contains(' ') { 1 } else { 3 };
            assert!(page.examples.len() >= least, "examples of {}", page.verb);
            page.examples.iter().for_each(|example| check(example.line));
        }
    }

    #[test]
    fn what_the_document_of_serving_types_parses() {
        let text = include_str!("../../../../docs/serve.md");
        let lines = text.lines().filter_map(|line| line.strip_prefix("$ "));
        assert!(lines.inspect(|line| check(line)).count() > 3);
    }

    /// The guide of a verb names every flag that is the verb's own.
    #[test]
    fn every_flag_is_in_the_guide_of_its_verb() {
        let guides = [
            ("serve", include_str!("../../../../docs/serve.md")),
            ("dial", include_str!("../../../../docs/dial.md")),
            ("exec", include_str!("../../../../docs/exec.md")),
            ("put", include_str!("../../../../docs/files.md")),
            ("get", include_str!("../../../../docs/files.md")),
            ("show", include_str!("../../../../docs/show.md")),
            ("bench", include_str!("../../../../docs/bench.md")),
            ("key", include_str!("../../../../docs/trust.md")),
            ("list", include_str!("../../../../docs/list.md")),
            ("capture", include_str!("../../../../docs/capture.md")),
            ("doctor", include_str!("../../../../docs/doctor.md")),
            ("lab", include_str!("../../../../docs/lab.md")),
        ];
        let tree = cli::command(Lang::En);
        for (verb, guide) in guides {
            let verb = tree.find_subcommand(verb).unwrap();
            let own = verb.get_arguments().filter(|arg| !arg.is_global_set());
            for arg in own.filter(|arg| !arg.is_positional()) {
                let long = arg.get_long().map(|long| format!("--{long}"));
                let short = arg.get_short().map(|short| format!("`-{short}"));
                let mut names = long.into_iter().chain(short);
                assert!(
                    names.any(|name| guide.contains(&name)),
                    "docs/{}.md names no {}",
                    verb.get_name(),
                    arg.get_id()
                );
            }
        }
    }

    #[test]
    fn the_tree_is_sound_in_both_languages() {
        for lang in [Lang::En, Lang::Zh] {
            cli::command(lang).debug_assert();
        }
    }
}
