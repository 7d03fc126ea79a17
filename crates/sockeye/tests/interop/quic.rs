//! `quic://` with aioquic at the other end, and what ends it.

use std::process::Command;

use sockeye_testkit::{Exit, Process, Signal, python, python_module};
use tempfile::TempDir;

use crate::ours::{assert_prints, sockeye};

/// A user with keys of his own.
struct User(TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = sockeye(args);
        command.env("XDG_CONFIG_HOME", self.0.path());
        command
    }

    /// A server of this user, and its port.
    #[track_caller]
    fn serve(&self, args: &[&str]) -> (Process, String) {
        let args = [&["serve", "--json"], args].concat();
        let process = Process::start(&mut self.command(&args));
        let listening = process.event("listening");
        let endpoint = listening["endpoint"].as_str().unwrap();
        let port = endpoint.rsplit(':').next().unwrap().to_owned();
        (process, port)
    }

    #[track_caller]
    fn start_dial(&self, args: &[&str]) -> Process {
        Process::start(&mut self.command(&[&["dial"], args].concat()))
    }

    #[track_caller]
    fn dial(&self, args: &[&str], input: &[u8]) -> Exit {
        let mut process = self.start_dial(args);
        process.write_stdin(input);
        process.exit()
    }
}

/// peers/quic.py in one of its roles; none where aioquic is missing.
#[track_caller]
fn aioquic(args: &[&str]) -> Option<Process> {
    python_module("aioquic").then(|| python(include_str!("peers/quic.py"), args))?
}

#[track_caller]
fn foreign_server(idle: &str) -> Option<(Process, String)> {
    let process = aioquic(&["server", "sockeye/1", idle])?;
    let port = process.port();
    Some((process, format!("quic://127.0.0.1:{port}")))
}

#[test]
fn a_hundred_streams_of_a_foreign_client_are_echoed_each_with_its_end() {
    let (server, port) = User::new().serve(&["echo", "quic://127.0.0.1:0"]);
    for certificate in ["none", "own"] {
        let Some(mut client) = aioquic(&["client", &port, "100", certificate]) else {
            return;
        };
        let exit = client.exit();
        assert_prints(&exit, "same\n");
    }
    let closed = server.wait_events("closed", 200);
    assert!(
        closed.iter().all(|event| event["reason"].is_null()),
        "{closed:?}"
    );
}

#[test]
fn a_foreign_server_is_dialled_once_its_key_is_trusted() {
    let Some((server, endpoint)) = foreign_server("20") else {
        return;
    };
    let user = User::new();
    let stranger = user.dial(&[&endpoint], b"hello\n");
    assert_eq!(stranger.code, Some(5), "{}", stranger.stderr_text());
    let exit = user.dial(&["--trust-on-first-use", &endpoint], b"hello\n");
    assert_prints(&exit, "hello\n");
    let much: Vec<u8> = (0..2_000_000u32).map(|at| (at % 251) as u8).collect();
    let exit = user.dial(&[&endpoint], &much);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(exit.stdout == much, "{} bytes came back", exit.stdout.len());
    server.wait_stdout("preface 01\n");
}

#[test]
fn a_key_that_has_changed_is_refused() {
    let (one, other, user) = (User::new(), User::new(), User::new());
    let (mut server, port) = one.serve(&["echo", "quic://127.0.0.1:0"]);
    let endpoint = format!("quic://127.0.0.1:{port}");
    let exit = user.dial(&["--trust-on-first-use", &endpoint], b"hello\n");
    assert_prints(&exit, "hello\n");
    server.signal(Signal::INT);
    assert_eq!(server.exit().code, Some(0));
    let (_server, _) = other.serve(&["echo", &endpoint]);
    let exit = user.dial(&["--trust-on-first-use", &endpoint], b"hello\n");
    assert_eq!(exit.code, Some(5), "{}", exit.stderr_text());
    let said = exit.stderr_text();
    assert!(said.contains("has changed"), "{said}");
}

