//! M7: socket families and types.

use sockeye_testkit::{private_network, python};

use crate::ours::{assert_prints, dial, serve};

const LOCAL_SERVER: &str = include_str!("peers/local_server.py");
const LOCAL_CLIENT: &str = include_str!("peers/local_client.py");
const UPPER_CLIENT: &str = include_str!("peers/upper_client.py");

const KINDS: [(&str, &str); 3] = [
    ("stream", "unix"),
    ("dgram", "unix-dgram"),
    ("seqpacket", "unix-seqpacket"),
];

#[test]
fn m7_unix_sockets_of_all_types_with_their_client() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    for (kind, scheme) in KINDS {
        let path = folder.path().join(kind);
        let path = path.to_str().unwrap();
        let server = serve(&["echo", &format!("{scheme}:{path}")]);
        let args = [kind, path, own.to_str().unwrap(), "hello", "你好"];
        let Some(mut client) = python(LOCAL_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), "answer hello\nanswer 你好\n");
        server.stop();
        assert!(
            !std::path::Path::new(path).exists(),
            "{kind}: the socket file is left"
        );
    }
}

#[test]
fn m7_unix_sockets_of_all_types_with_their_server() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, scheme) in KINDS {
        let path = folder.path().join(kind);
        let Some(server) = python(LOCAL_SERVER, &[kind, path.to_str().unwrap()]) else {
            return;
        };
        server.port();
        let endpoint = format!("{scheme}:{}", path.display());
        assert_prints(&dial(&[&endpoint, "hello", "feng"], b""), "hello\nfeng\n");
        server.wait_stdout("message 5\nmessage 4\n");
    }
}

#[test]
fn m7_abstract_unix_sockets() {
    let name = format!("@sockeye-test-{}", std::process::id());
    for (kind, scheme) in [KINDS[0], KINDS[2]] {
        let server = serve(&["echo", &format!("{scheme}:{name}")]);
        let Some(mut client) = python(LOCAL_CLIENT, &[kind, &name, "-", "hello"]) else {
            return;
        };
        assert_prints(&client.exit(), "answer hello\n");
        server.stop();
        let Some(server) = python(LOCAL_SERVER, &[kind, &name]) else {
            return;
        };
        server.port();
        assert_prints(
            &dial(&[&format!("{scheme}:{name}"), "hello"], b""),
            "hello\n",
        );
    }
}

#[test]
fn m7_an_empty_message_on_seqpacket_is_not_the_end() {
    let script = "\
import socket, sys
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.connect(sys.argv[1])
for data in b'one', b'', b'two':
    client.send(data)
print([client.recv(1024) for _ in range(3)])
";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = serve(&["echo", &format!("unix-seqpacket:{}", path.display())]);
    let Some(mut client) = python(script, &[path.to_str().unwrap()]) else {
        return;
    };
    assert_prints(&client.exit(), "[b'one', b'', b'two']\n");
    server.stop();
}

#[test]
fn m7_ipv6_and_a_dual_stack_listener() {
    let server = serve(&["upper", "[::1]:0"]);
    let args = ["::1", &server.port(), "utf-8", "1000", "hello"];
    let Some(mut client) = python(UPPER_CLIENT, &args) else {
        return;
    };
    assert_prints(&client.exit(), "same 5\n");
    assert_prints(&dial(&[&server.endpoint(), "hello"], b""), "HELLO\n");

    let both = serve(&["upper", "*:0"]);
    for host in ["::1", "127.0.0.1"] {
        let args = [host, &both.port(), "utf-8", "1000", "hello"];
        let Some(mut client) = python(UPPER_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), "same 5\n");
    }
}

#[test]
fn m7_without_a_host_only_loopback_listens() {
    private_network(|| {
        let server = serve(&["upper", ":7012"]);
        assert_eq!(
            server.endpoints(),
            ["tcp://127.0.0.1:7012", "tcp://[::1]:7012"]
        );
        for host in ["127.0.0.1", "[::1]"] {
            assert_prints(&dial(&[&format!("{host}:7012"), "hello"], b""), "HELLO\n");
        }
        let refused = dial(&["--check", "127.0.0.2:7012"], b"");
        assert_eq!(refused.code, Some(1), "{}", refused.stdout_text());
    });
}

#[test]
fn m7_a_raw_icmp_socket_gets_its_echo_from_the_kernel() {
    // Echo request (RFC 792): type 8, code 0, checksum, identifier 1, sequence 1.
    private_network(|| {
        let exit = dial(
            &[
                "ip://127.0.0.1?proto=icmp",
                "--hex",
                "--wait-reply",
                "300ms",
            ],
            b"08 00 f7 fd 00 01 00 01\n",
        );
        let shown = exit.stdout_text().replace(' ', "");
        // Over loopback a raw socket also sees its own request; the reply has type 0.
        assert!(
            shown.contains("0000fffd00010001"),
            "{shown} {}",
            exit.stderr_text()
        );
    });
}

#[test]
fn m7_a_raw_igmp_message_reaches_their_raw_socket() {
    let script = "\
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
server.settimeout(60)
print('port 0')
packet = server.recv(1024)
print(packet[9], packet[20:28].hex())
";
    private_network(|| {
        let Some(mut server) = python(script, &[]) else {
            return;
        };
        server.port();
        // A membership query (RFC 2236): type 0x11.
        let query = b"11 64 ee 9b 00 00 00 00\n";
        let exit = dial(
            &["ip://127.0.0.1?proto=igmp", "--hex", "--on-eof", "close"],
            query,
        );
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        assert!(
            server
                .exit()
                .stdout_text()
                .ends_with("2 1164ee9b00000000\n")
        );
    });
}

#[test]
fn m7_an_ip_header_of_ones_own() {
    let script = "\
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
server.settimeout(60)
print('port 0')
packet = server.recv(1024)
print(packet[8], packet[9], packet[20:])
";
    private_network(|| {
        let Some(mut server) = python(script, &[]) else {
            return;
        };
        server.port();
        // Version 4, TTL 33, protocol 253 (RFC 3692: for experiments); the kernel fills the rest in.
        let header = "45 00 00 00 00 01 00 00 21 fd 00 00 7f 00 00 01 7f 00 00 01";
        let packet = format!("{header} 68 69\n");
        let endpoint = "ip://127.0.0.1?proto=253&hdrincl=1";
        let exit = dial(&[endpoint, "--hex", "--on-eof", "close"], packet.as_bytes());
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        assert!(server.exit().stdout_text().ends_with("33 253 b'hi'\n"));
    });
}
