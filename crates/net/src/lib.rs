//! Endpoints, listeners and links over every kind of socket.
//!
//! An [`Endpoint`] is a place with settings, written as one URL.

#[macro_use]
mod tokio_io;

mod activation;
mod blocking;
mod connect;
mod context;
pub mod datagram;
mod describe;
pub mod endpoint;
mod errno;
mod error;
mod exec;
mod eyeballs;
mod fd;
mod framed;
mod half;
mod holder;
mod layered;
mod link;
mod listen;
mod message;
mod name;
pub mod options;
mod pair;
pub mod quic;
mod readiness;
mod resolve;
mod secure;
mod seqpacket;
mod sockopt;
mod stdio;
mod stream;
mod tally;
mod tls;
pub mod trust;
mod unix_lock;
mod via;
mod ws;

pub use activation::Inherited;
pub use connect::connect;
pub use context::{Net, PROXY_PASSWORD, Secret};
pub use describe::{ReportLine, SocketReport, describe, describe_asked};
pub use endpoint::{
    CommandLine, Endpoint, EndpointError, Host, HostName, HostPort, Interface, Place, PortRange,
    RawPlace, RawProtocol, Scheme, UnixKind, UnixName, WsPath,
};
pub use errno::Errno;
pub use error::{KeyChange, NetError, Operation};
pub use eyeballs::Attempt;
pub use framed::{Arrival, Framed, Incoming, LinkError, Outgoing};
pub use half::{ReadHalf, WriteHalf};
pub use holder::Holder;
pub use link::{Link, Listener};
pub use listen::{StreamListener, listen, listen_inherited};
pub use message::{MessageLink, MessageReceiver, MessageSender, Received};
pub use name::{Name, Peer, WsName};
pub use options::{Moment, OptionError, OptionKey, Settings};
pub use resolve::{Families, Resolve, ResolveError, Resolving, StaticResolver, SystemResolver};
pub use secure::{HANDSHAKE_TIMEOUT, Handshake, HandshakeError, SecureListener};
pub use seqpacket::SeqpacketListener;
pub use stream::ByteLink;
pub use trust::{
    Allowed, Authorized, Entry, Fingerprint, FingerprintError, FirstUse, Identity, KnownPeers,
    LineError, Pin, Pinned, Right, Rights, Trust, TrustError,
};
pub use via::ProxyError;
pub use ws::WebSocketError;
