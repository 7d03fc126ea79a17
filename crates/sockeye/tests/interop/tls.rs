//! `tls://` with openssl, ncat, curl and Python's `ssl` at the other end, and with keys that are
//! wrong, changed, unknown or out of date.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_testkit::{Exit, Process, private_network, python, tool};
use tempfile::TempDir;

use crate::ours::{Server, assert_prints, sockeye};

/// Somebody's folder: keys, acquaintances, certificates.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = sockeye(args);
        command.env("XDG_CONFIG_HOME", self.0.path());
        command.env_remove("SSLKEYLOGFILE");
        command
    }

    #[track_caller]
    fn serve(&self, args: &[&str]) -> Server {
        Server::started(self.command(&["serve", "--json"]).args(args))
    }

    #[track_caller]
    fn dial(&self, args: &[&str], input: &[u8]) -> Exit {
        let mut process = Process::start(self.command(&["dial"]).args(args));
        process.write_stdin(input);
        process.exit()
    }

    /// Dials a server that answers line by line.
    #[track_caller]
    fn ask(&self, args: &[&str]) -> Exit {
        self.dial(&[&["--frame", "line"], args].concat(), b"")
    }

    /// This user's identity: its certificate, and its key in our form and in curl's.
    fn identity(&self) -> (PathBuf, String, String) {
        let exit = Process::run(&mut self.command(&["key", "--json"]));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        let shown: serde_json::Value = serde_json::from_slice(&exit.stdout).unwrap();
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        (self.path("sockeye/cert.pem"), text("key"), text("curl"))
    }

    /// A certificate of openssl's making, with its key.
    fn certificate(&self, openssl: &Path, name: &str, more: &[&str]) -> (String, String) {
        let [certificate, key] =
            ["crt", "key"].map(|kind| self.path(&format!("{name}.{kind}")).display().to_string());
        // Without openssl's own configuration, which would make an authority of it.
        let config = self.path("openssl.cnf");
        fs::write(&config, "[req]\ndistinguished_name = none\n[none]\n").unwrap();
        let exit = Process::run(
            Command::new(openssl)
                .args(["req", "-x509", "-nodes", "-newkey", "ec", "-config"])
                .arg(&config)
                .args([
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-subj",
                    "/CN=localhost",
                ])
                .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
                .args(["-keyout", &key, "-out", &certificate])
                .args(more),
        );
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        (certificate, key)
    }
}

impl Home {
    /// A certificate whose time is over; openssl 3.0 makes none.
    fn expired(&self) -> (String, String) {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let place = |name: &str, pem: String| {
            fs::write(self.path(name), pem).unwrap();
            self.path(name).display().to_string()
        };
        (
            place("expired.crt", certificate.pem()),
            place("expired.key", key.serialize_pem()),
        )
    }
}

/// `openssl s_server` that sends each line back reversed, and its endpoint.
#[track_caller]
fn s_server(
    openssl: &Path,
    (certificate, key): &(String, String),
    more: &[&str],
) -> (Process, String) {
    let server = Process::start(
        Command::new(openssl)
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev"])
            .args(["-cert", certificate, "-key", key])
            .args(more),
    );
    let place = server.wait_line(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
    (server, format!("tls://{place}"))
}

/// That `exit` failed with `code` and says all of `parts`.
#[track_caller]
fn assert_fails(exit: &Exit, code: i32, parts: &[&str]) {
    let text = exit.stderr_text();
    assert_eq!(exit.code, Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn openssl_as_a_client() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let (certificate, ..) = home.identity();
    let server = home.serve(&["upper", "tls://127.0.0.1:0"]);
    let place = format!("127.0.0.1:{}", server.port());
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = Process::start(
            Command::new(&openssl)
                .args([
                    "s_client",
                    "-connect",
                    &place,
                    version,
                    "-quiet",
                    "-no_ign_eof",
                ])
                .args([
                    "-verify_return_error",
                    "-verify_hostname",
                    "localhost",
                    "-CAfile",
                ])
                .arg(&certificate),
        );
        client.write_stdin(b"hello\n");
        client.wait_stdout("HELLO\n");
        let exit = client.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }
    for closed in server.closed(2) {
        assert_eq!(
            closed["reason"].as_str(),
            None,
            "openssl says farewell: {closed}"
        );
    }
    server.stop();
}

/// What a key may do is looked up after every handshake; the resumed one is told by openssl.
#[test]
fn openssl_resumes_a_session() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let owner = home.certificate(&openssl, "owner", &[]);
    let server = home.serve(&["upper", "tls://127.0.0.1:0"]);
    let place = format!("127.0.0.1:{}", server.port());
    let session = home.path("session").display().to_string();
    for (option, told) in [("-sess_out", "New, TLS"), ("-sess_in", "Reused, TLS")] {
        let mut client = Process::start(
            Command::new(&openssl)
                .args([
                    "s_client",
                    "-connect",
                    &place,
                    "-no_ign_eof",
                    option,
                    &session,
                ])
                .args(["-cert", &owner.0, "-key", &owner.1]),
        );
        client.write_stdin(b"hello\n");
        client.wait_stdout("HELLO\n");
        let exit = client.exit();
        assert!(exit.stdout_text().contains(told), "{}", exit.stdout_text());
    }
    server.stop();
}

