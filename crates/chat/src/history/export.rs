//! Everything that is kept, for other programs.

use std::io::Write;
use std::path::Path;

use rusqlite::params;
use serde_json::json;

use super::error::{Doing as _, HistoryError};
use super::row::{self, COLUMNS, FROM, signed};
use super::schema;
use crate::irc::time_text;
use crate::log::{Act, Entry, Target, Verb};

/// Messages that are read at once: a server that runs meanwhile can reuse its write-ahead log
/// between two of them.
const PAGE: i64 = 1_000;

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    JsonLines,
    /// As people read it.
    Text,
}

impl Format {
    /// What the name of a file asks for: text where it ends in `.txt`.
    pub fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|ending| ending == "txt") {
            Self::Text
        } else {
            Self::JsonLines
        }
    }
}

/// Writes every message of a store, one a line, in their order; also while a server has it open.
/// Returns how many.
pub fn export(path: &Path, format: Format, out: &mut dyn Write) -> Result<u64, HistoryError> {
    const DOING: &str = "read the history";
    let connection = schema::open_to_read(path)?;
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE m.seq > ?1 ORDER BY m.seq LIMIT {PAGE}");
    let mut find = connection.prepare(&sql).doing(DOING)?;
    let (mut last, mut count) = (0, 0);
    loop {
        let page = find
            .query_map(params![signed(last)], row::entry)
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .doing(DOING)?;
        let Some(end) = page.last() else {
            return Ok(count);
        };
        last = end.seq;
        count += page.len() as u64;
        for entry in &page {
            write(entry, format, out).map_err(HistoryError::Export)?;
        }
    }
}

fn write(entry: &Entry, format: Format, out: &mut dyn Write) -> std::io::Result<()> {
    let draft = &entry.draft;
    let time = &*time_text(entry.time_ms);
    let (verb, to, account, text, tags) = match &draft.act {
        Act::Say {
            verb,
            to,
            text,
            tags,
        } => match to {
            Target::Room(room) => (verb.command(), room, None, text, &**tags),
            Target::Person { nick, account } => {
                (verb.command(), nick, account.as_deref(), text, &**tags)
            }
        },
        Act::Topic { room, text } => ("TOPIC", room, None, text, ""),
        _ => return Ok(()),
    };
    let nick = &draft.from.nick;
    match format {
        Format::JsonLines => {
            let line = json!({
                "seq": entry.seq,
                "time": time,
                "msgid": draft.id.as_str(),
                "verb": verb,
                "nick": nick,
                "user": draft.from.user,
                "host": draft.from.host,
                "account": draft.from.account,
                "to": to,
                "to_account": account,
                "text": text,
                "tags": tags,
            });
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)
        }
        Format::Text => {
            let text = escaped(text);
            match verb {
                "TOPIC" => writeln!(out, "{time} {to} * {nick} sets the topic: {text}"),
                _ if verb == Verb::Notice.command() => writeln!(out, "{time} {to} -{nick}- {text}"),
                _ => writeln!(out, "{time} {to} <{nick}> {text}"),
            }
        }
    }
}

/// Without what would steer a terminal.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}
