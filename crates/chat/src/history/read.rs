//! Answers, on a connection that only reads.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::conversation::{Conversation, Identity};
use super::query::{Found, Place, Query, Range};
use super::row::{self, COLUMNS, FROM, signed};
use super::search;
use crate::log::Entry;

/// Conversations of one person that are looked at.
const CONVERSATIONS: i64 = 5_000;

/// A time and a place in it, as messages are ordered.
type Point = (i64, i64);

const FIRST: Point = (i64::MIN, i64::MIN);
const LAST: Point = (i64::MAX, i64::MAX);

/// Which messages of one conversation.
#[derive(Clone, Copy)]
struct Span {
    after: Point,
    before: Point,
    /// The last ones of them, else the first.
    from_end: bool,
    with_topics: bool,
    limit: usize,
}

/// Answers a question.
pub(super) fn answer(connection: &Connection, query: &Query) -> rusqlite::Result<Found> {
    let entries = match query {
        Query::Messages {
            conversations,
            range,
            limit,
            with_topics,
            upto,
        } => {
            let ids = numbers(connection, conversations)?;
            let mut span = Span {
                after: FIRST,
                before: LAST,
                from_end: false,
                with_topics: *with_topics,
                limit: *limit,
            };
            messages(connection, &ids, range, &mut span, *upto)?
        }
        Query::Targets {
            rooms,
            person,
            after_ms,
            before_ms,
            limit,
            from_end,
        } => {
            let mut ids = numbers(connection, rooms)?;
            ids.extend(of_person(connection, person.as_ref())?);
            let mut last = targets(connection, &ids, (*after_ms, *before_ms))?;
            let above = last.len().saturating_sub(*limit);
            if *from_end {
                last.drain(..above);
            }
            last.truncate(*limit);
            last
        }
        Query::Search { .. } => return search::answer(connection, query),
    };
    Ok(Found {
        entries,
        stopped_early: false,
    })
}

/// The numbers of conversations, of those that have one.
pub(super) fn numbers(
    connection: &Connection,
    conversations: &[Conversation],
) -> rusqlite::Result<Vec<i64>> {
    let mut find = connection.prepare_cached("SELECT id FROM conversation WHERE key = ?1")?;
    let mut ids = vec![];
    for conversation in conversations {
        ids.extend(
            find.query_row([conversation.key()], |row| row.get(0))
                .optional()?
                .into_iter()
                .collect::<Vec<i64>>(),
        );
    }
    Ok(ids)
}

/// The numbers of all conversations of one person.
pub(super) fn of_person(
    connection: &Connection,
    person: Option<&Identity>,
) -> rusqlite::Result<Vec<i64>> {
    let Some(person) = person else {
        return Ok(vec![]);
    };
    connection
        .prepare_cached("SELECT id FROM conversation WHERE one = ?1 OR other = ?1 LIMIT ?2")?
        .query_map(params![person.as_str(), CONVERSATIONS], |row| row.get(0))?
        .collect()
}

fn messages(
    connection: &Connection,
    ids: &[i64],
    range: &Range,
    span: &mut Span,
    upto: Option<u64>,
) -> rusqlite::Result<Vec<Entry>> {
    let at = |place: &Place| point(connection, ids, place);
    if let Some(upto) = upto {
        span.before = end_of(connection, upto)?;
    }
    match range {
        Range::Latest(None) => span.from_end = true,
        Range::Latest(Some(place)) => {
            let Some(at) = at(place)? else {
                return Ok(vec![]);
            };
            (span.after, span.from_end) = (at.1, true);
        }
        Range::Before(place) => {
            let Some(at) = at(place)? else {
                return Ok(vec![]);
            };
            (span.before, span.from_end) = (at.0, true);
        }
        Range::After(place) => {
            let Some(at) = at(place)? else {
                return Ok(vec![]);
            };
            span.after = at.1;
        }
        Range::Between(one, other) => {
            let (Some(one), Some(other)) = (at(one)?, at(other)?) else {
                return Ok(vec![]);
            };
            span.from_end = one > other;
            let (first, last) = if one > other {
                (other, one)
            } else {
                (one, other)
            };
            (span.after, span.before) = (first.1, last.0);
        }
        Range::Around(place) => {
            let Some(at) = at(place)? else {
                return Ok(vec![]);
            };
            return around(connection, ids, at.0, *span);
        }
    }
    of_all(connection, ids, *span)
}