#[test]
fn ncat_as_a_client() {
    let Some(ncat) = tool("ncat") else { return };
    let home = Home::new();
    let (certificate, ..) = home.identity();
    let server = home.serve(&["upper", "tls://127.0.0.1:0"]);
    let mut client = Process::start(
        Command::new(&ncat)
            .args(["--ssl-verify", "--ssl-trustfile"])
            .arg(certificate)
            .args(["-4", "localhost", &server.port()]),
    );
    client.write_stdin(b"hello\n");
    client.wait_stdout("HELLO\n");
    assert_prints(&client.exit(), "HELLO\n");
    // ncat says no farewell, which between messages is none of our business.
    assert_eq!(server.closed(1)[0]["reason"].as_str(), None);
    server.stop();
}

#[test]
fn ncat_as_a_server() {
    private_network(|| {
        let (Some(ncat), Some(cat)) = (tool("ncat"), tool("cat")) else {
            return;
        };
        let home = Home::new();
        let server = Process::start(
            Command::new(ncat)
                .args(["-v", "--ssl", "-l", "-k", "127.0.0.1", "9443", "-e"])
                .arg(cat),
        );
        server.wait_stderr("Listening on 127.0.0.1");
        let place = "tls://127.0.0.1:9443";
        assert_fails(&home.dial(&[place, "one"], b""), 5, &["is not known"]);
        let exit = home.dial(&["--trust-on-first-use", place, "one", "two"], b"");
        assert_prints(&exit, "one\ntwo\n");
        assert_prints(&home.dial(&[place, "three"], b""), "three\n");
    });
}

#[test]
fn curl_pins_our_key() {
    let Some(curl) = tool("curl") else { return };
    let home = Home::new();
    let (certificate, _, key) = home.identity();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let server = home.serve(&["reply", "tls://127.0.0.1:0", "--text", answer]);
    let port = server.port();
    let get = |args: &[&str]| {
        Process::run(
            Command::new(&curl)
                .args(["-sS", "--max-time", "20", "--noproxy", "*"])
                .args(args),
        )
    };
    let https = format!("https://127.0.0.1:{port}/");
    assert_prints(&get(&["-k", "--pinnedpubkey", &key, &https]), "ok");
    let other = Home::new().identity().2;
    // CURLE_SSL_PINNEDPUBKEYNOTMATCH of libcurl-errors(3).
    let exit = get(&["-k", "--pinnedpubkey", &other, &https]);
    assert_eq!(exit.code, Some(90), "{}", exit.stderr_text());
    let certificate = certificate.display().to_string();
    assert_prints(&get(&["--cacert", &certificate, &https]), "ok");
    let named = format!("https://localhost:{port}/");
    let resolve = format!("localhost:{port}:127.0.0.1");
    assert_prints(
        &get(&["--cacert", &certificate, "--resolve", &resolve, &named]),
        "ok",
    );
    server.stop();
}

#[test]
fn openssl_as_a_server() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let theirs = home.certificate(&openssl, "theirs", &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let (_server, place) = s_server(&openssl, &theirs, &[version]);
        let exit = home.ask(&["--trust-on-first-use", &place, "olleh"]);
        assert_prints(&exit, "hello\n");
        // From now on this key is known, and half-closing works.
        assert_prints(&home.ask(&[&place, "feng"]), "gnef\n");
        let pinned = home.ask(&[&format!("{place}?ca={}", theirs.0), "abc"]);
        assert_prints(&pinned, "cba\n");
    }
}

