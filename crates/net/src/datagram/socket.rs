//! A datagram socket that many peers share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use sockeye_trace::{Event, Kind, Recorder};
use tokio::io::unix::AsyncFd;

use super::address::Address;
use super::batch::{INET_SLOT, RecvBatch, SendBatch};
use super::gro::Gro;
use super::mmsg;
use crate::endpoint::{RawProtocol, UnixKind};
use crate::name::Name;
use crate::readiness::watch;
use crate::unix_lock::Claim;

/// Unix datagrams are as large as the sender's buffer allows (`net.core.wmem_default`, 208 KiB), so
/// their slots are larger and fewer.
const UNIX_SLOT: usize = 1 << 18;

/// A bound datagram socket: UDP, a Unix datagram socket, or raw IP.
///
/// One datagram is one message in both directions, also when it is empty, and whatever the kernel
/// glued together on the way.
#[derive(Debug)]
pub struct Socket {
    io: AsyncFd<socket2::Socket>,
    recorder: Recorder,
    local: Name,
    kind: SocketKind,
    /// Where peers can ask several of our addresses, each datagram tells which it asked.
    hears_local: bool,
    read_limit: usize,
    /// How many datagrams one read takes.
    read_most: usize,
    gro: Mutex<Gro>,
    /// Datagrams of at most this size are glued together for sending; 0 where that never works.
    glue_below: AtomicUsize,
    dropped: AtomicU64,
    /// Of a Unix socket with a file that we made.
    claim: Option<Claim>,
}

/// What a datagram socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6, or over both.
    Udp6,
    /// A Unix datagram socket.
    Unix,
    /// IP itself, carrying this protocol.
    Raw(RawProtocol),
}

impl SocketKind {
    pub(crate) fn of(socket: &socket2::Socket) -> io::Result<Self> {
        Ok(match (socket.domain()?, socket.r#type()?) {
            (_, socket2::Type::RAW) => {
                let protocol = socket.protocol()?.map_or(0, i32::from);
                Self::Raw(RawProtocol(protocol as u8))
            }
            (socket2::Domain::UNIX, _) => Self::Unix,
            (socket2::Domain::IPV6, _) => Self::Udp6,
            _ => Self::Udp4,
        })
    }

    /// The name that an address has on such a socket.
    pub fn name_of(self, address: &Address) -> Name {
        match (self, address.inet()) {
            (Self::Raw(protocol), Some(address)) => Name::Ip { address, protocol },
            (_, Some(address)) => Name::udp(address),
            (_, None) => Name::Unix {
                kind: UnixKind::Datagram,
                name: address.unix(),
            },
        }
    }
}

impl Socket {
    /// Takes a socket that is bound.
    ///
    /// # Errors
    /// When the kernel refuses to say what it is, or to watch it.
    pub fn new(socket: socket2::Socket, recorder: Recorder) -> io::Result<Self> {
        let kind = SocketKind::of(&socket)?;
        let address = Address::from(&socket.local_addr()?);
        let is_udp = matches!(kind, SocketKind::Udp4 | SocketKind::Udp6);
        let any = address
            .raw_inet()
            .is_some_and(|inet| inet.ip().to_canonical().is_unspecified());
        let hears_local = is_udp && any;
        if hears_local {
            let (level, name) = match kind {
                SocketKind::Udp6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
                _ => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            };
            mmsg::set_option(socket.as_fd(), level, name, 1)?;
        }
        Ok(Self {
            io: watch(socket)?,
            recorder,
            local: kind.name_of(&address),
            kind,
            hears_local,
            read_limit: usize::MAX,
            read_most: usize::MAX,
            gro: Mutex::new(if is_udp { Gro::new() } else { Gro::Never }),
            glue_below: AtomicUsize::new(if is_udp { INET_SLOT } else { 0 }),
            dropped: AtomicU64::new(0),
            claim: None,
        })
    }

    /// Reads at most this much of each datagram; the rest of a longer one is cut off and lost.
    #[must_use]
    pub fn with_read_limit(mut self, bytes: usize) -> Self {
        self.read_limit = bytes.max(1);
        self
    }

    /// Reads one datagram at a time, as a plain program does: what comes meanwhile waits in the
    /// kernel and can be seen there.
    #[must_use]
    pub fn one_by_one(mut self) -> Self {
        self.read_most = 1;
        self.gro = Mutex::new(Gro::Never);
        self
    }

    /// Keeps the right to the socket's file as long as the socket.
    #[must_use]
    pub(crate) fn with_claim(mut self, claim: Option<Claim>) -> Self {
        self.claim = claim;
        self
    }

    /// The socket as the runtime watches it.
    pub(super) fn watched(&self) -> &AsyncFd<socket2::Socket> {
        &self.io
    }

    /// The socket itself, where its events go, and the right to its file.
    pub(super) fn into_parts(self) -> (socket2::Socket, Recorder, Option<Claim>) {
        (self.io.into_inner(), self.recorder, self.claim)
    }

