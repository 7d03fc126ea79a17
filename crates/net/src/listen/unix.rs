//! Listening on Unix stream sockets.

use rustix::net::{SocketAddrAny, SocketType, bind};
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
    let failed = |operation, error| NetError::system(operation, endpoint, error);
    let address = name
        .address()
        .map_err(|error| failed(Operation::Bind, error))?;
    let address = SocketAddrAny::from(address);
    let handed = net.inherited.take(SocketType::STREAM, &address);
    let (socket, claim) = if let Some(handed) = handed {
        // Whoever handed it over owns the file.
        let socket = Socket::from(handed);
        apply(endpoint, &socket, Moment::Adopted)?;
        (socket, None)
    } else {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
            .map_err(|error| failed(Operation::Open, error))?;
        apply(endpoint, &socket, Moment::Listen)?;
        let claim = claim(endpoint, name, &socket)?;
        (socket, claim)
    };
    socket
        .listen(backlog(endpoint))
        .map_err(|error| failed(Operation::Listen, error))?;
    StreamListener::unix(socket, claim, &endpoint.settings, &net.recorder)
        .map_err(|error| failed(Operation::Listen, error))
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
                Err(errno) if errno.number() == libc::EADDRINUSE => {
                    Err(NetError::in_use(endpoint, &named(socket, name)))
                }
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
