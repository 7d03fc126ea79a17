//! Listening on Unix stream sockets.

use rustix::net::{SocketAddrAny, SocketType, bind};
use socket2::{Domain, Socket, Type};

use super::{StreamListener, backlog};
use crate::context::Net;
use crate::endpoint::{Endpoint, UnixName};
use crate::error::{NetError, Operation};
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
        (Socket::from(handed), None)
    } else {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
            .map_err(|error| failed(Operation::Open, error))?;
        let claim = claim(endpoint, name, &socket)?;
        (socket, claim)
    };
    socket
        .listen(backlog(endpoint))
        .map_err(|error| failed(Operation::Listen, error))?;
    StreamListener::unix(socket, claim, &net.recorder)
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
            claim.map(Some).map_err(|error| error.of(endpoint))
        }
        UnixName::Abstract(_) => {
            let bound = name
                .address()
                .map_err(Into::into)
                .and_then(|address| bind(socket, &address).map_err(crate::errno::Errno::from));
            match bound {
                Ok(()) => Ok(None),
                Err(errno) if errno.number() == libc::EADDRINUSE => Err(NetError::InUse {
                    endpoint: endpoint.to_string(),
                    address: name.to_string(),
                    errno,
                    holder: None,
                }),
                Err(errno) => Err(NetError::system(Operation::Bind, endpoint, errno)),
            }
        }
    }
}
