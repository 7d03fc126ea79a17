//! Links that carry whole messages: one datagram, or one record of a sequenced-packet socket, is
//! one message.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use sockeye_trace::{ConnId, Event, Kind, Recorder, Time};
use tokio::io::unix::AsyncFd;

use crate::datagram::mmsg;
use crate::datagram::{Address, SocketKind};
use crate::endpoint::UnixKind;
use crate::name::{Name, Peer};
use crate::readiness::watch;
use crate::unix_lock::Claim;

/// One message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it in the buffer.
    pub len: usize,
    /// Its length before it was cut to the buffer; what was cut off is lost.
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

/// A link of whole messages: connected UDP, a Unix datagram or sequenced-packet socket, raw IP.
///
/// An empty message is a message. Only sequenced packets have an end. An ICMP error that an
/// earlier datagram met comes out as the error of the next call (`ECONNREFUSED`); the link can go
/// on after it.
#[derive(Debug)]
pub struct MessageLink {
    receiver: MessageReceiver,
    sender: MessageSender,
}

/// The direction peer → us.
#[derive(Debug)]
pub struct MessageReceiver {
    socket: Arc<Carrier>,
    recorder: Recorder,
    messages: u64,
    bytes: u64,
    ended: bool,
}

/// The direction us → peer. Dropping it half-closes, where that exists.
#[derive(Debug)]
pub struct MessageSender {
    socket: Arc<Carrier>,
    recorder: Recorder,
    messages: u64,
    bytes: u64,
}

/// What carries the messages.
#[derive(Debug)]
struct Carrier {
    io: AsyncFd<socket2::Socket>,
    conn: ConnId,
    /// Where messages go to on a socket that is not connected, because many may answer.
    to: Option<Address>,
    peer: Name,
    local: Name,
    /// Whether the peer can end the conversation (`SOCK_SEQPACKET`).
    has_end: bool,
    /// Of a Unix socket with a file that we made.
    _claim: Option<Claim>,
}

impl MessageLink {
    /// A link over a connected socket.
    ///
    /// # Errors
    /// When the kernel does not know its names, or refuses to watch it.
    pub fn new(socket: socket2::Socket, recorder: &Recorder) -> io::Result<Self> {
        let peer = Address::from(&socket.peer_addr()?);
        Self::build(socket, &peer, None, None, recorder)
    }

    /// The same where the kernel need not be asked who the peer is (it doesn't know of raw sockets),
    /// or where the socket has a file of ours, which goes with the link.
    pub(crate) fn connected(
        socket: socket2::Socket,
        peer: &Address,
        claim: Option<Claim>,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        Self::build(socket, peer, None, claim, recorder)
    }

    /// A link over a socket that is not connected: messages go to `group`, a multicast or
    /// broadcast address, and whoever answers is heard.
    ///
    /// # Errors
    /// As for [`MessageLink::new`].
    pub fn to_many(
        socket: socket2::Socket,
        group: Address,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        Self::build(socket, &group, Some(group), None, recorder)
    }

    fn build(
        socket: socket2::Socket,
        peer: &Address,
        to: Option<Address>,
        claim: Option<Claim>,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        let has_end = socket.r#type()? == socket2::Type::SEQPACKET;
        if has_end {
            // With credentials beside every message, an empty one differs from the end, unix(7).
            rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        }
        let address = Address::from(&socket.local_addr()?);
        if address.inet().is_some() {
            // The runtime wakes nobody for a pending error alone, and an ICMP error is one.
            let fd = socket.as_fd();
            mmsg::set_option(fd, libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE, 1)?;
        }
        let name_of = |address: &Address| -> io::Result<Name> {
            Ok(match (has_end, address.unix()) {
                (true, name) => Name::Unix {
                    kind: UnixKind::Seqpacket,
                    name,
                },
                _ => SocketKind::of(&socket)?.name_of(address),
            })
        };
        let carrier = Carrier {
            conn: recorder.next_conn(),
            to,
            peer: name_of(peer)?,
            local: name_of(&address)?,
            has_end,
            io: watch(socket)?,
            _claim: claim,
        };
        let socket = Arc::new(carrier);
        let (recorder, messages, bytes) = (recorder.clone(), 0, 0);
        Ok(Self {
            receiver: MessageReceiver {
                socket: Arc::clone(&socket),
                recorder: recorder.clone(),
                messages,
                bytes,
                ended: false,
            },
            sender: MessageSender {
                socket,
                recorder,
                messages,
                bytes,
            },
        })
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        self.receiver.peer_name()
    }

    /// The other end, with its process and user where the kernel knows them.
    pub fn peer(&self) -> Peer {
        let name = self.peer_name().clone();
        if self.receiver.socket.has_end {
            Peer::with_credentials(name, self)
        } else {
            name.into()
        }
    }

    /// Our end.
    pub fn local(&self) -> &Name {
        &self.receiver.socket.local
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.receiver.socket.conn
    }

    /// Messages received so far, and their bytes.
    pub fn received(&self) -> (u64, u64) {
        self.receiver.received()
    }

