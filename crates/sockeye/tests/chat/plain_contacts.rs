//! Plain peers, as the tutorial's programs are: an operator who answers whoever writes, in Python.

use std::path::Path;

use sockeye_testkit::{Process, free_udp_port, python};

use crate::server::sockeye;

/// Takes datagrams, shows who sent them by a dictionary of ports, and answers each.
const OPERATOR: &str = r"
import socket, sys
encoding = sys.argv[1]
names = dict(pair.split('=') for pair in sys.argv[2:])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(('127.0.0.1', 0))
print('port', sock.getsockname()[1], flush=True)
while True:
    data, addr = sock.recvfrom(1024)
    text = data.decode(encoding)
    print('[%s:%s] %s: %s' % (addr[0], addr[1], names.get(str(addr[1]), '?'), text), flush=True)
    sock.sendto(('回:' + text).encode(encoding), addr)
";

/// Answers each read of each connection, one after another.
const READER: &str = r"
import socket
sock = socket.socket()
sock.bind(('127.0.0.1', 0))
sock.listen()
print('port', sock.getsockname()[1], flush=True)
while True:
    conn, addr = sock.accept()
    while True:
        data = conn.recv(1024)
        if not data: break
        print('read', repr(data), flush=True)
        conn.sendall(b'got ' + data)
";

fn client(home: &Path, contacts: &str, args: &[&str]) -> Process {
    let file = home.join("contacts.toml");
    std::fs::write(&file, contacts).unwrap();
    let args = [&["chat", "--contacts", file.to_str().unwrap()], args].concat();
    Process::start(&mut sockeye(home, &args))
}

#[test]
fn m17_a_contact_is_chosen_by_name_talked_to_and_left() {
    let Some(tom) = python(OPERATOR, &["utf-8"]) else {
        return;
    };
    let Some(tree) = python(OPERATOR, &["gbk"]) else {
        return;
    };
    let (tom_port, tree_port) = (tom.port(), tree.port());
    let home = tempfile::tempdir().unwrap();
    let contacts = format!(
        "[contacts]\nTOM = \"udp://127.0.0.1:{tom_port}\"\n\
         \"一棵树\" = {{ at = \"udp://127.0.0.1:{tree_port}\", encoding = \"gbk\" }}\n"
    );
    let mut client = client(home.path(), &contacts, &[]);
    client.wait_stderr("to whom? TOM 一棵树");
    client.write_stdin("ANNA\nTOM\nhello\n".as_bytes());
    client.wait_stderr("there is nobody called ANNA; choose one of: TOM 一棵树");
    client.wait_stdout(&format!("来自[127.0.0.1:{tom_port}]的一条消息:回:hello\n"));
    client.write_stdin("quit\n一棵树\n你好\n".as_bytes());
    client.wait_stdout(&format!("来自[127.0.0.1:{tree_port}]的一条消息:回:你好\n"));
    tree.wait_stdout("?: 你好");
    let exit = client.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert_eq!(exit.stdout_text().lines().count(), 2);
}

#[test]
fn m17_the_operator_knows_two_clients_by_their_ports() {
    let (first, second) = (free_udp_port(), free_udp_port());
    let names = [format!("{first}=TOM"), format!("{second}=一棵树")];
    let Some(operator) = python(OPERATOR, &["utf-8", &names[0], &names[1]]) else {
        return;
    };
    let port = operator.port();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut clients: Vec<_> = [first, second]
        .iter()
        .zip(&homes)
        .map(|(own, home)| {
            let at = format!("udp://127.0.0.1:{port}?bind=127.0.0.1:{own}");
            Process::start(&mut sockeye(home.path(), &["chat", "--lang", "en", &at]))
        })
        .collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.write_stdin(format!("from {n}\n").as_bytes());
    }
    operator.wait_stdout(&format!("[127.0.0.1:{first}] TOM: from 0\n"));
    operator.wait_stdout(&format!("[127.0.0.1:{second}] 一棵树: from 1\n"));
    for (n, client) in clients.iter_mut().enumerate() {
        client.wait_stdout(&format!("a message from [127.0.0.1:{port}]:回:from {n}\n"));
        assert_eq!(client.exit().code, Some(0));
    }
}

#[test]
fn m17_over_tcp_a_line_is_one_write_and_a_new_connection_comes_by_itself() {
    let Some(reader) = python(READER, &[]) else {
        return;
    };
    let port = reader.port();
    let home = tempfile::tempdir().unwrap();
    let contacts = format!("[contacts]\nTOM = \"tcp://127.0.0.1:{port}\"\n");
    let mut client = client(home.path(), &contacts, &["--to", "TOM"]);
    for text in ["hello", "一棵树"] {
        client.write_stdin(format!("{text}\n").as_bytes());
        client.wait_stdout(&format!("来自[127.0.0.1:{port}]的一条消息:got {text}\n"));
    }
    reader.wait_stdout("read b'hello'\n");
    assert_eq!(client.exit().code, Some(0));
}

#[test]
fn what_meets_nobody_is_told_and_what_steers_a_terminal_is_escaped() {
    let home = tempfile::tempdir().unwrap();
    let port = free_udp_port();
    let contacts = format!("[contacts]\nTOM = \"udp://127.0.0.1:{port}\"\n");
    let mut client = client(home.path(), &contacts, &["--to", "TOM"]);
    client.write_stdin(b"hello\n");
    let exit = client.exit();
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("ECONNREFUSED"),
        "{}",
        exit.stderr_text()
    );

    let Some(operator) = python(OPERATOR, &["utf-8"]) else {
        return;
    };
    let at = format!("udp://127.0.0.1:{}", operator.port());
    let mut client = Process::start(&mut sockeye(home.path(), &["chat", &at]));
    client.write_stdin("\u{1b}[2J\n".as_bytes());
    client.wait_stdout("回:\\x1b[2J\n");
    assert_eq!(client.exit().code, Some(0));
}
