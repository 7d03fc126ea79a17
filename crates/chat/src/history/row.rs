//! Entries as rows, and back.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Row, params};

use super::conversation::Conversation;
use super::error::{Doing as _, HistoryError};
use crate::log::{Act, Draft, Entry, MsgId, Source, Target, Verb};

/// What a message's row says of a topic.
const TOPIC: &str = "TOPIC";

/// The columns that [`entry`] reads, in its order.
pub(super) const COLUMNS: &str = "m.seq, m.time_ms, m.msgid, m.verb, m.nick, m.user, m.host, \
     m.account, c.name, m.to_nick, m.to_account, m.text, m.tags";

/// Where [`COLUMNS`] come from.
pub(super) const FROM: &str = "message m JOIN conversation c ON c.id = m.conversation";

const INSERT: &str = "INSERT INTO message (seq, time_ms, msgid, conversation, verb, nick, user, \
     host, account, to_nick, to_account, text, tags) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (msgid) DO NOTHING";

/// Times and places as SQLite has them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Something that becomes a row: its conversation (a room also with its name as it is written),
/// verb, text and tags.
pub(super) struct Kept<'a> {
    pub(super) conversation: Conversation,
    pub(super) room: Option<&'a str>,
    verb: &'static str,
    person: Option<(&'a str, Option<&'a str>)>,
    text: &'a str,
    tags: &'a str,
}

/// What becomes a row: what was said to be remembered, and topics.
pub(super) fn kept(draft: &Draft) -> Option<Kept<'_>> {
    match &draft.act {
        Act::Say {
            verb: Verb::Tagmsg, ..
        } => None,
        Act::Say {
            verb,
            to,
            text,
            tags,
        } => Some(Kept {
            conversation: Conversation::of(&draft.from, to)?,
            room: match to {
                Target::Room(name) => Some(name),
                Target::Person { .. } => None,
            },
            verb: verb.command(),
            person: match to {
                Target::Room(_) => None,
                Target::Person { nick, account } => Some((nick, account.as_deref())),
            },
            text,
            tags,
        }),
        Act::Topic { room, text } => Some(Kept {
            conversation: Conversation::Room(crate::irc::Folded::new(room)),
            room: Some(room),
            verb: TOPIC,
            person: None,
            text,
            tags: "",
        }),
        _ => None,
    }
}

/// The statement that [`insert`] runs, to be prepared once for many.
pub(super) fn prepare_insert(connection: &Connection) -> Result<CachedStatement<'_>, HistoryError> {
    connection.prepare_cached(INSERT).doing("keep messages")
}

/// Adds a row; false if a message of this name is there already.
pub(super) fn insert(
    statement: &mut CachedStatement<'_>,
    entry: &Entry,
    kept: &Kept<'_>,
    conversation: i64,
) -> rusqlite::Result<bool> {
    let from = &entry.draft.from;
    let added = statement.execute(params![
        signed(entry.seq),
        signed(entry.time_ms),
        entry.draft.id.as_str(),
        conversation,
        kept.verb,
        from.nick,
        from.user,
        from.host,
        from.account,
        kept.person.map(|(nick, _)| nick),
        kept.person.and_then(|(_, account)| account),
        kept.text,
        kept.tags,
    ])?;
    Ok(added == 1)
}

/// What a row of [`COLUMNS`] says.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (verb, text): (String, String) = (row.get(3)?, row.get(11)?);
    let room: Option<String> = row.get(8)?;
    let act = if verb == TOPIC {
        Act::Topic {
            room: room.unwrap_or_default(),
            text,
        }
    } else {
        Act::Say {
            verb: if verb == Verb::Notice.command() {
                Verb::Notice
            } else {
                Verb::Privmsg
            },
            to: match room {
                Some(room) => Target::Room(room),
                None => Target::Person {
                    nick: row.get::<_, Option<_>>(9)?.unwrap_or_default(),
                    account: row.get(10)?,
                },
            },
            text,
            tags: row.get(12)?,
        }
    };
    let from = Source {
        nick: row.get(4)?,
        user: row.get(5)?,
        host: row.get(6)?,
        account: row.get(7)?,
    };
    Ok(Entry {
        seq: unsigned(row.get(0)?),
        time_ms: unsigned(row.get(1)?),
        draft: Draft {
            id: MsgId::from_text(row.get_ref(2)?.as_str()?),
            from: Arc::new(from),
            act,
        },
    })
}
