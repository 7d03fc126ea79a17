//! Listening on TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{SocketAddrAny, SocketType};
use socket2::{Domain, Protocol, Socket, Type};

use super::{StreamListener, apply, backlog};
use crate::context::Net;
use crate::endpoint::{Endpoint, Host, HostPort};
use crate::errno::Errno;
use crate::error::{NetError, Operation};
use crate::name::Name;
use crate::options::{Moment, OptionKey};
use crate::resolve::{self, Families};

/// How often a port that is free on one address is looked for on the others as well.
const PORT_TRIES: usize = 32;

pub(super) async fn listen(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<StreamListener>, NetError> {
    let addresses = addresses(net, endpoint, at).await?;
    let dual = at.host == Host::Any && net.families == Families::Any;
    let opener = Opener {
        net,
        endpoint,
        dual,
    };
    for _ in 1..PORT_TRIES {
        match opener.open_all(&addresses) {
            // Another of the addresses has that port in use: let the kernel choose again.
            Err(NetError::InUse { .. }) if at.port == 0 => {}
            result => return result,
        }
    }
    opener.open_all(&addresses)
}

async fn addresses(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<SocketAddr>, NetError> {
    let families = net.families;
    let both: [IpAddr; 2] = match &at.host {
        Host::Unspecified => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        // The second only where there is no IPv6: see `Opener::open_all`.
        Host::Any => [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        _ => return resolve::addresses(net, endpoint, at).await,
    };
    let allowed = both.into_iter().filter(|ip| families.allow(*ip));
    Ok(allowed.map(|ip| SocketAddr::new(ip, at.port)).collect())
}

struct Opener<'a> {
    net: &'a Net,
    endpoint: &'a Endpoint,
    /// One socket takes both families.
    dual: bool,
}

impl Opener<'_> {
    /// Listens on every address that this machine has, all on one port.
    fn open_all(&self, addresses: &[SocketAddr]) -> Result<Vec<StreamListener>, NetError> {
        let mut open: Vec<StreamListener> = vec![];
        let mut missing = None;
        for address in addresses {
            let mut address = *address;
            if let Some(first) = open.first().and_then(|open| open.local().socket_addr()) {
                if self.dual {
                    break;
                }
                address.set_port(first.port());
            }
            match self.open(address) {
                Ok(listener) => open.push(listener),
                Err(error) if is_absent(&error) => missing = missing.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if open.is_empty() => Err(error),
            _ => Ok(open),
        }
    }

    fn open(&self, address: SocketAddr) -> Result<StreamListener, NetError> {
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
            None => self.bind(address)?,
        };
        // A socket that was handed over and listens already gets our backlog.
        socket
            .listen(backlog(self.endpoint))
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => NetError::in_use(self.endpoint, &Name::tcp(address)),
                _ => failed(Operation::Listen, error),
            })?;
        StreamListener::tcp(socket, &self.endpoint.settings, &self.net.recorder)
            .map_err(|error| failed(Operation::Listen, error))
    }

    fn bind(&self, address: SocketAddr) -> Result<Socket, NetError> {
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
                .set_only_v6(!self.dual)
                .map_err(|error| failed(Operation::Configure, error))?;
        }
        apply(self.endpoint, &socket, Moment::Listen)?;
        socket
            .bind(&address.into())
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => NetError::in_use(self.endpoint, &Name::tcp(address)),
                _ => failed(Operation::Bind, error),
            })?;
        Ok(socket)
    }
}

/// Whether the machine has no such address, or no such family at all.
fn is_absent(error: &NetError) -> bool {
    let number = error.errno().map(Errno::number);
    matches!(number, Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}
