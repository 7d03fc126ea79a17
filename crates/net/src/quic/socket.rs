//! The UDP socket below QUIC.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::sync::Notify;

use crate::datagram::mmsg;
use crate::errno::Errno;
use crate::readiness::watch;
use crate::sockopt::SockOpt;

const MTU_V4: SockOpt = SockOpt::new(libc::IPPROTO_IP, libc::IP_MTU);
const MTU_V6: SockOpt = SockOpt::new(libc::IPPROTO_IPV6, libc::IPV6_MTU);

/// IP header and UDP header: RFC 791, RFC 8200, RFC 768.
const HEADERS_V4: i32 = 20 + 8;
const HEADERS_V6: i32 = 40 + 8;

/// How many packets leave by one call (UDP_SEGMENT, udp(7)).
const SEGMENTS: u16 = 10;

/// The largest packet that we send or take. One call moves at most what one datagram may hold over
/// IPv4, so that larger packets would not be faster; and a call that holds more fails.
pub(super) const MAX_PAYLOAD: u16 = (u16::MAX - HEADERS_V4 as u16) / SEGMENTS;

/// How many bytes tell a datagram of ours from an answer to it: the two connection IDs are among them.
const FINGERPRINT: usize = 24;

/// The bit that the packets of a handshake have set (RFC 9000, section 17.2).
const LONG_HEADER: u8 = 0x80;

/// A UDP socket that quinn drives, and that listens to what QUIC ignores: what the network says of
/// the peer, and answers that are no QUIC.
pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// The beginning of the first datagram that left.
    asked: OnceLock<Vec<u8>>,
    /// Of the first datagram that came: its beginning, if it was no QUIC.
    answered: OnceLock<Option<Vec<u8>>>,
    /// Why a datagram could not leave, which is also how an ICMP error may show.
    unsent: OnceLock<Errno>,
    failed: Notify,
}

impl Socket {
    /// Lets the runtime watch a socket that is bound or connected.
    pub(super) fn new(socket: socket2::Socket) -> io::Result<Arc<Self>> {
        let socket = UdpSocket::from(socket);
        // Makes it non-blocking, too.
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Self {
            local: socket.local_addr()?,
            io: tokio::net::UdpSocket::from_std(socket)?,
            state,
            asked: OnceLock::new(),
            answered: OnceLock::new(),
            unsent: OnceLock::new(),
            failed: Notify::new(),
        }))
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The beginning of what came first, if that was no QUIC.
    pub(super) fn foreign(&self) -> Option<Vec<u8>> {
        self.answered.get().cloned().flatten()
    }

    /// Waits until the network says that the peer cannot be reached. Only a connected socket hears
    /// that, and only of its peer. QUIC itself goes on trying whatever the network says.
    pub(super) async fn unreachable(&self) -> io::Result<Errno> {
        // The runtime wakes nobody for a pending error alone, and an ICMP error is one.
        mmsg::set_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE, 1)?;
        let fd = self.as_fd().try_clone_to_owned()?;
        let watched = watch(fd.into())?;
        loop {
            if let Some(error) = self.unsent.get() {
                return Ok(*error);
            }
            tokio::select! {
                ready = watched.ready(Interest::PRIORITY) => ready?.clear_ready(),
                () = self.failed.notified() => {}
            }
            match socket2::SockRef::from(&self.io).take_error()? {
                Some(error) if is_final(&error) => return Ok(error.into()),
                _ => {}
            }
        }
    }

    fn on_sent(&self, transmit: &Transmit<'_>, error: Option<&io::Error>) {
        self.asked.get_or_init(|| {
            let shown = transmit.contents.len().min(FINGERPRINT);
            transmit.contents[..shown].to_vec()
        });
        if let Some(error) = error.filter(|error| is_final(error)) {
            self.unsent.get_or_init(|| Errno::of(error));
            self.failed.notify_one();
        }
    }

    fn on_received(&self, datagram: &[u8]) {
        self.answered.get_or_init(|| {
            let is_ours = |asked: &Vec<u8>| datagram.starts_with(asked);
            let is_quic = datagram.first().is_some_and(|byte| byte & LONG_HEADER != 0)
                && !self.asked.get().is_some_and(is_ours);
            (!is_quic).then(|| datagram[..datagram.len().min(FINGERPRINT)].to_vec())
        });
    }
}

/// Whether an error means that the peer cannot be reached, and not that one datagram was too large
/// (RFC 8899 sends such to find out) or that a network card does not cut them.
fn is_final(error: &io::Error) -> bool {
    !matches!(
        error.raw_os_error(),
        None | Some(libc::EMSGSIZE | libc::EIO | libc::EINVAL | libc::EAGAIN | libc::ENOBUFS)
    )
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.local).finish()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room {
            socket: self,
            wait: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.io).into(), transmit)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // Whatever else is wrong, to QUIC it is a datagram that was lost.
            sent => {
                self.on_sent(transmit, sent.as_ref().err());
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), bufs, meta)
            });
            // An error is none of the socket: it tells of a datagram that was sent earlier.
            if let Ok(count) = received {
                if count > 0 && self.answered.get().is_none() {
                    self.on_received(&bufs[0][..meta[0].len]);
                }
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments().min(SEGMENTS.into())
    }

    /// So many that each buffer takes the largest datagram there is: what arrives glued together (GRO,
    /// udp(7)) is no larger.
    fn max_receive_segments(&self) -> usize {
        (u16::MAX / MAX_PAYLOAD + 1).into()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits for room in the socket's buffer, on behalf of one connection.
struct Room {
    socket: Arc<Socket>,
    wait: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.socket).finish()
    }
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, wait } = &mut *self;
        let waiting = wait.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.io.writable().await })
        });
        let done = ready!(waiting.as_mut().poll(cx));
        *wait = None;
        Poll::Ready(done)
    }
}

/// The largest UDP payload that the way to `peer` carries, as far as the kernel knows.
pub(super) fn payload_to(mut peer: SocketAddr) -> Option<u16> {
    // On a socket for both families, IPv4 has addresses of IPv6.
    peer.set_ip(peer.ip().to_canonical());
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let probe = UdpSocket::bind(any).ok()?;
    // Sends nothing: it looks the route up.
    probe.connect(peer).ok()?;
    let room = match peer {
        SocketAddr::V4(_) => MTU_V4.int(&probe).ok()? - HEADERS_V4,
        SocketAddr::V6(_) => MTU_V6.int(&probe).ok()? - HEADERS_V6,
    };
    u16::try_from(room.clamp(0, MAX_PAYLOAD.into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_machine_carries_large_datagrams() {
        let loopback = payload_to("127.0.0.1:9".parse().unwrap()).unwrap();
        assert!(loopback > 1200, "{loopback} bytes");
        let mapped = payload_to("[::ffff:127.0.0.1]:9".parse().unwrap());
        assert_eq!(mapped, Some(loopback));
    }
}
