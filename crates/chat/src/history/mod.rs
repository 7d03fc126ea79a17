//! What was said, in one SQLite file: the log of a server that is alone, the cache of one that is
//! not, and the memory of both.
//!
//! ```text
//!  submit ─▶ queue ─▶ history-write: one transaction for all that waits ─▶ history-tell ─▶ Follower
//!                                     │ (one connection writes)
//!  cache ─────────────────────────────┤
//!                     history-keep: words indexed, old messages deleted, between commits
//!  find ──▶ two connections that only read, each answer within a bounded time
//! ```
//!
//! Commits are on disk when they are told (`synchronous=FULL`, write-ahead log). Words are indexed
//! behind the commits: a search looks through the newest messages itself.

mod conversation;
mod error;
mod export;
mod keeper;
mod kept;
mod query;
mod read;
mod readers;
mod row;
mod schema;
mod search;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::log::{Entry, Follower, Kept, Log};
use error::Doing as _;
use keeper::{Keeper, Looker};
use readers::Readers;
use store::Store;
use writer::Writer;

pub use conversation::{Conversation, Identity};
pub use error::HistoryError;
pub use export::{Format, export};
pub use query::{Found, Place, Query, Range};
pub use readers::{ANSWER_TIME, READERS};
pub use search::{SEARCH_ROWS, SEARCH_TIME};
pub use writer::QUEUE_BYTES;

/// What whoever serves has decided of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Messages older than this are deleted; zero keeps them for ever.
    pub max_age: Duration,
    /// A conversation keeps this many messages; 0 keeps them all.
    pub max_messages: u64,
    /// Bytes of drafts that may wait.
    pub queue_bytes: usize,
}

impl Default for HistoryOptions {
    /// Everything for ever.
    fn default() -> Self {
        Self {
            max_age: Duration::ZERO,
            max_messages: 0,
            queue_bytes: QUEUE_BYTES,
        }
    }
}

/// What was said.
#[derive(Debug)]
pub struct History {
    core: Arc<Core>,
    readers: Readers,
    keeping: Option<JoinHandle<()>>,
    /// Behind everything that has the file open: fields are dropped in their order.
    _lock: schema::Lock,
}

/// What the threads of a history share.
#[derive(Debug)]
struct Core {
    options: HistoryOptions,
    store: Mutex<Store>,
    looker: Mutex<Looker>,
    keeper: Keeper,
}

impl Core {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic in between leaves a transaction that was rolled back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    /// Opens the store in this file, and makes it if it is not there.
    pub fn open(path: &Path, options: HistoryOptions) -> Result<Arc<Self>, HistoryError> {
        schema::make_place(path)?;
        let lock = schema::Lock::take(path)?;
        let store = Store::new(schema::open_to_write(path)?)?;
        let readers = (0..READERS)
            .map(|_| schema::open_to_read(path))
            .collect::<Result<Vec<Connection>, _>>()?;
        let core = Arc::new(Core {
            options,
            store: Mutex::new(store),
            looker: Mutex::new(Looker::new(schema::open_to_read(path)?)),
            keeper: Keeper::default(),
        });
        let keeping = keeper::start(Arc::clone(&core)).map_err(HistoryError::Thread)?;
        Ok(Arc::new(Self {
            core,
            readers: Readers::new(readers),
            keeping: Some(keeping),
            _lock: lock,
        }))
    }

    /// How rooms and accounts stand.
    pub fn kept(&self) -> Result<Kept, HistoryError> {
        let store = self.core.store();
        let kept = kept::read(&store.connection).doing("read rooms and accounts")?;
        Ok(Kept {
            last_seq: store.last_seq,
            ..kept
        })
    }

    /// Becomes the log of this server; `follower` hears what becomes of drafts. What was submitted is
    /// still committed when the log is dropped.
    pub fn follow(
        self: &Arc<Self>,
        follower: Weak<dyn Follower>,
    ) -> Result<Arc<dyn Log>, HistoryError> {
        let writer = Writer::start(self, follower, self.core.options.queue_bytes);
        writer
            .map(|writer| Arc::new(writer) as Arc<dyn Log>)
            .map_err(HistoryError::Thread)
    }

    /// Answers a question when it is its turn; needs a runtime of tokio.
    pub async fn find(&self, query: Query) -> Result<Found, HistoryError> {
        self.readers.answer(query).await
    }

    /// Answers several questions, one after the other.
    pub async fn answer(&self, queries: Vec<Query>) -> Result<Vec<Found>, HistoryError> {
        let mut answers = Vec::with_capacity(queries.len());
        for query in queries {
            answers.push(self.find(query).await?);
        }
        Ok(answers)
    }

    /// Keeps what another log has given places to, in its order. Entries up to
    /// [`last_seq`](Self::last_seq) are known and stay as they are.
    pub fn cache(&self, entries: &[Entry]) -> Result<(), HistoryError> {
        self.core.store().cache(entries)?;
        self.core.keeper.wake();
        Ok(())
    }

    /// The last place, and when it was given: 0 if there is none.
    pub fn last(&self) -> (u64, u64) {
        let store = self.core.store();
        (store.last_seq, store.last_time_ms)
    }

    /// The last place that was given or heard of.
    pub fn last_seq(&self) -> u64 {
        self.core.store().last_seq
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.core.keeper.end();
        if let Some(thread) = self.keeping.take() {
            let _ = thread.join();
        }
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
