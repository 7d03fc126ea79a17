//! `sockeye doctor`: what this machine permits, and the settings of its kernel that sockets depend on.
//!
//! It reads, tries and tells; it never changes a setting.

mod file;
mod json;
mod look;
mod report;
mod words;

use clap::{Args, ValueEnum};
use sockeye_observe::settings::{Purpose, SETTINGS, Setting};

use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::ui::{columns, write_stdout};
use crate::verb::show::Target;
use look::Look;
use words::{WHATS, what_name};

/// Tell what this machine permits, and which kernel settings sockets depend on
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Only what has this in its name: tcp_tw_reuse, keepalive, capture …
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Also say what would be better for taking connections (serve), making them (dial), long ways (far),
    /// datagrams; with commas for several
    #[arg(long = "for", value_name = "PURPOSE", value_delimiter = ',')]
    purposes: Vec<For>,
    /// A line for each, without the explanations
    #[arg(short, long, conflicts_with = "json")]
    short: bool,
    /// Write JSON Lines (docs/events.md)
    #[arg(long)]
    json: bool,
    /// End with exit code 3 if a setting should be another
    #[arg(long)]
    check: bool,
    /// Write what should be another as a file for sysctl, and apply nothing; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "short"])]
    write: Option<Target>,
    /// Write it even if the file is there
    #[arg(long, requires = "write")]
    force: bool,
}

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    Serve,
    Dial,
    Far,
    Datagrams,
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::Serve => Self::Serve,
            For::Dial => Self::Dial,
            For::Far => Self::Far,
            For::Datagrams => Self::Datagrams,
        }
    }
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let purposes: Vec<Purpose> = self.purposes.iter().map(|it| (*it).into()).collect();
        let mut look = Look::take(&purposes, context.net.recorder.now());
        look.keep(&self.names).map_err(|name| unknown(&name))?;
        let lang = context.lang();
        if let Some(target) = &self.write {
            let status = file::write(&look, lang, target, self.force)?;
            if !context.global.quiet {
                context.ui.say(&status);
            }
        } else {
            let mut out = String::new();
            match (self.json, self.short) {
                (true, _) => json::write(&look, lang, &mut out),
                (_, true) => report::short(&look, lang, columns(), &mut out),
                _ => report::whole(&look, lang, columns(), &mut out),
            }
            write_stdout(out.as_bytes())?;
        }
        Ok(if self.check && !look.suggestions.is_empty() {
            Exit::Check
        } else {
            Exit::Done
        })
    }
}

fn unknown(name: &str) -> anyhow::Error {
    let settings = SETTINGS.iter().map(Setting::short);
    let whats = WHATS.iter().map(|what| what_name(*what));
    let all: Vec<_> = whats.chain(settings).collect();
    usage!(
        "nothing has '{name}' in its name; there are {}",
        all.join(", ")
    )
}

#[cfg(test)]
mod tests;
