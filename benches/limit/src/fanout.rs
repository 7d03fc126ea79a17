//! What one connection says all the others get: one read, one write for each of them.

use std::io;
use std::os::fd::RawFd;

use crate::sys::{self, Epoll, READABLE, WRITABLE};

struct Hub {
    epoll: Epoll,
    members: Vec<RawFd>,
    /// What a member's socket did not take, by descriptor.
    unsent: Vec<Vec<u8>>,
    /// Members that have something unsent. While there are any, nobody is read: a member that does
    /// not read holds the others up and loses nothing.
    behind: usize,
    /// Members that have something to say and are not listened to while somebody is behind.
    held: Vec<RawFd>,
}

impl Hub {
    fn join(&mut self, fd: RawFd) {
        self.members.push(fd);
        if self.unsent.len() <= fd as usize {
            self.unsent.resize_with(fd as usize + 1, Vec::new);
        }
        self.epoll.add(fd, READABLE);
    }

    fn leave(&mut self, fd: RawFd) {
        self.members.retain(|&member| member != fd);
        self.held.retain(|&member| member != fd);
        if !std::mem::take(&mut self.unsent[fd as usize]).is_empty() {
            self.one_less_behind();
        }
        sys::close(fd);
    }

    fn on_readable(&mut self, from: RawFd, buffer: &mut [u8]) {
        if self.behind > 0 {
            self.epoll.change(from, 0);
            return self.held.push(from);
        }
        let read = sys::recv(from, buffer);
        if read <= 0 {
            if read == 0 || !sys::would_block() {
                self.leave(from);
            }
            return;
        }
        let bytes = &buffer[..read as usize];
        let mut gone = Vec::new();
        for &member in self.members.iter().filter(|&&member| member != from) {
            let sent = sys::send(member, bytes);
            if sent == read {
                continue;
            }
            if sent < 0 && !sys::would_block() {
                gone.push(member);
                continue;
            }
            self.unsent[member as usize] = bytes[sent.max(0) as usize..].to_vec();
            self.behind += 1;
            self.epoll.change(member, WRITABLE);
        }
        for member in gone {
            self.leave(member);
        }
    }

    fn on_writable(&mut self, fd: RawFd) {
        let unsent = &mut self.unsent[fd as usize];
        let sent = sys::send(fd, unsent);
        if sent < 0 {
            if !sys::would_block() {
                self.leave(fd);
            }
            return;
        }
        unsent.drain(..sent as usize);
        if unsent.is_empty() {
            self.epoll.change(fd, READABLE);
            self.one_less_behind();
        }
    }

    fn one_less_behind(&mut self) {
        self.behind -= 1;
        if self.behind == 0 {
            for fd in self.held.drain(..) {
                self.epoll.change(fd, READABLE);
            }
        }
    }
}

/// Runs the hub.
pub(crate) fn run(listener: RawFd, buffer: usize) -> io::Result<()> {
    let mut hub = Hub {
        epoll: Epoll::new()?,
        members: vec![],
        unsent: vec![],
        behind: 0,
        held: vec![],
    };
    hub.epoll.add(listener, READABLE);
    let (mut ready, mut buffer) = (sys::no_events(), vec![0; buffer]);
    loop {
        let count = hub.epoll.wait(&mut ready);
        for event in &ready[..count] {
            let fd = event.u64 as RawFd;
            if fd == listener {
                sys::accept_all(fd, |fd| hub.join(fd));
            } else if event.events & WRITABLE != 0 {
                hub.on_writable(fd);
            } else if hub.members.contains(&fd) {
                // The entry may be of a member that left earlier in this round.
                hub.on_readable(fd, &mut buffer);
            }
        }
    }
}
