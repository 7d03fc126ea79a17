//! Looking for a text: by the index of three characters each where the text has three, by looking at
//! every message where it has not. Both end after a while.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Rows, params};

use super::query::{Found, Query};
use super::read;
use super::row::{self, COLUMNS, FROM, signed};
use crate::irc::Folded;
use crate::log::{Act, Entry};

/// Messages that one search looks at.
pub const SEARCH_ROWS: usize = 200_000;

/// How long one search looks.
pub const SEARCH_TIME: Duration = Duration::from_millis(500);

/// Characters that the index needs (SQLite, FTS5, the trigram tokenizer).
const TRIGRAM: usize = 3;

/// Trigrams of a text that are asked of the index: each one narrows the search, and the text itself
/// is looked at in the end.
const TRIGRAMS: usize = 16;

/// What is looked for, and what was found so far.
struct Search<'a> {
    ids: HashSet<i64>,
    text: String,
    from: Option<Folded>,
    after: i64,
    before: i64,
    limit: usize,
    rows: usize,
    until: Instant,
    found: &'a mut Found,
}

/// Answers a [`Query::Search`].
pub(super) fn answer(connection: &Connection, query: &Query) -> rusqlite::Result<Found> {
    let mut found = Found::default();
    let Query::Search {
        conversations,
        person,
        text,
        from,
        after_ms,
        before_ms,
        limit,
    } = query
    else {
        return Ok(found);
    };
    let mut ids = read::numbers(connection, conversations)?;
    ids.extend(read::of_person(connection, person.as_ref())?);
    let mut search = Search {
        ids: ids.iter().copied().collect(),
        text: text.to_lowercase(),
        from: from.as_deref().map(Folded::new),
        after: after_ms.map_or(i64::MIN, signed),
        before: before_ms.map_or(i64::MAX, signed),
        limit: *limit,
        rows: 0,
        until: Instant::now() + SEARCH_TIME,
        found: &mut found,
    };
    search.run(connection)?;
    found.entries.reverse();
    Ok(found)
}

impl Search<'_> {
    /// Looks from the last message backwards.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let trigrams = trigrams(&self.text);
        if trigrams.is_empty() {
            return self.scan(connection, i64::MIN);
        }
        // One snapshot: the index and what it does not know yet have to fit.
        let snapshot = connection.unchecked_transaction()?;
        let indexed = snapshot.query_row(
            "SELECT value FROM state WHERE name = 'indexed'",
            [],
            |row| row.get(0),
        )?;
        self.scan(&snapshot, indexed)?;
        if self.is_done() {
            return Ok(());
        }
        // The index says which messages; nothing else may lead.
        let sql = format!(
            "SELECT {COLUMNS}, m.conversation FROM message_text CROSS JOIN {FROM} \
             WHERE message_text MATCH ?1 AND m.seq = message_text.rowid \
             ORDER BY message_text.rowid DESC"
        );
        let mut statement = snapshot.prepare_cached(&sql)?;
        self.look(statement.query([trigrams])?)
    }

    /// Looks at each message behind a place.
    fn scan(&mut self, connection: &Connection, behind: i64) -> rusqlite::Result<()> {
        let one = (self.ids.len() == 1).then(|| self.ids.iter().next().copied());
        let (sql, of) = match one.flatten() {
            Some(id) => (
                format!(
                    "SELECT {COLUMNS}, m.conversation FROM {FROM} WHERE m.conversation = ?1 \
                     AND m.seq > ?2 AND m.time_ms > ?3 AND m.time_ms < ?4 \
                     ORDER BY m.time_ms DESC, m.seq DESC"
                ),
                id,
            ),
            None => (
                format!(
                    "SELECT {COLUMNS}, m.conversation FROM {FROM} WHERE ?1 = 0 AND m.seq > ?2 \
                     AND m.time_ms > ?3 AND m.time_ms < ?4 ORDER BY m.seq DESC"
                ),
                0,
            ),
        };
        let mut statement = connection.prepare_cached(&sql)?;
        self.look(statement.query(params![of, behind, self.after, self.before])?)
    }

    fn look(&mut self, mut rows: Rows<'_>) -> rusqlite::Result<()> {
        while !self.is_done() {
            let Some(row) = rows.next()? else {
                return Ok(());
            };
            self.rows += 1;
            if row.get::<_, i64>(1)? <= self.after {
                // Times grow with places: what comes now is older still.
                return Ok(());
            }
            if self.ids.contains(&row.get(13)?) {
                let entry = row::entry(row)?;
                if self.fits(&entry) {
                    self.found.entries.push(entry);
                }
            }
        }
        Ok(())
    }

    /// Enough was found, or enough was looked at.
    fn is_done(&mut self) -> bool {
        if self.found.entries.len() >= self.limit {
            return true;
        }
        if self.rows >= SEARCH_ROWS || Instant::now() >= self.until {
            self.found.stopped_early = true;
        }
        self.found.stopped_early
    }

    fn fits(&self, entry: &Entry) -> bool {
        let time = signed(entry.time_ms);
        let source = &entry.draft.from;
        let is_from = self.from.as_ref().is_none_or(|from| {
            *from == Folded::new(&source.nick)
                || source
                    .account
                    .as_ref()
                    .is_some_and(|account| *from == Folded::new(account))
        });
        time > self.after
            && time < self.before
            && is_from
            && matches!(&entry.draft.act, Act::Say { text, .. }
                if text.to_lowercase().contains(&self.text))
    }
}

/// What the index is asked: each three characters of the text. Empty where there are none.
fn trigrams(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut asked: Vec<String> = vec![];
    for three in chars.windows(TRIGRAM) {
        let quoted = three.iter().collect::<String>().replace('"', "\"\"");
        let phrase = format!("\"{quoted}\"");
        if asked.len() < TRIGRAMS && !asked.contains(&phrase) {
            asked.push(phrase);
        }
    }
    asked.join(" AND ")
}
