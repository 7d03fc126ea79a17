//! M8: the socket functions can be seen and used.

use serde_json::Value;

use crate::ours::{dial, serve, start_dial};
use crate::theirs::one_client_server;

/// What was asked of the fact `name`, if anything, and what the kernel gave.
fn fact<'a>(event: &'a Value, name: &str) -> (Option<&'a str>, &'a str) {
    let facts = event["facts"]
        .as_array()
        .expect("the event lists the facts");
    let fact = facts.iter().find(|fact| fact["name"] == name);
    let fact = fact.unwrap_or_else(|| panic!("no {name} in {event}"));
    (
        fact["asked"].as_str(),
        fact["got"].as_str().expect("the kernel gave something"),
    )
}

#[test]
fn m8_show_socket_shows_options_as_asked_and_as_given() {
    let server = serve(&[
        "echo",
        "tcp://127.0.0.1:0?rcvbuf=65536&nodelay=1",
        "--show-socket",
    ]);
    let event = server.event("socket");
    // socket(7): the kernel doubles the value to leave room for its own books.
    assert_eq!(fact(&event, "rcvbuf"), (Some("64KiB"), "128KiB"));
    assert_eq!(fact(&event, "nodelay"), (Some("1"), "1"));
    assert_eq!(fact(&event, "keepalive"), (None, "0"));
    assert_eq!(
        fact(&event, "socket"),
        (None, "AF_INET, SOCK_STREAM, IPPROTO_TCP")
    );
    assert_eq!(fact(&event, "state"), (None, "LISTEN"));
    assert_eq!(fact(&event, "blocking"), (None, "0"));
    assert_eq!(fact(&event, "receive-timeout"), (None, "none"));
    assert_eq!(fact(&event, "local"), (None, &*server.endpoint()));
    let fd = fact(&event, "fd").1;
    let link = std::fs::read_link(format!("/proc/{}/fd/{fd}", server.id())).unwrap();
    assert!(link.to_string_lossy().starts_with("socket:"), "{link:?}");
    server.stop();
}

#[test]
fn m8_our_client_shows_its_socket() {
    let server = serve(&["echo", "127.0.0.1:0"]);
    let endpoint = server.endpoint() + "?keepalive=1";
    let exit = dial(&[&endpoint, "--show-socket", "hello"], b"");
    assert_eq!(exit.stdout_text(), "hello\n");
    let shown = exit.stderr_text();
    for part in ["keepalive", "rcvbuf", "fd", &server.port()] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn m8_their_options_and_names_are_what_we_asked_for() {
    // getpeername at our peer is getsockname at our end: `bind=` chose it.
    let script = "\
print('peer', connection.getpeername()[0])
with connection.makefile('rwb') as stream:
    stream.write(b'> ' + stream.readline())
";
    let Some(mut server) = one_client_server(script) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}?bind=127.0.0.3:0", server.port());
    let mut client = start_dial(&[&endpoint]);
    client.write_stdin(b"hello\n");
    assert_eq!(client.exit().stdout_text(), "> hello\n");
    assert!(server.exit().stdout_text().ends_with("peer 127.0.0.3\n"));
}
