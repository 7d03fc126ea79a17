//! Coming into a room: connect, say who one is, join, wait until one is in.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags};

use super::dialect::{Greeting, Room, pong};
use super::ear::trimmed;
use crate::verb::bench::error::{BenchError, Ending};
use crate::verb::bench::plan::Plan;
use crate::verb::bench::poller::Poller;
use crate::verb::bench::round::Side;

/// Members that come at the same time: fewer than the shortest queues of connections hold.
const AT_ONCE: usize = 32;
/// How long they may take, all together: names are looked up by some servers, passwords by others.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often somebody waits for so long is asked whether it wants to wait on.
const TICK: Duration = Duration::from_millis(50);
const READ: usize = 16 << 10;

/// Somebody who is coming in.
struct Newcomer<'a> {
    conn: u32,
    socket: OwnedFd,
    room: &'a Room,
    /// What it has to say and the socket has not taken.
    unsent: Vec<u8>,
    /// The beginning of a line.
    rest: Vec<u8>,
    is_in: bool,
}

/// Brings members in, in their order; `room` says where each goes. Ends early when `stop` is set.
pub(in crate::verb::bench) fn enter<'a>(
    plan: &Plan,
    side: &Side,
    count: usize,
    room: impl Fn(usize) -> &'a Room,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(usize),
) -> Result<Vec<OwnedFd>, BenchError> {
    let mut sockets = Vec::with_capacity(count);
    let mut buffer = vec![0; READ];
    while sockets.len() < count && !stop.load(Ordering::Relaxed) {
        let first = sockets.len();
        let mut coming = Vec::new();
        for conn in first..count.min(first + AT_ONCE) {
            let dialler = side.dialler_of(conn);
            let socket = dialler
                .connect(conn, plan.timeout)
                .map_err(|error| BenchError::connect(dialler.endpoint(), error))?;
            coming.push(Newcomer::new(conn, socket, room(conn)));
        }
        all_in(&mut coming, &mut buffer, stop)?;
        sockets.extend(coming.into_iter().map(|one| one.socket));
        tell(sockets.len());
    }
    Ok(sockets)
}

/// Waits until all of them are in.
fn all_in(
    coming: &mut [Newcomer<'_>],
    buffer: &mut [u8],
    stop: &AtomicBool,
) -> Result<(), BenchError> {
    let mut poller = Poller::new()?;
    let end = Instant::now() + PATIENCE;
    for (token, one) in coming.iter_mut().enumerate() {
        poller.add(&one.socket, token, true, true)?;
    }
    while let Some(missing) = coming
        .iter()
        .find(|one| !one.is_in || !one.unsent.is_empty())
    {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if Instant::now() >= end {
            let (conn, timeout) = (missing.conn, PATIENCE);
            return Err(BenchError::Silent { conn, timeout });
        }
        let count = poller.wait(TICK)?;
        for at in 0..count {
            let ready = poller.ready(at);
            let one = &mut coming[ready.token];
            let ended = |ending| BenchError::Ended {
                conn: one.conn,
                ending,
            };
            if ready.readable {
                match rustix::net::recv(&one.socket, &mut *buffer, RecvFlags::empty()) {
                    Ok((_, 0)) => return Err(ended(Ending::Closed)),
                    Ok((_, got)) => one.on_bytes(&buffer[..got])?,
                    Err(rustix::io::Errno::AGAIN) => {}
                    Err(errno) => return Err(ended(errno.into())),
                }
            }
            let done = say(&one.socket, &mut one.unsent);
            let done = done.map_err(|error| BenchError::Ended {
                conn: one.conn,
                ending: error.into(),
            })?;
            poller.change(&one.socket, ready.token, true, !done)?;
        }
    }
    Ok(())
}

/// Writes what is unsent. False if something stays.
pub(super) fn say(socket: &OwnedFd, unsent: &mut Vec<u8>) -> io::Result<bool> {
    while !unsent.is_empty() {
        match rustix::net::send(socket, &unsent[..], SendFlags::NOSIGNAL) {
            Ok(took) => drop(unsent.drain(..took)),
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(true)
}

impl<'a> Newcomer<'a> {
    fn new(conn: usize, socket: OwnedFd, room: &'a Room) -> Self {
        let hello = if conn == 0 {
            room.hello_of_speaker()
        } else {
            room.hello()
        };
        Self {
            conn: conn as u32,
            socket,
            room,
            unsent: hello.into_bytes(),
            rest: Vec::new(),
            is_in: !room.greets(),
        }
    }

    fn on_bytes(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        while let Some(len) = memchr::memchr(b'\n', &rest[at..]) {
            let line = trimmed(&rest[at..at + len]);
            at += len + 1;
            match self.room.greeting(line) {
                Greeting::Other => {}
                Greeting::LetIn => self.unsent.extend_from_slice(self.room.join().as_bytes()),
                Greeting::In => self.is_in = true,
                // Another run has left somebody of this name behind.
                Greeting::Taken => self.unsent.extend_from_slice(self.room.hello().as_bytes()),
                Greeting::Ping(asked) => self.unsent.extend(pong(asked)),
                Greeting::Refused(why) => {
                    return Err(BenchError::Refused {
                        conn: self.conn,
                        why: String::from_utf8_lossy(why).into_owned(),
                    });
                }
            }
        }
        self.rest = rest[at..].to_vec();
        Ok(())
    }
}