#[test]
fn ends_that_have_no_protocol_in_common_say_so() {
    let (server, port) = User::new().serve(&["echo", "quic://127.0.0.1:0"]);
    let Some(mut client) = aioquic(&["of_other_purpose", &port]) else {
        return;
    };
    assert_prints(&client.exit(), "refused\n");
    let closed = server.event("closed");
    assert!(
        closed["reason"].as_str().unwrap().contains("ALPN"),
        "{closed}"
    );

    let Some((_server, endpoint)) = foreign_server("20") else {
        return;
    };
    let endpoint = format!("{endpoint}?alpn=h3");
    let exit = User::new().dial(&["--trust-on-first-use", &endpoint], b"");
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("ALPN"),
        "{}",
        exit.stderr_text()
    );
}

#[test]
fn a_stream_that_begins_with_another_protocol_is_told_so() {
    let (server, port) = User::new().serve(&["echo", "quic://127.0.0.1:0"]);
    let Some(mut client) = aioquic(&["wrong_from_the_start", &port]) else {
        return;
    };
    assert_prints(&client.exit(), "closed 1 streams begin with 0x01\n");
    let closed = server.event("closed");
    assert!(
        closed["reason"].as_str().unwrap().contains("47"),
        "{closed}"
    );
}

#[test]
fn a_client_that_is_killed_is_noticed() {
    let (server, port) = User::new().serve(&["echo", "quic://127.0.0.1:0"]);
    // The shorter of both sides' limits holds: RFC 9000, section 10.1.
    let Some(client) = aioquic(&["held", &port, "1"]) else {
        return;
    };
    client.wait_stdout("got hello\n");
    client.signal(Signal::KILL);
    let closed = server.event("closed");
    let reason = closed["reason"].as_str().unwrap();
    assert!(reason.to_lowercase().contains("timed out"), "{closed}");
}

#[test]
fn a_server_that_is_killed_is_noticed() {
    let Some((server, endpoint)) = foreign_server("1") else {
        return;
    };
    let user = User::new();
    let mut dial = user.start_dial(&["--trust-on-first-use", &endpoint]);
    dial.write_stdin(b"hello\n");
    dial.wait_stdout("hello\n");
    server.signal(Signal::KILL);
    let exit = dial.exit();
    assert_eq!(exit.code, Some(4), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("ETIMEDOUT"),
        "{}",
        exit.stderr_text()
    );
}

#[test]
fn a_port_without_a_listener_is_refused_at_once() {
    let port = sockeye_testkit::free_udp_port();
    let endpoint = format!("quic://127.0.0.1:{port}?connect-timeout=20s");
    let exit = User::new().dial(&[&endpoint], b"");
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("ECONNREFUSED"),
        "{}",
        exit.stderr_text()
    );
}

/// The relay's two ends speak QUIC, each with a key of its own user.
#[test]
fn a_relay_carries_bytes_from_quic_to_quic() {
    let (behind, user) = (User::new(), User::new());
    let (_echo, port) = behind.serve(&["echo", "quic://127.0.0.1:0"]);
    let to = format!("quic://127.0.0.1:{port}");
    let known = user.dial(&["--trust-on-first-use", &to], b"");
    assert_eq!(known.code, Some(0), "{}", known.stderr_text());
    let (_relay, port) = user.serve(&["relay", "--to", &to, "quic://127.0.0.1:0"]);
    let relay = format!("quic://127.0.0.1:{port}");
    let exit = user.dial(&["--trust-on-first-use", &relay], b"through two\n");
    assert_prints(&exit, "through two\n");
}

/// A process that ends waits until its last bytes have arrived.
#[test]
fn the_last_bytes_arrive_from_a_process_that_ends() {
    let user = User::new();
    let (mut server, port) = user.serve(&["echo", "--once", "quic://127.0.0.1:0"]);
    let much: Vec<u8> = (0..1_500_000u32).map(|at| (at % 251) as u8).collect();
    let endpoint = format!("quic://127.0.0.1:{port}");
    let exit = user.dial(&["--trust-on-first-use", &endpoint], &much);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(exit.stdout == much, "{} bytes came back", exit.stdout.len());
    assert_eq!(server.exit().code, Some(0));
}
