//! Listening on TCP.

use std::net::SocketAddr;

use rustix::net::{SocketAddrAny, SocketType};
use socket2::{Domain, Protocol, Socket, Type};

use super::{StreamListener, apply, backlog, inet};
use crate::context::Net;
use crate::endpoint::{Endpoint, HostPort};
use crate::error::{NetError, Operation};
use crate::name::Name;
use crate::options::{Moment, OptionKey};

pub(crate) async fn listen(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<StreamListener>, NetError> {
    let opener = Opener { net, endpoint };
    inet::on_each(net, endpoint, at, |address, dual| {
        let listener = opener.open(address, dual)?;
        let port = listener.local().socket_addr().map(|bound| bound.port());
        Ok((listener, port.unwrap_or_default()))
    })
    .await
}

struct Opener<'a> {
    net: &'a Net,
    endpoint: &'a Endpoint,
}

impl Opener<'_> {
    fn open(&self, address: SocketAddr, dual: bool) -> Result<StreamListener, NetError> {
        let failed = |operation, error: std::io::Error| {
            NetError::system(operation, self.endpoint, error).at(&address)
        };
        let handed = self
            .net
            .inherited
            .take(SocketType::STREAM, &SocketAddrAny::from(address));
        let socket = match handed {
            Some(handed) => {
                let socket = Socket::from(handed);
                apply(self.endpoint, &socket, Moment::Adopted)?;
                socket
            }
            None => self.bind(address, dual)?,
        };
        // A socket that was handed over and listens already gets our backlog.
        socket
            .listen(backlog(self.endpoint))
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => {
                    NetError::in_use(Operation::Listen, self.endpoint, &Name::tcp(address))
                }
                _ => failed(Operation::Listen, error),
            })?;
        StreamListener::tcp(socket, &self.endpoint.settings, &self.net.recorder)
            .map_err(|error| failed(Operation::Listen, error))
    }

    fn bind(&self, address: SocketAddr, dual: bool) -> Result<Socket, NetError> {
        let failed = |operation, error: std::io::Error| {
            NetError::system(operation, self.endpoint, error).at(&address)
        };
        let mptcp = self.endpoint.settings.flag(OptionKey::Mptcp) == Some(true);
        let protocol = if mptcp {
            Protocol::MPTCP
        } else {
            Protocol::TCP
        };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(protocol))
            .map_err(|error| failed(Operation::Open, error))?;
        if address.is_ipv6() {
            socket
                .set_only_v6(!dual)
                .map_err(|error| failed(Operation::Configure, error))?;
        }
        apply(self.endpoint, &socket, Moment::Listen)?;
        socket
            .bind(&address.into())
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => {
                    NetError::in_use(Operation::Listen, self.endpoint, &Name::tcp(address))
                }
                _ => failed(Operation::Bind, error),
            })?;
        Ok(socket)
    }
}
