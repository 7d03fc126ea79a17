//! Listening on Unix sockets.

use rustix::net::{SocketAddrAny, bind};
use socket2::{Domain, Socket, Type};

use super::{StreamListener, apply, backlog};
use crate::context::Net;
use crate::endpoint::{Endpoint, UnixKind, UnixName};
use crate::error::{NetError, Operation};
use crate::name::Name;
use crate::options::Moment;
use crate::unix_lock::Claim;

pub(super) fn listen(
    net: &Net,
    endpoint: &Endpoint,
    name: &UnixName,
) -> Result<StreamListener, NetError> {
    let (socket, claim) = bound(net, endpoint, name, UnixKind::Stream)?;
    socket
        .listen(backlog(endpoint))
        .and_then(|()| StreamListener::unix(socket, claim, &endpoint.settings, &net.recorder))
        .map_err(|error| NetError::system(Operation::Listen, endpoint, error))
}

/// A Unix socket that has its name, with the right to its file if it is ours: one that was handed
/// over, or a fresh one.
pub(crate) fn bound(
    net: &Net,
    endpoint: &Endpoint,
    name: &UnixName,
    kind: UnixKind,
) -> Result<(Socket, Option<Claim>), NetError> {
    let failed = |operation, error| NetError::system(operation, endpoint, error);
    let address = name
        .address()
        .map_err(|error| failed(Operation::Bind, error))?;
    let address = SocketAddrAny::from(address);
    if let Some(handed) = net.inherited.take(kind.socket_type(), &address) {
        // Whoever handed it over owns the file.
        let socket = Socket::from(handed);
        apply(endpoint, &socket, Moment::Adopted)?;
        return Ok((socket, None));
    }
    let socket = fresh(kind).map_err(|error| failed(Operation::Open, error))?;
    apply(endpoint, &socket, Moment::Listen)?;
    let claim = claim(endpoint, name, &socket)?;
    Ok((socket, claim))
}

/// A Unix socket without a name.
pub(crate) fn fresh(kind: UnixKind) -> std::io::Result<Socket> {
    let kind = Type::from(kind.socket_type().as_raw().cast_signed());
    Socket::new(Domain::UNIX, kind, None)
}

/// Binds a Unix socket of any type: a path with its lock, an abstract name without.
pub(crate) fn claim(
    endpoint: &Endpoint,
    name: &UnixName,
    socket: &Socket,
) -> Result<Option<Claim>, NetError> {
    match name {
        UnixName::Path(path) => {
            let kind = rustix::net::sockopt::socket_type(socket);
            let kind = kind.map_err(|error| NetError::system(Operation::Bind, endpoint, error))?;
            let claim = Claim::take(path, kind).and_then(|mut claim| {
                claim.bind(socket)?;
                Ok(claim)
            });
            claim
                .map(Some)
                .map_err(|error| error.of(endpoint, &named(socket, name)))
        }
        UnixName::Abstract(_) => {
            let bound = name
                .address()
                .map_err(Into::into)
                .and_then(|address| bind(socket, &address).map_err(crate::errno::Errno::from));
            match bound {
                Ok(()) => Ok(None),
                Err(errno) if errno.number() == libc::EADDRINUSE => Err(NetError::in_use(
                    Operation::Listen,
                    endpoint,
                    &named(socket, name),
                )),
                Err(errno) => Err(NetError::system(Operation::Bind, endpoint, errno)),
            }
        }
    }
}

/// The name as people know it, for a socket of whatever type.
fn named(socket: &Socket, name: &UnixName) -> Name {
    let kind = rustix::net::sockopt::socket_type(socket);
    let is_of = |known: &UnixKind| Ok(known.socket_type()) == kind;
    let kind = UnixKind::ALL
        .into_iter()
        .find(is_of)
        .unwrap_or(UnixKind::Stream);
    Name::Unix {
        kind,
        name: Some(name.clone()),
    }
}
