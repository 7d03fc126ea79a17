//! `serve chat` as its members meet it: real sockets, real clients, and peers that break every rule.

mod accounts;
mod client;
mod cluster;
mod endpoints;
mod full;
mod guests;
mod hostile;
mod interop;
mod irc;
mod kills;
mod limits;
mod plain_contacts;
mod programs;
mod rooms;
mod screen;
mod server;
mod store;
mod tmux;
