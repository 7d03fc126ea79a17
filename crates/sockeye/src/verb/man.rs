//! `sockeye man`: the manual pages, made from the same tree as the help.

use std::io::Write;

use clap::{Args, Command};

use crate::catalogue::{self as say, Lang};
use crate::cli;
use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::ui::write_stdout;

/// Print a manual page in roff
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Which verb; sockeye itself if none is given
    verb: Option<String>,
}

impl Man {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut root = cli::command(context.lang());
        // Hands the global flags down to the verbs.
        root.build();
        let verb = self.verb.as_deref().unwrap_or_default();
        let command = find(&root, verb)?;
        write_stdout(&page(&command, verb, context.lang())?)?;
        Ok(Exit::Done)
    }
}

fn find(root: &Command, verb: &str) -> anyhow::Result<Command> {
    if verb.is_empty() {
        return Ok(root.clone());
    }
    if let Some(command) = root.find_subcommand(verb) {
        return Ok(command.clone().name(format!("sockeye-{verb}")));
    }
    let verbs: Vec<_> = root.get_subcommands().map(Command::get_name).collect();
    Err(usage!("no verb '{verb}'; there are: {}", verbs.join(", ")))
}

/// The page: the generator's sections where they read well, our own where they don't.
fn page(command: &Command, verb: &str, lang: Lang) -> anyhow::Result<Vec<u8>> {
    let man = clap_mangen::Man::new(command.clone());
    let mut roff = vec![];
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    writeln!(roff, ".SH SYNOPSIS\n{}", escape(&usage(command)))?;
    if verb.is_empty() {
        man.render_subcommands_section(&mut roff)?;
    } else if command.has_subcommands() {
        writeln!(roff, ".SH COMMANDS")?;
        for action in command.get_subcommands() {
            let about = action.get_about().map(ToString::to_string);
            let about = about.unwrap_or_default();
            writeln!(roff, ".TP\n{}\n{}", escape(&usage(action)), escape(&about))?;
        }
    }
    man.render_options_section(&mut roff)?;
    writeln!(roff, ".SH EXAMPLES")?;
    for example in say::examples_of(verb) {
        let (does, line) = (escape(example.does.get(lang)), escape(example.line));
        writeln!(roff, ".PP\n{does}\n.RS 4\n.nf\n{line}\n.fi\n.RE")?;
    }
    writeln!(roff, ".SH \"EXIT STATUS\"")?;
    for (code, text) in say::EXITS {
        writeln!(roff, ".TP\n{code}\n{}", escape(text.get(lang)))?;
    }
    Ok(roff)
}

/// How it is typed, without the word that says so.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.split_once(": ").map_or(&*usage, |(_, usage)| usage);
    usage.to_owned()
}

/// Text as roff takes it: a backslash or a dot at the front of a line would be a request.
fn escape(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    if text.starts_with('.') {
        format!("\\&{text}")
    } else {
        text
    }
}
