//! The verbs, one file or folder each. A new one is a line in [`Verb`], a line in [`Verb::run`] and a
//! help page in the catalogue.

mod bench;
mod capture;
mod chat;
mod completions;
mod dial;
mod doctor;
mod exec;
mod get;
mod key;
pub(crate) mod lab;
mod list;
mod man;
mod options;
mod put;
pub(crate) mod serve;
mod show;
pub(crate) mod transfer;
pub(crate) mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

/// What a process does that we started ourselves, under a word that is no verb; none: it is a person's.
pub(crate) fn hidden(args: &[OsString]) -> Option<fn() -> ExitCode> {
    let [_, word] = args else {
        return None;
    };
    match word.to_str()? {
        watch::worker::WORD => Some(watch::worker::main),
        lab::worker::WORD => Some(lab::worker::main),
        lab::worker::ACTOR => Some(sockeye_observe::lab::actor),
        _ => None,
    }
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    Serve(Box<serve::Serve>),
    Dial(Box<dial::Dial>),
    Exec(Box<exec::Exec>),
    Put(Box<put::Put>),
    Get(Box<get::Get>),
    Key(key::Key),
    Chat(Box<chat::Chat>),
    List(Box<list::List>),
    Capture(Box<capture::Capture>),
    Watch(Box<watch::Watch>),
    Lab(Box<lab::Lab>),
    Show(Box<show::Show>),
    Bench(Box<bench::Bench>),
    Doctor(Box<doctor::Doctor>),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Verb {
    /// Whether it does all of its work in one task, with nothing for a second thread to share.
    pub(crate) fn is_one_task(&self) -> bool {
        match self {
            Self::Exec(verb) => verb.is_one_task(),
            Self::List(_) => true,
            _ => false,
        }
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Serve(verb) => verb.run(context).await,
            Self::Dial(verb) => verb.run(context).await,
            Self::Exec(verb) => verb.run(context).await,
            Self::Put(verb) => verb.run(context).await,
            Self::Get(verb) => verb.run(context).await,
            Self::Chat(verb) => verb.run(context).await,
            Self::Key(verb) => verb.run(context),
            Self::List(verb) => verb.run(context).await,
            Self::Capture(verb) => verb.run(context).await,
            Self::Watch(verb) => verb.run(context).await,
            Self::Lab(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context),
            Self::Bench(verb) => verb.run(context).await,
            Self::Doctor(verb) => verb.run(context),
            Self::Completions(verb) => verb.run(context),
            Self::Man(verb) => verb.run(context),
        }
    }
}
