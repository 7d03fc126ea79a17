//! Sockets that keep the boundaries of messages.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::unix::AsyncFd;

use crate::datagram::{Address, mmsg};
use crate::unix_lock::Claim;

/// A socket that keeps the boundaries of messages.
#[derive(Debug)]
pub(super) struct Packets {
    pub(super) io: AsyncFd<socket2::Socket>,
    /// Where messages go to on a socket that is not connected, because many may answer.
    pub(super) to: Option<Address>,
    /// Whether the peer can end the conversation (`SOCK_SEQPACKET`).
    pub(super) has_end: bool,
    /// Of a Unix socket with a file that we made.
    pub(super) _claim: Option<Claim>,
}

impl Packets {
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
        let mut result = self.send(message);
        while let Err(error) = &result {
            match error.kind() {
                io::ErrorKind::Interrupted => result = self.send(message),
                io::ErrorKind::WouldBlock => {
                    let mut ready = ready!(self.io.poll_write_ready(cx))?;
                    // There may have been room since: only what is tried under this very readiness
                    // may clear it.
                    result = self.send(message);
                    if is_full(&result) {
                        ready.clear_ready();
                    }
                }
                _ => break,
            }
        }
        Poll::Ready(result)
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        // EOR ends the record, send(2); NOSIGNAL: a peer that is gone is an error to handle.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let flags = if self.has_end {
            flags | SendFlags::EOR
        } else {
            flags
        };
        let fd = self.io.as_fd();
        match &self.to {
            Some(to) => {
                let v6 = to.raw_inet().is_some_and(|inet| inet.is_ipv6());
                mmsg::send_one(fd, v6, to, message)
            }
            None => rustix::net::send(fd, message, flags)
                .map(drop)
                .map_err(io::Error::from),
        }
    }
}

fn is_full(result: &io::Result<()>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