    /// Datagrams that could not be sent and are lost.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Our own name.
    pub fn local(&self) -> &Name {
        &self.local
    }

    /// What it speaks.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Where its events go.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Waits for datagrams and takes as many as one call brings.
    ///
    /// # Errors
    /// Only what ends the socket: an ICMP error that some peer's host sent is none of them.
    pub fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut RecvBatch) -> Poll<io::Result<()>> {
        let slot = if self.kind == SocketKind::Unix {
            UNIX_SLOT
        } else {
            INET_SLOT
        };
        batch.slots.clear();
        batch.read_limit = self.read_limit;
        loop {
            let mut ready = ready!(self.io.poll_read_ready(cx))?;
            let mut gro = self.gro.lock().unwrap_or_else(PoisonError::into_inner);
            let with_control = self.hears_local || gro.is_on();
            let most = self.read_most.min(batch.slots.fit(slot, with_control));
            match batch.slots.receive(self.io.as_fd(), most) {
                Ok(filled) => {
                    // A batch that is not full emptied the socket: what comes later raises a new
                    // edge, so there is no need to hear EAGAIN first.
                    if filled < most {
                        ready.clear_ready();
                    }
                    let datagrams = if gro.is_on() {
                        batch.datagrams().count()
                    } else {
                        filled
                    };
                    if let Some(on) = gro.on_batch(filled, datagrams)
                        && self.set_gro(on).is_err()
                    {
                        *gro = Gro::Never;
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_gro_on(&self) -> bool {
        self.gro
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_on()
    }

    fn set_gro(&self, on: bool) -> io::Result<()> {
        mmsg::set_option(self.io.as_fd(), libc::SOL_UDP, libc::UDP_GRO, on.into())
    }

    /// Sends what it can without waiting. Returns whether the batch is empty now; if not, the
    /// socket's own buffer is full, and [`Socket::poll_send`] waits for room.
    ///
    /// A datagram that cannot be sent (too long, its peer's queue full, forbidden by a firewall) is
    /// dropped and recorded, and the others go on.
    pub fn try_send(&self, batch: &mut SendBatch) -> bool {
        let mut refused = 0;
        while !batch.is_empty() {
            match self.send_once(batch) {
                Ok(()) => refused = 0,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if self.kind != SocketKind::Unix => return false,
                // The kernel tells us of an ICMP error that an earlier datagram met, once.
                Err(Errno::CONNREFUSED) if refused == 0 && self.kind != SocketKind::Unix => {
                    refused += 1;
                }
                Err(errno) => self.on_unsendable(batch, errno),
            }
        }
        batch.clear();
        true
    }

    /// Sends everything, waiting for room where it has to.
    ///
    /// # Errors
    /// Only what ends the socket.
    pub fn poll_send(&self, cx: &mut Context<'_>, batch: &mut SendBatch) -> Poll<io::Result<()>> {
        while !self.try_send(batch) {
            let mut ready = ready!(self.io.poll_write_ready(cx))?;
            // There may have been room since: only what is tried under this very readiness may
            // clear it.
            if !self.try_send(batch) {
                ready.clear_ready();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send_once(&self, batch: &mut SendBatch) -> Result<(), Errno> {
        let glue_below = self.glue_below.load(Ordering::Relaxed);
        let started = self.recorder.takes_calls().then(|| self.recorder.now());
        let v6 = self.kind == SocketKind::Udp6;
        let runs = batch
            .runs(glue_below)
            .take(mmsg::SLOTS)
            .map(|run| run.message);
        let taken = mmsg::send(self.io.as_fd(), v6, runs)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let entries = batch
            .runs(glue_below)
            .take(taken)
            .map(|run| run.entries)
            .sum();
        let sent = batch.advance(entries);
        if let Some(started) = started {
            let now = self.recorder.now();
            for (tag, bytes) in sent {
                let mut event = Event::new(Kind::Write, tag.conn, now)
                    .with_offset(tag.offset)
                    .with_result(bytes.len() as i32)
                    .with_asked(bytes.len() as u32);
                let took = now.since(started).as_nanos();
                event.took_ns = took.try_into().unwrap_or(u32::MAX);
                self.recorder.record(event, bytes);
            }
        }
        Ok(())
    }

    /// Finds another way to send the first datagram of the batch, or drops it.
    fn on_unsendable(&self, batch: &mut SendBatch, errno: Errno) {
        let glue_below = self.glue_below.load(Ordering::Relaxed);
        let Some(run) = batch.runs(glue_below).next() else {
            return;
        };
        if let Some(size) = run.message.segment {
            // Larger than the path's packets, or no driver that sums such packets up: udp(7).
            let below = match errno {
                Errno::MSGSIZE => usize::from(size) - 1,
                // Older kernels say EINVAL, as they do of a source address of ours that is gone.
                Errno::INVAL if run.message.from.is_none() => usize::from(size) - 1,
                Errno::IO | Errno::OPNOTSUPP | Errno::NOPROTOOPT => 0,
                _ => glue_below,
            };
            self.glue_below.fetch_min(below, Ordering::Relaxed);
            let entries = run.entries;
            return batch.unglue(entries);
        }
        if run.message.from.is_some() && is_about_source(errno) {
            return batch.forget_source();
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let reason = crate::errno::Errno::from(errno).to_string();
        for (tag, bytes) in batch.advance(1) {
            let event = Event::new(Kind::Dropped, tag.conn, self.recorder.now())
                .with_offset(tag.offset)
                .with_result(-errno.raw_os_error())
                .with_asked(bytes.len() as u32);
            self.recorder.record(event, reason.as_bytes());
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}

/// Errors of a read that speak of one datagram or one peer, not of the socket: what ICMP can say
/// (icmp_err_convert in the kernel's net/ipv4/icmp.c) and passing shortages.
fn is_passing(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| {
        matches!(
            errno,
            Errno::INTR
                | Errno::CONNREFUSED
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::NETDOWN
                | Errno::NONET
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::PROTO
                | Errno::MSGSIZE
                | Errno::ACCESS
                | Errno::PERM
                | Errno::NOBUFS
                | Errno::NOMEM
        )
    })
}

/// Errors that the wish for a certain source address can cause: it is gone, or was a broadcast's.
fn is_about_source(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INVAL | Errno::ADDRNOTAVAIL | Errno::NETUNREACH | Errno::NODEV | Errno::NETDOWN
    )
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::super::{GuardLimits, SessionLimits, Sessions};
    use super::*;

    fn bound(to: &str) -> Socket {
        let socket = UdpSocket::bind(to).unwrap();
        Socket::new(socket.into(), Recorder::new()).unwrap()
    }

    #[tokio::test]
    async fn one_by_one_leaves_the_others_in_the_kernel() {
        let socket = bound("127.0.0.1:0").one_by_one();
        let port = socket.local().socket_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for message in [b"one", b"two"] {
            client.send_to(message, ("127.0.0.1", port)).unwrap();
        }
        for message in [b"one", b"two"] {
            let got = poll_fn(|cx| {
                RecvBatch::lend(|batch| {
                    ready!(socket.poll_recv(cx, batch))?;
                    let payloads = batch.datagrams().map(|datagram| datagram.payload.to_vec());
                    Poll::Ready(io::Result::Ok(payloads.collect::<Vec<_>>()))
                })
            });
            assert_eq!(got.await.unwrap(), [message]);
        }
    }

    /// Answers everything with itself until `datagrams` have come.
    async fn echo(socket: &Socket, datagrams: usize) {
        let mut sessions =
            Sessions::new(socket, SessionLimits::default(), GuardLimits::default()).unwrap();
        let (mut seen, mut unsent) = (0, SendBatch::default());
        while seen < datagrams {
            poll_fn(|cx| {
                ready!(socket.poll_send(cx, &mut unsent))?;
                RecvBatch::lend(|batch| {
                    ready!(socket.poll_recv(cx, batch))?;
                    let now = socket.recorder().now();
                    for datagram in batch.datagrams() {
                        let mut session = sessions.on_datagram(&datagram, now, |_| ());
                        session.answers.push(&mut unsent, datagram.payload).unwrap();
                        seen += 1;
                    }
                    Poll::Ready(io::Result::Ok(()))
                })
            })
            .await
            .unwrap();
        }
        poll_fn(|cx| socket.poll_send(cx, &mut unsent))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn every_datagram_comes_back_as_it_was_the_empty_one_too() {
        for place in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let socket = bound(place);
            let port = socket.local().socket_addr().unwrap().port();
            let host = if place.contains("[::1]") {
                "::1"
            } else {
                "127.0.0.1"
            };
            let host: std::net::IpAddr = host.parse().unwrap();
            let messages: Vec<Vec<u8>> = [0, 1, 5, 5, 5, 3, 1400, 0, 65_507]
                .map(|len| vec![len as u8; len])
                .into();
            let client = std::thread::spawn({
                let messages = messages.clone();
                move || {
                    let client = UdpSocket::bind((host, 0)).unwrap();
                    client
                        .set_read_timeout(Some(Duration::from_secs(10)))
                        .unwrap();
                    client.connect((host, port)).unwrap();
                    for message in &messages {
                        client.send(message).unwrap();
                    }
                    let mut buffer = vec![0; 1 << 16];
                    let mut read = |_| {
                        let len = client.recv(&mut buffer).unwrap();
                        buffer[..len].to_vec()
                    };
                    messages.iter().map(&mut read).collect::<Vec<_>>()
                }
            });
            echo(&socket, messages.len()).await;
            assert_eq!(client.join().unwrap(), messages);
        }
    }
}
