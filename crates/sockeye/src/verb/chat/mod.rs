//! `sockeye chat`: talks to people on servers of IRC, and to plain peers.
#![allow(dead_code, unused_imports, reason = "the verb that uses it comes next")]

mod client;
mod model;
mod plain;
mod screen;
mod session;

pub(crate) use client::Client;
