//! System calls, as thin as they come.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::fd::{IntoRawFd as _, RawFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// As many pending connections as the kernel grants by default (net.core.somaxconn).
const BACKLOG: i32 = 4096;

/// Turns a system call's result into what Rust expects.
pub(crate) fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Whether a call only has to be tried again later.
pub(crate) fn would_block() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

/// Listens on a free loopback port or at a path, prints the endpoint, and returns the descriptor.
pub(crate) fn listen(unix: Option<&Path>) -> io::Result<RawFd> {
    let (fd, endpoint) = if let Some(path) = unix {
        let listener = UnixListener::bind(path)?;
        (listener.into_raw_fd(), format!("unix:{}", path.display()))
    } else {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("tcp://{}", listener.local_addr()?);
        (listener.into_raw_fd(), endpoint)
    };
    // SAFETY: plain calls on a descriptor that we own; listening again only changes the backlog.
    unsafe {
        check(libc::listen(fd, BACKLOG))?;
        check(libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK))?;
    }
    // Connections inherit it. Fails on a Unix socket, which needs no such option.
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
    announce(&endpoint)?;
    Ok(fd)
}

/// Prints the endpoint as the first line, at once.
pub(crate) fn announce(endpoint: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{endpoint}")?;
    stdout.flush()
}

/// The next pending connection, non-blocking; none if there is none.
fn accept(listener: RawFd) -> Option<RawFd> {
    // SAFETY: null is allowed for the peer's address.
    let fd = unsafe {
        libc::accept4(
            listener,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    };
    (fd >= 0).then_some(fd)
}

/// Takes every pending connection.
pub(crate) fn accept_all(listener: RawFd, mut take: impl FnMut(RawFd)) {
    while let Some(fd) = accept(listener) {
        take(fd);
    }
}

/// Sets an integer option; its failure shows in the figures, not here.
pub(crate) fn set_option(fd: RawFd, level: i32, name: i32, value: i32) -> bool {
    // SAFETY: the value lives across the call and its size is given.
    unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        ) == 0
    }
}

pub(crate) fn recv(fd: RawFd, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes at most the buffer's length into it.
    unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) }
}

pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the kernel reads at most the slice's length from it.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) }
}

pub(crate) fn close(fd: RawFd) {
    // SAFETY: the caller gives the descriptor up.
    unsafe { libc::close(fd) };
}

/// One epoll instance, level-triggered; the token of each entry is its descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Epoll(RawFd);

/// Ready descriptors taken by one wait: above the 64 connections of the tables, so that one call
/// can bring them all.
const READY: usize = 256;
/// Room for what [`Epoll::wait`] brings.
pub(crate) type Ready = [libc::epoll_event; READY];

pub(crate) fn no_events() -> Ready {
    [libc::epoll_event { events: 0, u64: 0 }; READY]
}

pub(crate) const READABLE: u32 = libc::EPOLLIN as u32;
pub(crate) const WRITABLE: u32 = libc::EPOLLOUT as u32;

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    fn control(self, call: i32, fd: RawFd, events: u32) {
        let mut event = libc::epoll_event {
            events,
            u64: fd as u64,
        };
        // SAFETY: the event lives across the call.
        let done = unsafe { libc::epoll_ctl(self.0, call, fd, &raw mut event) };
        assert!(done == 0, "epoll_ctl: {}", io::Error::last_os_error());
    }

    pub(crate) fn add(self, fd: RawFd, events: u32) {
        self.control(libc::EPOLL_CTL_ADD, fd, events);
    }

    pub(crate) fn change(self, fd: RawFd, events: u32) {
        self.control(libc::EPOLL_CTL_MOD, fd, events);
    }

    /// Waits for something to be ready and returns how many entries are filled.
    pub(crate) fn wait(self, ready: &mut Ready) -> usize {
        loop {
            // SAFETY: the kernel fills at most as many entries as the array has.
            let count = unsafe { libc::epoll_wait(self.0, ready.as_mut_ptr(), READY as i32, -1) };
            if count > 0 {
                return count as usize;
            }
        }
    }
}
