//! `sockeye chat`: talks to people on servers of IRC, and to plain peers.

mod client;
mod contacts;
mod export;
mod lines;
mod model;
mod password;
mod plain;
mod screen;
mod session;
mod setup;
mod tell;

use std::io::{IsTerminal, stdin, stdout};
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::context::Context;
use crate::exit::Exit;
use crate::journal::{Journal, Target, View};
use crate::values::{Charset, Wait};
use client::Client;

/// Chat: rooms and people on servers of IRC, and plain UDP or TCP peers
#[derive(Args, Debug)]
pub(crate) struct Chat {
    /// A server, a server's name in the contacts, or a plain peer (udp://…, tcp://…?frame=raw)
    /// [default: the servers of the contacts, else tcp://127.0.0.1:6667]
    #[arg(value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Who is where: names, servers, accounts [default: ~/.config/sockeye/contacts.toml]
    #[arg(long, value_name = "FILE")]
    contacts: Option<PathBuf>,
    /// A room to be in, e.g. '#lobby'; can be given several times
    #[arg(long = "room", value_name = "ROOM", action = ArgAction::Append)]
    rooms: Vec<String>,
    /// Talk with this one at once: a contact, a room or a nick
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Encoding of plain peers' text: utf-8, gbk, big5, …
    #[arg(long, value_name = "NAME")]
    encoding: Option<Charset>,

    /// What to be called [default: the user's name]
    #[arg(long, value_name = "NICK", help_heading = WHO)]
    nick: Option<String>,
    /// The name of the user in `nick!user@host` [default: the nick]
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    user: Option<String>,
    /// The account to log in to: by password, or over TLS by our key
    #[arg(long, value_name = "NAME", help_heading = WHO)]
    account: Option<String>,
    /// A file with the password in its first line; `-` asks at the terminal
    #[arg(long, value_name = "FILE", help_heading = WHO)]
    password_file: Option<PathBuf>,

    /// Lines in, lines out, also on a terminal
    #[arg(long, help_heading = SCRIPTS)]
    lines: bool,
    /// Read no input, only print what is said, until a signal or --until ends it
    #[arg(long, help_heading = SCRIPTS)]
    no_stdin: bool,
    /// Go on listening for so long after the end of the input
    /// [default: 1s with plain peers, else not at all]
    #[arg(long, value_name = "TIME", help_heading = SCRIPTS)]
    wait: Option<Wait>,
    /// End after somebody has said this
    #[arg(long, value_name = "TEXT", help_heading = SCRIPTS)]
    until: Option<String>,
    /// Give up when the server says nothing to the point for so long
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = SCRIPTS)]
    timeout: Wait,
    /// Write all that a server of this machine has kept to a file, and end: JSON Lines, or text where
    /// its name ends in .txt; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = SCRIPTS, conflicts_with_all = ["endpoint", "rooms", "to", "events"])]
    export: Option<PathBuf>,
    /// The server's folder, as `serve chat --store` has it [default: ~/.local/share/sockeye/chat]
    #[arg(long, value_name = "DIR", help_heading = SCRIPTS, requires = "export")]
    store: Option<PathBuf>,
    /// Write events to a file, or to an open descriptor: fd:N (docs/events.md)
    #[arg(long, value_name = "FILE", help_heading = SCRIPTS)]
    events: Option<Target>,
}

const WHO: &str = "Who you are";
const SCRIPTS: &str = "For scripts";

impl Chat {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(file) = &self.export {
            return export::run(file, self.store.as_deref(), context);
        }
        let is_screen = !self.lines
            && !self.no_stdin
            && self.until.is_none()
            && stdin().is_terminal()
            && stdout().is_terminal();
        let model = setup::model(&self, context, is_screen)?;
        let view = View {
            log: false,
            json: self.events.clone(),
            show: false,
            ansi: false,
            verbose: false,
            encoding: encoding_rs::UTF_8,
            trace: None,
        };
        let journal = Journal::start(&context.net.recorder, context.ui, view)?;
        let mut client = Client::new(context, model);
        let ended = if is_screen {
            screen::run(context, &mut client, &journal).await
        } else {
            lines::run(&self, context, &mut client, &journal).await
        };
        client.goodbye().await;
        if let Err(error) = &ended {
            journal.error(error);
        }
        let told = journal.finish();
        let exit = ended?;
        told.map(|()| exit)
    }
}
