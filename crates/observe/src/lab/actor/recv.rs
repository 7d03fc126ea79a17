//! recv(2) and what programs build of it.

use std::net::SocketAddrV4;

use rustix::net::RecvFlags;

use super::held::{Failure, Held, Until};
use super::message::{self, Cut};
use super::send::{add, pause};
use super::{Cannot, Deeds, Done, flags, lock};
use crate::lab::{Action, Kind};

/// As much room may one call have.
const ROOM: u64 = 64 << 20;

/// As many bytes of what came are told.
const TOLD: usize = 256;

/// Receives from a socket.
pub(super) fn recv(held: &Held, action: &Action) -> Deeds {
    match action {
        Action::Recv {
            size,
            flags,
            times,
            until,
            to_end,
            pause_ms,
            ..
        } => {
            let plan = Plan {
                flags: RecvFlags::from_bits_retain(flags::bits(flags)?),
                // `times` is 1 unless said, and says nothing where another end is given.
                times: (*times > 1 || (until.is_none() && !to_end)).then_some(*times as usize),
                until: *until,
                pause_ms: *pause_ms,
            };
            plain(held, *size, &plan)
        }
        Action::Recvfrom { size, times, .. } => from(held, *size, *times),
        Action::Readline { times, size, .. } => lines(held, *size, *times),
        Action::RecvMessages {
            frame, times, size, ..
        } => messages(held, frame, *size, *times),
        _ => Err("receives nothing".into()),
    }
}

/// When calls of recv(2) end, beside at a failure and at the end of a stream.
struct Plan {
    flags: RecvFlags,
    times: Option<usize>,
    until: Option<u64>,
    pause_ms: u64,
}

fn plain(held: &Held, size: u64, plan: &Plan) -> Deeds {
    let mut room = room(size)?;
    let (mut done, mut bytes): (Vec<Done>, u64) = (vec![], 0);
    // The kernel throws away what it counts, and writes nothing (tcp(7)).
    let nothing = held.kind == Kind::Tcp && plan.flags.contains(RecvFlags::TRUNC);
    while plan.times.is_none_or(|times| done.len() < times)
        && plan.until.is_none_or(|until| bytes < until)
    {
        pause(plan.pause_ms, done.len());
        let got = held.patient(Until::Readable, |fd| {
            rustix::net::recv(fd, &mut room[..], plan.flags)
        });
        let (count, data) = match got {
            Ok((written, count)) if !nothing => (Ok(count), shown(&room[..written])),
            Ok((_, count)) => (Ok(count), String::new()),
            Err(failure) => (Err(failure), String::new()),
        };
        bytes += count.unwrap_or(0) as u64;
        let ends = count.is_err() || (count == Ok(0) && held.kind == Kind::Tcp);
        add(
            &mut done,
            Done {
                data,
                ..Done::of("recv", count)
            },
        )?;
        if ends {
            break;
        }
    }
    Ok(done)
}

fn from(held: &Held, size: u64, times: u32) -> Deeds {
    let mut room = room(size)?;
    let mut done = vec![];
    for _ in 0..times {
        let got = held.patient(Until::Readable, |fd| {
            rustix::net::recvfrom(fd, &mut room[..], RecvFlags::empty())
        });
        let (count, data) = match got {
            Ok((written, count, sender)) => {
                *lock(&held.sender) = sender.and_then(|from| SocketAddrV4::try_from(from).ok());
                (Ok(count), shown(&room[..written]))
            }
            Err(failure) => (Err(failure), String::new()),
        };
        let ends = count.is_err() || (count == Ok(0) && held.kind == Kind::Tcp);
        add(
            &mut done,
            Done {
                data,
                ..Done::of("recvfrom", count)
            },
        )?;
        if ends {
            break;
        }
    }
    Ok(done)
}

/// More bytes of a stream, behind those that are there.
fn more(held: &Held, room: &mut [u8], into: &mut Vec<u8>) -> Result<usize, Failure> {
    let count = held.patient(Until::Readable, |fd| {
        rustix::net::recv(fd, &mut *room, RecvFlags::empty()).map(|(_, count)| count)
    })?;
    into.extend_from_slice(&room[..count]);
    Ok(count)
}

/// Lines as Python's `readline` gives them: with their `\n`; the last may lack it; none left is empty.
fn lines(held: &Held, size: u64, times: u32) -> Deeds {
    let mut room = room(size)?;
    let mut unread = lock(&held.unread);
    let mut done = vec![];
    for _ in 0..times {
        let got = loop {
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                break Ok(end + 1);
            }
            match more(held, &mut room, &mut unread) {
                Ok(0) => break Ok(unread.len()),
                Ok(_) => {}
                Err(failure) => break Err(failure),
            }
        };
        let data = match got {
            Ok(len) => shown(&unread.drain(..len).collect::<Vec<u8>>()),
            Err(_) => String::new(),
        };
        let ends = matches!(got, Ok(0) | Err(_));
        add(
            &mut done,
            Done {
                data,
                ..Done::of("readline", got)
            },
        )?;
        if ends {
            break;
        }
    }
    Ok(done)
}

fn messages(held: &Held, frame: &str, size: u64, times: u32) -> Deeds {
    let mut room = room(size)?;
    let mut cut = lock(&held.cut);
    let cut = Cut::under(&mut cut, frame)?;
    let mut done = vec![];
    while done.len() < times as usize {
        let (one, is_last) = match cut.next() {
            Ok(Some(message)) => (told(&message), false),
            Ok(None) => match more(held, &mut room, &mut cut.unread) {
                Ok(0) => (at_end(cut), true),
                Ok(_) => continue,
                Err(failure) => (Done::of("recv", Err(failure)), true),
            },
            Err(why) => (message::senseless(&why), true),
        };
        add(&mut done, one)?;
        if is_last {
            break;
        }
    }
    Ok(done)
}

fn told(message: &[u8]) -> Done {
    Done {
        data: shown(message),
        ..Done::of("recv", Ok(message.len()))
    }
}

fn at_end(cut: &mut Cut) -> Done {
    match cut.finish() {
        Ok(Some(message)) => told(&message),
        Ok(None) => Done::of("recv", Ok(0)),
        Err(why) => message::senseless(&why),
    }
}

fn room(size: u64) -> Result<Vec<u8>, Cannot> {
    if size > ROOM {
        return Err(
            format!("room for {size} bytes is more than the {ROOM} that there may be").into(),
        );
    }
    Ok(vec![0; size as usize])
}

/// The beginning of what came: text as it is, what is none of it as `\x00`.
fn shown(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for chunk in bytes[..bytes.len().min(TOLD)].utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
                let _ = write!(text, "\\x{:02x}", c as u32);
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_as_text_and_no_more_than_fits() {
        assert_eq!(shown("né\n".as_bytes()), "né\n");
        assert_eq!(shown(b"\0\x05hello\xff"), "\\x00\\x05hello\\xff");
        assert_eq!(shown(&[b'a'; TOLD + 1]), "a".repeat(TOLD));
        // A letter that is cut in two is no letter any more.
        let cut = [&[b'a'; TOLD - 1][..], "é".as_bytes()].concat();
        assert_eq!(shown(&cut), format!("{}\\xc3", "a".repeat(TOLD - 1)));
    }

    #[test]
    fn room_is_bounded() {
        assert_eq!(room(3).unwrap(), [0; 3]);
        let Cannot(why) = room(ROOM + 1).unwrap_err();
        assert!(why.starts_with("room for 67108865 bytes"), "{why}");
    }
}
