//! Bytes go one way: as fast as the server takes them, or as fast as it gives them.

use std::os::fd::OwnedFd;

use rustix::net::RecvFlags;
use sockeye_frame::Framing;

use super::error::{BenchError, Ending};
use super::plan::{Job, Load};
use super::poller::Poller;
use super::tally::Tally;
use super::wire::{Bench, Wire};

/// One read.
const READ: usize = 256 << 10;
/// Bytes that one connection is given before the next one has its turn.
const TURN: u64 = 1 << 20;

/// Runs the connections of one thread, which are each `(number, socket)`, to the end of the span.
pub(super) fn run(
    load: &Load<'_>,
    framing: &Framing,
    sockets: Vec<(u32, OwnedFd)>,
) -> Result<Tally, BenchError> {
    let up = load.plan.job == Job::Up;
    let mut poller = Poller::new()?;
    let mut flows = Vec::with_capacity(sockets.len());
    for (conn, socket) in sockets {
        poller.add(&socket, flows.len(), !up, up)?;
        flows.push((Some(socket), Wire::new(conn, framing), 0_u64));
    }
    let (mut open, mut tally) = (flows.len(), Tally::default());
    let mut bench = Bench {
        messages: &load.plan.messages,
        verify: false,
        scratch: Vec::new(),
    };
    let mut buffer = vec![0; READ];
    loop {
        let now = load.span.now();
        if open == 0 || load.stopped() || now >= load.span.until {
            return Ok(tally);
        }
        let ready = poller.wait(load.span.patience(now))?;
        for at in 0..ready {
            let (socket, wire, asked) = &mut flows[poller.ready(at).token];
            let Some(fd) = socket else { continue };
            let moved = if up {
                give(fd, wire, asked, &mut bench)
            } else {
                let flags = if load.plan.verify {
                    RecvFlags::empty()
                } else {
                    RecvFlags::TRUNC
                };
                rustix::net::recv(&*fd, &mut *buffer, flags)
                    .map_err(Into::into)
                    .map(|(_, got)| got as u64)
            };
            match moved {
                Ok(0) if !up => {
                    (*socket, open) = (None, open - 1);
                    tally.broke(Ending::Closed);
                }
                Ok(bytes) => {
                    load.progress(bytes);
                    if load.span.counts(load.span.now()) {
                        tally.bytes += bytes;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    (*socket, open) = (None, open - 1);
                    tally.broke(error.into());
                }
            }
        }
    }
}

/// Writes until the socket takes no more or the turn is over; returns the bytes of payload.
fn give(
    socket: &OwnedFd,
    wire: &mut Wire,
    asked: &mut u64,
    bench: &mut Bench<'_>,
) -> std::io::Result<u64> {
    let size = bench.messages.size() as u64;
    let before = *asked;
    let most = before + TURN.div_ceil(size);
    while *asked < most {
        *asked += 1;
        if !wire.write(socket, *asked, bench)? {
            break;
        }
    }
    Ok((*asked - before) * size)
}