#[test]
fn a_changed_key_is_refused_with_both_keys_and_the_line() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let (first, second) = (
        home.certificate(&openssl, "first", &[]),
        home.certificate(&openssl, "second", &[]),
    );
    let (_one, place) = s_server(&openssl, &first, &[]);
    assert_prints(&home.ask(&["--trust-on-first-use", &place, "a"]), "a\n");
    let known = fs::read_to_string(home.path("sockeye/known_peers")).unwrap();
    let pinned = known.split_whitespace().last().unwrap();
    let (_other, elsewhere) = s_server(&openssl, &second, &[]);
    // As if the second were where the first was.
    let (was, is) = (&place["tls://".len()..], &elsewhere["tls://".len()..]);
    fs::write(
        home.path("sockeye/known_peers"),
        format!("# mine\n{}", known.replace(was, is)),
    )
    .unwrap();
    for first_use in [&["--trust-on-first-use"][..], &[]] {
        let exit = home.ask(&[first_use, &[&elsewhere, "a"]].concat());
        assert_fails(&exit, 5, &["has changed", pinned, "known_peers:2"]);
    }
    let wrong = format!("{elsewhere}?pin={pinned}");
    assert_fails(&home.ask(&[&wrong, "a"]), 5, &["not that of pin="]);
    let right = format!("{place}?pin={pinned}");
    assert_prints(&home.ask(&[&right, "ab"]), "ba\n");
}

#[test]
fn authorities_are_asked_for_time_name_and_signature() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let good = home.certificate(&openssl, "good", &["-days", "2"]);
    let expired = home.expired();
    let (_good, place) = s_server(&openssl, &good, &[]);
    let (_expired, late) = s_server(&openssl, &expired, &[]);
    let ask = |options: &str, place: &str| home.ask(&[&format!("{place}?{options}"), "ab"]);
    let ca = |of: &(String, String)| format!("ca={}", of.0);
    assert_prints(&ask(&ca(&good), &place), "ba\n");
    assert_prints(
        &ask(&format!("{}&sni=localhost", ca(&good)), &place),
        "ba\n",
    );
    let named = format!("{}&sni=example.org", ca(&good));
    assert_fails(&ask(&named, &place), 5, &["example.org"]);
    assert_fails(&ask(&ca(&expired), &late), 5, &["it has expired"]);
    assert_fails(&ask(&ca(&good), &late), 5, &["is not trusted"]);
    // Made with openssl's own configuration, it is an authority's: what to do is said.
    let authority = home.certificate(
        &openssl,
        "authority",
        &["-addext", "basicConstraints=CA:TRUE"],
    );
    let (_authority, high) = s_server(&openssl, &authority, &[]);
    assert_fails(
        &ask(&ca(&authority), &high),
        5,
        &["CA:FALSE", "pin=SHA256:"],
    );
    assert_fails(&ask("ca=system", &place), 5, &["nobody whom we trust"]);
}

#[test]
fn openssl_asks_who_we_are() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let theirs = home.certificate(&openssl, "theirs", &[]);
    let (ours, key, _) = home.identity();
    let ours = ours.display().to_string();
    let asks = ["-Verify", "1", "-verify_return_error", "-CAfile", &ours];
    let (_server, place) = s_server(&openssl, &theirs, &asks);
    let exit = home.ask(&["--trust-on-first-use", &place, "ab"]);
    assert_prints(&exit, "ba\n");
    // Whom an authority vouches for is shown nothing unasked.
    let ca = format!("{place}?ca={}", theirs.0);
    let exit = home.ask(&[&ca, "ab"]);
    assert_fails(&exit, 1, &["certificate_required (116)"]);
    let shown = format!(
        "{ca}&cert={ours}&key={}",
        home.path("sockeye/key.pem").display()
    );
    assert_prints(&home.ask(&[&shown, "ab"]), "ba\n");
    assert!(key.starts_with("SHA256:"));
}

