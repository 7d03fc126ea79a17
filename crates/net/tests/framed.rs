//! Links as messages: whole, streamed, refused, cut anywhere.

use std::future::poll_fn;
use std::os::unix::net::UnixStream as StdStream;
use std::task::Poll;
use std::time::Duration;

use sockeye_frame::{Blame, DecodeError, Framing};
use sockeye_net::{Arrival, ByteLink, Errno, Framed, Link, LinkError, MessageLink};
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A framed link and the peer's raw end of it.
fn framed(spec: &str) -> (Framed, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let link = ByteLink::from_unix(ours, &Recorder::new()).unwrap();
    let framing: Framing = spec.parse().unwrap();
    (Framed::new(Link::Bytes(link), &framing), theirs)
}

/// What a peer's bytes become, to the end of the stream.
async fn messages(spec: &str, bytes: &[u8]) -> Result<Vec<String>, LinkError> {
    let (mut link, mut peer) = framed(spec);
    peer.write_all(bytes).await.unwrap();
    drop(peer);
    let mut seen = vec![];
    while let Some(message) = link.next().await? {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        seen.push(match message {
            Arrival::Message(bytes) => text(bytes),
            Arrival::Unterminated(bytes) => format!("{} (unterminated)", text(bytes)),
            Arrival::Head { header, body } => format!("head {} + {body}", text(header)),
            Arrival::Body { chunk, left } => format!("body {} - {left}", text(chunk)),
            Arrival::Oversized(error) => format!("refused at {}", error.at()),
            other => panic!("{other:?}"),
        });
    }
    Ok(seen)
}

#[tokio::test]
async fn messages_come_out_as_the_framing_says() {
    assert_eq!(
        messages("line", b"one\n\ntwo").await.unwrap(),
        ["one", "", "two (unterminated)"]
    );
    assert_eq!(
        messages("u8", b"\x02hi\x00\x01x").await.unwrap(),
        ["hi", "", "x"]
    );
    assert_eq!(
        messages("slip", b"\xc0a\xdb\xdcb\xc0").await.unwrap(),
        ["a\u{fffd}b"]
    );
    assert_eq!(
        messages("raw", b"as it came").await.unwrap(),
        ["as it came"]
    );
    assert_eq!(messages("raw", b"").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_oversized_line_is_refused_and_the_next_one_read() {
    let seen = messages("line,max=4", b"ok\nfar too long\nfine\n")
        .await
        .unwrap();
    assert_eq!(seen, ["ok", "refused at 3", "fine"]);
}

#[tokio::test]
async fn a_broken_frame_ends_the_link_with_its_offset() {
    let (mut link, mut peer) = framed("u32be,max=16");
    peer.write_all(b"\0\0\0\x01xrtbu").await.unwrap();
    assert_eq!(link.next().await.unwrap(), Some(Arrival::Message(b"x")));
    for _ in 0..2 {
        let error = link.next().await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("frame at byte 5 announces 1920230005"),
            "{error}"
        );
        assert_eq!(error.blame(), Blame::Peer);
    }
    let cut = messages("u32be", b"\0\0\0\x05hel").await.unwrap_err();
    assert_eq!(
        cut,
        LinkError::Frame(DecodeError::Truncated { at: 0, missing: 2 })
    );
}

#[tokio::test]
async fn long_bodies_are_streamed() {
    let seen = messages("u8,max=2,max-body=200", b"\x04long\x02ok")
        .await
        .unwrap();
    assert_eq!(seen.first().map(String::as_str), Some("head  + 4"));
    assert_eq!(seen.last().map(String::as_str), Some("ok"));
    let body: String = seen
        .iter()
        .filter_map(|step| step.strip_prefix("body ")?.split(' ').next())
        .collect();
    assert_eq!(body, "long");

    let (mut link, mut peer) = framed("u8,max=2,max-body=200");
    let (_, writer) = link.both();
    writer.feed_head(b"", 4).unwrap();
    writer.feed_body(b"lo", 2);
    writer.feed_body(b"ng", 0);
    link.finish().await.unwrap();
    let mut sent = vec![];
    peer.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, b"\x04long");
}

/// TCP may cut a stream anywhere, and a reader may be dropped at any wait.
#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let (mut link, mut peer) = framed("u16be");
    let mut seen = vec![];
    for byte in b"\0\x05hello\0\x03you" {
        peer.write_all(&[*byte]).await.unwrap();
        // Begins a wait and drops it, unless the message is complete and has been noticed.
        if let Ok(message) = tokio::time::timeout(Duration::ZERO, link.next()).await {
            seen.extend(
                message
                    .unwrap()
                    .and_then(|message| message.bytes())
                    .map(<[u8]>::to_vec),
            );
        }
    }
    drop(peer);
    while let Some(message) = link.next().await.unwrap() {
        seen.extend(message.bytes().map(<[u8]>::to_vec));
    }
    assert_eq!(seen, [b"hello".to_vec(), b"you".to_vec()]);
}

