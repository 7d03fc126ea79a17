//! Links that carry whole messages: one datagram, one record of a sequenced-packet socket, or one
//! message of a WebSocket.

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
use crate::stream::ByteLink;
use crate::unix_lock::Claim;
use crate::ws::{self, WebSocket, WebSocketError};

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

/// A link of whole messages: connected UDP, a Unix datagram or sequenced-packet socket, raw IP, a
/// WebSocket.
///
/// An empty message is a message. Only sequenced packets and WebSockets have an end, and only the
/// former can be half-closed: a WebSocket ends for both directions at once. An ICMP error that an
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
    carrier: Arc<Carrier>,
    recorder: Recorder,
    messages: u64,
    bytes: u64,
    ended: bool,
}

/// The direction us → peer. Dropping it half-closes, where that exists.
#[derive(Debug)]
pub struct MessageSender {
    carrier: Arc<Carrier>,
    recorder: Recorder,
    messages: u64,
    bytes: u64,
}

/// What carries the messages.
#[derive(Debug)]
struct Carrier {
    conn: ConnId,
    peer: Name,
    local: Name,
    how: How,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lies in an Arc, and nearly all are sockets"
)]
enum How {
    Socket(Packets),
    /// In a box, so that a socket's carrier stays as small as it is.
    WebSocket(Box<ws::Shared>),
}

/// A socket that keeps the boundaries of messages.
#[derive(Debug)]
struct Packets {
    io: AsyncFd<socket2::Socket>,
    /// Where messages go to on a socket that is not connected, because many may answer.
    to: Option<Address>,
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
            peer: name_of(peer)?,
            local: name_of(&address)?,
            how: How::Socket(Packets {
                to,
                has_end,
                io: watch(socket)?,
                _claim: claim,
            }),
        };
        Ok(Self::over(carrier, recorder))
    }

    /// A link over a WebSocket whose connection has its number and its names already.
    pub(crate) fn over_websocket(
        socket: WebSocket,
        conn: ConnId,
        (peer, local): (Name, Name),
        recorder: &Recorder,
    ) -> Self {
        let how = How::WebSocket(Box::new(ws::Shared::new(socket)));
        let carrier = Carrier {
            conn,
            peer,
            local,
            how,
        };
        Self::over(carrier, recorder)
    }

    fn over(carrier: Carrier, recorder: &Recorder) -> Self {
        let carrier = Arc::new(carrier);
        let (recorder, messages, bytes) = (recorder.clone(), 0, 0);
        Self {
            receiver: MessageReceiver {
                carrier: Arc::clone(&carrier),
                recorder: recorder.clone(),
                messages,
                bytes,
                ended: false,
            },
            sender: MessageSender {
                carrier,
                recorder,
                messages,
                bytes,
            },
        }
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        self.receiver.peer_name()
    }

    /// The other end, with its process and user where the kernel knows them.
    pub fn peer(&self) -> Peer {
        let name = self.peer_name().clone();
        match &self.receiver.carrier.how {
            How::Socket(socket) if socket.has_end => Peer::with_credentials(name, self),
            How::Socket(_) => name.into(),
            How::WebSocket(socket) => Peer::from(name).with_key(socket.key()),
        }
    }

    /// Our end.
    pub fn local(&self) -> &Name {
        &self.receiver.carrier.local
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.receiver.carrier.conn
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

    /// See [`MessageReceiver::take_overflow`].
    pub fn take_overflow(&mut self) -> Option<Vec<u8>> {
        self.receiver.take_overflow()
    }

    /// See [`MessageSender::poll_flush`].
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_flush(cx)
    }

    /// Whether a protocol of its own lies between this link and the socket: a WebSocket's. Such a link
    /// has to be flushed, and closed before it is dropped.
    #[inline]
    pub fn is_layered(&self) -> bool {
        matches!(self.receiver.carrier.how, How::WebSocket(_))
    }

    /// Says that we send no more, where the peer can hear it and go on: sequenced packets only.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.sender.shutdown()
    }

    /// See [`MessageSender::poll_close`].
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_close(cx)
    }

    /// Whether either end can be half-closed: say that it has sent its last message, and listen on.
    pub fn half_closes(&self) -> bool {
        matches!(&self.receiver.carrier.how, How::Socket(socket) if socket.has_end)
    }

    /// Makes dropping this link a reset, where that exists: on a WebSocket.
    pub fn reset_on_drop(&mut self) {
        if let How::WebSocket(socket) = &self.receiver.carrier.how {
            socket.reset_on_drop();
        }
    }

    /// A WebSocket's messages laid end to end, in both directions; the link itself where it is no
    /// WebSocket. What we send leaves as binary messages. Nothing may have been received or sent.
    /// Where we asked for the WebSocket, shutting it down does not close it, since the answers are
    /// still to come; dropping it does.
    ///
    /// # Errors
    /// The link, unchanged.
    pub fn into_bytes(self) -> Result<ByteLink, Self> {
        let Self { receiver, sender } = self;
        if matches!(receiver.carrier.how, How::Socket(_)) {
            return Err(Self { receiver, sender });
        }
        let (recorder, carrier) = (receiver.recorder.clone(), Arc::clone(&receiver.carrier));
        drop((receiver, sender));
        let carrier = Arc::into_inner(carrier).expect("both halves were here");
        let Carrier {
            conn,
            peer,
            local,
            how: How::WebSocket(socket),
        } = carrier
        else {
            unreachable!("looked at above");
        };
        let socket = socket.into_inner();
        Ok(ws::conversation(socket, conn, (peer, local), &recorder))
    }

    /// Both directions as values of their own, for two tasks.
    pub fn into_split(self) -> (MessageReceiver, MessageSender) {
        (self.receiver, self.sender)
    }
}

impl AsFd for MessageLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.receiver.carrier.how {
            How::Socket(socket) => socket.io.get_ref().as_fd(),
            How::WebSocket(socket) => socket.as_fd(),
        }
    }
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

impl Packets {
    fn poll_send(&self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
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

fn took(mut event: Event, began: Time) -> Event {
    event.took_ns = event
        .time
        .since(began)
        .as_nanos()
        .try_into()
        .unwrap_or(u32::MAX);
    event
}
