//! Another pair of eyes: tshark(1), started by a program on a host of the lab.

use sockeye_testkit::tool;
use sockeye_trace::packet::{Body, dissect, link_type};
use sockeye_trace::{Kind, Session};

use super::stage::{SERVER, Stage, User};

/// Talks while tshark looks at the host's interface, and prints what it saw: sender, flags, payload.
const CLIENT: &str = "\
import socket, subprocess
fields = [word for name in ('ip.src', 'tcp.flags', 'tcp.len') for word in ('-e', name)]
command = ['tshark', '-i', 'eth0', '-n', '-l', '-f', 'tcp port 9000', '-T', 'fields', *fields]
tshark = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
for line in tshark.stderr:
    if 'Capture started' in line:
        break
client = socket.create_connection(('server', 9000))
for word in (b'hello', b'world' * 1000):
    client.sendall(word)
    heard = 0
    while heard < len(word):
        heard += len(client.recv(1024))
client.close()
ends = set()
for line in tshark.stdout:
    sender, flags, length = line.split()
    print('tshark', sender, flags, length)
    if len(ends) == 2:
        break
    if int(flags, 16) & 1:
        ends.add(sender)
tshark.terminate()
";

#[test]
fn tshark_on_a_host_sees_the_packets_that_the_lab_tells() {
    let (Some(stage), Some(_)) = (Stage::new(), tool("tshark")) else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: programs of other users than root have no CAP_NET_RAW on a host");
        return;
    }
    let Some(mut command) = stage.run(User::Ourselves, SERVER, CLIENT) else {
        return;
    };
    command.args(["--delay", "5ms"]);
    let (exit, session) = stage.seen(&mut command);
    let said = exit.stderr_text();
    let mut seen: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("client | tshark "))
        .map(str::to_owned)
        .collect();
    let mut told = told(&session);
    // The wire meets the server's packets before the host does, and the client's after it.
    seen.sort();
    told.sort();
    assert!(told.len() > 12, "{told:?}");
    assert_eq!(seen, told, "{said}");
}

/// The same of each packet as the lab tells it.
fn told(session: &Session) -> Vec<String> {
    let packets = session.facts().map(|(_, fact)| fact);
    let packets = packets.filter(|fact| fact.kind() == Kind::Packet);
    packets
        .filter_map(|fact| {
            let length = fact.event.result.unsigned_abs();
            let packet = dissect(link_type::ETHERNET, fact.data, length);
            let (Body::Tcp(tcp), Some(net)) = (&packet.body, &packet.net) else {
                return None;
            };
            let (sender, flags) = (net.source, tcp.flags.0);
            Some(format!("{sender} 0x{flags:04x} {}", packet.payload_len))
        })
        .collect()
}
