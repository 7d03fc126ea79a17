//! `sockeye serve` without a service.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use sockeye_testkit::{DEADLINE, Process, Signal, private_network};

use crate::harness::{address, ask, connect, sockeye};

/// The exchange with this config.
fn exchange(config: &Path, args: &[&str]) -> Command {
    let mut command = sockeye(&["serve"]);
    command
        .args(["--config", config.to_str().unwrap()])
        .args(args);
    command
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

const ECHO: &str = "[[service]]\nservice = \"echo\"\nendpoints = [\"127.0.0.1:0\"]\n";

#[test]
fn a_config_is_served_and_the_page_says_what_to_try() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    let socket = dir.path().join("upper.sock");
    write(
        &config,
        &format!(
            "{ECHO}[[service]]\nservice = \"upper\"\n\
             endpoints = [\"127.0.0.1:0\", \"unix:{}\"]\nframe = \"line\"\n",
            socket.display()
        ),
    );
    for (lang, title, end) in [
        ("en", "sockeye serves", "Ctrl-C ends it"),
        ("zh", "正在提供", "Ctrl-C"),
    ] {
        let mut served = Process::start(&mut exchange(&config, &["--lang", lang]));
        served.wait_stderr(end);
        let page = String::from_utf8(served.stderr()).unwrap();
        assert!(
            page.contains(title) && page.contains(socket.to_str().unwrap()),
            "{page}"
        );
        served.signal(Signal::INT);
        assert_eq!(served.exit().code, Some(0));
        assert!(!socket.exists(), "the socket file goes with the server");
    }
}

/// The command lines that the page shows, run by a shell as a newcomer would.
#[test]
fn what_the_page_tells_to_try_works() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    let socket = dir.path().join("upper.sock");
    let endpoints = format!(
        "[\"127.0.0.1:0\", \"udp://127.0.0.1:0\", \"unix:{}\"]",
        socket.display()
    );
    write(
        &config,
        &format!("[[service]]\nservice = \"upper\"\nendpoints = {endpoints}\n"),
    );
    let served = Process::start(&mut exchange(&config, &[]));
    served.wait_stderr("Ctrl-C ends it");
    let page = String::from_utf8(served.stderr()).unwrap();
    let mut ran = 0;
    for (tool, name) in [
        ("sh", "sockeye dial"),
        ("python3", "python3"),
        ("ncat", "ncat"),
        ("socat", "UDP4"),
        ("socat", "UNIX"),
    ] {
        let line = page
            .lines()
            .find(|line| line.contains(name) && !line.contains("unix:"));
        let line = line.unwrap_or_else(|| panic!("no line with {name} in {page}"));
        let command = line.trim();
        if sockeye_testkit::tool(tool).is_none() {
            continue;
        }
        let mut shell = Process::start(Command::new("sh").args(["-c", command]));
        if name == "sockeye dial" {
            // What a person would type.
            shell.write_stdin(b"hello\n");
        }
        let exit = shell.exit();
        assert!(exit.stdout_text().contains("HELLO"), "{command}: {exit:?}");
        ran += 1;
    }
    assert!(ran > 0 || !sockeye_testkit::in_ci());
}

#[test]
fn the_defaults_are_loopback_and_a_private_directory() {
    // In a network of its own the default ports are free, whatever runs on this machine.
    private_network(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = sockeye(&["serve", "--json"]);
        command
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("XDG_DATA_HOME", dir.path().join("data"))
            .current_dir(dir.path());
        let served = Process::start(&mut command);
        served.event("ready");
        let endpoints: Vec<_> = served
            .events("listening")
            .iter()
            .map(|event| event["endpoint"].as_str().unwrap().to_owned())
            .collect();
        let sockets = dir.path().join("sockeye");
        let unix = |name: &str| format!("unix:{}/{name}.sock", sockets.display());
        let expected = [
            "tcp://127.0.0.1:7007",
            "udp://127.0.0.1:7007",
            &unix("echo"),
            "tcp://127.0.0.1:7012",
            "udp://127.0.0.1:7012",
            &unix("upper"),
            "tcp://127.0.0.1:6667",
            &unix("chat"),
        ];
        assert_eq!(endpoints, expected);
        let mode = fs::metadata(&sockets).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(dir.path().join("data/sockeye/chat/chat.sqlite").exists());
        let mut member = TcpStream::connect("127.0.0.1:6667").unwrap();
        member.set_read_timeout(Some(DEADLINE)).unwrap();
        ask(
            &mut member,
            b"PING here\n",
            b":sockeye.local PONG sockeye.local :here\r\n",
        );
    });
}

