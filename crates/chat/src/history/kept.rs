//! Rooms and accounts: what has changed, and how they stand.

use rusqlite::{Connection, Row, Transaction, params};

use super::row::signed;
use crate::irc::Folded;
use crate::log::{Act, Entry, Kept, KeptAccount, KeptBan, KeptRoom, KeptTopic, ModeChange};

/// Modes that are lists or are given to one member: each of their entries stands for itself.
const LISTS: &str = "beIqaohv";

/// The list of those who may not come in.
const BAN: char = 'b';

/// What an entry changes in rooms and accounts.
pub(super) fn change(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let time_ms = signed(entry.time_ms);
    match &entry.draft.act {
        Act::Say { .. } | Act::Kick { .. } | Act::Invite { .. } => Ok(()),
        Act::Founded { room } => {
            room_row(transaction, room, time_ms)?;
            transaction
                .prepare_cached(
                    "UPDATE room SET founder = ?2, since_ms = ?3 WHERE key = ?1 AND founder IS NULL",
                )?
                .execute(params![
                    Folded::new(room).as_str(),
                    entry.draft.from.account,
                    time_ms
                ])?;
            Ok(())
        }
        Act::Topic { room, text } => {
            room_row(transaction, room, time_ms)?;
            transaction
                .prepare_cached(
                    "UPDATE room SET topic = ?2, topic_by = ?3, topic_ms = ?4 WHERE key = ?1",
                )?
                .execute(params![
                    Folded::new(room).as_str(),
                    text,
                    entry.draft.from.to_string(),
                    time_ms
                ])?;
            Ok(())
        }
        Act::Modes { room, changes } => {
            room_row(transaction, room, time_ms)?;
            changes
                .iter()
                .try_for_each(|change| mode(transaction, room, change, entry))
        }
        Act::Account { name, password } => {
            transaction
                .prepare_cached(
                    "INSERT INTO account (key, name, password, since_ms) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO UPDATE SET password = excluded.password",
                )?
                .execute(params![Folded::new(name).as_str(), name, password, time_ms])?;
            Ok(())
        }
    }
}

fn room_row(transaction: &Transaction<'_>, name: &str, time_ms: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO room (key, name, since_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![Folded::new(name).as_str(), name, time_ms])?;
    Ok(())
}

fn mode(
    transaction: &Transaction<'_>,
    room: &str,
    change: &ModeChange,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let (room, letter) = (Folded::new(room), change.mode.to_string());
    let of_list = if LISTS.contains(change.mode) {
        Folded::new(change.param.as_deref().unwrap_or_default())
    } else {
        Folded::new("")
    };
    if change.mode == BAN && !change.set {
        let delete = "DELETE FROM room_mode WHERE room = ?1 AND mode = ?2 AND entry = ?3";
        transaction.prepare_cached(delete)?.execute(params![
            room.as_str(),
            letter,
            of_list.as_str()
        ])?;
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO room_mode (room, mode, entry, is_set, param, by, set_ms, seq) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            room.as_str(),
            letter,
            of_list.as_str(),
            change.set,
            change.param,
            entry.draft.from.to_string(),
            signed(entry.time_ms),
            signed(entry.seq)
        ])?;
    Ok(())
}

/// How rooms and accounts stand.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Kept> {
    let rooms = "SELECT key, name, since_ms, founder, topic, topic_by, topic_ms FROM room \
                 ORDER BY key";
    let mut statement = connection.prepare(rooms)?;
    let mut rooms = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, room(row)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut modes = connection.prepare(
        "SELECT mode, is_set, param, by, set_ms FROM room_mode WHERE room = ?1 ORDER BY seq, mode",
    )?;
    for (key, room) in &mut rooms {
        let mut rows = modes.query([&*key])?;
        while let Some(row) = rows.next()? {
            add_mode(room, row)?;
        }
    }
    let accounts = connection
        .prepare("SELECT name, password, since_ms FROM account ORDER BY key")?
        .query_map([], |row| {
            Ok(KeptAccount {
                name: row.get(0)?,
                password: row.get(1)?,
                since_ms: time(row, 2)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Kept {
        rooms: rooms.into_iter().map(|(_, room)| room).collect(),
        accounts,
        ..Kept::default()
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let time: Option<i64> = row.get(column)?;
    Ok(u64::try_from(time.unwrap_or_default()).unwrap_or_default())
}

fn room(row: &Row<'_>) -> rusqlite::Result<KeptRoom> {
    let topic: Option<String> = row.get(4)?;
    let topic = match topic.filter(|text| !text.is_empty()) {
        Some(text) => Some(KeptTopic {
            text,
            by: row.get::<_, Option<_>>(5)?.unwrap_or_default(),
            set_ms: time(row, 6)?,
        }),
        None => None,
    };
    Ok(KeptRoom {
        name: row.get(1)?,
        since_ms: time(row, 2)?,
        founder: row.get(3)?,
        topic,
        ..KeptRoom::default()
    })
}

fn add_mode(room: &mut KeptRoom, row: &Row<'_>) -> rusqlite::Result<()> {
    let letter: String = row.get(0)?;
    let param: Option<String> = row.get(2)?;
    match letter.chars().next() {
        Some(BAN) => room.bans.push(KeptBan {
            mask: param.unwrap_or_default(),
            by: row.get(3)?,
            set_ms: time(row, 4)?,
        }),
        Some(mode) => room.modes.push(ModeChange {
            set: row.get(1)?,
            mode,
            param,
        }),
        None => {}
    }
    Ok(())
}
