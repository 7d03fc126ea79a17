//! Descriptors that are read and written by threads of their own.
//!
//! A terminal, a pipe or a file that we share with other programs must not become non-blocking: the
//! flag belongs to what is open, not to our descriptor, and would leak into the shell. So a thread
//! waits in our place. It never keeps the process alive: an exit abandons it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use tokio::io::ReadBuf;

use crate::errno::Errno;

/// What one read or write of a thread moves at most. The kernel's pipe holds as much.
const CHUNK: usize = 64 * 1024;

/// What the caller's side and the thread share.
#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    step: T,
    /// The caller's side is gone: the thread ends.
    closed: bool,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn new(step: T) -> Arc<Self> {
        let state = State {
            step,
            closed: false,
            waker: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is work; `None` when the caller's side is gone.
    fn wait<W>(&self, mut work: impl FnMut(&mut T) -> Option<W>) -> Option<W> {
        let mut state = self.lock();
        loop {
            if let Some(work) = work(&mut state.step) {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the thread came to; wakes the caller's side.
    fn report(&self, step: T) {
        let mut state = self.lock();
        state.step = step;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

/// Where reading stands.
#[derive(Debug)]
enum Reading {
    /// Nobody asked.
    Idle,
    /// The thread reads, or waits until it can.
    Wanted,
    /// Bytes from `at` on are there.
    Filled {
        chunk: Vec<u8>,
        at: usize,
    },
    Ended,
    Failed(Errno),
}

/// Reads a descriptor by a thread of its own, only while somebody asks for bytes.
#[derive(Debug)]
pub(crate) struct ThreadReader {
    fd: Arc<OwnedFd>,
    shared: Arc<Shared<Reading>>,
    /// Made together with the thread, at the first read; a word in it ends the thread's wait.
    bell: Option<OwnedFd>,
}

impl ThreadReader {
    pub(crate) fn new(fd: Arc<OwnedFd>) -> Self {
        Self {
            fd,
            shared: Shared::new(Reading::Idle),
            bell: None,
        }
    }

    /// Reads what is there; nothing at the end. Bytes that arrive after a wait was given up are
    /// kept for the next call.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bell.is_none() {
            self.start()?;
        }
        let mut state = self.shared.lock();
        match &mut state.step {
            Reading::Filled { chunk, at } => {
                let count = buf.remaining().min(chunk.len() - *at);
                buf.put_slice(&chunk[*at..*at + count]);
                *at += count;
                if *at == chunk.len() {
                    state.step = Reading::Idle;
                }
                return Poll::Ready(Ok(()));
            }
            Reading::Ended => return Poll::Ready(Ok(())),
            Reading::Failed(error) => return Poll::Ready(Err(error.to_io())),
            Reading::Idle => {
                state.step = Reading::Wanted;
                self.shared.changed.notify_one();
            }
            Reading::Wanted => {}
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn start(&mut self) -> io::Result<()> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC)?;
        let heard = bell.try_clone()?;
        let (fd, shared) = (Arc::clone(&self.fd), Arc::clone(&self.shared));
        thread::Builder::new()
            .name("reader".into())
            .spawn(move || {
                while let Some(()) =
                    shared.wait(|step| matches!(step, Reading::Wanted).then_some(()))
                {
                    match read_once(fd.as_fd(), heard.as_fd()) {
                        Some(step) => shared.report(step),
                        None => return,
                    }
                }
            })?;
        self.bell = Some(bell);
        Ok(())
    }
}

impl AsFd for ThreadReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for ThreadReader {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(bell) = &self.bell {
            // It can only fail when the counter is full, and then it rings already.
            let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
        }
    }
}

/// Waits for bytes and reads them once; `None` when the bell rang, so that what a later program
/// should read is not taken from it.
fn read_once(fd: BorrowedFd<'_>, bell: BorrowedFd<'_>) -> Option<Reading> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(bell, PollFlags::IN),
            PollFd::from_borrowed_fd(fd, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Ok(_) if !both[0].revents().is_empty() => return None,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Some(Reading::Failed(error.into())),
        }
        if both[1].revents().is_empty() {
            continue;
        }
        match rustix::io::read(fd, &mut chunk) {
            Ok(0) => return Some(Reading::Ended),
            Ok(count) => {
                chunk.truncate(count);
                return Some(Reading::Filled { chunk, at: 0 });
            }
            // Another program may have made it non-blocking, or taken the bytes.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Some(Reading::Failed(error.into())),
        }
    }
}

/// Where writing stands.
#[derive(Debug)]
enum Writing {
    Idle,
    /// Bytes that the thread has not yet taken.
    Given(Vec<u8>),
    /// The thread writes.
    Busy,
    Failed(Errno),
}

/// Writes a descriptor by a thread of its own. A write is accepted while the one before it is not
/// stuck; its failure is told by the next call.
#[derive(Debug)]
pub(crate) struct ThreadWriter {
    fd: Arc<OwnedFd>,
    shared: Arc<Shared<Writing>>,
    started: bool,
}

impl ThreadWriter {
    pub(crate) fn new(fd: Arc<OwnedFd>) -> Self {
        Self {
            fd,
            shared: Shared::new(Writing::Idle),
            started: false,
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.started {
            self.start()?;
        }
        ready!(self.poll_flush(cx))?;
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        self.shared.lock().step = Writing::Given(bytes.to_vec());
        self.shared.changed.notify_one();
        Poll::Ready(Ok(bytes.len()))
    }

    /// Waits until the thread has written everything.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        match &state.step {
            Writing::Idle => Poll::Ready(Ok(())),
            Writing::Failed(error) => Poll::Ready(Err(error.to_io())),
            Writing::Given(_) | Writing::Busy => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let (fd, shared) = (Arc::clone(&self.fd), Arc::clone(&self.shared));
        thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                while let Some(bytes) = shared.wait(take_given) {
                    shared.report(write_all(fd.as_fd(), &bytes));
                }
            })?;
        self.started = true;
        Ok(())
    }
}

impl AsFd for ThreadWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for ThreadWriter {
    /// What was given is still written, as long as the process lives.
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn take_given(step: &mut Writing) -> Option<Vec<u8>> {
    match std::mem::replace(step, Writing::Busy) {
        Writing::Given(bytes) => Some(bytes),
        other => {
            *step = other;
            None
        }
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Writing {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut writable = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                match poll(&mut writable, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Writing::Failed(error.into()),
                }
            }
            Err(error) => return Writing::Failed(error.into()),
        }
    }
    Writing::Idle
}