#[test]
fn a_wrong_config_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    write(&config, &format!("{ECHO}max-conections = 5\n"));
    let exit = Process::run(exchange(Path::new("sockeye.toml"), &[]).current_dir(dir.path()));
    assert_eq!(exit.code, Some(2));
    insta::assert_snapshot!(exit.stderr_text());
}

#[test]
fn the_environment_names_a_config() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mine.toml");
    write(&config, ECHO);
    let served = Process::start(sockeye(&["serve", "--json"]).env("SOCKEYE_CONFIG", &config));
    assert_eq!(served.event("ready")["config"], config.to_str().unwrap());
}

#[test]
fn a_reload_adds_removes_and_leaves_alone() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    let upper = "[[service]]\nservice = \"upper\"\nendpoints = [\"127.0.0.1:0\"]\n";
    write(&config, &format!("{ECHO}{upper}"));
    let served = Process::start(&mut exchange(&config, &["--json"]));
    served.event("ready");
    let mut stream = connect(&served);
    ask(&mut stream, b"before", b"before");

    let daytime = "[[service]]\nservice = \"daytime\"\nendpoints = [\"127.0.0.1:0\"]\n";
    write(&config, &format!("{ECHO}max-connections = 1\n{daytime}"));
    served.signal(Signal::HUP);
    let reloaded = served.event("reloaded");
    let list = |name: &str| reloaded[name].as_array().unwrap().clone();
    assert_eq!(
        (list("added"), list("removed")),
        (vec!["daytime".into()], vec!["upper".into()])
    );
    assert_eq!(list("changed"), ["echo"]);
    ask(&mut stream, b"after", b"after");
    let daytime = served.event_where("listening", |event| event["service"] == "daytime");
    let mut clock =
        std::net::TcpStream::connect(address(daytime["endpoint"].as_str().unwrap())).unwrap();
    assert!(!crate::harness::rest(&mut clock).is_empty());
    // The new limit counts the connection that is open.
    assert_eq!(crate::harness::rest(&mut connect(&served)), b"");
    served.event("refused");
}

#[test]
fn a_bad_file_keeps_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    write(&config, ECHO);
    let served = Process::start(&mut exchange(&config, &["--json"]));
    served.event("ready");
    write(&config, "[[service]]\nservice = \"ecko\"\n");
    served.signal(Signal::HUP);
    let failed = served.event("reload_failed");
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("unknown variant `ecko`"),
        "{failed}"
    );
    ask(&mut connect(&served), b"still", b"still");
}

#[test]
fn a_socket_that_cannot_be_opened_brings_the_old_ones_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = sockeye_testkit::free_tcp_port();
    write(&config, &ECHO.replace(":0", &format!(":{port}")));
    let served = Process::start(&mut exchange(&config, &["--json"]));
    served.event("ready");
    write(
        &config,
        &ECHO.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string()),
    );
    served.signal(Signal::HUP);
    let failed = served.event("reload_failed");
    assert!(
        failed["error"].as_str().unwrap().contains("EADDRINUSE"),
        "{failed}"
    );
    ask(&mut connect(&served), b"still", b"still");
}

#[test]
fn a_service_manager_hears_of_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    write(&config, ECHO);
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(sockeye_testkit::DEADLINE))
        .unwrap();
    let hear = || {
        let mut buf = [0; 200];
        let got = manager.recv(&mut buf).unwrap();
        String::from_utf8_lossy(&buf[..got]).into_owned()
    };
    let mut served = Process::start(exchange(&config, &["-q"]).env("NOTIFY_SOCKET", &path));
    assert_eq!(hear(), "READY=1");
    served.signal(Signal::HUP);
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1");
    served.signal(Signal::TERM);
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(served.exit().code, Some(0));
}

/// A terminal that is closed sends SIGHUP too; what ran in it ends then and does not read its config.
#[test]
fn a_terminal_that_is_closed_ends_the_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sockeye.toml");
    write(&config, ECHO);
    let events = dir.path().join("events");
    let script = "import os, pty, sys\n\
        child, terminal = pty.fork()\n\
        if child == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
        page = b''\n\
        while b'Ctrl-C ends it' not in page:\n    page += os.read(terminal, 4096)\n\
        os.close(terminal)\n\
        print('status', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n";
    let args = [
        env!("CARGO_BIN_EXE_sockeye"),
        "serve",
        "--lang",
        "en",
        "--config",
        config.to_str().unwrap(),
        "--events",
        events.to_str().unwrap(),
    ];
    let Some(python) = sockeye_testkit::python(script, &args) else {
        return;
    };
    python.wait_stdout("status 0");
    let events = fs::read_to_string(events).unwrap();
    assert!(events.contains("\"ev\":\"stopped\""), "{events}");
    assert!(!events.contains("\"ev\":\"reloaded\""), "{events}");
}
