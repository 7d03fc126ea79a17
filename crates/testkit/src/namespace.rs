//! Tests that need a network of their own: fixed ports, raw sockets, kernel settings.

use std::any::type_name_of_val;
use std::env;
use std::process::Command;

use crate::{DEADLINE, Process, not_run, tool};

/// Set for the inner run of a test that has been started again in a private network.
const INSIDE: &str = "SOCKEYE_TEST_INSIDE_PRIVATE_NETWORK";

/// Brings up the loopback device of a new network namespace; `ip` may be missing, python3 is not.
/// SIOCSIFFLAGS (0x8914) with IFF_UP | IFF_RUNNING, netdevice(7).
const LOOPBACK_UP: &str = "\
import fcntl, os, socket, struct, sys
request = struct.pack('16sH14s', b'lo', 0x1 | 0x40, b'')
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, request)
os.execv(sys.argv[1], sys.argv[1:])
";

/// Runs the calling test in a new user and network namespace, where every port is free, raw
/// sockets are permitted and only a loopback device exists.
///
/// Call it as the test's only statement, with the test's body as a closure: the test's program is
/// started again for just this test, inside the namespace. Where unprivileged namespaces are not
/// permitted the test is not run, which is said aloud, and fails in CI.
#[track_caller]
pub fn private_network<F: FnOnce()>(body: F) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let (Some(unshare), Some(python)) = (tool("unshare"), tool("python3")) else {
        return;
    };
    let namespaces = ["--user", "--map-root-user", "--net"];
    if Process::run(Command::new(&unshare).args(namespaces).arg("true")).code != Some(0) {
        return not_run("needs unprivileged user and network namespaces");
    }
    let this = env::current_exe().expect("a running test has a program");
    let mut inside = Process::start(
        Command::new(unshare)
            .args(namespaces)
            .arg("--")
            .arg(python)
            .args(["-c", LOOPBACK_UP])
            .arg(this)
            .args([
                "--exact",
                &test_name(&body),
                "--include-ignored",
                "--nocapture",
            ])
            .env(INSIDE, "1"),
    );
    // Longer than any single wait inside, so that the test's own words are the ones that are seen.
    let exit = inside.exit_within(5 * DEADLINE);
    let (out, err) = (exit.stdout_text(), exit.stderr_text());
    assert!(
        exit.code == Some(0),
        "failed in the private network:\n{out}{err}"
    );
    assert!(
        out.contains("1 passed"),
        "the test did not find itself:\n{out}{err}"
    );
}

/// The name by which the harness knows the function that made this closure:
/// `krate::module::test::{{closure}}` without its first and last parts.
fn test_name<F>(body: &F) -> String {
    let path = type_name_of_val(body).replace("::{{closure}}", "");
    path.split_once("::")
        .map_or(path.clone(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_fixed_port_is_free_in_a_private_network() {
        private_network(|| {
            let listener = TcpListener::bind("127.0.0.1:7").unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        });
    }
}
