//! Connecting: from an endpoint to an open link.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::SocketAddrAny;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::context::Net;
use crate::datagram::dial;
use crate::endpoint::{Endpoint, Host, HostPort, Place, UnixKind, UnixName};
use crate::errno::Errno;
use crate::error::{NetError, Operation};
use crate::eyeballs::{Attempt, interleave, race};
use crate::link::Link;
use crate::listen::unix as unix_names;
use crate::name::Name;
use crate::options::{BindAddress, Moment, OptionKey, Proxy, Settings};
use crate::stream::{ByteLink, Raw};
use crate::via::{self, Tunnel};
use crate::{exec, fd, quic, resolve, seqpacket, stdio, tls, ws};

/// How long connecting may take unless `connect-timeout=` says otherwise. The kernel alone would try
/// for two minutes (`tcp_syn_retries`, tcp(7)).
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a link to what the endpoint means. Of several addresses the first that answers wins, tried
/// as RFC 8305 has it.
///
/// **Errors:** see [`NetError`]; what each address said is in there.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn connect(net: &Net, endpoint: &Endpoint) -> Result<Link, NetError> {
    let checked = endpoint.settings.check(Moment::Dial);
    checked.map_err(|source| NetError::option(endpoint, source))?;
    match &endpoint.place {
        Place::Tcp(to) => {
            let tunnel = reach(net, endpoint, to, Limit::of(&endpoint.settings)).await?;
            let failed = |error| NetError::system(Operation::Connect, endpoint, error);
            let link = ByteLink::from_tcp(tunnel.stream, &net.recorder).map_err(failed)?;
            Ok(Link::Bytes(link.with_read_ahead(tunnel.ahead)))
        }
        Place::Tls(to) => tls::connect(net, endpoint, to).await.map(Link::Bytes),
        Place::Quic(to) => quic::connect(net, endpoint, to).await.map(Link::Bytes),
        Place::Ws { secure, at, path } => ws::connect(net, endpoint, *secure, at, path).await,
        Place::Unix {
            kind: UnixKind::Stream,
            name,
        } => unix(net, endpoint, name).await.map(Link::Bytes),
        Place::Stdio => stdio::open(net, endpoint).map(Link::Bytes),
        Place::Exec(line) => exec::open(net, line).map(Link::Bytes),
        Place::Fd(number) => fd::connect(net, endpoint, *number),
        Place::Udp(to) => dial::udp(net, endpoint, to).await.map(Link::Messages),
        Place::Ip(to) => dial::raw(net, endpoint, to).await.map(Link::Messages),
        Place::Unix {
            kind: UnixKind::Datagram,
            name,
        } => dial::unix(net, endpoint, name).map(Link::Messages),
        Place::Unix {
            kind: UnixKind::Seqpacket,
            name,
        } => seqpacket::connect(net, endpoint, name)
            .await
            .map(Link::Messages),
    }
}

/// Until when, and how long that was from the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) until: Instant,
    pub(crate) after: Duration,
}

impl Limit {
    pub(crate) fn of(settings: &Settings) -> Self {
        let after = settings
            .duration(OptionKey::ConnectTimeout)
            .unwrap_or(CONNECT_TIMEOUT);
        Self {
            until: Instant::now() + after,
            after,
        }
    }

    pub(crate) fn error(self, endpoint: &Endpoint) -> NetError {
        NetError::Timeout {
            endpoint: endpoint.to_string(),
            after: self.after,
        }
    }
}

/// A TCP connection to `to`, the endpoint's own place, directly or through its proxies. It has the
/// endpoint's options.
pub(crate) async fn reach(
    net: &Net,
    endpoint: &Endpoint,
    to: &HostPort,
    limit: Limit,
) -> Result<Tunnel, NetError> {
    let hops: Vec<&Proxy> = endpoint.settings.via().collect();
    let tunnel = if hops.is_empty() {
        let stream = tcp(net, endpoint, to, limit).await?;
        Tunnel {
            stream,
            ahead: vec![],
        }
    } else {
        via::connect(net, endpoint, &hops, to, limit).await?
    };
    apply(endpoint, &tunnel.stream, Moment::Connected)?;
    Ok(tunnel)
}

