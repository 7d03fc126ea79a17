//! Listening: from an endpoint to the sockets that accept.

pub(crate) mod inet;
mod stream;
pub(crate) mod tcp;
pub(crate) mod unix;

pub use stream::StreamListener;

use socket2::Socket;

use crate::context::Net;
use crate::endpoint::{Endpoint, Place, UnixKind};
use crate::error::NetError;
use crate::link::{Link, Listener};
use crate::options::{Moment, OptionKey};
use crate::{datagram, exec, fd, quic, seqpacket, stdio, tls, ws};

/// How many connections may wait for being accepted unless `backlog=` says otherwise. The kernel
/// caps it by `net.core.somaxconn`, which is 4096 since Linux 5.4.
pub(crate) const BACKLOG: u32 = 4096;

/// Opens what the endpoint means: a socket for each of its addresses, or the one link that it is.
///
/// - **Output:** never empty. A host that is not written means 127.0.0.1 and ::1 on one port; a
///   name means each of its addresses; an address that this machine does not have is left out as
///   long as another one works.
/// - **Errors:** see [`NetError`].
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn listen(net: &Net, endpoint: &Endpoint) -> Result<Vec<Listener>, NetError> {
    let checked = endpoint.settings.check(Moment::Listen);
    checked.map_err(|source| NetError::option(endpoint, source))?;
    let ready = |link| vec![Listener::Ready(Link::Bytes(link))];
    match &endpoint.place {
        Place::Tcp(at) => {
            let listeners = tcp::listen(net, endpoint, at).await?;
            Ok(listeners.into_iter().map(Listener::Stream).collect())
        }
        Place::Tls(at) => tls::listen(net, endpoint, at).await,
        Place::Quic(at) => quic::listen(net, endpoint, at).await,
        Place::Ws { secure, at, path } => ws::listen(net, endpoint, *secure, at, path).await,
        Place::Unix {
            kind: UnixKind::Stream,
            name,
        } => Ok(vec![Listener::Stream(unix::listen(net, endpoint, name)?)]),
        Place::Stdio => stdio::open(net, endpoint).map(ready),
        Place::Exec(line) => exec::open(net, line).map(ready),
        Place::Fd(number) => Ok(vec![fd::listen(net, endpoint, *number)?]),
        Place::Udp(at) => {
            let sockets = datagram::listen::udp(net, endpoint, at).await?;
            Ok(sockets.into_iter().map(Listener::Datagram).collect())
        }
        Place::Ip(at) => {
            let sockets = datagram::listen::raw(net, endpoint, at).await?;
            Ok(sockets.into_iter().map(Listener::Datagram).collect())
        }
        Place::Unix {
            kind: UnixKind::Datagram,
            name,
        } => {
            let socket = datagram::listen::unix(net, endpoint, name)?;
            Ok(vec![Listener::Datagram(socket)])
        }
        Place::Unix {
            kind: UnixKind::Seqpacket,
            name,
        } => {
            let listener = seqpacket::listen(net, endpoint, name)?;
            Ok(vec![Listener::Seqpacket(listener)])
        }
    }
}

/// Opens every socket that the parent process handed over and no endpoint has claimed.
pub fn listen_inherited(net: &Net) -> Result<Vec<Listener>, NetError> {
    let all = net.inherited.take_all();
    all.into_iter()
        .map(|handed| fd::adopt_handed(net, handed))
        .collect()
}

/// Sets the options that are due.
pub(crate) fn apply(endpoint: &Endpoint, socket: &Socket, moment: Moment) -> Result<(), NetError> {
    let applied = endpoint
        .settings
        .apply(socket, endpoint.place.scheme(), moment);
    applied.map_err(|source| NetError::option(endpoint, source))
}

pub(crate) fn backlog(endpoint: &Endpoint) -> i32 {
    let asked = endpoint
        .settings
        .number(OptionKey::Backlog)
        .unwrap_or(BACKLOG);
    i32::try_from(asked).unwrap_or(i32::MAX)
}
