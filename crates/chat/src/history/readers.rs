//! The connections that read: few, lent to one question at a time, each for a bounded time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::HistoryError;
use super::query::{Found, Query};
use super::read;

/// Questions that are answered at the same time.
pub const READERS: usize = 2;

/// How long an answer may take. A search ends by itself earlier and says what it has.
pub const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Steps of SQLite's machine between two looks at the clock: some 0.1 ms.
const STEPS: i32 = 10_000;

/// The connections.
#[derive(Debug)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(connections.len())),
            free: Arc::new(Mutex::new(connections)),
        }
    }

    /// Answers when it is this question's turn, on a thread that may block.
    pub(super) async fn answer(&self, query: Query) -> Result<Found, HistoryError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| HistoryError::Closed)?;
        let free = Arc::clone(&self.free);
        // Whoever asked may be gone before the answer: the turn ends with the work, not with him.
        tokio::task::spawn_blocking(move || answer(&free, turn, &query))
            .await
            .map_err(|_| HistoryError::Closed)?
    }
}

fn answer(
    free: &Mutex<Vec<Connection>>,
    turn: OwnedSemaphorePermit,
    query: &Query,
) -> Result<Found, HistoryError> {
    let lock = || free.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connection = lock().pop().ok_or(HistoryError::Closed)?;
    let answer = within(&mut connection, ANSWER_TIME, |connection| {
        read::answer(connection, query)
    });
    lock().push(connection);
    drop(turn);
    answer
}

/// Reads, and gives up after a time.
pub(super) fn within<T>(
    connection: &mut Connection,
    limit: Duration,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, HistoryError> {
    let doing = "read the history";
    let until = Instant::now() + limit;
    let sql = |source| HistoryError::Sql { doing, source };
    connection
        .progress_handler(STEPS, Some(move || Instant::now() >= until))
        .map_err(sql)?;
    let answer = read(connection);
    connection
        .progress_handler(STEPS, None::<fn() -> bool>)
        .map_err(sql)?;
    answer.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => HistoryError::TooSlow {
            limit_ms: limit.as_millis() as u64,
        },
        _ => sql(error),
    })
}
