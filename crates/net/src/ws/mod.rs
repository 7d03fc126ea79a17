//! WebSocket: `ws://` and `wss://`, both sides (RFC 6455).
//!
//! A WebSocket carries messages, so it is a [`Link::Messages`]. Where the endpoint has a framing it
//! is a [`Link::Bytes`] instead: binary messages laid end to end are a byte stream, which the framing
//! cuts. No extension is spoken, and no sub-protocol but those that the endpoint names.

mod bytes;
mod error;
mod shared;
mod socket;
mod subprotocol;
#[cfg(test)]
mod tests;
mod upgrade;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::ServerConfig;
use sockeye_trace::{ConnId, Recorder};
use tokio::time::timeout_at;

pub use error::WebSocketError;
pub(crate) use shared::Shared;

use crate::connect::{Limit, reach};
use crate::context::Net;
use crate::endpoint::{Endpoint, Host, HostPort, WsPath};
use crate::error::{NetError, Operation};
use crate::link::{Link, Listener};
use crate::listen::{StreamListener, tcp};
use crate::message::MessageLink;
use crate::name::Name;
use crate::options::{OptionKey, Settings};
use crate::secure::{Accepts, Handshake, HandshakeError, SecureListener};
use crate::stream::{ByteLink, Raw};
use crate::tally::Tally;
use crate::tls;
use bytes::WebSocketBytes;
use socket::{MESSAGE_LIMIT, Manner};
use upgrade::{Asking, Gate};

/// A WebSocket over what carries ours: TCP or TLS.
pub(crate) type WebSocket = socket::WebSocket<ByteLink>;

/// Hears of what passes below WebSockets, so that each message is told of once: nobody listens to it.
static MUTE: LazyLock<Recorder> = LazyLock::new(Recorder::new);

impl Manner {
    fn of(settings: &Settings) -> Self {
        Self {
            binary: settings.flag(OptionKey::Binary) == Some(true),
            limit: settings
                .number(OptionKey::MaxMessage)
                .unwrap_or(MESSAGE_LIMIT),
        }
    }
}

/// What becomes of a connection when it is a WebSocket.
#[derive(Clone, Debug)]
struct Course {
    secure: bool,
    /// The endpoint has a framing: messages are laid end to end.
    as_bytes: bool,
    recorder: Recorder,
}

impl Course {
    fn of(net: &Net, endpoint: &Endpoint, secure: bool) -> Self {
        Self {
            secure,
            as_bytes: endpoint.settings.framing().is_some(),
            recorder: net.recorder.clone(),
        }
    }

    /// An end's name as a WebSocket's.
    fn name(&self, below: &Name, path: &WsPath) -> Name {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = below.socket_addr().unwrap_or(nowhere);
        Name::ws(self.secure, address, path.clone())
    }

    fn link(&self, socket: WebSocket, conn: ConnId, ends: (Name, Name)) -> Link {
        if self.as_bytes {
            let bytes = WebSocketBytes::new(socket, ends.1);
            Link::Bytes(byte_link(bytes, conn, ends.0, &self.recorder))
        } else {
            let link = MessageLink::over_websocket(socket, conn, ends, &self.recorder);
            Link::Messages(link)
        }
    }
}

/// A WebSocket's messages laid end to end, for a conversation of questions and answers.
pub(crate) fn conversation(
    socket: WebSocket,
    conn: ConnId,
    (peer, local): (Name, Name),
    recorder: &Recorder,
) -> ByteLink {
    let bytes = WebSocketBytes::new(socket, local).patient();
    byte_link(bytes, conn, peer, recorder)
}

fn byte_link(bytes: WebSocketBytes, conn: ConnId, peer: Name, recorder: &Recorder) -> ByteLink {
    ByteLink {
        raw: Raw::Layered(Box::new(bytes)),
        tally: Tally::new(recorder.clone(), conn),
        peer,
        extra: None,
    }
}

/// The link below a WebSocket, which tells nobody of its bytes.
fn muted(mut link: ByteLink) -> ByteLink {
    link.tally = Tally::new(MUTE.clone(), link.conn());
    link
}