/// Half of them before a point, half behind it.
fn around(
    connection: &Connection,
    ids: &[i64],
    at: Point,
    span: Span,
) -> rusqlite::Result<Vec<Entry>> {
    let half = Span {
        before: at,
        from_end: true,
        limit: span.limit / 2,
        ..span
    };
    let mut found = of_all(connection, ids, half)?;
    let rest = Span {
        // The message itself is the first of the second half.
        after: (at.0, at.1 - 1),
        limit: span.limit - found.len(),
        ..span
    };
    found.extend(of_all(connection, ids, rest)?);
    Ok(found)
}

/// Where a place begins and where it ends: nothing lies between for a message, and all of its
/// millisecond for a time.
fn point(
    connection: &Connection,
    ids: &[i64],
    place: &Place,
) -> rusqlite::Result<Option<(Point, Point)>> {
    let id = match place {
        Place::Time(ms) => {
            // `0` and not the least number: one below it is taken in `around`.
            return Ok(Some(((signed(*ms), 0), (signed(*ms), i64::MAX))));
        }
        Place::Id(id) => id,
    };
    let found: Option<(i64, i64, i64)> = connection
        .prepare_cached("SELECT conversation, time_ms, seq FROM message WHERE msgid = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    // A message of another conversation is none that he may know of.
    let found = found.filter(|(conversation, ..)| ids.contains(conversation));
    Ok(found.map(|(_, time, seq)| ((time, seq), (time, seq))))
}

/// The point behind a place of the one order of all.
fn end_of(connection: &Connection, seq: u64) -> rusqlite::Result<Point> {
    let next: Option<Point> = connection
        .prepare_cached("SELECT time_ms, seq FROM message WHERE seq > ?1 ORDER BY seq LIMIT 1")?
        .query_row([signed(seq)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(next.unwrap_or(LAST))
}

/// Messages of several conversations as if they were one.
fn of_all(connection: &Connection, ids: &[i64], span: Span) -> rusqlite::Result<Vec<Entry>> {
    let mut all = vec![];
    for id in ids {
        all.extend(of_one(connection, *id, span)?);
    }
    all.sort_by_key(|entry| entry.seq);
    if all.len() > span.limit {
        if span.from_end {
            all.drain(..all.len() - span.limit);
        } else {
            all.truncate(span.limit);
        }
    }
    Ok(all)
}

fn of_one(connection: &Connection, id: i64, span: Span) -> rusqlite::Result<Vec<Entry>> {
    let order = if span.from_end { "DESC" } else { "ASC" };
    let topics = if span.with_topics {
        ""
    } else {
        "AND m.verb <> 'TOPIC'"
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE m.conversation = ?1 \
         AND (m.time_ms, m.seq) > (?2, ?3) AND (m.time_ms, m.seq) < (?4, ?5) {topics} \
         ORDER BY m.time_ms {order}, m.seq {order} LIMIT ?6"
    );
    let limit = i64::try_from(span.limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&sql)?
        .query_map(
            params![
                id,
                span.after.0,
                span.after.1,
                span.before.0,
                span.before.1,
                limit
            ],
            row::entry,
        )?
        .collect()
}

/// The last message of each conversation.
fn targets(
    connection: &Connection,
    ids: &[i64],
    (after_ms, before_ms): (u64, u64),
) -> rusqlite::Result<Vec<Entry>> {
    let mut last = vec![];
    for id in ids {
        let span = Span {
            after: FIRST,
            before: LAST,
            from_end: true,
            with_topics: false,
            limit: 1,
        };
        last.extend(of_one(connection, *id, span)?);
    }
    last.retain(|entry| entry.time_ms > after_ms && entry.time_ms < before_ms);
    last.sort_by_key(|entry| entry.seq);
    Ok(last)
}
