//! The direction peer → us.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sockeye_trace::{ConnId, Event, Kind, Recorder, Time};

use super::{Carrier, How, took};
use crate::datagram::{Address, mmsg};
use crate::name::Name;
use crate::ws::WebSocketError;

/// One message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it in the buffer.
    pub len: usize,
    /// Its length before it was cut to the buffer. What was cut off is lost, but on a WebSocket, where
    /// [`MessageReceiver::take_overflow`] has the whole of it.
    pub full_len: usize,
    /// Who sent it, on a link that hears more than one peer (a multicast group, a broadcast).
    pub from: Option<Address>,
}

impl Received {
    /// Whether the end of it was cut off.
    pub fn is_truncated(&self) -> bool {
        self.full_len > self.len
    }
}

/// The direction peer → us.
#[derive(Debug)]
pub struct MessageReceiver {
    pub(super) carrier: Arc<Carrier>,
    pub(super) recorder: Recorder,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) ended: bool,
}

impl MessageReceiver {
    /// Messages received so far, and their bytes.
    pub fn received(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        &self.carrier.peer
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.carrier.conn
    }

    /// Takes the next message into `buf`, cut to its length; `None` after the last one.
    ///
    /// # Errors
    /// What the kernel reports, an ICMP error of an earlier datagram included.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<Received>>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let socket = match &self.carrier.how {
            How::Socket(socket) => socket,
            How::WebSocket(_) => return self.poll_recv_websocket(cx, buf),
        };
        loop {
            let mut ready = ready!(socket.io.poll_read_ready(cx))?;
            let began = self.recorder.takes_calls().then(|| self.recorder.now());
            let result = mmsg::receive_one(socket.io.as_fd(), buf);
            match &result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => {}
            }
            let one = match result {
                Ok(one) => one,
                Err(error) => return Poll::Ready(Err(self.on_error(error, began, buf.len()))),
            };
            if socket.has_end && one.full_len == 0 && !one.has_control {
                self.on_end();
                return Poll::Ready(Ok(None));
            }
            let from = socket.to.is_some().then_some(one.from);
            return Poll::Ready(Ok(Some(self.on_read(one.full_len, from, began, buf))));
        }
    }

    fn poll_recv_websocket(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<Received>>> {
        let How::WebSocket(socket) = &self.carrier.how else {
            unreachable!("asked only of a WebSocket");
        };
        let began = self.recorder.takes_calls().then(|| self.recorder.now());
        match ready!(socket.poll_recv(cx, buf)) {
            Ok(Some(full_len)) => {
                let len = full_len.min(buf.len());
                self.record(Kind::Read, began, full_len as i32, full_len, &buf[..len]);
                self.count(full_len);
                let from = None;
                Poll::Ready(Ok(Some(Received {
                    len,
                    full_len,
                    from,
                })))
            }
            Ok(None) => {
                self.on_end();
                Poll::Ready(Ok(None))
            }
            Err(error) => {
                self.ended = true;
                Poll::Ready(Err(self.on_error(error, began, buf.len())))
            }
        }
    }

    fn on_error(&self, error: io::Error, began: Option<Time>, room: usize) -> io::Error {
        let number = match WebSocketError::within(&error) {
            Some(error) => error.errno().number(),
            None => error.raw_os_error().unwrap_or(0),
        };
        self.record(Kind::Read, began, -number, room, &[]);
        error
    }

    fn on_end(&mut self) {
        self.ended = true;
        self.record(Kind::PeerClosed, Some(self.recorder.now()), 0, 0, &[]);
    }

    fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    fn on_read(
        &mut self,
        full_len: usize,
        from: Option<Address>,
        began: Option<Time>,
        buf: &[u8],
    ) -> Received {
        let len = full_len.min(buf.len());
        self.record(Kind::Read, began, len as i32, buf.len(), &buf[..len]);
        if full_len > len && self.recorder.is_on() {
            self.record(
                Kind::Truncated,
                Some(self.recorder.now()),
                len as i32,
                full_len,
                &[],
            );
        }
        self.count(len);
        Received {
            len,
            full_len,
            from,
        }
    }

    /// All of the message that came last, where a WebSocket brought it and the buffer was too small
    /// for it; until the next one is asked for.
    pub fn take_overflow(&mut self) -> Option<Vec<u8>> {
        match &self.carrier.how {
            How::WebSocket(socket) => socket.take_overflow(),
            How::Socket(_) => None,
        }
    }

    fn record(&self, kind: Kind, began: Option<Time>, result: i32, asked: usize, payload: &[u8]) {
        let Some(began) = began else { return };
        let event = Event::new(kind, self.carrier.conn, self.recorder.now())
            .with_offset(self.bytes)
            .with_result(result)
            .with_asked(asked as u32);
        self.recorder.record(took(event, began), payload);
    }

    /// [`MessageReceiver::poll_recv`] as a future; dropping it loses no message.
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        poll_fn(|cx| self.poll_recv(cx, buf)).await
    }
}
