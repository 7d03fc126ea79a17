//! `put`, against the Python server.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{Process, Signal};

use super::{assert_says, names, noise, theirs};
use crate::ours::sockeye;

#[test]
fn m19_files_and_folders_arrive_as_they_are() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir_all(theirs.here("照片/deep/empty")).unwrap();
    fs::write(theirs.here("照片/一.jpg"), noise(70_000)).unwrap();
    fs::write(theirs.here("照片/deep/two"), noise(65_536)).unwrap();
    fs::write(theirs.here("none"), b"").unwrap();
    fs::write(theirs.here("big"), noise(3_000_000)).unwrap();
    let exit = theirs.put(&["照片", "none", "big"]);
    assert_says(&exit, 0, &[]);
    let summary = exit.stdout_text();
    assert!(summary.starts_with("4 files, 3.14 MB in "), "{summary}");
    let differs = Process::run(
        Command::new("diff")
            .arg("-r")
            .args([theirs.here(""), theirs.there("")]),
    );
    assert_eq!(differs.stdout_text(), "");
}

#[test]
fn m19_ten_thousand_small_files_need_no_round_trip_each() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir(theirs.here("many")).unwrap();
    for number in 0..10_000 {
        fs::write(theirs.here(&format!("many/{number}")), number.to_string()).unwrap();
    }
    let exit = theirs.put(&["many"]);
    assert_says(&exit, 0, &[]);
    assert!(exit.stdout_text().starts_with("10,000 files, "));
    assert_eq!(
        fs::read_to_string(theirs.there("many/9999")).unwrap(),
        "9999"
    );
    assert_eq!(names(&theirs.there("many")).len(), 10_000);
}

