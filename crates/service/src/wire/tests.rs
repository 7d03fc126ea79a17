//! Frames over streams that are cut anywhere.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use sockeye_testkit::{MemoryLink, ScriptedPeer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn frame(header: &str, body: &[u8]) -> Vec<u8> {
    let length = header.len() as u32;
    [&length.to_le_bytes(), header.as_bytes(), body].concat()
}

/// Every frame that `reader` has, and how it ended.
async fn all<R>(reader: &mut WireReader<R>) -> (Vec<(Value, Vec<u8>)>, Option<WireError>)
where
    R: tokio::io::AsyncRead + Unpin,
{
    let mut frames = vec![];
    loop {
        let header: Value = match reader.next().await {
            Ok(Some(header)) => match header.parse() {
                Ok(header) => header,
                Err(error) => return (frames, Some(error)),
            },
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        };
        let mut body = vec![];
        loop {
            match reader.body().await {
                Ok([]) => break,
                Ok(piece) => body.extend_from_slice(piece),
                Err(error) => return (frames, Some(error)),
            }
        }
        frames.push((header, body));
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_cut_anywhere_is_one_frame_and_a_reader_that_waits_holds_nothing() {
    let (io, peer) = ScriptedPeer::new()
        .sends(&frame(r#"{"type":"a","size":5}"#, b"")[..7])
        .waits(Duration::from_millis(40))
        .sends(&frame(r#"{"type":"a","size":5}"#, b"he")[7..])
        .waits(Duration::from_millis(40))
        .sends(b"llo")
        .sends(frame(r#"{"type":"b"}"#, b""))
        .half_closes()
        .start();
    let mut reader = WireReader::new(io);
    let header = reader.next().await.unwrap().unwrap();
    assert_eq!(
        (header.text, header.size, header.at),
        (&br#"{"type":"a","size":5}"#[..], 5, 0)
    );
    assert_eq!(reader.body().await.unwrap(), b"he");
    assert_eq!(reader.left(), 3);
    assert_eq!(reader.body().await.unwrap(), b"llo");
    assert_eq!(reader.body().await.unwrap(), b"");
    assert_eq!(
        reader.next().await.unwrap().unwrap().text,
        br#"{"type":"b"}"#
    );
    assert!(reader.next().await.unwrap().is_none());
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_holds_no_buffer() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let mut reader = WireReader::new(ours);
    theirs.write_all(&frame("{}", b"")).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    let waits = tokio::time::timeout(Duration::from_secs(1), reader.next()).await;
    assert!(waits.is_err());
    assert_eq!(reader.held(), 0);
    // What was waited for in vain comes all the same.
    theirs.write_all(&frame("{}", b"")).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_body_can_be_passed_over_and_read_past_the_buffer() {
    let body: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
    let header = format!(r#"{{"size":{}}}"#, body.len());
    let stream = [
        frame(&header, &body),
        frame(&header, &body),
        frame("{}", b""),
    ]
    .concat();
    let (io, peer) = ScriptedPeer::new().sends(stream).half_closes().start();
    let mut reader = WireReader::new(io);
    assert_eq!(reader.next().await.unwrap().unwrap().size, 1_000_000);
    let mut buf = vec![0; 700_000];
    let mut read = vec![];
    loop {
        let got = reader.read_body(&mut buf).await.unwrap();
        if got == 0 {
            break;
        }
        read.extend_from_slice(&buf[..got]);
    }
    assert!(read == body);
    assert!(reader.next().await.unwrap().is_some());
    assert!(!reader.body().await.unwrap().is_empty());
    assert_eq!(reader.next().await.unwrap().unwrap().text, b"{}");
    assert!(reader.next().await.unwrap().is_none());
    peer.await.unwrap();
}

/// Whoever reads little ahead gets a long body without a detour.
#[tokio::test(start_paused = true)]
async fn a_header_takes_no_more_of_the_body_than_allowed() {
    let sent = frame(r#"{"type":"a","size":5000}"#, &[7; 5000]);
    let (io, peer) = ScriptedPeer::new().sends(&sent).half_closes().start();
    let mut reader = WireReader::new(io).with_read_ahead(100);
    let header = reader.next().await.unwrap().unwrap().text.len() + 4;
    let mut body = [0; 5000];
    assert_eq!(reader.read_body(&mut body).await.unwrap(), 100 - header);
    assert_eq!(
        reader.read_body(&mut body).await.unwrap(),
        5000 - (100 - header)
    );
    assert!(reader.next().await.unwrap().is_none());
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_is_told_with_its_place() {
    async fn check(stream: &[u8], expected: &str) {
        let (_, error) = all(&mut WireReader::new(stream)).await;
        let error = error.expect("it is no frame").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let good = frame(r#"{"a":1}"#, b"");
    check(
        &[&good[..], &[0, 0, 0, 0x80]].concat(),
        "frame at byte 11 announces 2147483648 bytes, the limit is 262144",
    )
    .await;
    check(
        &frame("nonsense", b""),
        "frame at byte 0 is broken at byte 4",
    )
    .await;
    check(&frame(r#"{"size":-1}"#, b""), "frame at byte 0 is broken").await;
    check(&good[..6], "stream ended at least 5 bytes before the end").await;
    check(
        &frame(r#"{"size":10}"#, b"12"),
        "stream ended at least 8 bytes before the end",
    )
    .await;
    check(
        b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "this is an HTTP request, which no program of ours makes: `GET /x HTTP/1.1`",
    )
    .await;
    check(b"POST / HTTP/1.1\r\n\r\n", "this is an HTTP request").await;
}

/// The limit of a header is exact.
#[tokio::test(start_paused = true)]
async fn a_header_of_256_kib_is_read_and_none_that_is_longer() {
    let header = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    let longest = frame(&header(HEADER_LIMIT), b"");
    let mut reader = WireReader::new(&longest[..]);
    assert_eq!(
        reader.next().await.unwrap().unwrap().text.len(),
        HEADER_LIMIT
    );
    let longer = frame(&header(HEADER_LIMIT + 1), b"");
    assert!(WireReader::new(&longer[..]).next().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn headers_and_bodies_leave_together_and_a_dropped_wait_loses_nothing() {
    let (ours, mut theirs) = tokio::io::duplex(10);
    let mut writer = WireWriter::new(ours);
    let mut seen = vec![];
    let body = b"0123456789abcdef";
    writer.begin(&json!({"type":"stdout"}), body.len() as u64);
    let mut at = 0;
    while at < body.len() {
        // Nobody reads meanwhile, so that the wait is dropped sooner or later.
        match tokio::time::timeout(Duration::from_millis(1), writer.push(&body[at..])).await {
            Ok(taken) => at += taken.unwrap(),
            Err(_) => seen.push(theirs.read_u8().await.unwrap()),
        }
    }
    assert_eq!((writer.owed(), writer.is_flushed()), (0, false));
    writer.feed(&json!({}), b"xy");
    let rest = tokio::spawn(async move {
        theirs.read_to_end(&mut seen).await.unwrap();
        seen
    });
    writer.flush().await.unwrap();
    assert!(writer.is_flushed());
    drop(writer);
    let expected = [
        frame(r#"{"type":"stdout","size":16}"#, body),
        frame(r#"{"size":2}"#, b"xy"),
    ];
    assert_eq!(rest.await.unwrap(), expected.concat());
}

/// The HTTP methods that are looked for cannot begin a frame: as lengths they pass the limit.
#[test]
fn no_frame_begins_as_http_does() {
    for method in METHODS {
        let length = u32::from_le_bytes(method[..4].try_into().unwrap());
        assert!(length as usize > HEADER_LIMIT);
    }
}

fn frames() -> impl Strategy<Value = Vec<(Value, Vec<u8>)>> {
    let header = ("[a-z]{0,8}", any::<u32>()).prop_map(|(name, number)| json!({name: number}));
    let body = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (1usize..600_000).prop_map(|length| vec![7; length]),
    ];
    prop::collection::vec((header, body), 0..6)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the stream is cut, what is sent is what is read.
    #[test]
    fn cuts_never_change_frames(
        sent in frames(), capacity in 1usize..100_000, ahead in prop_oneof![1usize..100, Just(HEADER_LIMIT)],
    ) {
        let expected: Vec<_> = sent.iter().map(|(header, body)| {
            let mut header = header.clone();
            if !body.is_empty() {
                header["size"] = body.len().into();
            }
            (header, body.clone())
        }).collect();
        let got = run(async move {
            let (ours, theirs) = MemoryLink::pair(capacity);
            let sending = async move {
                let mut writer = WireWriter::new(ours);
                for (header, body) in &sent {
                    writer.send(header, body).await.unwrap();
                }
                writer.shutdown().await.unwrap();
                writer
            };
            let mut reader = WireReader::new(theirs).with_read_ahead(ahead);
            let (_writer, (got, error)) = tokio::join!(sending, all(&mut reader));
            assert!(error.is_none(), "{error:?}");
            got
        });
        prop_assert_eq!(got, expected);
    }

    /// Whatever comes, reading ends, and in the same way however it is cut.
    #[test]
    fn noise_is_read_alike_however_it_is_cut(
        noise in prop::collection::vec(prop_oneof![Just(0u8), Just(2), Just(b'{'), Just(b'}'), any::<u8>()], 0..60),
        cut in 1usize..8,
    ) {
        let whole = run(all(&mut WireReader::new(&noise[..])));
        let cut = run(async {
            let (mut ours, theirs) = MemoryLink::pair(cut);
            let mut reader = WireReader::new(theirs);
            let sending = async {
                // The reader may have had enough before all is sent.
                let _ = ours.write_all(&noise).await;
                drop(ours);
            };
            let reading = async {
                let read = all(&mut reader).await;
                drop(reader);
                read
            };
            tokio::join!(sending, reading).1
        });
        prop_assert_eq!(whole.0, cut.0);
        prop_assert_eq!(
            whole.1.is_some(), cut.1.is_some(),
            "{:?} and {:?}", whole.1, cut.1
        );
    }
}
