//! The command line: global flags, the tree of verbs, and the one way in and out.

mod answer;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser};

use crate::catalogue::{self, Lang};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::verb::{self, Verb};

/// Sockets you can see: serve, dial and measure over every kind of socket
#[derive(Parser, Debug)]
#[command(
    name = "sockeye",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags that work everywhere.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Use IPv4 only
    #[arg(short = '4', long, global = true, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, global = true)]
    pub(crate) ipv6: bool,
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Write no log
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Pin the key of a peer that was never dialled before, instead of asking or failing
    #[arg(long, global = true)]
    pub(crate) trust_on_first_use: bool,
    /// Language of what people read (default: by LC_ALL, LC_MESSAGES, LANG)
    #[arg(long, global = true, value_name = "LANG")]
    pub(crate) lang: Option<Lang>,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

/// The command tree with its help in one language.
pub(crate) fn command(lang: Lang) -> clap::Command {
    catalogue::localize(Cli::command(), lang)
}

/// Runs the command line `args` from the first word to the exit code.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    // Before anything starts a thread: it moves into namespaces, which only a single one can.
    if let Some(work) = verb::hidden(&args) {
        return work();
    }
    let lang = Lang::choose(&args, |name| std::env::var(name).ok());
    let tree = command(lang);
    let verb = answer::verb_among(&args, &tree);
    let passes_on = verb == "sockeye exec";
    let seen = |exit: Exit| {
        if passes_on {
            exit.unless_passed()
        } else {
            exit
        }
    };
    let parsed = tree.try_get_matches_from(without_help_verb(args));
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return seen(answer::give(&error, &verb, lang)).code().into(),
    };
    let context = Context::new(cli.global, lang);
    let exit = match work(cli.verb, &context) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = exit::of(&error);
            if exit != Exit::Done {
                context.ui.error(&error);
            }
            exit
        }
    };
    seen(exit).code().into()
}

/// `sockeye help VERB`, which is in everybody's fingers, means `sockeye VERB --help`.
fn without_help_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.push("--help".into());
    }
    args
}

fn work(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    let runtime = runtime(verb.is_one_task())?;
    let result = runtime.block_on(async {
        let result = verb.run(context).await;
        context.net.settled().await;
        result
    });
    // A thread that still blocks on a terminal or a pipe must not keep us from ending.
    runtime.shutdown_background();
    result
}

/// One thread for one processor: a scheduler that shares work costs a twentieth of an echo, and there
/// is nobody to share with (docs/performance.md). One thread for one task as well: it would be woken by
/// another thread for each read.
fn runtime(is_one_task: bool) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match std::thread::available_parallelism() {
        _ if is_one_task => tokio::runtime::Builder::new_current_thread(),
        Ok(one) if one.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Splits a line into words as a shell does, for quotes and spaces.
#[cfg(test)]
pub(crate) fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