    /// Messages sent so far, and their bytes.
    pub fn sent(&self) -> (u64, u64) {
        self.sender.sent()
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
        self.receiver.poll_recv(cx, buf)
    }

    /// Sends one message, whole or not at all.
    ///
    /// # Errors
    /// `EMSGSIZE` for one that is too long, and whatever else the kernel reports.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
        self.sender.poll_send(cx, message)
    }

    /// [`MessageLink::poll_recv`] as a future; dropping it loses no message.
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        self.receiver.recv(buf).await
    }

    /// [`MessageLink::poll_send`] as a future; dropping it sends nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.sender.send(message).await
    }

    /// Says that we send no more, where the peer can hear it.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.sender.shutdown()
    }

    /// Both directions as values of their own, for two tasks.
    pub fn into_split(self) -> (MessageReceiver, MessageSender) {
        (self.receiver, self.sender)
    }
}

impl AsFd for MessageLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.socket.io.get_ref().as_fd()
    }
}

impl MessageReceiver {
    /// Messages received so far, and their bytes.
    pub fn received(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        &self.socket.peer
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.socket.conn
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
        loop {
            let mut ready = ready!(self.socket.io.poll_read_ready(cx))?;
            let began = self.recorder.takes_calls().then(|| self.recorder.now());
            let result = mmsg::receive_one(self.socket.io.as_fd(), buf);
            match &result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => {}
            }
            return Poll::Ready(self.on_read(result, began, buf));
        }
    }

    fn on_read(
        &mut self,
        result: io::Result<mmsg::One>,
        began: Option<Time>,
        buf: &[u8],
    ) -> io::Result<Option<Received>> {
        let one = match result {
            Ok(one) => one,
            Err(error) => {
                self.record(
                    Kind::Read,
                    began,
                    -error.raw_os_error().unwrap_or(0),
                    buf.len(),
                    &[],
                );
                return Err(error);
            }
        };
        if self.socket.has_end && one.full_len == 0 && !one.has_control {
            self.ended = true;
            self.record(Kind::PeerClosed, Some(self.recorder.now()), 0, 0, &[]);
            return Ok(None);
        }
        let len = one.full_len.min(buf.len());
        self.record(Kind::Read, began, len as i32, buf.len(), &buf[..len]);
        if one.full_len > len && self.recorder.is_on() {
            self.record(
                Kind::Truncated,
                Some(self.recorder.now()),
                len as i32,
                one.full_len,
                &[],
            );
        }
        self.messages += 1;
        self.bytes += len as u64;
        let from = self.socket.to.is_some().then_some(one.from);
        Ok(Some(Received {
            len,
            full_len: one.full_len,
            from,
        }))
    }

    fn record(&self, kind: Kind, began: Option<Time>, result: i32, asked: usize, payload: &[u8]) {
        let Some(began) = began else { return };
        let event = Event::new(kind, self.socket.conn, self.recorder.now())
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

impl MessageSender {
    /// Messages sent so far, and their bytes.
    pub fn sent(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.socket.conn
    }

    /// Sends one message, whole or not at all.
    ///
    /// # Errors
    /// `EMSGSIZE` for one that is too long, and whatever else the kernel reports.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
        let began = self.recorder.takes_calls().then(|| self.recorder.now());
        let mut result = self.socket.send(message);
        while let Err(error) = &result {
            match error.kind() {
                io::ErrorKind::Interrupted => result = self.socket.send(message),
                io::ErrorKind::WouldBlock => {
                    let mut ready = ready!(self.socket.io.poll_write_ready(cx))?;
                    // There may have been room since: only what is tried under this very readiness
                    // may clear it.
                    result = self.socket.send(message);
                    if is_full(&result) {
                        ready.clear_ready();
                    }
                }
                _ => break,
            }
        }
        if let Some(began) = began {
            let outcome = match &result {
                Ok(()) => message.len() as i32,
                Err(error) => -error.raw_os_error().unwrap_or(0),
            };
            let event = Event::new(Kind::Write, self.socket.conn, self.recorder.now())
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

    /// [`MessageSender::poll_send`] as a future; dropping it sends nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, message)).await
    }

    /// Says that we send no more, where the peer can hear it: sequenced packets only.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn shutdown(&mut self) -> io::Result<()> {
        if !self.socket.has_end {
            return Ok(());
        }
        match self.socket.io.get_ref().shutdown(std::net::Shutdown::Write) {
            // The peer is gone already: there is nobody to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            result => result?,
        }
        if self.recorder.is_on() {
            let event = Event::new(Kind::Shutdown, self.socket.conn, self.recorder.now());
            self.recorder.record(event.with_offset(self.bytes), &[]);
        }
        Ok(())
    }
}

impl Drop for MessageSender {
    fn drop(&mut self) {
        // The receiver may live on; where it does not, closing says the same.
        if self.socket.has_end {
            let _ = self.socket.io.get_ref().shutdown(std::net::Shutdown::Write);
        }
    }
}

impl Carrier {
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

fn took(mut event: Event, began: Time) -> Event {
    event.took_ns = event
        .time
        .since(began)
        .as_nanos()
        .try_into()
        .unwrap_or(u32::MAX);
    event
}
