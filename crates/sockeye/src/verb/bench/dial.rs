//! Sockets to the server, in the thousands.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use anyhow::Context as _;
use rustix::net::SocketAddrUnix;
use socket2::{Domain, SockAddr, Socket, Type};
use sockeye_net::options::BindAddress;
use sockeye_net::{Endpoint, Host, HostPort, Moment, Net, Place, UnixKind, UnixName};

use super::kernel;
use crate::exit::usage;

/// Connections that leave from one address: below the 28,232 local ports that Linux has by default
/// (net.ipv4.ip_local_port_range, ip(7)).
const PER_SOURCE: usize = 20_000;
/// Addresses in 127.0.0.0/8 that short connections leave from in turn, so that the ports that wait
/// in TIME_WAIT are never all of them.
const SOURCES: usize = 1024;

/// Where the server is, and how sockets to it are made.
#[derive(Clone, Debug)]
pub(super) struct Dialler {
    endpoint: Endpoint,
    remote: Remote,
    bind: Option<SocketAddr>,
    /// The server is at 127.x.x.x and nobody asked for another source: all of that net is ours.
    spread: bool,
}

/// What is connected to.
#[derive(Clone, Debug)]
enum Remote {
    Inet {
        address: SocketAddr,
        stream: bool,
    },
    Unix {
        address: SocketAddrUnix,
        kind: UnixKind,
    },
}

/// The addresses that a host means, best first; never none.
async fn addresses(net: &Net, at: &HostPort) -> anyhow::Result<Vec<SocketAddr>> {
    let mut found = match &at.host {
        Host::Unspecified | Host::Any => {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            loopback.map(|ip| SocketAddr::new(ip, at.port)).to_vec()
        }
        Host::Name(name) => {
            let found = net.resolver.resolve(name.as_str(), at.port).await;
            found.with_context(|| format!("cannot resolve {name}"))?
        }
        host => host.with_port(at.port)?.into_iter().collect(),
    };
    found.retain(|address| net.families.allow(address.ip()));
    if found.is_empty() {
        return Err(usage!("{at} has no {} address", net.families));
    }
    Ok(found)
}

/// The first of several addresses where somebody listens, else the first.
async fn that_answers(addresses: &[SocketAddr]) -> SocketAddr {
    /// Whoever has several addresses and does not answer on one of them is asked on the next.
    const PATIENCE: Duration = Duration::from_secs(1);
    for address in addresses
        .iter()
        .take(if addresses.len() > 1 { usize::MAX } else { 0 })
    {
        let connected = tokio::net::TcpStream::connect(address);
        if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, connected).await {
            return *address;
        }
    }
    addresses[0]
}

/// The address that connections leave from; an empty host is any.
async fn own_address(net: &Net, at: &HostPort, remote: &Remote) -> anyhow::Result<SocketAddr> {
    let v6 = matches!(remote, Remote::Inet { address, .. } if address.is_ipv6());
    if let Host::Unspecified | Host::Any = at.host {
        let any = if v6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        return Ok(SocketAddr::new(any, at.port));
    }
    let found = addresses(net, at).await?;
    let fitting = found.into_iter().find(|address| address.is_ipv6() == v6);
    fitting.ok_or_else(|| usage!("bind={at} is of another family than the server's address"))
}

impl Dialler {
    /// Reads what an endpoint means for somebody who dials it.
    pub(super) async fn new(net: &Net, endpoint: Endpoint) -> anyhow::Result<Self> {
        let remote = match &endpoint.place {
            Place::Tcp(at) => Remote::Inet {
                address: that_answers(&addresses(net, at).await?).await,
                stream: true,
            },
            Place::Udp(at) => Remote::Inet {
                address: addresses(net, at).await?[0],
                stream: false,
            },
            Place::Unix { kind, name } => Remote::Unix {
                address: name.address()?,
                kind: *kind,
            },
            _ => {
                return Err(usage!(
                    "bench cannot load {endpoint}: allowed are tcp, udp, unix, unix-dgram and unix-seqpacket"
                ));
            }
        };
        if endpoint.settings.via().next().is_some() {
            return Err(usage!(
                "bench loads the server itself: via= does not fit {endpoint}"
            ));
        }
        let bind = match endpoint.settings.bind() {
            Some(BindAddress::Inet(at)) => Some(own_address(net, at, &remote).await?),
            Some(BindAddress::Unix(_)) => {
                return Err(usage!(
                    "bind= in {endpoint}: each connection needs a name of its own"
                ));
            }
            None => None,
        };
        let spread = bind.is_none()
            && matches!(&remote, Remote::Inet { address, .. }
                if matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()));
        let dialler = Self {
            endpoint,
            remote,
            bind,
            spread,
        };
        // What the kernel refuses of the options it refuses now, and not in the middle of a run.
        let scheme = dialler.endpoint.place.scheme();
        let settings = &dialler.endpoint.settings;
        settings.apply(dialler.socket()?, scheme, Moment::Dial)?;
        Ok(dialler)
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether what crosses it is messages already.
    pub(super) fn is_messages(&self) -> bool {
        self.endpoint.place.scheme().is_messages()
    }

