//! `sockeye lab list`: which scenarios there are.

use clap::Args;
use sockeye_observe::lab::{Group, builtin};
use sockeye_trace::Clock;

use crate::catalogue::{Text, lab as say};
use crate::context::Context;
use crate::exit::Exit;
use crate::journal::Line;
use crate::ui::{Table, write_stdout};

/// List the scenarios
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct List {
    /// Write JSON Lines (docs/events.md)
    #[arg(long)]
    pub(super) json: bool,
}

impl List {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let text = if self.json {
            Self::lines()
        } else {
            Self::table(context)
        };
        write_stdout(text.as_bytes())?;
        Ok(Exit::Done)
    }

    fn lines() -> String {
        let now = Clock::start().now();
        let line = |scenario: &sockeye_observe::lab::Scenario| {
            let mut line = Line::new(now, "scenario");
            line.put("name", &scenario.name)
                .list("names", &scenario.names)
                .put("group", scenario.group.name())
                .put("title", &scenario.title.en)
                .put("title_zh", &scenario.title.zh);
            line.finish()
        };
        builtin::all().iter().map(line).collect()
    }

    /// A heading for each group, below it the names and titles in columns.
    fn table(context: &Context) -> String {
        let lang = context.lang();
        let mut text = String::new();
        for group in Group::ALL {
            let of_it = builtin::all().iter().filter(|one| one.group == group);
            let mut table = Table::default();
            for scenario in of_it {
                let title = scenario.title.get(lang.into());
                table.row([&scenario.name, title]);
            }
            let rows = table.render("  ");
            if !rows.is_empty() {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(name_of(group).get(lang));
                text.push('\n');
                text.push_str(&rows);
            }
        }
        format!("{text}\n{}\n", say::HOW_TO_RUN.get(lang))
    }
}

/// A group's name for people.
pub(super) fn name_of(group: Group) -> Text {
    match group {
        Group::Connecting => say::CONNECTING,
        Group::Messages => say::MESSAGES,
        Group::Calls => say::CALLS,
        Group::Buffers => say::BUFFERS,
        Group::Datagrams => say::DATAGRAMS,
        Group::Closing => say::CLOSING,
        Group::Network => say::NETWORK,
    }
}
