//! Several servers as one, with a NATS server of the version that Debian has.

mod contract;
mod names;
mod outage;
mod presence;
mod server;
