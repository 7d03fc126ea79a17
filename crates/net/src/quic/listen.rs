//! Listening: connections, and the further streams of those that stand.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use quinn::{Endpoint, Incoming, ServerConfig, TokioRuntime};
use sockeye_trace::Recorder;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};

use super::config::{Times, endpoint as endpoint_config, transport};
use super::connection::{Afterlife, Life, Part};
use super::crypto;
use super::error::{broken, failed};
use super::socket::Socket;
use super::stream::QuicStream;
use super::{
    Code, MAX_STREAMS, PREFACE, UNPROVEN_HANDSHAKES, WAITING_BYTES, WAITING_BYTES_TOTAL,
    WAITING_HANDSHAKES,
};
use crate::context::Net;
use crate::datagram::{self, ANSWERING_PORTS, Mark};
use crate::endpoint::{Endpoint as Place, HostPort};
use crate::error::{NetError, Operation};
use crate::link::{Link, Listener};
use crate::name::Name;
use crate::secure::{Accepts, Handshake, HandshakeError, SecureListener};

/// Streams that were opened and wait for being accepted; what is more waits with its connection.
const WAITING_STREAMS: usize = 64;

/// Opens a socket for every address that `at` means.
pub(crate) async fn listen(
    net: &Net,
    endpoint: &Place,
    at: &HostPort,
) -> Result<Vec<Listener>, NetError> {
    let config = crypto::server(net, endpoint)?;
    let sockets = datagram::listen::udp_sockets(net, endpoint, at).await?;
    let failed = |error| NetError::system(Operation::Listen, endpoint, error);
    sockets
        .into_iter()
        .map(|socket| {
            let listener = QuicListener::new(socket, config.clone(), Times::default(), net);
            Ok(Listener::Secure(listener.map_err(failed)?.into()))
        })
        .collect()
}

impl From<QuicListener> for SecureListener {
    fn from(listener: QuicListener) -> Self {
        let local = Name::quic(listener.socket.local());
        Self::new(listener, local)
    }
}

/// A UDP socket that connections come to.
#[derive(Debug)]
pub(super) struct QuicListener {
    endpoint: Endpoint,
    socket: Arc<Socket>,
    config: ServerConfig,
    times: Times,
    afterlife: Arc<Afterlife>,
    recorder: Recorder,
    runtime: Handle,
    /// Handshakes that were begun and have not ended.
    under_way: Arc<AtomicUsize>,
    /// Further streams of connections that stand; closed when listening ends.
    streams: Mutex<mpsc::Receiver<QuicStream>>,
    stream_to: mpsc::Sender<QuicStream>,
    /// Tells services over UDP that the port answers by itself.
    _mark: Option<Arc<Mark>>,
}

/// Somebody who wants a conversation and has not begun it.
#[derive(Debug)]
pub(super) enum Caller {
    /// A new connection. Dropping it refuses the connection.
    Connection(Box<Newcomer>),
    /// A stream of a connection that stands. Dropping it resets the stream.
    Stream(QuicStream),
}

#[derive(Debug)]
pub(super) struct Newcomer {
    incoming: Incoming,
    config: Arc<ServerConfig>,
    socket: Arc<Socket>,
    afterlife: Arc<Afterlife>,
    stream_to: mpsc::Sender<QuicStream>,
    streamless: Duration,
    _under_way: UnderWay,
}

/// Counts a handshake until it is dropped.
#[derive(Debug)]
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn count(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl QuicListener {
    /// Accepts connections on a UDP socket that is bound.
    pub(super) fn new(
        socket: socket2::Socket,
        mut config: ServerConfig,
        times: Times,
        net: &Net,
    ) -> io::Result<Self> {
        config
            .max_incoming(WAITING_HANDSHAKES)
            .incoming_buffer_size(WAITING_BYTES)
            .incoming_buffer_size_total(WAITING_BYTES_TOTAL);
        let socket = Socket::new(socket)?;
        let driven = Arc::clone(&socket);
        let (stream_to, streams) = mpsc::channel(WAITING_STREAMS);
        Ok(Self {
            _mark: Mark::take(socket.local().port())?,
            endpoint: Endpoint::new_with_abstract_socket(
                endpoint_config(),
                Some(config.clone()),
                driven,
                Arc::new(TokioRuntime),
            )?,
            socket,
            config,
            times,
            afterlife: Arc::clone(&net.afterlife),
            recorder: net.recorder.clone(),
            runtime: Handle::current(),
            under_way: Arc::default(),
            streams: Mutex::new(streams),
            stream_to,
        })
    }

    /// Where it really is.
    #[cfg(test)]
    pub(super) fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// Waits for somebody who wants a conversation. Cancelling loses none.
    pub(super) async fn next(&self) -> io::Result<Caller> {
        let mut streams = self.streams.lock().await;
        loop {
            let incoming = tokio::select! {
                Some(stream) = streams.recv() => return Ok(Caller::Stream(stream)),
                incoming = self.endpoint.accept() => incoming,
            };
            // The socket below has broken.
            let incoming = incoming.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
            if let Some(newcomer) = self.consider(incoming) {
                return Ok(Caller::Connection(Box::new(newcomer)));
            }
        }
    }

    /// What to do about a first datagram.
    fn consider(&self, incoming: Incoming) -> Option<Newcomer> {
        let peer = incoming.remote_address();
        if ANSWERING_PORTS.contains(&peer.port()) {
            // RFC 9308, section 8.1: nobody dials from there, so the address is forged.
            incoming.ignore();
            return None;
        }
        let is_busy = self.under_way.load(Ordering::Relaxed) >= UNPROVEN_HANDSHAKES;
        if is_busy && !incoming.remote_address_validated() {
            // It is guaranteed that this may be asked for.
            let _ = incoming.retry();
            return None;
        }
        let mut config = self.config.clone();
        let open = self.endpoint.open_connections() + 1;
        config.transport_config(transport(peer, open, MAX_STREAMS, self.times));
        Some(Newcomer {
            incoming,
            config: Arc::new(config),
            socket: Arc::clone(&self.socket),
            afterlife: Arc::clone(&self.afterlife),
            stream_to: self.stream_to.clone(),
            streamless: self.times.streamless,
            _under_way: UnderWay::count(&self.under_way),
        })
    }
}

impl AsFd for QuicListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for QuicListener {
    /// Who comes from now on is refused at once; those who are connected keep the socket open.
    fn drop(&mut self) {
        let endpoint = self.endpoint.clone();
        self.runtime.spawn(async move {
            loop {
                tokio::select! {
                    () = endpoint.wait_idle() => return,
                    incoming = endpoint.accept() => match incoming {
                        Some(incoming) => incoming.refuse(),
                        None => return,
                    },
                }
            }
        });
    }
}

impl Accepts for QuicListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<Handshake>> {
        Box::pin(async {
            let caller = self.next().await?;
            let recorder = self.recorder.clone();
            let conn = recorder.next_conn();
            let (peer, local) = caller.ends();
            Ok(Handshake::new(
                conn,
                Name::quic(peer),
                Name::quic(local),
                async move {
                    let stream = caller.complete().await?;
                    Ok(Link::Bytes(stream.into_link(&recorder, conn)))
                },
            ))
        })
    }
}

