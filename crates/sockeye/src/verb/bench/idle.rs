//! Connections that said one message each, or came into a room, and stay: what they cost while they do nothing.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;

use super::chat::{self, Room};
use super::error::{BenchError, Ending};
use super::plan::Plan;
use super::round::Side;
use super::server::{self, Usage};
use super::wire::{Bench, Wire};

/// How long server and kernel may put things away before they are looked at.
const SETTLES: Duration = Duration::from_millis(500);

/// Members of a room while they are idle: each hears of everybody who comes into it.
const PER_ROOM: usize = 100;

/// What the connections cost. All of it is for all of them together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) connections: usize,
    pub(super) before: Option<Usage>,
    pub(super) after: Option<Usage>,
    /// What the kernel's small objects grew by, for both ends of each connection.
    pub(super) kernel_bytes: Option<i64>,
}

/// Opens the connections, holds them for the duration of the plan, and says what they cost.
pub(super) fn run(
    plan: &Plan,
    side: &Side,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(usize),
) -> Result<Idle, BenchError> {
    let before = side.server.usage();
    let kernel_before = server::kernel_memory();
    let held = match &plan.chat {
        Some(_) => come(plan, side, stop, tell)?,
        None => open(plan, side, stop, tell)?,
    };
    pause(SETTLES, stop);
    let after = side.server.usage();
    let kernel_bytes = kernel_before
        .zip(server::kernel_memory())
        .map(|(before, after)| after as i64 - before as i64);
    pause(plan.duration, stop);
    Ok(Idle {
        connections: held.len(),
        before,
        after,
        kernel_bytes,
    })
}

/// Connections that become members of rooms; their servers may look after them as they like.
fn come(
    plan: &Plan,
    side: &Side,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(usize),
) -> Result<Vec<OwnedFd>, BenchError> {
    let count = plan.connections.div_ceil(PER_ROOM);
    let rooms: Vec<_> = (0..count).map(|_| Room::new(side.dialect)).collect();
    let room = |conn: usize| &rooms[conn / PER_ROOM];
    let members = chat::enter(plan, side, plan.connections, room, stop, tell)?;
    pause(SETTLES, stop);
    // What they have heard of each other would lie in the kernel, and be counted as theirs.
    let mut buffer = vec![0; 64 << 10];
    for member in &members {
        while rustix::net::recv(member, &mut buffer[..], RecvFlags::empty())
            .is_ok_and(|(_, got)| got > 0)
        {}
    }
    Ok(members)
}

/// Connections that say one message each.
fn open(
    plan: &Plan,
    side: &Side,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(usize),
) -> Result<Vec<OwnedFd>, BenchError> {
    let mut held = Vec::with_capacity(plan.connections);
    for conn in 0..plan.connections {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let socket = side
            .dialler
            .connect(conn, plan.timeout)
            .map_err(|error| BenchError::connect(side.dialler.endpoint(), error))?;
        say_one(plan, side, conn as u32, &socket)?;
        held.push(socket);
        if held.len() % 256 == 0 {
            tell(held.len());
        }
    }
    Ok(held)
}

/// Waits, but no longer than the person wants.
fn pause(duration: Duration, stop: &AtomicBool) {
    const STEP: Duration = Duration::from_millis(50);
    let end = Instant::now() + duration;
    while !stop.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(STEP));
    }
}

/// Sends one message and waits for it to come back.
fn say_one(plan: &Plan, side: &Side, conn: u32, socket: &OwnedFd) -> Result<(), BenchError> {
    let mut bench = Bench {
        messages: &plan.messages,
        verify: plan.verify,
        scratch: Vec::new(),
    };
    let ended = |ending| BenchError::Ended { conn, ending };
    let mut wire = Wire::new(conn, &side.framing);
    let mut buffer = [0; 4096];
    let end = Instant::now() + plan.timeout;
    let mut written = false;
    loop {
        if !written {
            let wrote = wire.write(socket, 1, &mut bench);
            written = wrote.map_err(|error| ended(error.into()))?;
        }
        if !wait(socket, !written, end)? {
            let timeout = plan.timeout;
            return Err(BenchError::Silent { conn, timeout });
        }
        let got = match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => return Err(ended(Ending::Closed)),
            Ok((_, got)) => got,
            Err(rustix::io::Errno::AGAIN) => continue,
            Err(errno) => return Err(ended(errno.into())),
        };
        if wire.read(&buffer[..got], 1, &bench)? > 0 {
            return Ok(());
        }
    }
}

/// Waits until there is something to read, or room to write. False if it takes too long.
fn wait(socket: &OwnedFd, for_room: bool, end: Instant) -> Result<bool, BenchError> {
    let mut interest = PollFlags::IN;
    interest.set(PollFlags::OUT, for_room);
    let left = end.saturating_duration_since(Instant::now());
    let left = Timespec {
        tv_sec: left.as_secs() as i64,
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    match rustix::event::poll(&mut [PollFd::new(socket, interest)], Some(&left)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(errno) => Err(BenchError::local("poll")(errno.into())),
    }
}

impl Idle {
    /// What the server's own memory grew by.
    pub(super) fn own_bytes(&self) -> Option<i64> {
        let (before, after) = (self.before?, self.after?);
        Some(after.rss_bytes as i64 - before.rss_bytes as i64)
    }
}