#[tokio::test]
async fn both_directions_run_apart_and_join_again() {
    let (link, mut peer) = framed("line");
    let (mut reader, mut writer) = link.split();
    writer.feed(b"one").unwrap();
    writer.feed(b"two").unwrap();
    assert_eq!(writer.unwritten(), 8);
    assert!(matches!(
        writer.feed(b"no\nline"),
        Err(LinkError::Unencodable(_))
    ));
    writer.flush().await.unwrap();
    assert_eq!((writer.unwritten(), writer.bytes()), (0, 8));
    peer.write_all(b"reply\n").await.unwrap();
    assert_eq!(
        reader
            .next()
            .await
            .unwrap()
            .and_then(|message| message.bytes()),
        Some(&b"reply"[..])
    );
    let mut heard = [0; 8];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"one\ntwo\n");
}

#[tokio::test]
async fn the_bytes_below_are_given_back_whole() {
    let (mut link, mut peer) = framed("line");
    peer.write_all(b"upgrade\nraw bytes").await.unwrap();
    assert_eq!(
        link.next().await.unwrap(),
        Some(Arrival::Message(b"upgrade"))
    );
    let (mut bytes, rest) = link.into_bytes().unwrap();
    assert_eq!(rest, b"raw bytes");
    peer.write_all(b" and more").await.unwrap();
    let mut more = [0; 9];
    bytes.read_exact(&mut more).await.unwrap();
    assert_eq!(&more, b" and more");
    assert_eq!(bytes.read_bytes(), 26);
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_the_writer_up() {
    let (mut link, peer) = framed("u32be");
    let message = vec![7; 1 << 20];
    link.feed(&message).unwrap();
    let (_, writer) = link.both();
    let blocked = poll_fn(|cx| Poll::Ready(writer.poll_flush(cx).is_pending())).await;
    assert!(
        blocked && writer.unwritten() > 0,
        "a megabyte does not fit a Unix socket's buffer"
    );
    // The rest is still queued, and nothing is sent twice.
    let peer: StdStream = peer.into_std().unwrap();
    peer.set_nonblocking(false).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = vec![];
        std::io::Read::read_to_end(&mut { peer }, &mut all).unwrap();
        all
    });
    link.finish().await.unwrap();
    drop(link);
    let all = tokio::task::spawn_blocking(|| reader.join().unwrap())
        .await
        .unwrap();
    assert_eq!(all.len(), 4 + (1 << 20));
    assert_eq!(all[..5], [0, 0x10, 0, 0, 7]);
}

/// A framed message link and the peer's raw socket.
fn framed_messages(kind: socket2::Type) -> (Framed, socket2::Socket) {
    let (ours, theirs) = socket2::Socket::pair(socket2::Domain::UNIX, kind, None).unwrap();
    let link = MessageLink::new(ours, &Recorder::new()).unwrap();
    (Framed::new(Link::Messages(link), &Framing::line()), theirs)
}

#[tokio::test]
async fn a_message_link_needs_no_framing() {
    let (mut link, peer) = framed_messages(socket2::Type::SEQPACKET);
    for message in [b"no\nline".to_vec(), vec![], vec![7; 200_000]] {
        link.feed(&message).unwrap();
    }
    link.flush().await.unwrap();
    let mut room = vec![0; 1 << 18];
    for expected in [7, 0, 200_000] {
        assert_eq!(
            std::io::Read::read(&mut &peer, &mut room).unwrap(),
            expected
        );
        peer.send(&room[..expected]).unwrap();
        let arrival = link.next().await.unwrap().unwrap();
        assert_eq!(arrival, Arrival::Message(&room[..expected]));
    }
    // What comes in pieces leaves at once, if it can.
    let (_, outgoing) = link.both();
    outgoing.feed_head(b"head ", 4).unwrap();
    outgoing.feed_body(b"bo", 2);
    outgoing.flush().await.unwrap();
    outgoing.feed_body(b"dy", 0);
    let refused = outgoing.feed_head(b"", 1 << 40);
    assert!(matches!(refused, Err(LinkError::Unencodable(_))));
    outgoing.feed_body(b"of the refused one", 0);
    link.finish().await.unwrap();
    let count = std::io::Read::read(&mut &peer, &mut room).unwrap();
    assert_eq!(&room[..count], b"head body");
    assert_eq!(std::io::Read::read(&mut &peer, &mut room).unwrap(), 0);
    drop(peer);
    assert_eq!(link.next().await.unwrap(), None);
    assert!(link.into_bytes().is_none());
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_leaves_the_link_good() {
    let (mut link, peer) = framed_messages(socket2::Type::DGRAM);
    link.feed(&vec![0; 1 << 23]).unwrap();
    link.feed(b"small").unwrap();
    let error = link.flush().await.unwrap_err();
    assert_eq!(error.errno().map(Errno::name), Some("EMSGSIZE"));
    assert_eq!(error.blame(), Blame::Caller);
    link.flush().await.unwrap();
    let mut room = [0; 16];
    assert_eq!(std::io::Read::read(&mut &peer, &mut room).unwrap(), 5);
    let mut link = link.with_read_size(4);
    peer.send(b"too long").unwrap();
    let cut = Arrival::Truncated {
        bytes: b"too ",
        full_len: 8,
    };
    assert_eq!(link.next().await.unwrap(), Some(cut));
}
