//! The one connection that writes.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::conversation::Conversation;
use super::error::{Doing as _, HistoryError};
use super::kept;
use super::row::{self, signed};
use crate::log::{Act, Draft, Entry};

/// Conversations whose numbers are remembered between batches.
const KNOWN_CONVERSATIONS: usize = 10_000;

const KEEP: &str = "keep messages";

/// The one connection that writes, and the last place it gave.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    /// The last place that was given or heard of.
    pub(super) last_seq: u64,
    pub(super) last_time_ms: u64,
    /// The last place that the index of words knows.
    pub(super) indexed: u64,
    /// Conversations by their keys; only those that are committed.
    known: HashMap<String, i64>,
}

impl Store {
    pub(super) fn new(connection: Connection) -> Result<Self, HistoryError> {
        let state = |name| {
            connection
                .query_row("SELECT value FROM state WHERE name = ?1", [name], |row| {
                    row.get::<_, i64>(0)
                })
                .map(|value| u64::try_from(value).unwrap_or_default())
                .doing("read the store")
        };
        let (last_seq, last_time_ms) = (state("last_seq")?, state("last_time_ms")?);
        let indexed = state("indexed")?;
        Ok(Self {
            connection,
            last_seq,
            last_time_ms,
            indexed,
            known: HashMap::new(),
        })
    }

    /// Gives each draft its place and keeps it: all of them or none. Returns the new entries in their
    /// order; a draft whose name is known already is none.
    pub(super) fn append(
        &mut self,
        drafts: Vec<Draft>,
        now_ms: u64,
    ) -> Result<Vec<Entry>, (Vec<Draft>, HistoryError)> {
        let time_ms = now_ms.max(self.last_time_ms);
        let entries: Vec<_> = drafts
            .into_iter()
            .zip(self.last_seq + 1..)
            .map(|(draft, seq)| Entry {
                seq,
                time_ms,
                draft,
            })
            .collect();
        match self.write(&entries) {
            Ok(repeated) => Ok(without(entries, &repeated)),
            Err(error) => Err((
                entries.into_iter().map(|entry| entry.draft).collect(),
                error,
            )),
        }
    }

    /// Keeps entries that have their places already, in their order. Those up to the last place are
    /// known, and stay as they are.
    pub(super) fn cache(&mut self, entries: &[Entry]) -> Result<(), HistoryError> {
        let known = entries.partition_point(|entry| entry.seq <= self.last_seq);
        self.write(&entries[known..]).map(drop)
    }

    /// One transaction. Returns the places of those whose names were known.
    fn write(&mut self, entries: &[Entry]) -> Result<Vec<u64>, HistoryError> {
        let Some(last) = entries.last() else {
            return Ok(vec![]);
        };
        let repeated = if entries.iter().any(leaves_something) {
            self.transact(entries)?
        } else {
            // What is only heard (TAGMSG, KICK) has its place in the order, and costs the disk nothing.
            vec![]
        };
        self.last_seq = self.last_seq.max(last.seq);
        self.last_time_ms = self.last_time_ms.max(last.time_ms);
        Ok(repeated)
    }

    fn transact(&mut self, entries: &[Entry]) -> Result<Vec<u64>, HistoryError> {
        let mut repeated = vec![];
        let mut new = HashMap::new();
        let transaction = self.connection.transaction().doing(KEEP)?;
        {
            let mut statement = row::prepare_insert(&transaction)?;
            for entry in entries {
                if let Some(message) = row::kept(&entry.draft) {
                    let id = number(&transaction, &self.known, &mut new, &message)?;
                    if !row::insert(&mut statement, entry, &message, id).doing(KEEP)? {
                        repeated.push(entry.seq);
                        continue;
                    }
                }
                kept::change(&transaction, entry).doing("keep rooms and accounts")?;
            }
            let last = entries.last().map_or((0, 0), |e| (e.seq, e.time_ms));
            let mut state = transaction
                .prepare_cached("UPDATE state SET value = max(value, ?2) WHERE name = ?1")
                .doing(KEEP)?;
            for (name, value) in [("last_seq", last.0), ("last_time_ms", last.1)] {
                state.execute(params![name, signed(value)]).doing(KEEP)?;
            }
        }
        transaction.commit().doing(KEEP)?;
        if self.known.len() + new.len() > KNOWN_CONVERSATIONS {
            self.known.clear();
        }
        self.known.extend(new);
        Ok(repeated)
    }
}

fn leaves_something(entry: &Entry) -> bool {
    let passes = matches!(
        entry.draft.act,
        Act::Say { .. } | Act::Kick { .. } | Act::Invite { .. }
    );
    !passes || row::kept(&entry.draft).is_some()
}

fn without(entries: Vec<Entry>, repeated: &[u64]) -> Vec<Entry> {
    if repeated.is_empty() {
        return entries;
    }
    let mut entries = entries;
    entries.retain(|entry| repeated.binary_search(&entry.seq).is_err());
    entries
}

/// The number of a conversation, which is made if this is the first of it.
fn number(
    transaction: &Transaction<'_>,
    known: &HashMap<String, i64>,
    new: &mut HashMap<String, i64>,
    message: &row::Kept<'_>,
) -> Result<i64, HistoryError> {
    let key = message.conversation.key();
    if let Some(id) = known.get(&key).or_else(|| new.get(&key)) {
        return Ok(*id);
    }
    let mut find = transaction
        .prepare_cached("SELECT id FROM conversation WHERE key = ?1")
        .doing(KEEP)?;
    let found = find
        .query_row([&key], |row| row.get(0))
        .optional()
        .doing(KEEP)?;
    let id = if let Some(id) = found {
        id
    } else {
        let (one, other) = match &message.conversation {
            Conversation::Room(_) => (None, None),
            Conversation::Between(one, other) => (Some(one.as_str()), Some(other.as_str())),
        };
        transaction
            .prepare_cached(
                "INSERT INTO conversation (key, name, one, other) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| insert.insert(params![key, message.room, one, other]))
            .doing(KEEP)?
    };
    new.insert(key, id);
    Ok(id)
}