/// Connects to `to`, which is the endpoint's own place or its proxy.
pub(crate) async fn tcp(
    net: &Net,
    endpoint: &Endpoint,
    to: &HostPort,
    limit: Limit,
) -> Result<TcpStream, NetError> {
    let (from, addresses) = targets(net, endpoint, to, limit).await?;
    let order = interleave(addresses);
    let raced = race(order, limit.until, |address| {
        attempt(endpoint, from, address)
    })
    .await;
    raced.map_err(|failed| unreached(endpoint, limit, failed))
}

/// Where a connection starts, and the addresses that it may go to from there; never none.
pub(crate) async fn targets(
    net: &Net,
    endpoint: &Endpoint,
    to: &HostPort,
    limit: Limit,
) -> Result<(Source, Vec<SocketAddr>), NetError> {
    if to.host == Host::Any {
        return Err(NetError::unfit(
            endpoint,
            "`*` is for listening; write a host to dial",
        ));
    }
    let from = Source::of(net, endpoint).await?;
    let found = timeout_at(limit.until, resolve::addresses(net, endpoint, to)).await;
    let mut addresses = found.map_err(|_| limit.error(endpoint))??;
    addresses.retain(|address| from.fits(*address));
    if addresses.is_empty() {
        return Err(NetError::unfit(
            endpoint,
            "`bind` names an address of the other family",
        ));
    }
    Ok((from, addresses))
}

/// Why one address did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    System(Errno),
    /// It would fail at every address.
    Setting(NetError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error.into())
    }
}

pub(crate) fn unreached(
    endpoint: &Endpoint,
    limit: Limit,
    failed: Vec<(SocketAddr, Option<Failure>)>,
) -> NetError {
    if failed.iter().all(|(_, failure)| failure.is_none()) {
        return limit.error(endpoint);
    }
    let mut attempts = vec![];
    for (address, failure) in failed {
        let error = match failure {
            Some(Failure::Setting(error)) => return error,
            Some(Failure::System(error)) => error,
            None => Errno::new(libc::ETIMEDOUT),
        };
        attempts.push(Attempt { address, error });
    }
    NetError::Unreached {
        endpoint: endpoint.to_string(),
        attempts,
    }
}

/// Where a connection starts: `bind=`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Wherever the kernel likes.
    Unbound,
    /// At this port of any address.
    Port(u16),
    /// At this address.
    Address(SocketAddr),
}

impl Source {
    async fn of(net: &Net, endpoint: &Endpoint) -> Result<Self, NetError> {
        let Some(BindAddress::Inet(at)) = endpoint.settings.bind() else {
            return Ok(Self::Unbound);
        };
        if matches!(at.host, Host::Unspecified | Host::Any) {
            return Ok(Self::Port(at.port));
        }
        let found = resolve::addresses(net, endpoint, at).await?;
        Ok(Self::Address(found[0]))
    }

    fn fits(self, address: SocketAddr) -> bool {
        match self {
            Self::Address(own) => own.is_ipv4() == address.is_ipv4(),
            Self::Unbound | Self::Port(_) => true,
        }
    }

    pub(crate) fn address(self, to: SocketAddr) -> Option<SocketAddr> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        match self {
            Self::Unbound => None,
            Self::Port(port) => Some(SocketAddr::new(any, port)),
            Self::Address(own) => Some(own),
        }
    }
}

