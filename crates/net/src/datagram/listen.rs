//! Opening datagram sockets that many peers share.

use std::io;
use std::net::SocketAddr;

use rustix::net::{SocketAddrAny, SocketType};
use socket2::{Domain, Protocol, Type};

use super::Socket;
use crate::context::Net;
use crate::endpoint::{Endpoint, HostPort, RawPlace, RawProtocol, UnixKind, UnixName};
use crate::error::{NetError, Operation};
use crate::listen::{apply, inet, unix as unix_names};
use crate::name::Name;
use crate::options::Moment;
use crate::resolve::Families;

/// UDP on every address that `at` means.
pub(crate) async fn udp(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<Socket>, NetError> {
    let opener = Opener::udp(net, endpoint);
    inet::on_each(net, endpoint, at, |address, dual| {
        opener.open(address, dual)
    })
    .await
}

/// The same sockets bare, for a protocol over UDP.
pub(crate) async fn udp_sockets(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<socket2::Socket>, NetError> {
    let opener = Opener::udp(net, endpoint);
    inet::on_each(net, endpoint, at, |address, dual| {
        let socket = opener.bare(address, dual)?;
        let local = socket.local_addr();
        let local = local.map_err(|error| opener.failed(Operation::Listen, address, error))?;
        let port = local.as_socket().map(|bound| bound.port());
        Ok((socket, port.unwrap_or_default()))
    })
    .await
}

/// Raw IP on every address that `at` means and its protocol has.
pub(crate) async fn raw(
    net: &Net,
    endpoint: &Endpoint,
    at: &RawPlace,
) -> Result<Vec<Socket>, NetError> {
    let opener = Opener {
        net,
        endpoint,
        kind: (Type::RAW, SocketType::RAW),
        protocol: Protocol::from(i32::from(at.protocol.0)),
    };
    let host = HostPort::new(at.host.clone(), 0);
    let (mut sockets, mut missing) = (vec![], None);
    // Raw sockets are never dual-stack: one of each family, where the protocol has both.
    for families in families_of(at.protocol, net.families) {
        let net = Net {
            families,
            ..net.clone()
        };
        let opened = inet::on_each(&net, endpoint, &host, |address, dual| {
            opener.open(address, dual)
        });
        match opened.await {
            Ok(opened) => sockets.extend(opened),
            Err(error @ NetError::NoAddress { .. }) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(error),
        _ if sockets.is_empty() => Err(NetError::unfit(endpoint, other_family(net.families))),
        _ => Ok(sockets),
    }
}

/// A Unix datagram socket.
pub(crate) fn unix(net: &Net, endpoint: &Endpoint, name: &UnixName) -> Result<Socket, NetError> {
    let (socket, claim) = unix_names::bound(net, endpoint, name, UnixKind::Datagram)?;
    let socket = Socket::new(socket, net.recorder.clone());
    socket
        .map(|socket| socket.with_claim(claim))
        .map_err(|error| NetError::system(Operation::Listen, endpoint, error))
}

/// The families that carry a protocol, of those that may be used.
pub(super) fn families_of(protocol: RawProtocol, allowed: Families) -> Vec<Families> {
    let families: &[Families] = match protocol {
        RawProtocol::ICMP | RawProtocol::IGMP => &[Families::V4],
        RawProtocol::ICMPV6 => &[Families::V6],
        _ => &[Families::V4, Families::V6],
    };
    let mut families = families.to_vec();
    families.retain(|family| [Families::Any, *family].contains(&allowed));
    families
}

/// What to say where [`families_of`] leaves nothing.
pub(super) fn other_family(allowed: Families) -> String {
    format!("the protocol belongs to the other family, and only {allowed} may be used")
}

struct Opener<'a> {
    net: &'a Net,
    endpoint: &'a Endpoint,
    kind: (Type, SocketType),
    protocol: Protocol,
}

impl<'a> Opener<'a> {
    fn udp(net: &'a Net, endpoint: &'a Endpoint) -> Self {
        Self {
            net,
            endpoint,
            kind: (Type::DGRAM, SocketType::DGRAM),
            protocol: Protocol::UDP,
        }
    }

    /// A socket with this address, handed over or fresh.
    fn bare(&self, address: SocketAddr, dual: bool) -> Result<socket2::Socket, NetError> {
        let any = SocketAddrAny::from(address);
        match self.net.inherited.take(self.kind.1, &any) {
            Some(handed) => {
                let socket = socket2::Socket::from(handed);
                apply(self.endpoint, &socket, Moment::Adopted)?;
                Ok(socket)
            }
            None => self.bind(address, dual),
        }
    }

    fn open(&self, address: SocketAddr, dual: bool) -> Result<(Socket, u16), NetError> {
        let socket = self.bare(address, dual)?;
        let socket = Socket::new(socket, self.net.recorder.clone());
        let socket = socket.map_err(|error| self.failed(Operation::Listen, address, error))?;
        let port = socket.local().socket_addr().map(|bound| bound.port());
        Ok((socket, port.unwrap_or_default()))
    }

    fn bind(&self, address: SocketAddr, dual: bool) -> Result<socket2::Socket, NetError> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, self.kind.0, Some(self.protocol))
            .map_err(|error| self.failed(Operation::Open, address, error))?;
        if address.is_ipv6() && self.kind.0 == Type::DGRAM {
            socket
                .set_only_v6(!dual)
                .map_err(|error| self.failed(Operation::Configure, address, error))?;
        }
        apply(self.endpoint, &socket, Moment::Listen)?;
        socket
            .bind(&address.into())
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => {
                    NetError::in_use(Operation::Listen, self.endpoint, &Name::udp(address))
                }
                _ => self.failed(Operation::Bind, address, error),
            })?;
        Ok(socket)
    }

    fn failed(&self, operation: Operation, address: SocketAddr, error: io::Error) -> NetError {
        NetError::system(operation, self.endpoint, error).at(&address)
    }
}
