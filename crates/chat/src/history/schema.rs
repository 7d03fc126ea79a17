//! The tables, and how a file comes to have them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Doing as _, HistoryError};

/// Marks the file as ours: `SKYC` (SQLite's file format, offset 68).
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"SKYC");

/// What takes a store from each layout to the next; the first makes it. Layouts count from 1.
const LAYOUTS: &[&str] = &[include_str!("layout_1.sql")];

/// How long one connection waits for another: both are ours, and neither holds on for long.
const BUSY: Duration = Duration::from_secs(5);

/// Bytes of the write-ahead log that stay when all of it stands in the file.
const WAL_BYTES: i64 = 16 * 1024 * 1024;

/// Keeps every other server away from a store, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the store at `path`. The lock is on a file of its own: SQLite's locks on the store end
    /// as soon as this process closes any other descriptor of it (fcntl(2), record locks).
    pub(super) fn take(path: &Path) -> Result<Self, HistoryError> {
        let lock = beside(path, ".lock");
        let open = |source| HistoryError::Open {
            path: lock.clone(),
            source,
        };
        let file = private_file(&lock).map_err(open)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(HistoryError::InUse { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(open(error)),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the folder (0700) and the file (0600), so that what SQLite makes beside it is 0600 too.
pub(super) fn make_place(path: &Path) -> Result<(), HistoryError> {
    let open = |source| HistoryError::Open {
        path: path.into(),
        source,
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(open)?;
    }
    Ok(())
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // One that was there may be wider; whoever does not own it cannot narrow it, and is told so.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Opens the store to write, and brings its layout up to date. Only under its [`Lock`].
pub(super) fn open_to_write(path: &Path) -> Result<Connection, HistoryError> {
    private_file(path).map_err(|source| HistoryError::Open {
        path: path.into(),
        source,
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).doing("open the store")?;
    connection.busy_timeout(BUSY).doing("open the store")?;
    let layout = layout_of(&connection, path)?;
    if layout == 0 {
        // Takes effect only ahead of the first table.
        connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .doing("make the store")?;
    }
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .doing("make the store")?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .doing("open the store")?;
    connection
        .pragma_update(None, "journal_size_limit", WAL_BYTES)
        .doing("open the store")?;
    migrate(&mut connection, layout)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the store to read; the file stays as it is.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).doing("open the store to read")?;
    connection
        .busy_timeout(BUSY)
        .doing("open the store to read")?;
    let layout = layout_of(&connection, path)?;
    if layout == 0 {
        return Err(HistoryError::Foreign { path: path.into() });
    }
    Ok(connection)
}

/// The layout that a file has; 0 is an empty one.
fn layout_of(connection: &Connection, path: &Path) -> Result<u32, HistoryError> {
    let number = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .doing("read the store")
    };
    let (ours, layout) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .doing("read the store")?;
    match (ours, u32::try_from(layout)) {
        (0, Ok(0)) if tables == 0 => Ok(0),
        (APPLICATION_ID, Ok(found)) if found as usize > LAYOUTS.len() => Err(HistoryError::Newer {
            path: path.into(),
            found,
            known: LAYOUTS.len() as u32,
        }),
        (APPLICATION_ID, Ok(layout)) if layout > 0 => Ok(layout),
        _ => Err(HistoryError::Foreign { path: path.into() }),
    }
}

/// All steps that are missing, in one transaction: a store has the old layout or the new one.
fn migrate(connection: &mut Connection, layout: u32) -> Result<(), HistoryError> {
    if layout as usize == LAYOUTS.len() {
        return Ok(());
    }
    let doing = "bring the store up to date";
    let transaction = connection.transaction().doing(doing)?;
    for step in &LAYOUTS[layout as usize..] {
        transaction.execute_batch(step).doing(doing)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .doing(doing)?;
    transaction
        .pragma_update(None, "user_version", LAYOUTS.len() as u32)
        .doing(doing)?;
    transaction.commit().doing(doing)
}
