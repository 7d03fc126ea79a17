//! `sockeye key`: who we are, whom we know, who may come in.

mod authorized;
mod known;
mod show;

use clap::{Args, Subcommand};
use sockeye_net::TrustError;

use crate::context::Context;
use crate::exit::Exit;
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
    Allowed(authorized::List),
    Pin(known::Pin),
    Forget(known::Forget),
    Known(known::List),
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
        let json = self.output.json;
        let Some(action) = self.action else {
            return show::run(&Teller::new(context, json));
        };
        let teller = |output: Output| Teller::new(context, json || output.json);
        match action {
            Action::Allow(action) => action.run(&teller(action.output)),
            Action::Deny(action) => action.run(&teller(action.output)),
            Action::Allowed(action) => authorized::list(&teller(action.output)),
            Action::Pin(action) => action.run(&teller(action.output)),
            Action::Forget(action) => action.run(&teller(action.output)),
            Action::Known(action) => known::list(&teller(action.output)),
        }
    }
}

/// Tells what was found or done: as text, or as JSON Lines.
struct Teller<'a> {
    context: &'a Context,
    json: bool,
}

impl<'a> Teller<'a> {
    fn new(context: &'a Context, json: bool) -> Self {
        Self { context, json }
    }

    /// One thing that was found or done.
    fn tell(&self, event: &str, fields: impl FnOnce(&mut Line), text: &str) -> anyhow::Result<()> {
        if !self.json {
            return write_stdout(format!("{text}\n").as_bytes());
        }
        let mut line = Line::new(self.context.net.recorder.now(), event);
        fields(&mut line);
        write_stdout(line.finish().as_bytes())
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
