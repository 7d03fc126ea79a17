//! The server over real sockets, spoken to frame by frame.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sockeye_net::trust::Right;
use sockeye_net::{ByteLink, Link};
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::Options;
use crate::files::{Algorithm, Digest, Hasher};

/// Nothing here takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    stream: TcpStream,
    served: JoinHandle<Outcome>,
}

fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let text = header.to_string();
    [&(text.len() as u32).to_le_bytes(), text.as_bytes(), body].concat()
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.digest().as_ref().map(Digest::to_string).unwrap()
}

fn files(dir: &Path) -> Files {
    Files::new(
        Root::open(dir).unwrap(),
        Access::new(Right::Files).with_anyone_on_loopback(),
    )
}

async fn connect(files: &Files) -> Client {
    connect_with(files, Options::default()).await
}

async fn connect_with(files: &Files, options: Options) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let recorder = Recorder::new();
    let link = Link::Bytes(ByteLink::from_tcp(theirs, &recorder).unwrap());
    let mut session = Session::alone(&link, recorder);
    session.options = Arc::new(options);
    let served = tokio::spawn(files.hold(link, session));
    Client { stream, served }
}

impl Client {
    async fn send(&mut self, header: Value, body: &[u8]) {
        self.stream.write_all(&frame(&header, body)).await.unwrap();
    }

    async fn put(&mut self, name: &str, body: &[u8]) {
        let header = json!({"type": "put", "file_name": name, "size": body.len()});
        self.send(header, body).await;
    }

    async fn answer(&mut self) -> (Value, Vec<u8>) {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .expect("an answer in time")
    }

    async fn read(&mut self) -> (Value, Vec<u8>) {
        let length = self.stream.read_u32_le().await.unwrap();
        let mut text = vec![0; length as usize];
        self.stream.read_exact(&mut text).await.unwrap();
        let header: Value = serde_json::from_slice(&text).unwrap();
        let mut body = vec![0; header["size"].as_u64().unwrap_or(0) as usize];
        self.stream.read_exact(&mut body).await.unwrap();
        (header, body)
    }

    /// `type`, and `code` of an error.
    async fn told(&mut self) -> String {
        let (header, _) = self.answer().await;
        let text = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("type"), text("code"))
            .trim()
            .to_owned()
    }

    /// Nothing more comes, and that is the end.
    async fn ends(mut self) -> Outcome {
        let mut rest = vec![];
        let end = self.stream.read_to_end(&mut rest);
        tokio::time::timeout(PATIENCE, end)
            .await
            .expect("an end in time")
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
        drop(self.stream);
        self.served.await.unwrap()
    }

    async fn close(mut self) -> Outcome {
        self.stream.shutdown().await.unwrap();
        self.ends().await
    }
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_put_and_got_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    client.put("a/b.txt", b"hello").await;
    let (stored, _) = client.answer().await;
    let blake3 = digest(Algorithm::Blake3, b"hello");
    assert_eq!(
        stored,
        json!({"type": "stored", "file_name": "a/b.txt", "bytes": 5, "blake3": blake3})
    );
    client
        .send(json!({"type": "get", "file_name": "a/b.txt"}), b"")
        .await;
    let (file, body) = client.answer().await;
    assert_eq!(body, b"hello");
    assert_eq!(
        (&file["type"], &file["blake3"]),
        (&json!("file"), &json!(blake3))
    );
    let outcome = client.close().await;
    assert_eq!((outcome.read_messages, outcome.written_messages), (2, 2));
    assert_eq!(outcome.reason, "");
}

#[tokio::test]
async fn large_files_go_both_ways_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_001u32).map(|at| (at % 251) as u8).collect();
    let sha256 = digest(Algorithm::Sha256, &content);
    let mut client = connect(&files(dir.path())).await;
    let (first, rest) = content.split_at(1000);
    let put = json!({"type": "put", "file_name": "large", "more": true, "size": 1000, "digest": "sha256"});
    client.send(put, first).await;
    for piece in rest.chunks(700_000) {
        client
            .send(json!({"type": "data", "size": piece.len()}), piece)
            .await;
    }
    client
        .send(json!({"type": "end", "sha256": sha256}), b"")
        .await;
    assert_eq!(client.answer().await.0["sha256"], sha256);
    let get = json!({"type": "get", "file_name": "large", "digest": "sha256"});
    client.send(get, b"").await;
    let (file, mut got) = client.answer().await;
    assert_eq!(
        (&file["bytes"], &file["more"]),
        (&json!(content.len()), &json!(true))
    );
    loop {
        let (header, body) = client.answer().await;
        got.extend_from_slice(&body);
        if header["type"] == "end" {
            assert_eq!(header["sha256"], sha256);
            break;
        }
    }
    assert!(got == content);
    client.close().await;
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    let mut requests = vec![];
    for number in 0..50 {
        let name = format!("{}/{number}", number % 3);
        let put = json!({"type": "put", "file_name": name, "size": 1});
        requests.extend(frame(&put, b"x"));
        requests.extend(frame(&json!({"type": "get", "file_name": name}), b""));
        requests.extend(frame(&json!({"type": "get", "file_name": "none"}), b""));
    }
    client.stream.write_all(&requests).await.unwrap();
    for number in 0..50 {
        let (stored, _) = client.answer().await;
        assert_eq!(stored["file_name"], format!("{}/{number}", number % 3));
        assert_eq!(client.told().await, "file");
        assert_eq!(client.told().await, "error not_found");
    }
    client.close().await;
}

