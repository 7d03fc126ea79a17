//! Sequenced packets: connections of whole messages between programs of one machine.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use sockeye_trace::Recorder;
use tokio::io::unix::AsyncFd;

use crate::connect::{apply, reach_unix};
use crate::context::Net;
use crate::datagram::Address;
use crate::endpoint::{Endpoint, UnixKind, UnixName};
use crate::error::{NetError, Operation};
use crate::listen::{backlog, unix};
use crate::message::MessageLink;
use crate::name::Name;
use crate::options::{BindAddress, Moment};
use crate::readiness::watch;
use crate::unix_lock::Claim;

/// A socket that accepts connections of sequenced packets, each of which is a [`MessageLink`].
///
/// Dropping it closes the socket, and removes its file if that is still ours.
#[derive(Debug)]
pub struct SeqpacketListener {
    io: AsyncFd<socket2::Socket>,
    recorder: Recorder,
    local: Name,
    /// Of a socket with a file that we made.
    _claim: Option<Claim>,
}

/// Listens on a Unix socket of sequenced packets.
pub(crate) fn listen(
    net: &Net,
    endpoint: &Endpoint,
    name: &UnixName,
) -> Result<SeqpacketListener, NetError> {
    let (socket, claim) = unix::bound(net, endpoint, name, UnixKind::Seqpacket)?;
    socket
        .listen(backlog(endpoint))
        .and_then(|()| SeqpacketListener::new(socket, claim, &net.recorder))
        .map_err(|error| NetError::system(Operation::Listen, endpoint, error))
}

/// Connects to a Unix socket of sequenced packets.
pub(crate) async fn connect(
    net: &Net,
    endpoint: &Endpoint,
    name: &UnixName,
) -> Result<MessageLink, NetError> {
    let failed = |operation, error| NetError::system(operation, endpoint, error);
    let socket =
        unix::fresh(UnixKind::Seqpacket).map_err(|error| failed(Operation::Open, error))?;
    apply(endpoint, &socket, Moment::Dial)?;
    let claim = match endpoint.settings.bind() {
        Some(BindAddress::Unix(own)) => unix::claim(endpoint, own, &socket)?,
        _ => None,
    };
    let socket = reach_unix(endpoint, name, socket).await?;
    let peer = socket.peer_addr();
    peer.and_then(|peer| {
        MessageLink::connected(socket, &Address::from(&peer), claim, &net.recorder)
    })
    .map_err(|error| failed(Operation::Connect, error))
}

impl SeqpacketListener {
    /// Takes a socket that listens.
    pub(crate) fn new(
        socket: socket2::Socket,
        claim: Option<Claim>,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        let local = rustix::net::getsockname(&socket)?;
        Ok(Self {
            local: Name::unix_any(UnixKind::Seqpacket, Some(&local)),
            io: watch(socket)?,
            recorder: recorder.clone(),
            _claim: claim,
        })
    }

    /// The name that it really has.
    pub fn local(&self) -> &Name {
        &self.local
    }

    /// Accepts one connection.
    ///
    /// **Errors:** what is wrong with this process or machine, such as `EMFILE`; accepting may go
    /// on later.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<MessageLink>> {
        loop {
            let mut ready = ready!(self.io.poll_read_ready(cx))?;
            match self.io.get_ref().accept() {
                Ok((socket, _peer)) => {
                    return Poll::Ready(MessageLink::new(socket, &self.recorder));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => ready.clear_ready(),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    /// Waits for one connection. Cancelling loses none.
    pub async fn accept(&self) -> io::Result<MessageLink> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

impl AsFd for SeqpacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get_ref().as_fd()
    }
}
