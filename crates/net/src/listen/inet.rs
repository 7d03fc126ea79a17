//! Listening on internet addresses, of whatever protocol: which addresses, and all on one port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::context::Net;
use crate::endpoint::{Endpoint, Host, HostPort};
use crate::errno::Errno;
use crate::error::NetError;
use crate::resolve::{self, Families};

/// How often a port that is free on one address is looked for on the others as well.
const PORT_TRIES: usize = 32;

/// Opens a socket on every address of `at` that this machine has, all on one port.
///
/// `open` gets an address and whether the one socket has to take both families, and says which
/// port the socket really has.
pub(crate) async fn on_each<T>(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
    open: impl Fn(SocketAddr, bool) -> Result<(T, u16), NetError>,
) -> Result<Vec<T>, NetError> {
    let addresses = addresses(net, endpoint, at).await?;
    let dual = at.host == Host::Any && net.families == Families::Any;
    for _ in 1..PORT_TRIES {
        match open_all(&addresses, dual, &open) {
            // Another of the addresses has that port in use: let the kernel choose again.
            Err(NetError::InUse { .. }) if at.port == 0 => {}
            result => return result,
        }
    }
    open_all(&addresses, dual, &open)
}

async fn addresses(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<SocketAddr>, NetError> {
    let families = net.families;
    let both: [IpAddr; 2] = match &at.host {
        Host::Unspecified => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        // The second only where there is no IPv6: see `open_all`.
        Host::Any => [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        _ => return resolve::addresses(net, endpoint, at).await,
    };
    let allowed = both.into_iter().filter(|ip| families.allow(*ip));
    Ok(allowed.map(|ip| SocketAddr::new(ip, at.port)).collect())
}

fn open_all<T>(
    addresses: &[SocketAddr],
    dual: bool,
    open: &impl Fn(SocketAddr, bool) -> Result<(T, u16), NetError>,
) -> Result<Vec<T>, NetError> {
    let mut opened = vec![];
    let (mut port, mut missing) = (None, None);
    for address in addresses {
        let mut address = *address;
        if let Some(port) = port {
            if dual {
                break;
            }
            address.set_port(port);
        }
        match open(address, dual) {
            Ok((socket, bound)) => {
                port.get_or_insert(bound);
                opened.push(socket);
            }
            Err(error) if is_absent(&error) => missing = missing.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if opened.is_empty() => Err(error),
        _ => Ok(opened),
    }
}

/// Whether the machine has no such address, or no such family at all.
fn is_absent(error: &NetError) -> bool {
    let number = error.errno().map(Errno::number);
    matches!(number, Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}
