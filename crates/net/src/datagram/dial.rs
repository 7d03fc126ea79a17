//! Opening datagram sockets that speak to one peer, or to a group.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Type};
use tokio::time::timeout_at;

use super::{Address, listen};
use crate::connect::{Limit, Source, apply, targets};
use crate::context::Net;
use crate::endpoint::{Endpoint, HostPort, RawPlace, UnixKind, UnixName};
use crate::errno::Errno;
use crate::error::{NetError, Operation};
use crate::eyeballs::{Attempt, interleave};
use crate::listen::unix as unix_names;
use crate::message::MessageLink;
use crate::options::{BindAddress, Moment, OptionKey};

/// UDP to `to`. Of several addresses the first that there is a route to wins: whether anybody
/// listens shows only later.
pub(crate) async fn udp(
    net: &Net,
    endpoint: &Endpoint,
    to: &HostPort,
) -> Result<MessageLink, NetError> {
    open(net, endpoint, to, Type::DGRAM, Protocol::UDP).await
}

/// Raw IP to `to`.
pub(crate) async fn raw(
    net: &Net,
    endpoint: &Endpoint,
    to: &RawPlace,
) -> Result<MessageLink, NetError> {
    let families = listen::families_of(to.protocol, net.families);
    let families = match families[..] {
        [] => {
            return Err(NetError::unfit(
                endpoint,
                listen::other_family(net.families),
            ));
        }
        [one] => one,
        _ => net.families,
    };
    let net = Net {
        families,
        ..net.clone()
    };
    let host = HostPort::new(to.host.clone(), 0);
    let protocol = Protocol::from(i32::from(to.protocol.0));
    open(&net, endpoint, &host, Type::RAW, protocol).await
}

async fn open(
    net: &Net,
    endpoint: &Endpoint,
    to: &HostPort,
    kind: Type,
    protocol: Protocol,
) -> Result<MessageLink, NetError> {
    let limit = Limit::of(&endpoint.settings);
    let found = timeout_at(limit.until, targets(net, endpoint, to, limit)).await;
    let (from, addresses) = found.map_err(|_| limit.error(endpoint))??;
    let mut attempts = vec![];
    for address in interleave(addresses) {
        let socket = socket2::Socket::new(Domain::for_address(address), kind, Some(protocol))
            .map_err(|error| NetError::system(Operation::Open, endpoint, error))?;
        apply(endpoint, &socket, Moment::Dial)?;
        match reach(net, endpoint, socket, from, address)? {
            Ok(link) => {
                apply(endpoint, &link, Moment::Connected)?;
                return Ok(link);
            }
            Err(error) => attempts.push(Attempt { address, error }),
        }
    }
    Err(NetError::Unreached {
        endpoint: endpoint.to_string(),
        attempts,
    })
}

/// Points a socket at one address; the inner error is about that address alone.
fn reach(
    net: &Net,
    endpoint: &Endpoint,
    socket: socket2::Socket,
    from: Source,
    to: SocketAddr,
) -> Result<Result<MessageLink, Errno>, NetError> {
    let failed = |error: io::Error| NetError::system(Operation::Connect, endpoint, error);
    let may_broadcast = endpoint.settings.flag(OptionKey::Broadcast) == Some(true);
    if to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) && !may_broadcast {
        // What the first message would meet, udp(7): better said before anybody types one.
        return Ok(Err(Errno::new(libc::EACCES)));
    }
    let is_to_many = is_group(to.ip()) || may_broadcast;
    let own = from
        .address(to)
        .or_else(|| is_to_many.then(|| SocketAddr::new(any_like(to.ip()), 0)));
    if let Some(own) = own {
        socket
            .bind(&own.into())
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => {
                    NetError::in_use(Operation::Bind, endpoint, &crate::Name::udp(own))
                }
                _ => NetError::system(Operation::Bind, endpoint, error).at(&own),
            })?;
    }
    if is_to_many {
        let link = MessageLink::to_many(socket, to.into(), &net.recorder);
        return link.map(Ok).map_err(failed);
    }
    if let Err(error) = socket.connect(&to.into()) {
        return Ok(Err(error.into()));
    }
    MessageLink::connected(socket, &to.into(), None, &net.recorder)
        .map(Ok)
        .map_err(failed)
}

/// Whether several peers answer to an address, so that a connected socket would not hear them.
fn is_group(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn any_like(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A Unix datagram socket at `name`. Ours gets a name as well, so that answers can come back: the
/// one of `bind=`, or an abstract one that the kernel picks (autobind, unix(7)).
pub(crate) fn unix(
    net: &Net,
    endpoint: &Endpoint,
    name: &UnixName,
) -> Result<MessageLink, NetError> {
    let failed = |operation, error: io::Error| NetError::system(operation, endpoint, error);
    let socket =
        unix_names::fresh(UnixKind::Datagram).map_err(|error| failed(Operation::Open, error))?;
    apply(endpoint, &socket, Moment::Dial)?;
    let autobind = UnixName::Abstract(Box::default());
    let own = match endpoint.settings.bind() {
        Some(BindAddress::Unix(own)) => own,
        _ => &autobind,
    };
    let claim = unix_names::claim(endpoint, own, &socket)?;
    let connect = |error| failed(Operation::Connect, error);
    let address = name.address().map_err(connect)?;
    rustix::net::connect(&socket, &address).map_err(|error| connect(error.into()))?;
    let peer = socket.peer_addr().map_err(connect)?;
    MessageLink::connected(socket, &Address::from(&peer), claim, &net.recorder).map_err(connect)
}
