//! ncat and socat as plain peers, both ways.

use std::process::Command;

use sockeye_testkit::{Process, private_network, tool};

use crate::ours::{assert_prints, dial, serve};

/// Runs the client `program` with `input` until it ends.
#[track_caller]
fn client(program: &std::path::Path, args: &[&str], input: &[u8]) -> sockeye_testkit::Exit {
    let mut client = Process::start(Command::new(program).args(args));
    client.write_stdin(input);
    client.exit()
}

#[test]
fn ncat_as_a_client() {
    let Some(ncat) = tool("ncat") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = serve(&["upper", "127.0.0.1:0", &format!("unix:{}", path.display())]);
    let exit = client(&ncat, &["127.0.0.1", &server.port()], b"hello\nfeng\n");
    assert_prints(&exit, "HELLO\nFENG\n");
    assert_prints(
        &client(&ncat, &["-U", path.to_str().unwrap()], b"hello\n"),
        "HELLO\n",
    );

    let datagrams = serve(&["upper", "udp://127.0.0.1:0"]);
    let mut ncat = Process::start(Command::new(ncat).args(["-u", "127.0.0.1", &datagrams.port()]));
    ncat.write_stdin(b"hello\n");
    ncat.wait_stdout("HELLO\n");
}

#[test]
fn ncat_as_a_server() {
    private_network(|| {
        let (Some(ncat), Some(cat)) = (tool("ncat"), tool("cat")) else {
            return;
        };
        let server = Process::start(
            Command::new(ncat)
                .args(["-v", "-l", "-k", "127.0.0.1", "9000", "-e"])
                .arg(cat),
        );
        server.wait_stderr("Listening on 127.0.0.1");
        assert_prints(&dial(&["127.0.0.1:9000", "one", "two"], b""), "one\ntwo\n");
        // ncat drops what its program still has to say at our half-close: ours has to come last.
        let lines = [
            "127.0.0.1:9000",
            "--lines",
            "--frame",
            "line",
            "--until",
            "feng",
        ];
        let exit = dial(
            &[&lines[..], &["--on-eof", "wait=60s"]].concat(),
            b"hello\nfeng\n",
        );
        assert_prints(&exit, "hello\nfeng\n");
    });
}

#[test]
fn socat_as_a_client() {
    let Some(socat) = tool("socat") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let endpoints = [
        "tcp://127.0.0.1:0".to_owned(),
        "tcp://[::1]:0".to_owned(),
        format!("unix:{}", path("stream")),
        format!("unix-seqpacket:{}", path("seqpacket")),
        format!("unix-dgram:{}", path("dgram")),
    ];
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    let server = serve(&[&["upper"], &endpoints[..]].concat());
    let real = server.endpoints();
    let port = |endpoint: &str| endpoint.rsplit(':').next().unwrap_or_default().to_owned();
    for address in [
        format!("TCP4:127.0.0.1:{}", port(&real[0])),
        format!("TCP6:[::1]:{}", port(&real[1])),
        format!("UNIX-CONNECT:{}", path("stream")),
        format!("UNIX-CONNECT:{},type=5", path("seqpacket")),
        format!("UNIX-SENDTO:{},bind={}", path("dgram"), path("own")),
    ] {
        let mut socat = Process::start(Command::new(&socat).args(["-t", "60", "-", &address]));
        socat.write_stdin(b"hello\n");
        socat.wait_stdout("HELLO\n");
    }
}

#[test]
fn socat_as_a_server() {
    let Some(socat) = tool("socat") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    // -d -d says the real address, so port 0 works.
    let tcp = Process::start(Command::new(&socat).args([
        "-d",
        "-d",
        "TCP4-LISTEN:0,bind=127.0.0.1,fork",
        "PIPE",
    ]));
    tcp.wait_stderr("listening on AF=2 127.0.0.1:");
    let said = String::from_utf8_lossy(&tcp.stderr()).into_owned();
    let (_, port) = said.split_once("127.0.0.1:").expect("it was waited for");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    assert_prints(
        &dial(&[&format!("127.0.0.1:{port}"), "one", "two"], b""),
        "one\ntwo\n",
    );

    let listen = format!("UNIX-LISTEN:{},fork", path.display());
    let local = Process::start(Command::new(&socat).args(["-d", "-d", &listen, "PIPE"]));
    local.wait_stderr("listening on");
    let endpoint = format!("unix:{}", path.display());
    assert_prints(&dial(&[&endpoint], b"hello\nfeng\n"), "hello\nfeng\n");
}
