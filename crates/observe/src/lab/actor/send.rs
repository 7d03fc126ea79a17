//! send(2) and what programs build of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use sockeye_frame::Framing;

use super::held::{Failure, Held, Until};
use super::table::Table;
use super::{CALLS, Cannot, Deeds, Done, flags, lock};
use crate::lab::{Action, Data};

/// As much may one call be given.
const PIECE: u64 = 64 << 20;

/// Sends on a socket that is there.
pub(super) fn send(held: &Held, action: &Action) -> Deeds {
    match action {
        Action::Send {
            data,
            flags,
            pause_ms,
            times,
            ..
        } => {
            let flags = SendFlags::from_bits_retain(flags::bits(flags)?);
            repeated(held, &pieces(data)?, flags, *pause_ms, *times)
        }
        Action::Sendall { data, .. } => {
            let mut done = vec![];
            for piece in pieces(data)? {
                if !send_all(held, &piece, &mut done)? {
                    break;
                }
            }
            Ok(done)
        }
        Action::SendMessages {
            frame, texts, data, ..
        } => messages(held, frame, texts, data),
        _ => Err("sends nothing".into()),
    }
}

fn repeated(
    held: &Held,
    pieces: &[Cow<'_, [u8]>],
    flags: SendFlags,
    pause_ms: u64,
    times: u32,
) -> Deeds {
    let mut done = vec![];
    for _ in 0..times {
        for piece in pieces {
            pause(pause_ms, done.len());
            let sent = held.patient(Until::Writable, |fd| rustix::net::send(fd, piece, flags));
            let stops = times > 1 && sent.is_ok_and(|count| count < piece.len());
            let failed = sent.is_err();
            add(&mut done, Done::of("send", sent))?;
            if failed || stops {
                return Ok(done);
            }
        }
    }
    Ok(done)
}

/// Calls until all is taken, within one timeout for all of them, as CPython's `sendall`; whether it was.
fn send_all(held: &Held, bytes: &[u8], done: &mut Vec<Done>) -> Result<bool, Cannot> {
    let end = held.end();
    let mut left = bytes;
    loop {
        let ready = end.map_or(Ok(()), |end| held.ready(Until::Writable, end));
        let sent =
            ready.and_then(|()| held.call(|fd| rustix::net::send(fd, left, SendFlags::empty())));
        match sent {
            Err(Failure::Errno(Errno::INTR)) => continue,
            // Somebody else's bytes took the room that poll(2) saw.
            Err(Failure::Errno(Errno::AGAIN)) if end.is_some() => continue,
            _ => {}
        }
        add(done, Done::of("send", sent))?;
        match sent {
            Ok(count) => left = &left[count.min(left.len())..],
            Err(_) => return Ok(false),
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

fn messages(held: &Held, frame: &str, texts: &[String], data: &Data) -> Deeds {
    let framing: Framing = frame.parse().map_err(|why| format!("{why}"))?;
    let mut messages: Vec<Cow<'_, [u8]>> =
        texts.iter().map(|text| text.as_bytes().into()).collect();
    if *data != Data::default() {
        messages.extend(pieces(data)?);
    }
    let mut done = vec![];
    for message in messages {
        let mut bytes = vec![];
        let encoded = framing.encode(&message, &mut bytes);
        encoded.map_err(|why| Cannot(why.to_string()))?;
        if !send_all(held, &bytes, &mut done)? {
            break;
        }
    }
    Ok(done)
}

/// sendto(2) on a socket that is made if there is none.
pub(super) fn sendto(table: &Table, name: &str, action: &Action) -> Deeds {
    let Action::Sendto {
        data,
        port,
        to,
        pause_ms,
        ..
    } = action
    else {
        return Err("sends nothing".into());
    };
    let held: Arc<Held> = match table.datagrams(name)? {
        Ok(held) => held,
        Err(failed) => return Ok(vec![failed]),
    };
    let goal = if to == "sender" {
        let sender = *lock(&held.sender);
        sender.ok_or("nothing has come yet that could be answered")?
    } else {
        table.address(to, *port)?
    };
    let mut done = vec![];
    for piece in pieces(data)? {
        pause(*pause_ms, done.len());
        let sent = held.patient(Until::Writable, |fd| {
            rustix::net::sendto(fd, &piece, SendFlags::empty(), &goal)
        });
        add(&mut done, Done::of("sendto", sent))?;
    }
    Ok(done)
}

/// Between two calls, not before the first.
pub(super) fn pause(ms: u64, calls: usize) {
    if ms > 0 && calls > 0 {
        thread::sleep(Duration::from_millis(ms));
    }
}

/// One more call, unless there were too many.
pub(super) fn add(done: &mut Vec<Done>, one: Done) -> Result<(), Cannot> {
    if done.len() == CALLS {
        return Err(format!("it made {CALLS} calls, and no step may make more").into());
    }
    done.push(one);
    Ok(())
}

/// What each call is given.
fn pieces(data: &Data) -> Result<Vec<Cow<'_, [u8]>>, Cannot> {
    let sizes = match data {
        Data {
            text: Some(text),
            texts: None,
            bytes: None,
            sizes: None,
        } => return Ok(vec![text.as_bytes().into()]),
        Data {
            text: None,
            texts: Some(texts),
            bytes: None,
            sizes: None,
        } => return Ok(texts.iter().map(|text| text.as_bytes().into()).collect()),
        Data {
            text: None,
            texts: None,
            bytes: Some(bytes),
            sizes: None,
        } => vec![*bytes],
        Data {
            text: None,
            texts: None,
            bytes: None,
            sizes: Some(sizes),
        } => sizes.clone(),
        _ => return Err("data is one of `text`, `texts`, `bytes`, `sizes`".into()),
    };
    let total = sizes
        .iter()
        .fold(0_u64, |sum, size| sum.saturating_add(*size));
    if total > PIECE {
        return Err(format!("{total} bytes are more than the {PIECE} that a step may send").into());
    }
    let mut letters = (b'a'..=b'z').cycle();
    let piece = |size: &u64| letters.by_ref().take(*size as usize).collect();
    Ok(sizes.iter().map(piece).map(Cow::Owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_on_from_piece_to_piece() {
        let data = Data {
            sizes: Some(vec![2, 0, 26]),
            ..Data::default()
        };
        let made = pieces(&data).unwrap();
        assert_eq!(made, [&b"ab"[..], b"", b"cdefghijklmnopqrstuvwxyzab"]);
    }

    #[test]
    fn what_is_sent_is_one_thing_and_bounded() {
        let data = Data {
            bytes: Some(PIECE + 1),
            ..Data::default()
        };
        let Cannot(why) = pieces(&data).unwrap_err();
        assert!(why.contains("67108865 bytes are more than"), "{why}");
        let both = Data {
            text: Some("a".into()),
            bytes: Some(1),
            ..Data::default()
        };
        assert!(pieces(&both).is_err());
        assert!(pieces(&Data::default()).is_err());
    }
}
