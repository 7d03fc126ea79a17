//! One-way traffic: everything is read and dropped, or written without end.

use std::io;
use std::os::fd::RawFd;

use crate::sys::{self, Epoll, READABLE, WRITABLE};

/// Calls `serve` for each ready connection, and closes the connection when it says that it is over.
fn run(listener: RawFd, interest: u32, mut serve: impl FnMut(RawFd) -> isize) -> io::Result<()> {
    let epoll = Epoll::new()?;
    epoll.add(listener, READABLE);
    let mut ready = sys::no_events();
    loop {
        let count = epoll.wait(&mut ready);
        for event in &ready[..count] {
            let fd = event.u64 as RawFd;
            if fd == listener {
                sys::accept_all(fd, |fd| epoll.add(fd, interest));
                continue;
            }
            let done = serve(fd);
            if done == 0 || (done < 0 && !sys::would_block()) {
                sys::close(fd);
            }
        }
    }
}

/// Reads everything.
pub(crate) fn sink(listener: RawFd, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    run(listener, READABLE, |fd| sys::recv(fd, &mut buffer))
}

/// Writes without end: the pattern of RFC 864, so that it can stand in for a chargen server.
pub(crate) fn source(listener: RawFd, buffer: usize) -> io::Result<()> {
    let buffer = chargen(buffer);
    let mut at = vec![0_usize; 1024];
    run(listener, WRITABLE, |fd| {
        if at.len() <= fd as usize {
            at.resize(fd as usize + 1, 0);
        }
        // The pattern repeats after 95 lines, so a write may begin where the last one ended.
        let from = at[fd as usize];
        let sent = sys::send(fd, &buffer[from..]);
        if sent > 0 {
            at[fd as usize] = (from + sent as usize) % PERIOD;
        } else if sent < 0 && !sys::would_block() {
            at[fd as usize] = 0;
        }
        sent
    })
}

/// 95 lines of 72 characters and CR LF.
const PERIOD: usize = 95 * 74;

fn chargen(bytes: usize) -> Vec<u8> {
    let period = (0..95_u8).flat_map(|first| {
        (0..72_u8)
            .map(move |column| b' ' + (first + column) % 95)
            .chain(*b"\r\n")
    });
    let period: Vec<u8> = period.collect();
    period.into_iter().cycle().take(bytes + PERIOD).collect()
}
