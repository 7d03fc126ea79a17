//! Ground truth: what `watch` says beside what the programs themselves, and tshark, say of the same
//! run. Every byte that was written, carried and read is accounted for, in order, on the right
//! connection.

mod calls;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_testkit::{Process, private_network, tool};
use sockeye_trace::{Session, Timeline};
use tempfile::TempDir;

/// What is left of a run.
struct Run {
    folder: TempDir,
    session: Session,
}

impl Run {
    fn log(&self, role: &str) -> PathBuf {
        self.folder.path().join(format!("{role}.log"))
    }
}

/// Watches two peers of `peers/`, which keep logs.
fn watch_peers(server: &str, client: &str) -> Option<Run> {
    let python = tool("python3")?;
    let folder = tempfile::tempdir().expect("a folder");
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth/peers");
    let command = |script: &str, log: &str| {
        let (script, log) = (peers.join(script), folder.path().join(log));
        format!(
            "'{}' '{}' '{}'",
            python.display(),
            script.display(),
            log.display()
        )
    };
    let (server, client) = (command(server, "server.log"), command(client, "client.log"));
    watch(folder, &server, &client)
}

/// Watches two programs while tshark's dumpcap captures the same interface.
fn watch(folder: TempDir, server: &str, client: &str) -> Option<Run> {
    let (dumpcap, _) = (tool("dumpcap")?, tool("tshark")?);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let witness = wire::Witness::start(&dumpcap, folder.path());
    let exit = Process::run(
        Command::new(env!("CARGO_BIN_EXE_sockeye"))
            .args([
                "watch",
                "--text",
                "--bytes",
                "1MiB",
                "--trace",
                &at("session"),
            ])
            .args(["--server", server, "--client", client])
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    witness.end();
    assert_eq!(
        exit.code,
        Some(0),
        "{}{}",
        exit.stdout_text(),
        exit.stderr_text()
    );
    let file = std::fs::File::open(at("session")).expect("watch wrote the session");
    let session = Session::load(std::io::BufReader::new(file)).expect("a session");
    assert!(!session.is_cut());
    Some(Run { folder, session })
}

/// All that has to hold of any run.
fn check(run: &Run) {
    let timeline = Timeline::build(&run.session);
    assert_eq!(timeline.gaps, []);
    wire::is_as_tshark_says(&timeline, run.folder.path());
    bytes_meet(&timeline);
}

/// The lanes of each flow touch the same bytes: without gaps, and what was read was carried, what was
/// carried was written.
fn bytes_meet(timeline: &Timeline<'_>) {
    for flow in timeline
        .flows
        .iter()
        .filter(|flow| flow.transport.has_wire())
    {
        for way in &flow.ways {
            assert!(way.joined, "{}", flow.label());
            assert_eq!(way.carried, way.written, "{}", flow.label());
            assert!(way.read <= way.carried, "{}", flow.label());
            for lane in [&way.writes, &way.reads] {
                let mut next = 0;
                for call in lane.iter().filter(|call| !call.bytes.is_empty()) {
                    let cut = !flow.transport.is_stream() && call.bytes.start > next;
                    assert!(
                        call.bytes.start == next || cut,
                        "{}: {call:?}",
                        flow.label()
                    );
                    next = call.bytes.end;
                }
            }
        }
    }
}

#[test]
fn a_scripted_exchange_is_as_the_programs_and_tshark_say() {
    private_network(|| {
        let Some(run) = watch_peers("scripted_server.py", "scripted_client.py") else {
            return;
        };
        check(&run);
        calls::are_as_the_programs_say(&run.session, &[run.log("server"), run.log("client")]);
        let timeline = Timeline::build(&run.session);
        let labels: Vec<_> = timeline
            .flows
            .iter()
            .map(|flow| (flow.transport.name(), flow.ends[1].address.port()))
            .collect();
        let (tcp, udp) = (("tcp", Some(5000)), ("udp", Some(5001)));
        assert_eq!(labels, [tcp, tcp, udp]);
    });
}

#[test]
fn two_hundred_connections_on_eight_threads_are_accounted_for() {
    private_network(|| {
        let Some(run) = watch_peers("many_server.py", "many_client.py") else {
            return;
        };
        check(&run);
        calls::are_as_the_programs_say(&run.session, &[run.log("server"), run.log("client")]);
        let timeline = Timeline::build(&run.session);
        assert_eq!(timeline.flows.len(), 200);
        for flow in &timeline.flows {
            for way in &flow.ways {
                assert_eq!(
                    (way.written, way.carried),
                    (way.read, way.read),
                    "{}",
                    flow.label()
                );
            }
        }
    });
}

/// Programs that know nothing of it and keep no log: their lanes have to meet, and the wire is as
/// tshark says.
fn strangers(programs: &[&str], server: &str, client: &str, bytes: [u64; 2]) {
    if programs.iter().any(|program| tool(program).is_none()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("page"), vec![b'x'; 100_000]).expect("a file");
    let at = folder.path().display().to_string();
    let (server, client) = (server.replace("FOLDER", &at), client.replace("FOLDER", &at));
    let Some(run) = watch(folder, &server, &client) else {
        return;
    };
    check(&run);
    let timeline = Timeline::build(&run.session);
    // What they say to themselves and to the system, over Unix sockets, has no wire.
    let flows: Vec<_> = timeline
        .flows
        .iter()
        .filter(|flow| flow.transport.has_wire())
        .collect();
    for (way, least) in bytes.into_iter().enumerate() {
        let ways = || flows.iter().map(|flow| &flow.ways[way]);
        let written: u64 = ways().map(|way| way.written).sum();
        assert!(written >= least, "{written} of {least}");
        for way in ways() {
            assert_eq!((way.read, way.carried), (way.written, way.written));
        }
    }
}

#[test]
fn curl_and_a_web_server_are_as_tshark_says() {
    private_network(|| {
        let server = "python3 -m http.server --bind 127.0.0.1 --directory FOLDER 5000";
        let client = "curl -sS -o FOLDER/got http://127.0.0.1:5000/page";
        strangers(&["python3", "curl"], server, client, [70, 100_000]);
    });
}

#[test]
fn netcats_are_as_tshark_says() {
    private_network(|| {
        let server = "socat TCP-LISTEN:5000,bind=127.0.0.1 OPEN:FOLDER/got,creat";
        let client = "socat -u OPEN:FOLDER/page TCP:127.0.0.1:5000";
        strangers(&["socat"], server, client, [100_000, 0]);
    });
}

#[test]
fn redis_is_as_tshark_says() {
    private_network(|| {
        let server = "redis-server --port 5000 --bind 127.0.0.1 --save '' --dir FOLDER";
        let client = "redis-benchmark -h 127.0.0.1 -p 5000 -c 1 -n 500 -t set -q";
        strangers(
            &["redis-server", "redis-benchmark"],
            server,
            client,
            [500 * 30, 500 * 5],
        );
    });
}