#[tokio::test]
async fn names_of_every_bad_kind_are_refused_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    let mut client = connect(&files(dir.path())).await;
    let long = "x".repeat(300);
    for name in [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a\0b",
        &long,
        ".sockeye-1-0.part",
        "link/x",
    ] {
        client.put(name, b"hello").await;
        assert_eq!(client.told().await, "error bad_name", "{name}");
        for kind in ["get", "part", "directory"] {
            client
                .send(json!({"type": kind, "file_name": name}), b"")
                .await;
            assert_eq!(client.told().await, "error bad_name", "{kind} {name}");
        }
    }
    client.put("good", b"hello").await;
    assert_eq!(client.told().await, "stored");
    assert!(names(outside.path()).is_empty());
    assert_eq!(names(dir.path()), ["good", "link"]);
    client.close().await;
}

#[tokio::test]
async fn a_file_that_is_refused_is_passed_over_up_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("there"), "old").unwrap();
    let mut client = connect(&files(dir.path())).await;
    let put = json!({"type": "put", "file_name": "there", "more": true, "size": 3});
    client.send(put, b"new").await;
    client
        .send(json!({"type": "data", "size": 5}), b"newer")
        .await;
    client.send(json!({"type": "end"}), b"").await;
    client.put("next", b"x").await;
    assert_eq!(client.told().await, "error exists");
    assert_eq!(client.told().await, "stored");
    let put = json!({"type": "put", "file_name": "there", "overwrite": true, "size": 3});
    client.send(put, b"new").await;
    assert_eq!(client.told().await, "stored");
    assert_eq!(std::fs::read(dir.path().join("there")).unwrap(), b"new");
    client.close().await;
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    for (algorithm, other) in [(Algorithm::Md5, "md5"), (Algorithm::Blake3, "blake3")] {
        let wrong = digest(algorithm, b"hallo");
        let put = json!({"type": "put", "file_name": "a", "size": 5, other: wrong});
        client.send(put, b"hello").await;
        assert_eq!(client.told().await, "error digest");
    }
    assert!(names(dir.path()).is_empty());
    client.close().await;
}

#[tokio::test]
async fn an_upload_that_broke_off_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let mut client = connect(&files).await;
    let put = json!({"type": "put", "file_name": "a/b", "more": true, "size": 6});
    client.send(put, b"hello ").await;
    // The length is a lie: the connection ends in the middle of this body.
    client
        .send(json!({"type": "data", "size": 99}), b"wor")
        .await;
    let outcome = client.close_after_error().await;
    assert!(
        outcome.reason.contains("before the end"),
        "{}",
        outcome.reason
    );
    let mut client = connect(&files).await;
    client
        .send(json!({"type": "part", "file_name": "a/b"}), b"")
        .await;
    let (part, _) = client.answer().await;
    let blake3 = digest(Algorithm::Blake3, b"hello wor");
    assert_eq!(
        part,
        json!({"type": "part", "file_name": "a/b", "bytes": 9, "blake3": blake3})
    );
    let sum = digest(Algorithm::Blake3, b"hello world");
    let put = json!({"type": "put", "file_name": "a/b", "offset": 9, "size": 2, "blake3": sum});
    client.send(put, b"ld").await;
    let (stored, _) = client.answer().await;
    assert_eq!(
        (&stored["bytes"], &stored["blake3"]),
        (&json!(11), &json!(sum))
    );
    assert_eq!(names(&dir.path().join("a")), ["b"]);
    let put = json!({"type": "put", "file_name": "c", "offset": 5, "size": 2});
    client.send(put, b"ld").await;
    assert_eq!(client.told().await, "error not_found");
    client.close().await;
}

