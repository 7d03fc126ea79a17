//! M3 and M14: datagrams.

use sockeye_testkit::{private_network, python};

use crate::ours::{assert_prints, dial, serve};

const UDP_CLIENT: &str = include_str!("peers/udp_client.py");
const UDP_UPPER_SERVER: &str = include_str!("peers/udp_upper_server.py");

#[test]
fn m3_upper_server_with_their_client() {
    private_network(|| {
        let server = serve(&["upper", "udp://127.0.0.1:0"]);
        for own_port in [0, 8889] {
            let args = [
                &*server.port(),
                &own_port.to_string(),
                "1024",
                "hello",
                "feng 你好",
            ];
            let Some(mut client) = python(UDP_CLIENT, &args) else {
                return;
            };
            assert_prints(&client.exit(), "answer HELLO\nanswer FENG 你好\n");
        }
        server.stop();
    });
}

#[test]
fn m3_upper_client_with_their_server() {
    private_network(|| {
        let Some(server) = python(UDP_UPPER_SERVER, &["2048"]) else {
            return;
        };
        let endpoint = format!("udp://127.0.0.1:{}?bind=:8889", server.port());
        assert_prints(&dial(&[&endpoint, "hello", "feng"], b""), "HELLO\nFENG\n");
        server.wait_stdout("from 8889 bytes 5\nfrom 8889 bytes 4\n");

        let endpoint = format!("udp://127.0.0.1:{}", server.port());
        assert_prints(
            &dial(&[&endpoint, "--ask"], b"hello\nfeng\n"),
            "HELLO\nFENG\n",
        );
    });
}

#[test]
fn m3_a_read_of_1024_or_2048_bytes_cuts_a_longer_datagram() {
    for (read_size, kept) in [("1024", 1024), ("2048", 2000)] {
        let server = serve(&["echo", "udp://127.0.0.1:0", "--read-size", read_size]);
        let args = [&*server.port(), "0", "4096", &"x".repeat(2000)];
        let Some(mut client) = python(UDP_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), &format!("answer {}\n", "x".repeat(kept)));
        if kept < 2000 {
            let cut = server.event("truncated");
            assert_eq!(
                (cut["len_bytes"].as_u64(), cut["of_bytes"].as_u64()),
                (Some(1024), Some(2000))
            );
        } else {
            assert!(server.events("truncated").is_empty());
        }
    }
}

#[test]
fn m14_each_send_is_one_receive_and_an_empty_one_counts() {
    let script = "\
import socket, sys
server = ('127.0.0.1', int(sys.argv[1]))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(60)
sent = [b'hello', b'', b'feng', b'x' * 60000, b'!']
for data in sent:
    client.sendto(data, server)
got = [client.recvfrom(65535)[0] for _ in sent]
assert got == sent, [len(data) for data in got]
print('same', len(got))
";
    let server = serve(&["echo", "udp://127.0.0.1:0"]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    assert_prints(&client.exit(), "same 5\n");
    server.stop();
}

#[test]
fn m14_our_messages_are_their_datagrams() {
    let script = "\
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 0))
print('port', server.getsockname()[1])
for _ in range(3):
    data, address = server.recvfrom(4)
    print('got', data)
    server.sendto(data, address)
";
    let Some(mut server) = python(script, &[]) else {
        return;
    };
    let endpoint = format!("udp://127.0.0.1:{}", server.port());
    let exit = dial(&[&endpoint, "--lines"], b"one\ntoo long\nend\n");
    assert_prints(&exit, "one\ntoo \nend\n");
    let got = server.exit().stdout_text();
    assert!(
        got.ends_with("got b'one'\ngot b'too '\ngot b'end'\n"),
        "{got}"
    );
}

#[test]
fn m14_a_send_to_a_port_where_nobody_listens_fails_only_later() {
    private_network(|| {
        let exit = dial(&["udp://127.0.0.1:9", "hello"], b"");
        assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
        assert!(
            exit.stderr_text().contains("ECONNREFUSED"),
            "{}",
            exit.stderr_text()
        );
    });
}
