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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::future::poll_fn;
    use std::io::{Read, Seek, Write};

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    async fn read(reader: &mut ThreadReader, room: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; room];
        let mut buf = ReadBuf::new(&mut bytes);
        poll_fn(|cx| reader.poll_read(cx, &mut buf)).await?;
        Ok(buf.filled().to_vec())
    }

    async fn write(writer: &mut ThreadWriter, bytes: &[u8]) -> io::Result<usize> {
        let count = poll_fn(|cx| writer.poll_write(cx, bytes)).await?;
        poll_fn(|cx| writer.poll_flush(cx)).await?;
        Ok(count)
    }

    fn reader(fd: impl Into<OwnedFd>) -> ThreadReader {
        ThreadReader::new(Arc::new(fd.into()))
    }

    #[tokio::test]
    async fn reads_in_pieces_to_the_end() {
        let (theirs, mut ours) = io::pipe().unwrap();
        let mut reader = reader(theirs);
        ours.write_all(b"hello").unwrap();
        assert_eq!(read(&mut reader, 2).await.unwrap(), b"he");
        assert_eq!(read(&mut reader, 8).await.unwrap(), b"llo");
        drop(ours);
        assert_eq!(read(&mut reader, 8).await.unwrap(), b"");
        assert_eq!(
            read(&mut reader, 8).await.unwrap(),
            b"",
            "the end stays the end"
        );
    }

    #[tokio::test]
    async fn leaves_to_others_what_nobody_asked_for() {
        let (mut theirs, mut ours) = io::pipe().unwrap();
        let mut first = reader(theirs.try_clone().unwrap());
        ours.write_all(b"mine").unwrap();
        assert_eq!(read(&mut first, 64).await.unwrap(), b"mine");
        // Asked for once more, and given up before anything came.
        let asked = tokio::time::timeout(std::time::Duration::ZERO, read(&mut first, 64)).await;
        assert!(asked.is_err());
        let bell = first.bell.take().unwrap();
        let fd = Arc::downgrade(&first.fd);
        rustix::io::write(&bell, &1u64.to_ne_bytes()).unwrap();
        drop(first);
        // The thread has let go of the descriptor.
        while fd.strong_count() > 0 {
            thread::yield_now();
        }
        ours.write_all(b"theirs").unwrap();
        drop(ours);
        let mut left = String::new();
        theirs.read_to_string(&mut left).unwrap();
        assert_eq!(left, "theirs");
    }

    #[tokio::test]
    async fn waits_although_somebody_made_it_non_blocking() {
        let (theirs, mut ours) = io::pipe().unwrap();
        let (their_end, our_end) = (fcntl_getfl(&theirs).unwrap(), fcntl_getfl(&ours).unwrap());
        fcntl_setfl(&theirs, their_end | OFlags::NONBLOCK).unwrap();
        let mut reader = reader(theirs);
        let writer = thread::spawn(move || {
            fcntl_setfl(&ours, our_end | OFlags::NONBLOCK).unwrap();
            let mut writer = ThreadWriter::new(Arc::new(ours.try_clone().unwrap().into()));
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            // More than the pipe holds, so that writing meets EAGAIN.
            for _ in 0..8 {
                assert_eq!(
                    runtime
                        .block_on(write(&mut writer, &vec![7; CHUNK]))
                        .unwrap(),
                    CHUNK
                );
            }
            ours.flush().unwrap();
        });
        let mut total = 0;
        loop {
            match read(&mut reader, CHUNK).await.unwrap().len() {
                0 => break,
                count => total += count,
            }
        }
        writer.join().unwrap();
        assert_eq!(total, 8 * CHUNK);
    }

    #[tokio::test]
    async fn a_file_is_read_and_written_too() {
        let mut file = tempfile::tempfile().unwrap();
        let mut writer = ThreadWriter::new(Arc::new(file.try_clone().unwrap().into()));
        write(&mut writer, b"on disk").await.unwrap();
        file.rewind().unwrap();
        let mut reader = reader(file);
        assert_eq!(read(&mut reader, 64).await.unwrap(), b"on disk");
        assert_eq!(read(&mut reader, 64).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn failures_are_told_by_the_next_call() {
        let (theirs, ours) = io::pipe().unwrap();
        drop(theirs);
        let mut writer = ThreadWriter::new(Arc::new(ours.into()));
        let error = write(&mut writer, b"to nobody").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
        let mut reader = reader(File::open("/").unwrap());
        let error = read(&mut reader, 8).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
    }
}