impl Client {
    /// As `close`, for a connection whose last frame is broken.
    async fn close_after_error(mut self) -> Outcome {
        self.stream.shutdown().await.unwrap();
        assert_eq!(self.told().await, "error bad_request");
        self.ends().await
    }
}

#[tokio::test]
async fn a_part_that_is_not_gone_on_with_makes_room_for_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    let put = json!({"type": "put", "file_name": "a", "more": true, "size": 5});
    client.send(put, b"wrong").await;
    client.send(json!({"type": "abort"}), b"").await;
    assert_eq!(client.told().await, "error aborted");
    client
        .send(
            json!({"type": "part", "file_name": "a", "digest": "md5"}),
            b"",
        )
        .await;
    let (part, _) = client.answer().await;
    assert_eq!(part["md5"], digest(Algorithm::Md5, b"wrong"));
    client.put("a", b"right").await;
    assert_eq!(client.told().await, "stored");
    assert_eq!(names(dir.path()), ["a"]);
    client
        .send(json!({"type": "part", "file_name": "a"}), b"")
        .await;
    assert_eq!(client.answer().await.0["bytes"], 0);
    client.close().await;
}

#[tokio::test]
async fn only_the_rest_of_a_file_is_sent_to_who_has_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "hello world").unwrap();
    let mut client = connect(&files(dir.path())).await;
    for (have, digests, offset) in [
        ("hello ", "blake3", 6),
        ("hallo ", "blake3", 0),
        ("hello world", "md5", 11),
        ("hello world!", "md5", 0),
    ] {
        let algorithm = digests.parse().unwrap();
        let sum = digest(algorithm, have.as_bytes());
        let get = json!({"type": "get", "file_name": "a", "offset": have.len(), digests: sum});
        client.send(get, b"").await;
        let (file, body) = client.answer().await;
        assert_eq!(file["offset"], offset, "{have}");
        assert_eq!(body, &b"hello world"[offset..]);
        assert_eq!(file["blake3"], digest(Algorithm::Blake3, b"hello world"));
    }
    client.close().await;
}

#[tokio::test]
async fn folders_are_made_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    let directory = json!({"type": "directory", "file_name": "d/e", "mode": 0o700, "mtime_ns": 5});
    client.send(directory, b"").await;
    assert_eq!(client.told().await, "stored");
    client.put("d/f", b"hello").await;
    assert_eq!(client.told().await, "stored");
    let list = json!({"type": "list", "file_name": "d", "recursive": true});
    client.send(list, b"").await;
    let mut seen = vec![];
    loop {
        let (entry, _) = client.answer().await;
        if entry["type"] == "list_end" {
            assert_eq!(entry["entries"], 2);
            break;
        }
        seen.push((entry["file_name"].to_string(), entry["kind"].to_string()));
        if entry["file_name"] == "d/e" {
            assert_eq!(
                (&entry["mode"], &entry["mtime_ns"]),
                (&json!(0o700), &json!(5))
            );
        }
    }
    seen.sort();
    let expected = [("\"d/e\"", "\"directory\""), ("\"d/f\"", "\"file\"")];
    assert_eq!(
        seen,
        expected.map(|(name, kind)| (name.into(), kind.into()))
    );
    client.close().await;
}

#[tokio::test]
async fn plain_uploads_are_stored_under_the_last_part_of_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = connect(&files(dir.path())).await;
    for name in ["C:\\photos\\a.jpg", "C:/photos/b.jpg", "/home/x/c.jpg"] {
        let md5 = digest(Algorithm::Md5, b"hello");
        let plain = json!({"file_name": name, "file_size": 5, "md5": md5});
        client.send(plain, b"hello").await;
    }
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        let (stored, _) = client.answer().await;
        assert_eq!(
            (&stored["type"], &stored["file_name"]),
            (&json!("stored"), &json!(name))
        );
    }
    let plain = json!({"file_name": "d", "file_size": 5, "md5": "0".repeat(32)});
    client.send(plain, b"hello").await;
    assert_eq!(client.told().await, "error digest");
    let plain = json!({"file_name": "..", "file_size": 5});
    client.send(plain, b"hello").await;
    assert_eq!(client.told().await, "error bad_name");
    assert_eq!(names(dir.path()), ["a.jpg", "b.jpg", "c.jpg"]);
    client.close().await;
}

