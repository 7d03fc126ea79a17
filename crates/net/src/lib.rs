//! Endpoints, listeners and links over every kind of socket.
//!
//! An [`Endpoint`] is a place with settings, written as one URL.

pub mod datagram;
pub mod endpoint;
mod name;
pub mod options;
mod readiness;
mod sockopt;

pub use endpoint::{
    CommandLine, Endpoint, EndpointError, Host, HostName, HostPort, Interface, Place, PortRange,
    RawPlace, RawProtocol, Scheme, UnixKind, UnixName,
};
pub use name::{Name, Peer};
pub use options::{Moment, OptionError, OptionKey, Settings};