/// Tries one address.
async fn attempt(endpoint: &Endpoint, from: Source, to: SocketAddr) -> Result<TcpStream, Failure> {
    let mptcp = endpoint.settings.flag(OptionKey::Mptcp) == Some(true);
    let protocol = if mptcp {
        Protocol::MPTCP
    } else {
        Protocol::TCP
    };
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if from.address(to).is_some() {
        // A port of our own choice may still have a connection in TIME_WAIT.
        socket.set_reuse_address(true)?;
    }
    apply(endpoint, &socket, Moment::Dial).map_err(Failure::Setting)?;
    if let Some(own) = from.address(to) {
        let bound = socket.bind(&own.into());
        bound.map_err(|error| unbound(endpoint, &Name::tcp(own), error))?;
    }
    let stream = TcpSocket::from_std_stream(socket.into())
        .connect(to)
        .await?;
    // A connect to a free port of our own machine may be given that very port as its own, and then
    // talks to itself (simultaneous open, RFC 9293, section 3.5).
    if stream.local_addr()? == to {
        let _ = stream.set_zero_linger();
        return Err(Failure::System(Errno::new(libc::ECONNREFUSED)));
    }
    Ok(stream)
}

/// Our own address, `bind=`, could not be had.
pub(crate) fn unbound(endpoint: &Endpoint, own: &Name, error: io::Error) -> Failure {
    Failure::Setting(match error.raw_os_error() {
        Some(libc::EADDRINUSE) => NetError::in_use(Operation::Bind, endpoint, own),
        _ => NetError::system(Operation::Bind, endpoint, error).at(own),
    })
}

/// Sets the options that are due.
pub(crate) fn apply(
    endpoint: &Endpoint,
    socket: impl AsFd,
    moment: Moment,
) -> Result<(), NetError> {
    let applied = endpoint
        .settings
        .apply(socket, endpoint.place.scheme(), moment);
    applied.map_err(|source| NetError::option(endpoint, source))
}

async fn unix(net: &Net, endpoint: &Endpoint, name: &UnixName) -> Result<ByteLink, NetError> {
    let failed = |error: io::Error| NetError::system(Operation::Connect, endpoint, error);
    let socket = unix_names::fresh(UnixKind::Stream).map_err(failed)?;
    apply(endpoint, &socket, Moment::Dial)?;
    if let Some(BindAddress::Unix(own)) = endpoint.settings.bind() {
        own.address()
            .and_then(|own| Ok(rustix::net::bind(&socket, &own)?))
            .map_err(|error| NetError::system(Operation::Bind, endpoint, error))?;
    }
    let socket = reach_unix(endpoint, name, socket).await?;
    let stream = UnixStream::from_std(socket.into()).map_err(failed)?;
    let peer = Name::Unix {
        kind: UnixKind::Stream,
        name: Some(name.clone()),
    };
    Ok(ByteLink::new(Raw::Unix(stream), peer, &net.recorder))
}

/// Connects a Unix socket that has a listener at the other end.
pub(crate) async fn reach_unix(
    endpoint: &Endpoint,
    name: &UnixName,
    socket: Socket,
) -> Result<Socket, NetError> {
    let failed = |error: io::Error| NetError::system(Operation::Connect, endpoint, error);
    let limit = Limit::of(&endpoint.settings);
    let address = name.address().map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(socket),
        // The listener's queue is full, and a Unix socket cannot be waited for: a thread does.
        Err(rustix::io::Errno::AGAIN) => wait_for_room(socket, SocketAddrAny::from(address), limit)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => limit.error(endpoint),
                _ => failed(error),
            }),
        Err(error) => Err(failed(error.into())),
    }
}

/// Connects on a blocking thread, which `SO_SNDTIMEO` bounds (unix(7), socket(7)).
async fn wait_for_room(socket: Socket, address: SocketAddrAny, limit: Limit) -> io::Result<Socket> {
    let left = limit.until.saturating_duration_since(Instant::now());
    let connected = tokio::task::spawn_blocking(move || {
        socket.set_nonblocking(false)?;
        // Zero would mean for ever.
        socket.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
        rustix::net::connect(&socket, &address)?;
        socket.set_write_timeout(None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.await.map_err(io::Error::other)?
}
