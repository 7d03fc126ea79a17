//! `serve files` against peers that know nothing of it, thieves, liars, and its own sudden death.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use sockeye_testkit::{DEADLINE, Process, not_run, python, tool};
use tempfile::TempDir;

use crate::ours::{Server, serve, sockeye};

/// A server of this folder that takes whoever comes on loopback.
#[track_caller]
fn open_server(dir: &Path) -> Server {
    let root = dir.to_str().unwrap();
    serve(&["files", "--root", root, "127.0.0.1:0", "--insecure-anyone"])
}

#[track_caller]
fn connect(server: &Server) -> TcpStream {
    let port: u16 = server.port().parse().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let text = header.to_string();
    [&(text.len() as u32).to_le_bytes(), text.as_bytes(), body].concat()
}

/// The next answer and its body; none where the connection is over.
fn answer(stream: &mut impl Read) -> Option<(Value, Vec<u8>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut text = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut text).ok()?;
    let header: Value = serde_json::from_slice(&text).unwrap();
    let mut body = vec![0; header["size"].as_u64().unwrap_or(0) as usize];
    stream.read_exact(&mut body).ok()?;
    Some((header, body))
}

#[track_caller]
fn told(stream: &mut impl Read) -> String {
    let (header, _) = answer(stream).expect("an answer");
    let text = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("type"), text("code"))
        .trim()
        .to_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits for something that only the file system tells.
#[track_caller]
fn until(mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < DEADLINE, "it never happened");
        std::thread::yield_now();
    }
}

/// A plain upload of Windows and Unix names, several on one connection, with a sender that reads the
/// answers and one that never does.
#[test]
fn m20_plain_uploads_are_taken_from_their_sender() {
    let dir = TempDir::new().unwrap();
    let server = open_server(dir.path());
    let port = server.port();
    let sender = |reads, names: &[&str]| {
        let args = [&[&*port, reads], names].concat();
        python(include_str!("peers/plain_sender.py"), &args)
    };
    let sent = [
        "C:\\photos\\一.jpg",
        "C:/photos/two.jpg",
        "/home/x/three.jpg",
    ];
    let Some(mut reads) = sender("reads", &sent) else {
        return;
    };
    let exit = reads.exit();
    assert_eq!(
        exit.stdout_text(),
        "stored 一.jpg \nstored two.jpg \nstored three.jpg \n",
        "{}",
        exit.stderr_text()
    );
    let Some(mut deaf) = sender("deaf", &["four", "/etc/five", "D:\\six"]) else {
        return;
    };
    assert_eq!(deaf.exit().code, Some(0));
    server.closed(2);
    let stored = ["five", "four", "six", "three.jpg", "two.jpg", "一.jpg"];
    assert_eq!(names(dir.path()), stored);
    assert_eq!(fs::read(dir.path().join("three.jpg")).unwrap(), [2; 2000]);
    server.stop();
}