#[test]
fn m19_what_is_no_file_is_skipped_and_said() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir(theirs.here("d")).unwrap();
    fs::write(theirs.here("d/a"), "a").unwrap();
    symlink("a", theirs.here("d/link")).unwrap();
    fs::write(theirs.here("d").join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        theirs.here("d/fifo"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let exit = theirs.put(&["d", "missing"]);
    assert_says(
        &exit,
        2,
        &[
            "sockeye: d/caf\u{fffd}: skipped, it has a name that is not UTF-8; --name gives it another",
            "sockeye: d/fifo: skipped, it is a FIFO, not a file",
            "sockeye: d/link: skipped, it is a symbolic link",
            "sockeye: missing: skipped, it cannot be opened: no such file or directory (ENOENT, 2)",
        ],
    );
    assert_eq!(names(&theirs.there("d")), ["a"]);
    // What is named is meant: a link is followed, and --name helps where a name cannot be said.
    assert_says(&theirs.put(&["d/link"]), 0, &[]);
    assert_eq!(fs::read(theirs.there("link")).unwrap(), b"a");
    let mut command = sockeye(&["put", "--digest", "sha256", "--name", "coffee"]);
    command
        .arg(OsStr::from_bytes(b"d/caf\xe9"))
        .arg(&theirs.endpoint);
    assert_says(&Process::run(command.current_dir(theirs.here(""))), 0, &[]);
    assert_eq!(fs::read(theirs.there("coffee")).unwrap(), b"x");
}

#[test]
fn m19_names_that_cannot_be_are_refused_before_anything_is_sent() {
    let Some(theirs) = theirs("") else { return };
    fs::write(theirs.here("a"), "a").unwrap();
    let long = "x".repeat(300);
    for (name, why) in [
        ("../a", "a part of a name is . or .."),
        (
            "/etc/a",
            "a name starts with /; names are below the folder that is served",
        ),
        (&long, "a part of a name has 300 bytes, 255 are the limit"),
        ("", "a name is empty"),
    ] {
        let exit = theirs.put(&["a", "--name", name]);
        assert_says(&exit, 2, &[&format!("sockeye: --name {name}: {why}")]);
    }
    let exit = theirs.put(&["a", "--to", ".."]);
    assert_says(&exit, 2, &["sockeye: --to ..: a part of a name is . or .."]);
    assert!(names(&theirs.there("")).is_empty());
}

#[test]
fn m19_standard_input_of_unknown_length_is_a_file() {
    let Some(theirs) = theirs("") else { return };
    let words = [
        "put",
        "-",
        "--name",
        "in/put",
        "--digest",
        "sha256",
        &theirs.endpoint,
    ];
    let mut process = Process::start(&mut sockeye(&words));
    let content = noise(1_000_000);
    process.write_stdin(&content[..10]);
    process.write_stdin(&content[10..]);
    assert_says(&process.exit(), 0, &[]);
    assert!(fs::read(theirs.there("in/put")).unwrap() == content);
    let exit = theirs.put(&["-"]);
    assert_says(
        &exit,
        2,
        &["sockeye: standard input has no name: give it one with --name"],
    );
}

#[test]
fn m19_an_upload_goes_on_where_it_was_cut_and_only_behind_the_same_bytes() {
    let Some(theirs) = theirs("") else { return };
    let content = noise(2_000_000);
    fs::write(theirs.here("f"), &content).unwrap();
    fs::write(theirs.there("f.part"), &content[..1_900_000]).unwrap();
    assert_says(&theirs.put(&["f"]), 0, &["f: resuming at 95 %"]);
    theirs.process.wait_stdout("put f 1900000\n");
    assert!(fs::read(theirs.there("f")).unwrap() == content);
    // The part is of another file: it is not trusted.
    fs::write(theirs.there("g.part"), &noise(1_900_001)[1..]).unwrap();
    assert_says(&theirs.put(&["f", "--name", "g"]), 0, &[]);
    theirs.process.wait_stdout("put g 0\n");
    assert!(fs::read(theirs.there("g")).unwrap() == content);
}

#[test]
fn m19_a_name_that_is_taken_is_refused_unless_it_may_be_replaced() {
    let Some(theirs) = theirs("") else { return };
    fs::write(theirs.here("a"), "new").unwrap();
    fs::write(theirs.here("b"), "b").unwrap();
    fs::write(theirs.there("a"), "old").unwrap();
    let exit = theirs.put(&["a", "b"]);
    assert_says(&exit, 2, &["sockeye: a: a is there"]);
    assert!(exit.stdout_text().ends_with("; 1 not transferred\n"));
    assert_eq!(fs::read(theirs.there("a")).unwrap(), b"old");
    assert_eq!(fs::read(theirs.there("b")).unwrap(), b"b");
    assert_says(&theirs.put(&["--overwrite", "a"]), 0, &[]);
    assert_eq!(fs::read(theirs.there("a")).unwrap(), b"new");
}

#[test]
fn m19_a_file_that_shrinks_while_it_is_sent_is_aborted() {
    let Some(theirs) = theirs("") else { return };
    // Sparse, so that it is long, and its server holds it in memory: it is cut as soon as it is begun.
    let file = File::create(theirs.here("f")).unwrap();
    file.set_len(3 << 30).unwrap();
    let words = ["put", "f", "--digest", "none", "--json", &theirs.endpoint];
    let mut process = Process::start(sockeye(&words).current_dir(theirs.here("")));
    theirs.process.wait_stdout("put f 0\n");
    file.set_len(1 << 20).unwrap();
    let exit = process.exit();
    assert_eq!(exit.code, Some(2), "{}", exit.stdout_text());
    assert!(
        exit.stderr_text()
            .contains("f: it changed while it was sent"),
        "{}",
        exit.stderr_text()
    );
    theirs.process.wait_stdout("abort changed\n");
    assert!(names(&theirs.there("")).is_empty());
}

#[test]
fn m19_a_file_that_grows_is_sent_as_long_as_it_was() {
    let Some(theirs) = theirs("") else { return };
    let content = noise(64 << 20);
    fs::write(theirs.here("log"), &content).unwrap();
    let words = ["put", "log", "--digest", "sha256", &theirs.endpoint];
    let mut process = Process::start(sockeye(&words).current_dir(theirs.here("")));
    theirs.process.wait_stdout("put log 0\n");
    let log = File::options()
        .write(true)
        .open(theirs.here("log"))
        .unwrap();
    log.write_all_at(b"more", content.len() as u64).unwrap();
    let exit = process.exit();
    let grew = format!(
        "log: grew while it was sent; the {} bytes that it had at first were",
        content.len()
    );
    assert_says(&exit, 0, &[&grew]);
    assert!(fs::read(theirs.there("log")).unwrap() == content);
}

#[test]
fn m19_progress_is_told_as_events() {
    let Some(theirs) = theirs("") else { return };
    fs::write(theirs.here("a"), noise(100)).unwrap();
    let words = [
        "put",
        "a",
        "-",
        "--json",
        "--digest",
        "sha256",
        &theirs.endpoint,
    ];
    // Two sources and one name: a mistake that is found before anybody is dialled.
    let exit = Process::run(sockeye(&words).current_dir(theirs.here("")));
    assert_eq!(exit.code, Some(2));
    let words = [
        "put",
        "-",
        "--name",
        "in",
        "--json",
        "--digest",
        "none",
        &theirs.endpoint,
    ];
    let mut process = Process::start(sockeye(&words).current_dir(theirs.here("")));
    process.write_stdin(&noise(1000));
    let told = |event: &Value| event["moved_bytes"] == 1000 && event["file_name"] == "in";
    let event = process.event_where("progress", told);
    assert_eq!(
        (&event["done_bytes"], &event["files"]),
        (&1000.into(), &0.into())
    );
    assert!(
        event.get("total_bytes").is_none(),
        "nobody knows how long it will be"
    );
    let exit = process.exit();
    assert_eq!((exit.code, &*exit.stderr_text()), (Some(0), ""));
    assert_eq!(process.event("file_done")["bytes"], 1000);
    assert_eq!(process.event("transferred")["files"], 1);
    assert!(process.event("closed")["written_bytes"].as_u64().unwrap() > 1000);
}

#[test]
fn m19_ctrl_c_stops_in_order_and_says_that_it_can_go_on() {
    let Some(theirs) = theirs("") else { return };
    let file = File::create(theirs.here("f")).unwrap();
    file.set_len(3 << 30).unwrap();
    let words = ["put", "f", "--digest", "none", &theirs.endpoint];
    let mut process = Process::start(sockeye(&words).current_dir(theirs.here("")));
    theirs.process.wait_stdout("put f 0\n");
    process.signal(Signal::INT);
    let exit = process.end();
    assert_says(
        &exit,
        130,
        &["sockeye: interrupted; the same command goes on from there"],
    );
    // It said that the rest will not come, so that what came is kept.
    theirs.process.wait_stdout("abort None\n");
}
