//! Counting what passes and telling the recorder.

use std::io::{self, IoSlice};
use std::task::{Poll, ready};

use sockeye_trace::{ConnId, Event, Kind, Recorder, Time};
use tokio::io::ReadBuf;

use crate::errno::Errno;

/// What a stream counts, and whom it tells.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    recorder: Recorder,
    pub(crate) conn: ConnId,
    pub(crate) read: u64,
    pub(crate) written: u64,
    /// The empty read was seen and recorded.
    pub(crate) peer_closed: bool,
}

impl Tally {
    pub(crate) fn new(recorder: Recorder, conn: ConnId) -> Self {
        Self {
            recorder,
            conn,
            read: 0,
            written: 0,
            peer_closed: false,
        }
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The clock is read only where somebody wants to know how long the call took.
    #[inline]
    fn began(&self) -> Option<Time> {
        self.recorder.takes_calls().then(|| self.recorder.now())
    }

    /// Runs one read into `buf`.
    #[inline]
    pub(crate) fn read(
        &mut self,
        buf: &mut ReadBuf<'_>,
        mut call: impl FnMut(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        let began = self.began();
        let result = loop {
            match ready!(call(buf)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let got = buf.filled().len() - before;
        if let Some(began) = began {
            let result = result.as_ref().map(|()| got);
            self.record(
                Kind::Read,
                began,
                self.read,
                room,
                result,
                &buf.filled()[before..],
            );
        }
        if got == 0 && room > 0 && result.is_ok() {
            self.on_peer_closed();
        }
        self.read += got as u64;
        Poll::Ready(result)
    }

    /// Runs one call that moves up to `room` bytes in without showing them, as splice(2) does.
    pub(crate) fn read_unseen(
        &mut self,
        room: usize,
        call: impl FnOnce() -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let began = self.began();
        let result = ready!(call());
        if let Some(began) = began {
            let result = result.as_ref().map(|got| *got);
            self.record(Kind::Read, began, self.read, room, result, &[]);
        }
        match &result {
            Ok(0) if room > 0 => self.on_peer_closed(),
            Ok(got) => self.read += *got as u64,
            Err(_) => {}
        }
        Poll::Ready(result)
    }

    /// Runs one write of `bytes`, or of an unknown content where `bytes` holds empty slices.
    #[inline]
    pub(crate) fn write(
        &mut self,
        bytes: &[IoSlice<'_>],
        offered: usize,
        mut call: impl FnMut() -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let began = self.began();
        let result = loop {
            match ready!(call()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if let Some(began) = began {
            let outcome = result.as_ref().map(|taken| *taken);
            let taken = *outcome.as_ref().unwrap_or(&0);
            match bytes {
                [one] => {
                    let shown = &one[..taken.min(one.len())];
                    self.record(Kind::Write, began, self.written, offered, outcome, shown);
                }
                many => {
                    let mut shown = many
                        .iter()
                        .flat_map(|slice| slice.iter().copied())
                        .collect::<Vec<u8>>();
                    shown.truncate(taken);
                    self.record(Kind::Write, began, self.written, offered, outcome, &shown);
                }
            }
        }
        if let Ok(taken) = &result {
            self.written += *taken as u64;
        }
        Poll::Ready(result)
    }

    fn on_peer_closed(&mut self) {
        if !self.peer_closed {
            self.peer_closed = true;
            self.mark(Kind::PeerClosed, self.read);
        }
    }

    /// What became of shutting our direction down. A connection that is gone already has nothing
    /// to shut down, and reading says why it is gone.
    pub(crate) fn shutdown(&self, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        let result = match ready!(result) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(()),
            result => result,
        };
        if result.is_ok() {
            self.mark(Kind::Shutdown, self.written);
        }
        Poll::Ready(result)
    }

    fn mark(&self, kind: Kind, offset: u64) {
        if self.recorder.is_on() {
            let event = Event::new(kind, self.conn, self.recorder.now()).with_offset(offset);
            self.recorder.record(event, &[]);
        }
    }

    #[cold]
    fn record(
        &self,
        kind: Kind,
        began: Time,
        offset: u64,
        asked: usize,
        result: Result<usize, &io::Error>,
        payload: &[u8],
    ) {
        let ended = self.recorder.now();
        let result = match result {
            // One call moves less than 2 GiB: read(2), write(2).
            Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
            Err(error) => -Errno::of(error).number(),
        };
        let mut event = Event::new(kind, self.conn, ended)
            .with_offset(offset)
            .with_result(result)
            .with_asked(u32::try_from(asked).unwrap_or(u32::MAX));
        event.took_ns = u32::try_from(ended.since(began).as_nanos()).unwrap_or(u32::MAX);
        self.recorder.record(event, payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    fn tally() -> Tally {
        let recorder = Recorder::new();
        let conn = recorder.next_conn();
        Tally::new(recorder, conn)
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut tally = tally();
        let mut calls = 0;
        let written = tally.write(&[IoSlice::new(b"abc")], 3, || {
            calls += 1;
            Poll::Ready(if calls < 3 {
                Err(Error::from_raw_os_error(libc::EINTR))
            } else {
                Ok(2)
            })
        });
        assert!(matches!(written, Poll::Ready(Ok(2))));
        let mut bytes = [0; 8];
        let mut buf = ReadBuf::new(&mut bytes);
        let read = tally.read(&mut buf, |buf| {
            calls += 1;
            if calls < 5 {
                return Poll::Ready(Err(Error::from_raw_os_error(libc::EINTR)));
            }
            buf.put_slice(b"xyz");
            Poll::Ready(Ok(()))
        });
        assert!(matches!(read, Poll::Ready(Ok(()))));
        assert_eq!((calls, tally.written, tally.read), (5, 2, 3));
    }

    #[test]
    fn failures_and_partial_writes_are_recorded_as_they_were() {
        let mut tally = tally();
        let mut observer = tally.recorder().observe();
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        let _ = tally.write(&slices, 4, || Poll::Ready(Ok(3)));
        let _ = tally.write(&slices, 4, || {
            Poll::Ready(Err(Error::from_raw_os_error(libc::ECONNRESET)))
        });
        let _ = tally.write(&slices, 4, || Poll::Pending);
        let mut seen = vec![];
        observer.drain_all(|event, payload| {
            seen.push((event.offset, event.asked, event.result, payload.to_vec()));
        });
        let reset = -libc::ECONNRESET;
        assert_eq!(seen, [(0, 4, 3, b"abc".to_vec()), (3, 4, reset, vec![])]);
    }

    #[test]
    fn shutting_down_what_is_gone_is_no_failure() {
        let gone = Error::from_raw_os_error(libc::ENOTCONN);
        assert!(matches!(
            tally().shutdown(Poll::Ready(Err(gone))),
            Poll::Ready(Ok(()))
        ));
    }
}
