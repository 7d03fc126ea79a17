//! `sockeye completions`: what a shell needs to complete our command line.

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::ui::write_stdout;

/// Print a shell's completion script
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut script = vec![];
        let mut command = cli::command(context.lang());
        clap_complete::generate(self.shell, &mut command, "sockeye", &mut script);
        write_stdout(&script)?;
        Ok(Exit::Done)
    }
}
