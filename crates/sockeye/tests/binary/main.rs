//! The binary as its users meet it: started as a process, spoken to over sockets.

mod capture;
mod cli;
mod dial;
mod doctor;
mod exchange;
mod exec;
mod harness;
mod key;
mod lab;
mod list;
mod schema;
mod serve;
mod show;
mod terminal;
mod trace;
mod trust;
mod watch;