/// So many answers that no socket's buffer takes them, and nobody reads one.
#[tokio::test]
async fn a_plain_sender_that_never_reads_gets_everything_stored() {
    let dir = tempfile::tempdir().unwrap();
    let client = connect(&files(dir.path())).await;
    let Client { mut stream, served } = client;
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
    let sends = async {
        for number in 0..6_000 {
            let plain = json!({"file_name": format!("/tmp/{number}"), "file_size": 1});
            stream.write_all(&frame(&plain, b"x")).await.unwrap();
        }
        stream.shutdown().await.unwrap();
    };
    tokio::time::timeout(PATIENCE * 3, sends)
        .await
        .expect("nobody waits for the sender to read");
    drop(stream);
    served.await.unwrap();
    assert_eq!(names(dir.path()).len(), 6_000);
}

#[tokio::test]
async fn what_is_no_conversation_ends_it_and_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    for (bytes, told) in [
        (vec![0, 0, 0, 0x80], Some("error bad_request")),
        (frame(&json!("text"), b""), Some("error bad_request")),
        (
            frame(&json!({"type": "steal"}), b""),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"type": "put"}), b""),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"type": "data", "size": 1}), b"x"),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"type": "end"}), b""),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"file_name": "a", "file_size": -1}), b""),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"file_name": "a", "file_size": 0.5}), b""),
            Some("error bad_request"),
        ),
        (
            frame(&json!({"file_name": "a", "file_size": 5, "size": 4}), b""),
            Some("error bad_request"),
        ),
        (
            b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            None,
        ),
    ] {
        let mut client = connect(&files).await;
        client.stream.write_all(&bytes).await.unwrap();
        if let Some(told) = told {
            assert_eq!(
                client.told().await,
                told,
                "{}",
                String::from_utf8_lossy(&bytes)
            );
        }
        assert_ne!(client.ends().await.reason, "");
    }
    assert!(names(dir.path()).is_empty());
}

#[tokio::test]
async fn who_may_not_store_may_read_where_reading_is_open() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "hello").unwrap();
    let root = || Root::open(dir.path()).unwrap();
    let closed = Files::new(root(), Access::new(Right::Files));
    let mut client = connect(&closed).await;
    client
        .send(json!({"type": "get", "file_name": "a"}), b"")
        .await;
    assert_eq!(client.told().await, "error denied");
    assert!(client.ends().await.reason.starts_with("denied"));
    for files in [
        Files::new(root(), Access::new(Right::Files).with_public_reading()),
        files(dir.path()).read_only(true),
    ] {
        let mut client = connect(&files).await;
        client
            .send(json!({"type": "get", "file_name": "a"}), b"")
            .await;
        assert_eq!(client.told().await, "file");
        client.put("b", b"x").await;
        assert_eq!(client.told().await, "error not_allowed");
        client
            .send(json!({"type": "directory", "file_name": "c"}), b"")
            .await;
        assert_eq!(client.told().await, "error not_allowed");
        client.close().await;
    }
    assert_eq!(names(dir.path()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_slow_or_silent_is_not_waited_for_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let options = Options {
        idle_timeout: Some(Duration::from_secs(5)),
        ..Options::default()
    };
    let client = connect_with(&files, options).await;
    assert_eq!(client.ends().await.reason, "idle for 5s");
    let mut client = connect(&files).await;
    client.stream.write_all(&[9, 0]).await.unwrap();
    assert_eq!(client.told_slowly().await, "error bad_request");
    let mut client = connect(&files).await;
    let put = json!({"type": "put", "file_name": "a", "size": 9});
    client.send(put, b"hello").await;
    assert_eq!(client.told_slowly().await, "error bad_request");
}

impl Client {
    /// As `told`, with the server's patience and not ours.
    async fn told_slowly(&mut self) -> String {
        let (header, _) = self.read().await;
        format!(
            "{} {}",
            header["type"].as_str().unwrap(),
            header["code"].as_str().unwrap()
        )
    }
}

/// What is sent is bounded in memory: of a sparse file of 8 GiB the peer reads only the beginning.
#[tokio::test]
async fn a_reader_that_stops_costs_a_few_buffers_and_no_thread() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("huge")).unwrap();
    file.set_len(8 << 30).unwrap();
    let mut client = connect(&files(dir.path())).await;
    let get = json!({"type": "get", "file_name": "huge", "digest": "none"});
    client.send(get, b"").await;
    let (file, body) = client.answer().await;
    assert_eq!(
        (&file["bytes"], body.len()),
        (&json!(8u64 << 30), 256 << 10)
    );
    let Client { stream, served } = client;
    drop(stream);
    let outcome = tokio::time::timeout(PATIENCE, served)
        .await
        .unwrap()
        .unwrap();
    assert!(
        outcome.written_bytes < 64 << 20,
        "{}",
        outcome.written_bytes
    );
}
