//! The server on real sockets, against peers that know nothing of it.

mod datagrams;
mod hostile;
mod meetings;
mod packets;
mod place;
mod secure;
mod streams;