impl Caller {
    /// Where the peer is, and where it wants to go.
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        match self {
            Self::Stream(stream) => (stream.peer(), stream.local()),
            Self::Connection(newcomer) => {
                let mut local = newcomer.socket.local();
                if let Some(ip) = newcomer.incoming.local_ip() {
                    local.set_ip(ip);
                }
                (newcomer.incoming.remote_address(), local)
            }
        }
    }

    /// Whether it has shown that it can be reached where it says.
    #[cfg(test)]
    pub(super) fn is_proved(&self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Connection(newcomer) => newcomer.incoming.remote_address_validated(),
        }
    }

    /// Completes the handshake and waits for what the conversation begins with. How long that may
    /// take is limited by dropping the future.
    pub(super) async fn complete(self) -> Result<QuicStream, HandshakeError> {
        match self {
            Self::Stream(stream) => begun(stream).await,
            Self::Connection(newcomer) => newcomer.complete().await,
        }
    }
}

impl Newcomer {
    async fn complete(self) -> Result<QuicStream, HandshakeError> {
        let connecting = self.incoming.accept_with(self.config);
        let connection = connecting.map_err(|error| failed(&error))?.await;
        let connection = connection.map_err(|error| failed(&error))?;
        let life = Life::new(connection, self.socket, &self.afterlife);
        let stream = next_stream(&life).await;
        let stream = stream.map_err(|error| HandshakeError::Broken(error.into()))?;
        let stream = begun(stream).await.inspect_err(|error| {
            if let HandshakeError::Foreign { .. } = error {
                let reason = Code::BadPreface.into();
                life.connection.close(reason, b"streams begin with 0x01");
            }
        })?;
        tokio::spawn(watch(life, self.stream_to, self.streamless));
        Ok(stream)
    }
}

/// Waits for the next stream that the peer opens. Until the conversation has begun, dropping it is a
/// reset.
async fn next_stream(life: &Arc<Life>) -> io::Result<QuicStream> {
    let accepted = life.connection.accept_bi().await;
    let (send, receive) = accepted.map_err(|error| broken(&error))?;
    let mut stream = QuicStream::new(send, receive, Part::of(life));
    stream.set_reset(Some(Code::Refused));
    Ok(stream)
}

/// Waits for the byte that every stream begins with.
async fn begun(mut stream: QuicStream) -> Result<QuicStream, HandshakeError> {
    let first = stream.read_first().await;
    match first.map_err(|error| HandshakeError::Broken(error.into()))? {
        PREFACE => {
            stream.set_reset(None);
            Ok(stream)
        }
        other => {
            stream.set_reset(Some(Code::BadPreface));
            Err(HandshakeError::Foreign {
                protocol: "sockeye/1 (streams begin with 0x01)",
                got: vec![other],
            })
        }
    }
}

/// Hands further streams of a connection to the listener, until the connection, the listener or the
/// peer's interest ends. Then the connection lives on as long as its streams do.
async fn watch(life: Arc<Life>, stream_to: mpsc::Sender<QuicStream>, streamless: Duration) {
    loop {
        let stream = tokio::select! {
            stream = next_stream(&life) => stream,
            () = stream_to.closed() => return,
            () = life.deserted(streamless) => return,
        };
        let Ok(stream) = stream else { return };
        if stream_to.send(stream).await.is_err() {
            return;
        }
    }
}
