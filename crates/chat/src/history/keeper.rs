//! What is done between commits: words are indexed, what is too old goes.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::error::{Doing as _, HistoryError};
use super::row::signed;
use super::store::Store;
use super::{Core, HistoryOptions};

/// Messages that are indexed in one go: commits wait for no more than this takes.
const INDEX_BATCH: u64 = 512;

/// Messages that are deleted in one go.
const DELETE_BATCH: usize = 512;

/// Pages of the file that are given back in one go.
const VACUUM_PAGES: u32 = 256;

/// How often it is looked for what is too old.
const RETENTION_EVERY: Duration = Duration::from_mins(1);

/// After something could not be written it is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Commits that come shortly after each other are indexed together.
const GATHER: Duration = Duration::from_millis(100);

/// Wakes the thread that does all that.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    has_work: bool,
    ends: bool,
}

impl Keeper {
    /// There is something to index.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.has_work {
            state.has_work = true;
            self.changed.notify_one();
        }
    }

    /// The thread shall end.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ends = true;
        self.changed.notify_one();
    }

    /// Waits for work, at most so long; false when the thread shall end.
    fn wait(&self, at_most: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(state, at_most, |state| !state.has_work && !state.ends);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.has_work = false;
        !state.ends
    }

    /// Does nothing for so long, whatever comes; false when the thread shall end.
    fn rest(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(state, time, |state| !state.ends);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.ends
    }
}

/// Starts the thread, which goes on until it is told to end.
pub(super) fn start(core: Arc<Core>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("history-keep".into())
        .spawn(move || run(&core))
}

fn run(core: &Core) {
    let mut next_retention = Instant::now();
    loop {
        let began = Instant::now();
        let goes_on = match work(core, &mut next_retention) {
            // It rests as long as it worked: commits have half of the time at least.
            Ok(true) => core.keeper.rest(began.elapsed()),
            Ok(false) => {
                let until = next_retention.saturating_duration_since(Instant::now());
                core.keeper.wait(until) && core.keeper.rest(GATHER)
            }
            Err(_) => core.keeper.rest(AGAIN_AFTER),
        };
        if !goes_on {
            return;
        }
    }
}

/// Does a little of what there is to do; false if there was nothing.
fn work(core: &Core, next_retention: &mut Instant) -> Result<bool, HistoryError> {
    let now = Instant::now();
    let mut worked = false;
    if now >= *next_retention {
        worked = core.retain_some(super::now_ms())?;
        if !worked {
            *next_retention = now + RETENTION_EVERY;
        }
    }
    Ok(index_some(&mut core.store())? || worked)
}

/// Indexes a few messages; false if there was none.
pub(super) fn index_some(store: &mut Store) -> Result<bool, HistoryError> {
    const DOING: &str = "index messages";
    if store.indexed >= store.last_seq {
        return Ok(false);
    }
    let transaction = store.connection.transaction().doing(DOING)?;
    // Places have gaps: so many messages, not so many places.
    let upto: Option<i64> = transaction
        .prepare_cached(
            "SELECT max(seq) FROM (SELECT seq FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
        )
        .and_then(|mut find| {
            find.query_row(params![signed(store.indexed), signed(INDEX_BATCH)], |row| {
                row.get(0)
            })
        })
        .doing(DOING)?;
    let Some(upto) = upto else {
        store.indexed = store.last_seq;
        return Ok(false);
    };
    transaction
        .prepare_cached(
            "INSERT INTO message_text (rowid, text) \
             SELECT seq, text FROM message WHERE seq > ?1 AND seq <= ?2 ORDER BY seq",
        )
        .and_then(|mut insert| insert.execute(params![signed(store.indexed), upto]))
        .doing(DOING)?;
    transaction
        .prepare_cached("UPDATE state SET value = ?1 WHERE name = 'indexed'")
        .and_then(|mut update| update.execute([upto]))
        .doing(DOING)?;
    transaction.commit().doing(DOING)?;
    store.indexed = u64::try_from(upto).unwrap_or_default();
    Ok(true)
}

impl Core {
    /// Deletes a few messages that are too old or too many; false if there was none.
    pub(super) fn retain_some(&self, now_ms: u64) -> Result<bool, HistoryError> {
        let HistoryOptions {
            max_age,
            max_messages,
            ..
        } = self.options;
        let mut gone = vec![];
        let mut looker = self.looker.lock().unwrap_or_else(PoisonError::into_inner);
        if !max_age.is_zero() {
            let before = now_ms.saturating_sub(max_age.as_millis() as u64);
            gone = looker.older_than(before).doing(LOOK)?;
        }
        if gone.is_empty() && max_messages > 0 {
            gone = looker.above(max_messages).doing(LOOK)?;
        }
        if gone.is_empty() {
            return Ok(false);
        }
        delete(&mut self.store(), &gone)?;
        Ok(true)
    }
}

const LOOK: &str = "look for old messages";

/// Looks for what has to go, on a connection of its own: commits do not wait for it.
#[derive(Debug)]
pub(super) struct Looker {
    connection: Connection,
    /// The last conversation that has no more messages than it may.
    conversation: i64,
}

impl Looker {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            conversation: 0,
        }
    }

    /// The oldest messages, if they are too old. Times grow with places.
    fn older_than(&self, time_ms: u64) -> rusqlite::Result<Vec<i64>> {
        let mut find = self
            .connection
            .prepare_cached("SELECT seq, time_ms FROM message ORDER BY seq LIMIT ?1")?;
        let rows = find
            .query_map([DELETE_BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
        let old = rows.into_iter().filter(|(_, time)| *time < signed(time_ms));
        Ok(old.map(|(seq, _)| seq).collect())
    }

    /// Messages of the next conversation that has more than it may.
    fn above(&mut self, most: u64) -> rusqlite::Result<Vec<i64>> {
        let mut conversations = self
            .connection
            .prepare_cached("SELECT id FROM conversation WHERE id > ?1 ORDER BY id")?;
        let mut find = self.connection.prepare_cached(
            "SELECT seq FROM message WHERE conversation = ?1 \
             ORDER BY time_ms DESC, seq DESC LIMIT ?2 OFFSET ?3",
        )?;
        let mut rows = conversations.query([self.conversation])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let found = find
                .query_map(params![id, DELETE_BATCH as i64, signed(most)], |row| {
                    row.get(0)
                })?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            if !found.is_empty() {
                return Ok(found);
            }
            self.conversation = id;
        }
        self.conversation = 0;
        Ok(vec![])
    }
}

/// Deletes messages from the table and from the index, and gives their pages back.
fn delete(store: &mut Store, gone: &[i64]) -> Result<(), HistoryError> {
    const DOING: &str = "delete old messages";
    let indexed = signed(store.indexed);
    let transaction = store.connection.transaction().doing(DOING)?;
    {
        let mut unindex = transaction
            .prepare_cached(
                "INSERT INTO message_text (message_text, rowid, text) \
                 SELECT 'delete', seq, text FROM message WHERE seq = ?1",
            )
            .doing(DOING)?;
        let mut remove = transaction
            .prepare_cached("DELETE FROM message WHERE seq = ?1")
            .doing(DOING)?;
        for seq in gone {
            if *seq <= indexed {
                unindex.execute([seq]).doing(DOING)?;
            }
            remove.execute([seq]).doing(DOING)?;
        }
    }
    transaction.commit().doing(DOING)?;
    let mut vacuum = store
        .connection
        .prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))
        .doing(DOING)?;
    let mut rows = vacuum.query([]).doing(DOING)?;
    while rows.next().doing(DOING)?.is_some() {}
    Ok(())
}
