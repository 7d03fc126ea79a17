//! Links that carry whole messages: one datagram, one record of a sequenced-packet socket, or one
//! message of a WebSocket.

mod packets;
mod receiver;
mod sender;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_trace::{ConnId, Event, Recorder, Time};

use crate::datagram::{Address, SocketKind, mmsg};
use crate::endpoint::UnixKind;
use crate::name::{Name, Peer};
use crate::readiness::watch;
use crate::stream::ByteLink;
use crate::unix_lock::Claim;
use crate::ws::{self, WebSocket};
use packets::Packets;
pub use receiver::{MessageReceiver, Received};
pub use sender::MessageSender;

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

    /// What both ends of a WebSocket have agreed to speak: one of the endpoint's `subprotocol`.
    pub fn subprotocol(&self) -> Option<&str> {
        match &self.receiver.carrier.how {
            How::Socket(_) => None,
            How::WebSocket(socket) => socket.subprotocol(),
        }
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

fn took(mut event: Event, began: Time) -> Event {
    event.took_ns = event
        .time
        .since(began)
        .as_nanos()
        .try_into()
        .unwrap_or(u32::MAX);
    event
}
