//! `sockeye show`: what was recorded, drawn again.

use std::path::Path;

use sockeye_testkit::Process;
use sockeye_trace::Session;
use sockeye_trace::sample::{CLIENT, SERVER, Script};

use crate::harness::{endpoint, serve, sockeye};
use crate::schema::names_in;

/// Two messages in one segment, one read.
fn sample() -> Vec<u8> {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"one\n");
    script.write(tcp, CLIENT, b"two\n");
    script.segment(tcp, CLIENT, 0..8);
    script.read(tcp, SERVER, 1024, 8);
    script.close(tcp, CLIENT);
    script.session().save(vec![]).unwrap()
}

fn show(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = sockeye(&[&["show"], args].concat());
    let exit = Process::run(command.current_dir(folder));
    (exit.code, exit.stdout_text(), exit.stderr_text())
}

#[test]
fn a_session_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), sample()).unwrap();
    let (code, text, errors) = show(folder.path(), &["s"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    for expected in [
        "sendto 4 [0..4) m1",
        "PSH 8 [0..8)",
        "\"one\\n\" \"two\\n\"",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let (_, chinese, _) = show(folder.path(), &["s", "--lang", "zh", "--flow", "1"]);
    assert!(chinese.contains("客户端"), "{chinese}");
}

/// Saved, shown, saved again: the same bytes; and every form is the same, run by run.
#[test]
fn a_saved_session_renders_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), sample()).unwrap();
    let again = folder.path().join("again");
    for _ in 0..2 {
        assert_eq!(show(folder.path(), &["s", "--save", "again"]).0, Some(0));
        assert_eq!(std::fs::read(&again).unwrap(), sample());
    }
    for form in [&[][..], &["--json"], &["--html", "-"], &["--findings"]] {
        let first = show(folder.path(), &[&["s"], form].concat());
        let second = show(folder.path(), &[&["again"], form].concat());
        assert_eq!(first.0, Some(0), "{form:?}: {}", first.2);
        assert!(!first.1.is_empty(), "{form:?}");
        assert_eq!(first, second, "{form:?}");
    }
}

#[test]
fn every_line_of_a_session_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), sample()).unwrap();
    let (code, text, _) = show(folder.path(), &["s", "--json"]);
    assert_eq!(code, Some(0));
    let names = names_in(&text);
    for expected in [
        "recorded",
        "program",
        "flow",
        "app_write",
        "app_read",
        "called",
        "segment",
        "packet",
        "finding",
        "observed",
    ] {
        assert!(
            names.iter().any(|name| name == expected),
            "{expected} in {names:?}"
        );
    }
}

#[test]
fn standard_input_and_a_cut_session_are_read() {
    let whole = sample();
    let mut shown = Process::start(&mut sockeye(&["show", "-"]));
    shown.write_stdin(&whole[..whole.len() - 7]);
    shown.close_stdin();
    let exit = shown.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let text = exit.stdout_text();
    assert!(
        text.contains("cut short") && text.contains("sendto"),
        "{text}"
    );
}

#[test]
fn what_is_no_session_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    path("text", b"hello world");
    path("empty", b"");
    path("newer", b"sockeye\x09....");
    let mut damaged = sample();
    let kinds = damaged.len() - 600;
    damaged[kinds..].fill(0xfe);
    path("damaged", &damaged);
    let check = |args: &[&str], code: i32, expected: &str| {
        let (exit, stdout, stderr) = show(folder.path(), args);
        assert_eq!((exit, &*stdout), (Some(code), ""), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    check(&["nothing"], 2, "ENOENT");
    check(&["."], 2, "EISDIR");
    check(&["text"], 2, "begins with 'hello wo'");
    check(&["empty"], 2, "empty");
    check(&["newer"], 2, "version 9");
    check(&["damaged"], 3, "damaged at byte");
    path("s", &sample());
    check(&["s", "--flow", "9"], 2, "no conversation 9");
    check(
        &["s", "--from", "2s", "--to", "1s"],
        2,
        "--from lies behind --to",
    );
    check(&["s", "--json", "--html", "-"], 2, "takes one of");
    check(&["s", "--html", "no/folder"], 2, "ENOENT");
}

/// The two ends of one conversation, the server's clock three hours behind.
#[test]
fn two_machines_are_joined_on_one_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [ours, theirs] = ["server", "client"].map(path);
    let flags = ["--once", "--trace", ours.to_str().unwrap()];
    let mut server = serve(&[&["echo", "127.0.0.1:0"], &flags[..]].concat());
    let to = endpoint(&server, "tcp:");
    let flags = ["--trace", theirs.to_str().unwrap()];
    let exit = Process::run(&mut sockeye(
        &[&["dial", &to, "hello"], &flags[..]].concat(),
    ));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert_eq!(server.exit().code, Some(0));
    let session = Session::load(&std::fs::read(&ours).unwrap()[..]).unwrap();
    let mut late = Session::new(session.head().clone());
    for (_, mut fact) in session.facts() {
        fact.event.time = fact.event.time - std::time::Duration::from_hours(3);
        late.push(&fact);
    }
    std::fs::write(&ours, late.save(vec![]).unwrap()).unwrap();
    let (code, text, errors) = show(folder.path(), &["client", "server"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(text.contains(" s behind (± "), "{text}");
    assert_eq!(text.matches("#1 tcp").count(), 1, "{text}");
    let at = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    assert!(at("write 5 [0..5) m1") < at("read 5 [0..5) m1"), "{text}");
}

#[test]
fn packets_are_listed_with_their_layers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), sample()).unwrap();
    let (code, table, errors) = show(folder.path(), &["s", "--packets"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    // The handshake, the data, two FINs at most, and the titles.
    assert!((6..=8).contains(&table.lines().count()), "{table}");
    assert!(
        table.contains("40000>5000") || table.contains("40000"),
        "{table}"
    );
    let (_, part, _) = show(folder.path(), &["s", "--packets", "--limit", "2"]);
    assert!(part.contains("more packets (--limit 0"), "{part}");
    let (_, layers, _) = show(folder.path(), &["s", "--layers", "--flow", "1"]);
    assert!(
        layers.contains("OSI") && layers.contains("TCP/IP"),
        "{layers}"
    );
}

/// Packets go out as pcapng, and what any program captured comes in.
#[test]
fn capture_files_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), sample()).unwrap();
    assert_eq!(
        show(folder.path(), &["s", "--pcapng", "s.pcapng"]).0,
        Some(0)
    );
    let (code, text, errors) = show(folder.path(), &["s.pcapng"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        text.contains("PSH 8 [0..8)") && text.contains("SYN"),
        "{text}"
    );
    let mut cut = std::fs::read(folder.path().join("s.pcapng")).unwrap();
    cut.truncate(cut.len() - 5);
    std::fs::write(folder.path().join("cut"), cut).unwrap();
    let (code, text, errors) = show(folder.path(), &["cut"]);
    assert!(
        code == Some(0) && text.contains("Not seen: cut"),
        "{text}{errors}"
    );
}
