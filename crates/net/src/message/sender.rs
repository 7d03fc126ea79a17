//! The direction us → peer.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sockeye_trace::{ConnId, Event, Kind, Recorder};

use super::packets::Packets;
use super::{Carrier, How, took};

/// The direction us → peer. Dropping it half-closes, where that exists.
#[derive(Debug)]
pub struct MessageSender {
    pub(super) carrier: Arc<Carrier>,
    pub(super) recorder: Recorder,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl MessageSender {
    /// Messages sent so far, and their bytes.
    pub fn sent(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.carrier.conn
    }

    /// Sends one message, whole or not at all.
    ///
    /// # Errors
    /// `EMSGSIZE` for one that is too long, and whatever else the kernel reports.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
        let began = self.recorder.takes_calls().then(|| self.recorder.now());
        let result = match &self.carrier.how {
            How::Socket(socket) => ready!(socket.poll_send(cx, message)),
            How::WebSocket(socket) => ready!(socket.poll_send(cx, message)),
        };
        if let Some(began) = began {
            let outcome = match &result {
                Ok(()) => message.len() as i32,
                Err(error) => -error.raw_os_error().unwrap_or(0),
            };
            let event = Event::new(Kind::Write, self.carrier.conn, self.recorder.now())
                .with_offset(self.bytes)
                .with_result(outcome)
                .with_asked(message.len() as u32);
            self.recorder.record(took(event, began), message);
        }
        if result.is_ok() {
            self.messages += 1;
            self.bytes += message.len() as u64;
        }
        Poll::Ready(result)
    }

    /// Waits until nothing is left in our own process of what was sent; only a WebSocket keeps
    /// anything there.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.carrier.how {
            How::Socket(_) => Poll::Ready(Ok(())),
            How::WebSocket(socket) => socket.poll_flush(cx),
        }
    }

    /// [`MessageSender::poll_send`] as a future, until the message has left; dropping it sends
    /// nothing, or on a WebSocket all of it with the next call.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, message)).await?;
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends the conversation, as far as the link has an end: a WebSocket closes, for both directions,
    /// and what the peer sends until it has heard of it is still received; sequenced packets are
    /// half-closed.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.carrier.how {
            How::Socket(_) => return Poll::Ready(self.shutdown()),
            How::WebSocket(socket) => ready!(socket.poll_close(cx))?,
        }
        self.record_shutdown();
        Poll::Ready(Ok(()))
    }

    /// Says that we send no more, where the peer can hear it and go on: sequenced packets only.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn shutdown(&mut self) -> io::Result<()> {
        let How::Socket(Packets {
            io, has_end: true, ..
        }) = &self.carrier.how
        else {
            return Ok(());
        };
        match io.get_ref().shutdown(std::net::Shutdown::Write) {
            // The peer is gone already: there is nobody to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            result => result?,
        }
        self.record_shutdown();
        Ok(())
    }

    fn record_shutdown(&self) {
        if self.recorder.is_on() {
            let event = Event::new(Kind::Shutdown, self.carrier.conn, self.recorder.now());
            self.recorder.record(event.with_offset(self.bytes), &[]);
        }
    }
}

impl Drop for MessageSender {
    fn drop(&mut self) {
        // The receiver may live on; where it does not, closing says the same.
        if let How::Socket(Packets {
            io, has_end: true, ..
        }) = &self.carrier.how
        {
            let _ = io.get_ref().shutdown(std::net::Shutdown::Write);
        }
    }
}
