//! `sockeye key`: who we are, whom we know, who may come in.

mod authorized;
mod known;
mod show;

use clap::{Args, Subcommand};
use sockeye_net::TrustError;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::journal::Line;
use crate::ui::write_stdout;

/// This user's key, the keys of known peers, and the keys that may use what is served here
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    output: Output,
}

/// What to do with which list.
#[derive(Subcommand, Debug)]
enum Action {
    Allow(authorized::Allow),
    Deny(authorized::Deny),
    /// List the keys that may come in
    Allowed(List),
    Pin(known::Pin),
    Forget(known::Forget),
    /// List whom we know
    Known(List),
}

/// Everything of a list.
#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    output: Output,
}

/// How it is told.
#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Write JSON Lines (docs/events.md)
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let output = self.action.as_ref().map_or(self.output, Action::output);
        let teller = Teller {
            context,
            json: self.output.json || output.json,
        };
        let result = match self.action {
            None => show::run(&teller),
            Some(Action::Allow(action)) => action.run(&teller),
            Some(Action::Deny(action)) => action.run(&teller),
            Some(Action::Allowed(_)) => authorized::list(&teller),
            Some(Action::Pin(action)) => action.run(&teller),
            Some(Action::Forget(action)) => action.run(&teller),
            Some(Action::Known(_)) => known::list(&teller),
        };
        if let Err(error) = &result {
            teller.fail(error)?;
        }
        result
    }
}

impl Action {
    fn output(&self) -> Output {
        match self {
            Self::Allow(action) => action.output,
            Self::Deny(action) => action.output,
            Self::Allowed(action) | Self::Known(action) => action.output,
            Self::Pin(action) => action.output,
            Self::Forget(action) => action.output,
        }
    }
}

/// Tells what was found or done: as text, or as JSON Lines.
struct Teller<'a> {
    context: &'a Context,
    json: bool,
}

impl Teller<'_> {
    /// One thing that was found or done.
    fn tell(&self, event: &str, fields: impl FnOnce(&mut Line), text: &str) -> anyhow::Result<()> {
        if !self.json {
            return write_stdout(format!("{text}\n").as_bytes());
        }
        let mut line = Line::new(self.context.net.recorder.now(), event);
        fields(&mut line);
        write_stdout(line.finish().as_bytes())
    }

    /// Why it could not be done, for programs; people read it on standard error.
    fn fail(&self, error: &anyhow::Error) -> anyhow::Result<()> {
        let exit = exit::of(error);
        if !self.json || exit == Exit::Done {
            return Ok(());
        }
        let fields = |line: &mut Line| {
            line.put("error", &format!("{error:#}"))
                .number("exit", exit.code().into());
        };
        self.tell("error", fields, "")
    }

    /// Lines of a file that count for nothing, on standard error. They are the user's to mend.
    fn complain(&self, problems: Vec<TrustError>) -> Exit {
        let exit = if problems.is_empty() {
            Exit::Done
        } else {
            Exit::Usage
        };
        for problem in problems {
            self.context.ui.error(&problem.into());
        }
        exit
    }
}