#[test]
fn liars_cost_one_connection_and_leave_nothing() {
    let dir = TempDir::new().unwrap();
    let server = open_server(dir.path());
    let put = |more: Value| {
        let mut header = json!({"type": "put", "file_name": "x"});
        header
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        header
    };
    let frames: Vec<(Vec<u8>, &str)> = vec![
        (0x7fff_ffffu32.to_le_bytes().to_vec(), "error bad_request"),
        (0x8000_0000u32.to_le_bytes().to_vec(), "error bad_request"),
        (
            [&8u32.to_le_bytes()[..], b"nonsense"].concat(),
            "error bad_request",
        ),
        (frame(&put(json!({"size": -1})), b""), "error bad_request"),
        (frame(&put(json!({"size": 1.5})), b""), "error bad_request"),
        (frame(&put(json!({"size": "9"})), b""), "error bad_request"),
        (
            frame(&put(json!({"size": 3, "md5": "no"})), b"abc"),
            "error bad_request",
        ),
        (
            frame(&put(json!({"size": 9})), b"short"),
            "error bad_request",
        ),
        (
            frame(&put(json!({"size": 3, "md5": "0".repeat(32)})), b"abc"),
            "error digest",
        ),
    ];
    for (bytes, expected) in &frames {
        let mut stream = connect(&server);
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(
            told(&mut stream),
            *expected,
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert!(answer(&mut stream).is_none());
    }
    // A body that is too long: what is behind it is no frame.
    let mut stream = connect(&server);
    let long = frame(&json!({"file_name": "long", "file_size": 3}), b"abcdefghij");
    stream.write_all(&long).unwrap();
    assert_eq!(told(&mut stream), "stored");
    assert_eq!(told(&mut stream), "error bad_request");
    let mut stream = connect(&server);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(answer(&mut stream).is_none(), "HTTP learns nothing");
    server.closed(frames.len() + 2);
    let parts = names(dir.path());
    let files: Vec<_> = parts
        .iter()
        .filter(|name| !name.starts_with(".sockeye-"))
        .collect();
    assert_eq!(files, ["long"]);
    server.stop();
}

/// What somebody else put into the folder leads nowhere and blocks nobody.
#[test]
fn links_fifos_and_devices_in_the_folder_are_left_alone() {
    let dir = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    symlink(outside.path(), dir.path().join("folder")).unwrap();
    symlink("/dev/zero", dir.path().join("zero")).unwrap();
    let fifo = dir.path().join("fifo");
    if Process::run(Command::new("mkfifo").arg(&fifo)).code == Some(0) {
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    }
    let server = open_server(dir.path());
    let mut stream = connect(&server);
    for (name, code) in [
        ("link", "error bad_name"),
        ("folder/secret", "error bad_name"),
        ("zero", "error bad_name"),
        ("fifo", "error not_a_file"),
        ("../secret", "error bad_name"),
    ] {
        let get = json!({"type": "get", "file_name": name});
        stream.write_all(&frame(&get, b"")).unwrap();
        assert_eq!(told(&mut stream), code, "{name}");
        let put = json!({"type": "put", "file_name": name, "size": 1, "overwrite": true});
        stream.write_all(&frame(&put, b"x")).unwrap();
        assert_eq!(told(&mut stream), code, "{name}");
    }
    let put = json!({"type": "put", "file_name": "folder/new", "size": 1});
    stream.write_all(&frame(&put, b"x")).unwrap();
    assert_eq!(told(&mut stream), "error bad_name");
    assert_eq!(names(outside.path()), ["secret"]);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    server.stop();
}

/// Two puts of one name, interleaved: the first to end gets it.
#[test]
fn of_two_puts_at_once_the_first_to_end_wins() {
    let dir = TempDir::new().unwrap();
    let server = open_server(dir.path());
    let (mut one, mut other) = (connect(&server), connect(&server));
    let put = json!({"type": "put", "file_name": "a", "more": true, "size": 3});
    let end = frame(&json!({"type": "end"}), b"");
    one.write_all(&frame(&put, b"one")).unwrap();
    other.write_all(&frame(&put, b"two")).unwrap();
    // Both have begun: each one has its own part.
    let both = || names(dir.path()).len() == 2;
    until(both);
    other.write_all(&end).unwrap();
    assert_eq!(told(&mut other), "stored");
    one.write_all(&end).unwrap();
    assert_eq!(told(&mut one), "error exists");
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"two");
    drop((one, other));
    server.closed(2);
    assert_eq!(names(dir.path()), ["a"]);
    server.stop();
}

/// A server that ends waits for the rest of a file that comes, and for nobody else.
#[test]
fn a_server_that_ends_takes_what_has_begun() {
    let dir = TempDir::new().unwrap();
    let server = open_server(dir.path());
    let (mut busy, mut idle) = (connect(&server), connect(&server));
    let put = json!({"type": "put", "file_name": "a", "more": true, "size": 3});
    busy.write_all(&frame(&put, b"one")).unwrap();
    let list = frame(&json!({"type": "list", "file_name": ""}), b"");
    idle.write_all(&list).unwrap();
    assert_eq!(told(&mut idle), "list_end");
    until(|| names(dir.path()).len() == 1);
    server.signal(sockeye_testkit::Signal::INT);
    assert_eq!(told(&mut idle), "error ending");
    assert!(answer(&mut idle).is_none());
    busy.write_all(&frame(&json!({"type": "data", "size": 3}), b"two"))
        .unwrap();
    busy.write_all(&frame(&json!({"type": "end"}), b""))
        .unwrap();
    assert_eq!(told(&mut busy), "stored");
    assert_eq!(told(&mut busy), "error ending");
    drop((busy, idle));
    server.ends();
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"onetwo");
}

