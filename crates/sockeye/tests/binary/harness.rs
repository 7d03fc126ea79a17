//! What every test of the binary starts with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use sockeye_testkit::{DEADLINE, Process};

/// The binary with nothing of the developer's environment in it: no config, no language, no colour.
pub(crate) fn sockeye(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("HOME", "/nonexistent");
    command
}

/// Starts `sockeye serve ARGS… --json`.
#[track_caller]
pub(crate) fn serve(args: &[&str]) -> Process {
    let args = [&["serve", "--json"], args].concat();
    Process::start(&mut sockeye(&args))
}

/// Where a service listens: the first endpoint that begins with `scheme`.
#[track_caller]
pub(crate) fn endpoint(process: &Process, scheme: &str) -> String {
    let fits = |event: &serde_json::Value| {
        event["endpoint"]
            .as_str()
            .is_some_and(|endpoint| endpoint.starts_with(scheme))
    };
    process.event_where("listening", fits)["endpoint"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The address of a TCP or UDP endpoint.
pub(crate) fn address(endpoint: &str) -> SocketAddr {
    endpoint.split_once("://").unwrap().1.parse().unwrap()
}

/// Connects to a service's first TCP endpoint.
#[track_caller]
pub(crate) fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(address(&endpoint(process, "tcp:"))).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends `message` and reads as many bytes as `answer` has.
#[track_caller]
pub(crate) fn ask(stream: &mut TcpStream, message: &[u8], answer: &[u8]) {
    stream.write_all(message).unwrap();
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&got),
        String::from_utf8_lossy(answer)
    );
}

/// Everything until the peer's end.
#[track_caller]
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = vec![];
    stream.read_to_end(&mut got).unwrap();
    got
}