    pub(super) fn is_udp(&self) -> bool {
        matches!(self.remote, Remote::Inet { stream: false, .. })
    }

    pub(super) fn is_tcp(&self) -> bool {
        matches!(self.remote, Remote::Inet { stream: true, .. })
    }

    /// The server's port, if it is on this machine as far as its address tells.
    pub(super) fn local_port(&self) -> Option<u16> {
        match &self.remote {
            Remote::Inet { address, .. } if address.ip().is_loopback() => Some(address.port()),
            _ => None,
        }
    }

    /// The server's Unix name, as /proc/net/unix writes it.
    pub(super) fn unix_name(&self) -> Option<Vec<u8>> {
        let Place::Unix { name, .. } = &self.endpoint.place else {
            return None;
        };
        Some(match name {
            UnixName::Path(path) => path.as_os_str().as_bytes().to_vec(),
            UnixName::Abstract(name) => [b"@", &name[..]].concat(),
        })
    }

    /// A connected, non-blocking socket for connection `conn`, which stays.
    pub(super) fn connect(&self, conn: usize, timeout: Duration) -> io::Result<OwnedFd> {
        let source = (self.spread && conn >= PER_SOURCE).then(|| source(conn / PER_SOURCE - 1));
        let socket = self.open(source)?;
        match &self.remote {
            Remote::Inet { address, .. } => {
                socket.connect_timeout(&SockAddr::from(*address), timeout)?;
            }
            Remote::Unix { address, .. } => {
                // What a Unix socket waits for is room in the backlog, at most as long as this.
                socket.set_write_timeout(Some(timeout))?;
                rustix::net::connect(&socket, address)?;
            }
        }
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }

    /// Begins a short connection without waiting for it.
    pub(super) fn begin(&self, conn: usize) -> io::Result<OwnedFd> {
        let socket = self.open(self.spread.then(|| source(conn % SOURCES)))?;
        socket.set_nonblocking(true)?;
        let began = match &self.remote {
            Remote::Inet { address, .. } => rustix::net::connect(&socket, address),
            Remote::Unix { address, .. } => rustix::net::connect(&socket, address),
        };
        match began {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn open(&self, source: Option<Ipv4Addr>) -> io::Result<Socket> {
        let socket = self.socket()?;
        let scheme = self.endpoint.place.scheme();
        let applied = self.endpoint.settings.apply(&socket, scheme, Moment::Dial);
        applied.map_err(|refused| io::Error::new(io::ErrorKind::InvalidInput, refused))?;
        if let Some(source) = source {
            kernel::bind_address_only(&socket)?;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        } else if let Some(bind) = self.bind {
            kernel::bind_address_only(&socket)?;
            socket.bind(&bind.into())?;
        } else if let Remote::Unix {
            kind: UnixKind::Datagram,
            ..
        } = self.remote
        {
            // The kernel gives it an abstract name, without which no reply would find it (unix(7)).
            rustix::net::bind(&socket, &SocketAddrUnix::new_unnamed())?;
        }
        Ok(socket)
    }

    fn socket(&self) -> io::Result<Socket> {
        let (domain, kind) = match &self.remote {
            Remote::Inet { address, stream } => {
                let kind = if *stream { Type::STREAM } else { Type::DGRAM };
                (Domain::for_address(*address), kind)
            }
            Remote::Unix { kind, .. } => {
                let kind = match kind {
                    UnixKind::Stream => Type::STREAM,
                    UnixKind::Datagram => Type::DGRAM,
                    UnixKind::Seqpacket => Type::SEQPACKET,
                };
                (Domain::UNIX, kind)
            }
        };
        Socket::new(domain, kind, None)
    }
}

/// The `index`th address that connections leave from: 127.0.1.1 and upwards.
fn source(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(
        127,
        0,
        (1 + index / 250 % 250) as u8,
        (1 + index % 250) as u8,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_differ_and_stay_on_loopback() {
        let all: std::collections::HashSet<_> = (0..SOURCES).map(source).collect();
        assert_eq!(all.len(), SOURCES);
        assert!(
            all.iter()
                .all(|source| source.is_loopback() && *source != Ipv4Addr::LOCALHOST)
        );
    }
}
