//! `sockeye man`: the manual pages, made from the same tree as the help.

use clap::Args;

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
        let page = match &self.verb {
            None => root,
            Some(verb) => named(&root, verb)?,
        };
        let mut roff = vec![];
        clap_mangen::Man::new(page).render(&mut roff)?;
        write_stdout(&roff)?;
        Ok(Exit::Done)
    }
}

fn named(root: &clap::Command, verb: &str) -> anyhow::Result<clap::Command> {
    if let Some(command) = root.find_subcommand(verb) {
        return Ok(command.clone().name(format!("sockeye-{verb}")));
    }
    let verbs: Vec<_> = root
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    Err(usage!("no verb '{verb}'; there are: {}", verbs.join(", ")))
}
