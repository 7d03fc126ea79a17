//! M6: a failed connect is a value.

use sockeye_testkit::{private_network, python};

use crate::ours::{dial, serve};

/// What Python's `connect_ex` says of the same places, one number a line.
const CONNECT_EX: &str = "\
import socket, sys
for place in sys.argv[1:]:
    if place.startswith('/'):
        client, address = socket.socket(socket.AF_UNIX), place
    else:
        client = socket.socket()
        host, port = place.split(':')
        address = (host, int(port))
    client.settimeout(60)
    print(client.connect_ex(address))
";

/// That `dial --check` of the place gives the errno that Python got, and its name.
#[track_caller]
fn check(place: &str, endpoint: &str, name: &str) {
    let Some(mut theirs) = python(CONNECT_EX, &[place]) else {
        return;
    };
    let number = theirs.exit().stdout_text().trim().to_owned();
    let exit = dial(&["--check", endpoint], b"");
    let said = exit.stdout_text() + &exit.stderr_text();
    assert!(said.contains(name), "{said}");
    assert!(
        said.contains(&format!(" {number} ")),
        "{said} without {number}"
    );
    let code = match name {
        "connected" => 0,
        // A file that is not there is a local mistake, not a failure of the network.
        "ENOENT" => 2,
        _ => 1,
    };
    assert_eq!(exit.code, Some(code), "{said}");
}

#[test]
fn m6_connect_check_gives_the_errnos_name_and_number() {
    private_network(|| {
        let server = serve(&["echo", "127.0.0.1:0"]);
        let open = format!("127.0.0.1:{}", server.port());
        check(&open, &open, "connected");
        check("127.0.0.1:9", "127.0.0.1:9", "ECONNREFUSED");
        check("/nonexistent/socket", "unix:/nonexistent/socket", "ENOENT");
    });
}

#[test]
fn m6_an_unreachable_network_is_a_value_too() {
    // RFC 5737: nobody has this address, and a private network has no way to it.
    private_network(|| check("192.0.2.1:80", "192.0.2.1:80", "ENETUNREACH"));
}

#[test]
fn m6_a_range_of_ports_is_checked_one_by_one() {
    private_network(|| {
        let _server = serve(&["echo", "127.0.0.1:2021", "127.0.0.1:2023"]);
        let exit = dial(&["--check", "127.0.0.1:2020-2024"], b"");
        let lines: Vec<_> = exit.stdout_text().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 5, "{lines:?} {}", exit.stderr_text());
        for (line, port) in lines.iter().zip(2020..) {
            assert!(line.contains(&port.to_string()), "{line}");
            assert_eq!(line.contains("ECONNREFUSED"), port % 2 == 0, "{line}");
        }
    });
}

#[test]
fn m6_a_connect_without_an_answer_times_out_with_its_own_exit_code() {
    let script = "\
import socket
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(0)
print('port', listener.getsockname()[1])
queued = socket.create_connection(listener.getsockname())
print('full')
input()
";
    let Some(server) = python(script, &[]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    server.wait_stdout("full");
    let exit = dial(&["--check", &endpoint, "--timeout", "300ms"], b"");
    assert_eq!(
        exit.code,
        Some(4),
        "{}{}",
        exit.stdout_text(),
        exit.stderr_text()
    );
}
