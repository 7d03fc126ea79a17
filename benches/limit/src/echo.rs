//! What was read is written back: one read and one write a message, one wait for all that is ready.

use std::io;
use std::os::fd::RawFd;

use crate::sys::{self, Epoll, READABLE, WRITABLE};

/// One thread's connections.
struct Loop {
    epoll: Epoll,
    buffer: Vec<u8>,
    /// What the socket did not take, by descriptor. A connection that has some is not read.
    unsent: Vec<Vec<u8>>,
}

impl Loop {
    fn new(epoll: Epoll, buffer: usize) -> Self {
        Self {
            epoll,
            buffer: vec![0; buffer],
            unsent: Vec::new(),
        }
    }

    /// Reads once and writes it back at once: waiting for room first would cost a call a message.
    fn on_readable(&mut self, fd: RawFd) {
        let read = sys::recv(fd, &mut self.buffer);
        if read <= 0 {
            if read == 0 || !sys::would_block() {
                sys::close(fd);
            }
            return;
        }
        let bytes = &self.buffer[..read as usize];
        let sent = sys::send(fd, bytes);
        if sent == read {
            return;
        }
        if sent < 0 && !sys::would_block() {
            return sys::close(fd);
        }
        let rest = bytes[sent.max(0) as usize..].to_vec();
        let at = fd as usize;
        if self.unsent.len() <= at {
            self.unsent.resize_with(at + 1, Vec::new);
        }
        self.unsent[at] = rest;
        self.epoll.change(fd, WRITABLE);
    }

    fn on_writable(&mut self, fd: RawFd) {
        let unsent = &mut self.unsent[fd as usize];
        let sent = sys::send(fd, unsent);
        if sent < 0 {
            if !sys::would_block() {
                unsent.clear();
                sys::close(fd);
            }
            return;
        }
        unsent.drain(..sent as usize);
        if unsent.is_empty() {
            *unsent = Vec::new();
            self.epoll.change(fd, READABLE);
        }
    }

    fn run(mut self, listener: Option<RawFd>, all: &[Epoll]) {
        let (mut ready, mut turn) = (sys::no_events(), 0);
        loop {
            let count = self.epoll.wait(&mut ready);
            for event in &ready[..count] {
                let (fd, events) = (event.u64 as RawFd, event.events);
                if Some(fd) == listener {
                    sys::accept_all(fd, |fd| {
                        all[turn % all.len()].add(fd, READABLE);
                        turn += 1;
                    });
                } else if events & WRITABLE != 0 {
                    self.on_writable(fd);
                } else {
                    self.on_readable(fd);
                }
            }
        }
    }
}

/// Runs the echo; the first thread accepts and deals the connections out in turn.
pub(crate) fn run(listener: RawFd, buffer: usize, threads: usize) -> io::Result<()> {
    let all: Vec<Epoll> = (0..threads)
        .map(|_| Epoll::new())
        .collect::<io::Result<_>>()?;
    all[0].add(listener, READABLE);
    std::thread::scope(|scope| {
        for (index, &epoll) in all.iter().enumerate() {
            let all = &all;
            scope.spawn(move || {
                Loop::new(epoll, buffer).run((index == 0).then_some(listener), all);
            });
        }
    });
    Ok(())
}