/// A disk of two megabytes: what does not fit leaves nothing behind, and what fits is still taken.
#[test]
fn a_full_disk_is_told_and_nothing_stays_behind() {
    let Some(unshare) = tool("unshare") else {
        return;
    };
    let namespaces = ["--user", "--map-root-user", "--mount"];
    let mounts = ["sh", "-c", "mount -t tmpfs -o size=2M none /mnt"];
    if Process::run(Command::new(&unshare).args(namespaces).args(mounts)).code != Some(0) {
        return not_run("needs unprivileged user and mount namespaces");
    }
    let script = "mount -t tmpfs -o size=2M none /mnt && exec \"$0\" serve --json files \
                  --root /mnt 127.0.0.1:0 --insecure-anyone";
    let mut command = Command::new(&unshare);
    command
        .args(namespaces)
        .args(["sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_sockeye"));
    let server = Process::start(&mut command);
    let listening = server.event("listening");
    let endpoint = listening["endpoint"].as_str().unwrap();
    let address = endpoint.split_once("://").unwrap().1;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let large = vec![7; 3 << 20];
    for more in [false, true] {
        let put = json!({"type": "put", "file_name": "a", "size": large.len(), "more": more});
        stream.write_all(&frame(&put, &large)).unwrap();
        if more {
            stream
                .write_all(&frame(&json!({"type": "end"}), b""))
                .unwrap();
        }
        let (refused, _) = answer(&mut stream).unwrap();
        assert_eq!(
            (&refused["code"], &refused["errno"]),
            (&json!("no_space"), &json!(28))
        );
    }
    let small = json!({"type": "put", "file_name": "b", "size": 1 << 20});
    stream.write_all(&frame(&small, &large[..1 << 20])).unwrap();
    assert_eq!(told(&mut stream), "stored");
    let part = json!({"type": "part", "file_name": "a"});
    stream.write_all(&frame(&part, b"")).unwrap();
    assert_eq!(answer(&mut stream).unwrap().0["bytes"], 0);
}

/// kill -9 of the server in the middle of an upload, at so many points; each time the upload is gone
/// on with, and what is stored in the end is the file. `cargo xtask soak kills` asks for more points.
#[test]
fn an_upload_outlives_the_sudden_death_of_its_server() {
    const SIZE: u64 = 96 << 20;
    let points: u64 = std::env::var("SOCKEYE_KILLS").map_or(5, |points| points.parse().unwrap());
    let (dir, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let source = here.path().join("big");
    let words =
        (0..SIZE / 8).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    fs::write(&source, words.collect::<Vec<u8>>()).unwrap();
    let part_size = || {
        let parts = fs::read_dir(dir.path()).unwrap();
        let size = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            name.starts_with(".sockeye-")
                .then(|| entry.metadata().ok())?
                .map(|found| found.len())
        };
        parts.filter_map(size).max().unwrap_or(0)
    };
    let put = |server: &Server| {
        let mut command = sockeye(&["put", "-q"]);
        Process::start(command.arg(&source).arg(server.endpoint()))
    };
    let mut interrupted = 0;
    for point in 0..points {
        let server = open_server(dir.path());
        let mut cut = put(&server);
        let at = SIZE / 8 + point * 7919 % 97 * (SIZE / 200);
        until(|| part_size() >= at || dir.path().join("big").exists());
        server.kill();
        interrupted += u64::from(cut.exit().code != Some(0));
        let kept = part_size();
        let server = open_server(dir.path());
        if kept > 0 {
            let mut again = put(&server);
            let exit = again.exit();
            assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        }
        assert_eq!(names(dir.path()), ["big"], "point {point}");
        let stored = fs::read(dir.path().join("big")).unwrap();
        assert!(stored == fs::read(&source).unwrap(), "point {point}");
        fs::remove_file(dir.path().join("big")).unwrap();
        server.stop();
    }
    assert!(
        interrupted * 2 > points,
        "{interrupted} of {points} were interrupted"
    );
}