/// Python closes without TLS's farewell: what came is printed, and that more may have come is said.
#[test]
fn an_answer_that_may_be_cut_is_told_of() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let home = Home::new();
    let (certificate, key) = home.certificate(&openssl, "theirs", &[]);
    let script = format!(
        "
import socket, ssl
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain('{certificate}', '{key}')
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1], flush=True)
for whole in (True, False):
    connection = context.wrap_socket(listener.accept()[0], server_side=True)
    while connection.recv(100) and whole:
        pass
    connection.sendall(b'half an ans')
    connection.close()
"
    );
    let Some(server) = python(&script, &[]) else {
        return;
    };
    let place = format!("tls://127.0.0.1:{}", server.port());
    let exit = home.dial(&["--trust-on-first-use", &place], b"question");
    assert_eq!(exit.stdout_text(), "half an ans");
    assert_fails(&exit, 1, &["without TLS's close_notify"]);
    let exit = home.dial(&["--ask", "--frame", "line", &place], b"question\n");
    assert_fails(&exit, 1, &["without TLS's close_notify"]);
}

#[test]
fn plain_peers_and_tls_peers_tell_each_other_apart() {
    let home = Home::new();
    let plain = home.serve(&["reply", "tcp://127.0.0.1:0", "--text", "220 hello"]);
    let exit = home.dial(&[&format!("tls://127.0.0.1:{}", plain.port()), "a"], b"");
    assert_fails(&exit, 1, &["does not speak TLS: got 32 32 30 20"]);
    let echo = home.serve(&["echo", "tcp://127.0.0.1:0"]);
    let exit = home.dial(&[&format!("tls://127.0.0.1:{}", echo.port()), "a"], b"");
    assert_fails(&exit, 1, &["an echo, not TLS"]);
    let secure = home.serve(&["upper", "tls://127.0.0.1:0"]);
    let exit = home.dial(
        &[&format!("tcp://127.0.0.1:{}", secure.port())],
        b"GET / HTTP/1.1\r\n\r\n",
    );
    assert!(
        exit.stderr_text().contains("try tls://"),
        "{}",
        exit.stderr_text()
    );
    let closed = secure.closed(1).remove(0);
    let reason = closed["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the peer does not speak TLS: got 47 45 54 20")
            && reason.contains("\"GET / "),
        "{reason}"
    );
}

#[test]
fn one_peer_is_accepted_and_those_who_do_not_speak_tls_are_not_it() {
    let home = Home::new();
    let mut listening = Process::start(&mut home.command(&[
        "dial",
        "--listen",
        "tls://127.0.0.1:0",
        "--events",
        "fd:1",
    ]));
    let place = listening.event("listening")["endpoint"]
        .as_str()
        .unwrap()
        .to_owned();
    let plain = place.replace("tls://", "tcp://");
    home.dial(&[&plain], b"hello?\n");
    let mut dialling = Process::start(
        home.command(&["dial", "--trust-on-first-use", &place])
            .args(["--read-size", "100"]),
    );
    dialling.write_stdin(b"to the listener");
    dialling.close_stdin();
    listening.wait_stdout("to the listener");
    listening.close_stdin();
    assert_eq!(dialling.exit().code, Some(0));
    let exit = listening.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("does not speak TLS"),
        "{}",
        exit.stderr_text()
    );
}

/// Both ends write the secrets that tshark and others decrypt by.
#[test]
fn secrets_are_logged_where_sslkeylogfile_says() {
    let home = Home::new();
    let log = |name: &str| home.path(name);
    let mut command = home.command(&["serve", "--json", "upper", "tls://127.0.0.1:0"]);
    let server = Server::started(command.env("SSLKEYLOGFILE", log("server")));
    let place = server.endpoint();
    let mut dial = home.command(&["dial", "--trust-on-first-use", &place, "a"]);
    assert_prints(
        &Process::run(dial.env("SSLKEYLOGFILE", log("client"))),
        "A\n",
    );
    server.stop();
    let lines = |name: &str| {
        let text = fs::read_to_string(log(name)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // NSS key log format: label, client random, secret.
    let client = lines("client");
    assert_eq!(client, lines("server"));
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_TRAFFIC_SECRET_0 ",
    ] {
        assert!(
            client.iter().any(|line| line.starts_with(label)),
            "{label} in {client:?}"
        );
    }
}