/// Connects, and asks for the path.
pub(crate) async fn connect(
    net: &Net,
    endpoint: &Endpoint,
    secure: bool,
    at: &HostPort,
    path: &WsPath,
) -> Result<Link, NetError> {
    let limit = Limit::of(&endpoint.settings);
    let link = if secure {
        tls::connect(net, endpoint, at).await?
    } else {
        let tunnel = reach(net, endpoint, at, limit).await?;
        let failed = |error| NetError::system(Operation::Connect, endpoint, error);
        let link = ByteLink::from_tcp(tunnel.stream, &net.recorder).map_err(failed)?;
        link.with_read_ahead(tunnel.ahead)
    };
    let course = Course::of(net, endpoint, secure);
    let (conn, unnamed) = (link.conn(), WsPath::root());
    let ends = (
        course.name(link.peer_name(), path),
        course.name(&link.local(), &unnamed),
    );
    let manner = Manner::of(&endpoint.settings);
    let host = host_header(at, secure);
    let origin = endpoint.settings.origins().next();
    let asking = Asking {
        host: &host,
        path,
        origin,
        subprotocols: endpoint.settings.subprotocols().collect(),
    };
    let asked = upgrade::ask(muted(link), &asking, manner);
    let socket = match timeout_at(limit.until, asked).await {
        Ok(asked) => asked.map_err(|source| NetError::Handshake {
            endpoint: endpoint.to_string(),
            source,
        })?,
        Err(_) => return Err(limit.error(endpoint)),
    };
    Ok(course.link(socket, conn, ends))
}

/// What stands in `Host`: as typed, without the scope of an address, which means nothing to the peer
/// (RFC 9110, section 7.2, RFC 6874), and without the port that the scheme implies.
fn host_header(at: &HostPort, secure: bool) -> String {
    let host = match &at.host {
        Host::Unspecified | Host::Any => "localhost".to_owned(),
        host => host.to_string(),
    };
    let host = match host.split_once('%') {
        Some((address, _)) => format!("{address}]"),
        None => host,
    };
    let implied = if secure { 443 } else { 80 };
    if at.port == implied {
        host
    } else {
        format!("{host}:{}", at.port)
    }
}

/// Opens the sockets that listen.
pub(crate) async fn listen(
    net: &Net,
    endpoint: &Endpoint,
    secure: bool,
    at: &HostPort,
    path: &WsPath,
) -> Result<Vec<Listener>, NetError> {
    let tls = if secure {
        Some(Arc::new(tls::server(net, endpoint)?))
    } else {
        None
    };
    let course = Course::of(net, endpoint, secure);
    let gate = Arc::new(Gate {
        path: path.clone(),
        origins: endpoint.settings.origins().map(Into::into).collect(),
        subprotocols: endpoint.settings.subprotocols().map(Into::into).collect(),
        manner: Manner::of(&endpoint.settings),
    });
    let listeners = tcp::listen(net, endpoint, at).await?;
    let doors = listeners.into_iter().map(|beneath| {
        let local = course.name(beneath.local(), path);
        let door = Door {
            beneath,
            tls: tls.clone(),
            course: course.clone(),
            gate: Arc::clone(&gate),
        };
        Listener::Secure(SecureListener::new(door, local))
    });
    Ok(doors.collect())
}

/// Accepts connections that may become WebSockets.
struct Door {
    beneath: StreamListener,
    /// What we bring to the handshake of TLS, over which `wss://` goes.
    tls: Option<Arc<ServerConfig>>,
    course: Course,
    gate: Arc<Gate>,
}

impl Accepts for Door {
    fn accept(&self) -> BoxFuture<'_, io::Result<Handshake>> {
        async {
            let link = self.beneath.accept().await?;
            let (course, gate) = (self.course.clone(), Arc::clone(&self.gate));
            let tls = self.tls.clone();
            let conn = link.conn();
            let peer = course.name(link.peer_name(), &WsPath::root());
            let local = course.name(&link.local(), &gate.path);
            let ends = (peer.clone(), local.clone());
            let complete = async move {
                let below = match tls {
                    Some(config) => secured(link, config).await?,
                    None => link,
                };
                let socket = upgrade::accept(muted(below), &gate).await?;
                Ok::<_, HandshakeError>(course.link(socket, conn, ends))
            };
            Ok(Handshake::new(conn, peer, local, complete))
        }
        .boxed()
    }
}

/// The same connection over TLS.
async fn secured(link: ByteLink, config: Arc<ServerConfig>) -> Result<ByteLink, HandshakeError> {
    let Raw::Tcp(stream) = link.raw else {
        unreachable!("a TCP listener accepts TCP connections")
    };
    let tls = tls::accept(stream, config).await?;
    Ok(ByteLink {
        raw: Raw::Layered(Box::new(tls)),
        ..link
    })
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.beneath.as_fd()
    }
}
