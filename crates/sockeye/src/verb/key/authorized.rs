//! `sockeye key allow`, `deny`, `allowed`: the keys that may use what is served here.

use clap::Args;
use sockeye_net::{Allowed, Fingerprint, Rights};

use super::{Output, Teller};
use crate::catalogue::key as say;
use crate::exit::{Exit, usage};
use crate::journal::Line;
use crate::ui::{Table, write_stdout};

/// Let a key use what is served here; what it was allowed before is replaced
#[derive(Args, Debug)]
pub(super) struct Allow {
    /// The key, as `sockeye key` shows it there
    #[arg(value_name = "SHA256:…")]
    key: Fingerprint,
    /// Whose it is, for logs and rooms
    name: String,
    /// What it may do: exec, files, chat, chat-admin; several with commas between them
    #[arg(value_name = "RIGHT,…")]
    rights: String,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Let a key in no more, or all keys of a name; their sessions end
#[derive(Args, Debug)]
pub(super) struct Deny {
    /// The key, or the name of its owner
    #[arg(value_name = "SHA256:…|NAME")]
    who: String,
    #[command(flatten)]
    pub(super) output: Output,
}

impl Allow {
    pub(super) fn run(&self, teller: &Teller<'_>) -> anyhow::Result<Exit> {
        let authorized = teller.context.net.trust.authorized()?;
        let rights = Rights::new(&self.name, &self.rights)?;
        let text = match authorized.allow(self.key, &rights)? {
            Allowed::Added => say::ALLOWED,
            Allowed::Changed => say::ALLOWED_NOW,
            Allowed::Unchanged => say::WAS_ALLOWED,
        };
        let (may, key) = (names(&rights), self.key.to_string());
        let values: [(&str, &dyn std::fmt::Display); 3] = [
            ("name", &rights.name),
            ("may", &may.join(", ")),
            ("key", &key),
        ];
        let text = text.fill(teller.context.lang(), &values);
        let fields = |line: &mut Line| of_key(line, &key, &rights);
        teller.tell("allowed", fields, &text)?;
        Ok(Exit::Done)
    }
}

impl Deny {
    pub(super) fn run(&self, teller: &Teller<'_>) -> anyhow::Result<Exit> {
        let authorized = teller.context.net.trust.authorized()?;
        let lang = teller.context.lang();
        let denied = authorized.deny(&self.who)?;
        if denied.is_empty() {
            return Err(usage!(
                "{}",
                say::NOT_ALLOWED.fill(lang, &[("who", &self.who)])
            ));
        }
        for entry in denied {
            let (key, name) = (entry.fingerprint.to_string(), entry.rights.name);
            let text = say::DENIED.fill(lang, &[("name", &name), ("key", &key)]);
            let fields = |line: &mut Line| {
                line.put("key", &key).put("name", &name);
            };
            teller.tell("denied", fields, &text)?;
        }
        Ok(Exit::Done)
    }
}

/// Lists who may come in.
pub(super) fn list(teller: &Teller<'_>) -> anyhow::Result<Exit> {
    let authorized = teller.context.net.trust.authorized()?;
    let mut table = Table::default();
    // What cannot be read allows nothing, and says why.
    for entry in authorized.entries()? {
        let key = entry.fingerprint.to_string();
        if teller.json {
            let fields = |line: &mut Line| {
                of_key(line, &key, &entry.rights);
                line.number("line", entry.line as u64);
            };
            teller.tell("authorized", fields, "")?;
        } else {
            table.row([
                entry.rights.name.clone(),
                names(&entry.rights).join(","),
                key,
            ]);
        }
    }
    write_stdout(table.render("").as_bytes())?;
    Ok(teller.complain(authorized.problems()))
}

fn names(rights: &Rights) -> Vec<String> {
    rights.may.iter().map(ToString::to_string).collect()
}

fn of_key(line: &mut Line, key: &str, rights: &Rights) {
    line.put("key", key)
        .put("name", &rights.name)
        .list("may", &names(rights));
}
