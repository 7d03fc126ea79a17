//! The server on real sockets, against peers that know nothing of it.

mod datagrams;
mod place;
mod streams;
