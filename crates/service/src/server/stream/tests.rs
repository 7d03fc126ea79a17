//! The driver against scripted peers on a paused clock.

use std::num::NonZeroUsize;
use std::time::Duration;

use sockeye_testkit::{MemoryLink, ScriptedPeer};
use sockeye_trace::{Observer, Recorder};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::task::JoinHandle;

use super::*;
use crate::bounded::Bounded;
use crate::reply::{Chargen, Daytime, Discard, Echo, Upper};
use crate::{Arrival, Out, Peer, Responder, Responders};

const SECOND: Duration = Duration::from_secs(1);

/// A link in memory that counts as a link of `net` does.
struct Link {
    io: MemoryLink,
    conn: ConnId,
    moved: (u64, u64),
    reads: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Stream for Link {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        self.moved.0 += buf.filled().len() as u64;
        self.reads
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let got = buf.filled().len();
        Poll::Ready(Ok((got > 0).then_some(got)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.moved.1 += taken as u64;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_layered(&self) -> bool {
        false
    }

    fn reset_on_drop(&mut self) {}

    fn keeps_messages(&self) -> bool {
        false
    }

    fn has_end(&self) -> bool {
        true
    }

    fn moved(&self) -> (u64, u64) {
        self.moved
    }

    fn conn(&self) -> ConnId {
        self.conn
    }
}

/// A server of one connection.
struct Scene {
    host: Arc<Host>,
    observer: Observer,
    options: Options,
}

impl Scene {
    fn new() -> Self {
        let recorder = Recorder::new();
        let observer = recorder.observe();
        Self {
            host: Arc::new(Host::new(Options::default(), recorder)),
            observer,
            options: Options::default(),
        }
    }

    fn framed(spec: &str) -> Self {
        let mut scene = Self::new();
        scene.options.framing = spec.parse().unwrap();
        scene
    }

    /// The driver of `io`.
    fn driver(&self, io: MemoryLink, service: &dyn Responders) -> StreamDriver<Link> {
        let framing = &self.options.framing;
        let arrival = if framing.is_raw() {
            Arrival::Chunks
        } else {
            Arrival::Frames
        };
        let responder = Bounded::around(
            service.open(&Peer {
                name: &"test",
                arrival,
                framing: Some(framing),
            }),
            self.options.bounds(),
        );
        StreamDriver::new(
            Link {
                io,
                conn: ConnId::new(1),
                moved: (0, 0),
                reads: Arc::default(),
            },
            Dialogue::new(Some(framing), responder),
            Arc::clone(&self.host),
            Arc::new(self.options.clone()),
            self.host.census.enter(usize::MAX).unwrap(),
        )
    }

    fn start(&self, io: MemoryLink, service: &dyn Responders) -> JoinHandle<()> {
        tokio::spawn(self.driver(io, service))
    }

    /// Plays `script` against `service` until both are done; returns the reason of the end.
    async fn play(&mut self, script: ScriptedPeer, service: &dyn Responders) -> String {
        let (io, peer) = script.start();
        let driver = self.start(io, service);
        peer.await.unwrap();
        driver.await.unwrap();
        self.closing().reason
    }

    fn closing(&mut self) -> Closing {
        let mut closing = None;
        self.observer.drain_all(|event, payload| {
            if event.kind() == Kind::Closed {
                closing = Some(Closing::from_payload(payload));
            }
        });
        closing.expect("the end is recorded")
    }
}

fn script() -> ScriptedPeer {
    ScriptedPeer::new()
}

/// A frame cut in three, with a pause inside its header, is one frame and gets one reply.
#[tokio::test(start_paused = true)]
async fn a_frame_cut_in_three_gets_one_reply() {
    let mut scene = Scene::framed("u32be");
    let script = script()
        .sends(b"\x00\x00")
        .waits(Duration::from_millis(40))
        .sends(b"\x00\x05he")
        .sends(b"llo\x00")
        .expects(b"\x00\x00\x00\x05hello")
        .sends(b"\x00\x00\x01!")
        .half_closes()
        .expects(b"\x00\x00\x00\x01!")
        .expects_eof();
    let (io, peer) = script.start();
    let driver = scene.start(io, &Echo);
    peer.await.unwrap();
    driver.await.unwrap();
    let closing = scene.closing();
    assert_eq!((closing.read_bytes, closing.written_bytes), (14, 14));
    assert_eq!((closing.read_messages, closing.written_messages), (2, 2));
    assert_eq!(closing.reason, "");
}

#[tokio::test(start_paused = true)]
async fn a_half_close_gets_every_answer_and_the_last_line_without_an_end() {
    let mut scene = Scene::framed("line");
    let script = script().sends("one\ntwo\nthree").half_closes();
    let script = script.expects("ONE\nTWO\nTHREE\n").expects_eof();
    assert_eq!(scene.play(script, &Upper::default()).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_reading_up_and_loses_nothing() {
    let scene = Scene::new();
    let total = 4 * 1024 * 1024;
    let (io, mut peer) = MemoryLink::pair(1000);
    let driver = scene.driver(io, &Echo);
    let reads = Arc::clone(&driver.link.reads);
    let driver = tokio::spawn(driver);
    let bytes: Vec<u8> = (0..total).map(|at: usize| (at * 7 / 5) as u8).collect();
    // The peer writes until nobody takes any more: two links and one read are all that is held.
    let mut sent = 0;
    loop {
        let write = tokio::time::timeout(SECOND, peer.write(&bytes[sent..]));
        let Ok(written) = write.await else { break };
        sent += written.unwrap();
    }
    assert!(
        sent <= 3000,
        "{sent} bytes were taken from a peer that does not read"
    );
    assert_eq!(reads.load(std::sync::atomic::Ordering::Relaxed), 2);
    let (mut from, mut to) = tokio::io::split(peer);
    let rest = bytes[sent..].to_vec();
    let writer = tokio::spawn(async move {
        to.write_all(&rest).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut got = vec![];
    from.read_to_end(&mut got).await.unwrap();
    writer.await.unwrap();
    assert!(got == bytes, "what came back is what was sent");
    driver.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_buffer_is_answered_in_parts() {
    /// Answers each message with a thousand copies.
    struct Many;
    impl Responder for Many {
        fn on_message(&mut self, _: sockeye_trace::Time, message: &[u8], out: &mut Out<'_>) {
            for _ in 0..1000 {
                out.reply(message);
            }
        }
    }
    let mut scene = Scene::framed("line");
    let line = "x".repeat(99);
    let lines = 40;
    let sends = format!("{line}\n").repeat(lines);
    let expects = format!("{line}\n").repeat(lines * 1000);
    let script = script()
        .sends(sends)
        .half_closes()
        .expects(expects)
        .expects_eof();
    let many = |_: &Peer<'_>| -> Box<dyn Responder> { Box::new(Many) };
    assert_eq!(scene.play(script, &many).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_frame_larger_than_the_read_buffer_comes_back_whole() {
    let mut scene = Scene::framed("u32be");
    let message: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let frame = [&1_000_000_u32.to_be_bytes()[..], &message].concat();
    let all = [&frame[..], &frame, b"\0\0\0\x01!"].concat();
    // The link holds 64 KiB: sending and expecting in turn would wait for ever.
    let (io, peer) = MemoryLink::pair(64 * 1024);
    let (mut from, mut to) = tokio::io::split(peer);
    let sending = all.clone();
    let writer = tokio::spawn(async move {
        to.write_all(&sending).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let driver = scene.start(io, &Echo);
    let mut got = vec![];
    from.read_to_end(&mut got).await.unwrap();
    assert!(got == all);
    writer.await.unwrap();
    driver.await.unwrap();
    assert_eq!(scene.closing().read_messages, 3);
}

#[tokio::test(start_paused = true)]
async fn the_farewell_ends_the_session_after_its_answer() {
    let mut scene = Scene::new();
    scene.options.quit_on = Some(b"exit"[..].into());
    let script = script()
        .sends("hi")
        .expects("HI")
        .sends("exit")
        .expects("exit")
        .expects_eof();
    assert_eq!(
        scene.play(script, &Upper::default()).await,
        "closed by the service"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_still_sends_after_our_close_is_thrown_away_for_a_while() {
    let mut scene = Scene::new();
    scene.options.requests = Some(1);
    // The link has no room for what follows unless somebody reads it.
    let script = script()
        .capacity(64)
        .sends("hi")
        .expects("HI")
        .expects_eof()
        .sends("x".repeat(1000));
    assert_eq!(
        scene.play(script, &Upper::default()).await,
        "closed by the service"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_closes_is_left_in_the_end() {
    let mut scene = Scene::new();
    scene.options.requests = Some(1);
    let started = Instant::now();
    let (io, peer) = script().sends("hi").waits(9 * SECOND).start();
    scene.start(io, &Upper::default()).await.unwrap();
    assert_eq!(started.elapsed(), LINGER_TIMEOUT);
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lingering_has_a_limit_in_bytes() {
    let mut scene = Scene::new();
    scene.options.requests = Some(1);
    let (io, mut peer) = MemoryLink::pair(1024 * 1024);
    let driver = scene.start(io, &Echo);
    peer.write_all(b"x").await.unwrap();
    let chunk = vec![0; 64 * 1024];
    let mut sent = 0;
    while peer.write_all(&chunk).await.is_ok() {
        sent += chunk.len() as u64;
        assert!(sent < 2 * LINGER_BYTES, "somebody reads for ever");
    }
    assert!(sent >= LINGER_BYTES);
    driver.await.unwrap();
    assert_eq!(scene.closing().reason, "closed by the service");
}

#[tokio::test(start_paused = true)]
async fn daytime_speaks_first_and_closes() {
    let mut scene = Scene::new();
    let (io, mut peer) = MemoryLink::pair(1024);
    let driver = scene.start(io, &Daytime::default());
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("\r\n") && text.len() > 30, "{text:?}");
    drop(peer);
    driver.await.unwrap();
    assert_eq!(scene.closing().written_messages, 1);
}

#[tokio::test(start_paused = true)]
async fn chargen_goes_on_until_the_peer_closes_for_good() {
    let mut scene = Scene::new();
    let (io, mut peer) = MemoryLink::pair(64 * 1024);
    let driver = scene.start(io, &Chargen);
    peer.shutdown().await.unwrap();
    let mut got = vec![0; 3 * 1024 * 1024];
    peer.read_exact(&mut got).await.unwrap();
    for (at, pair) in got
        .chunks_exact(74)
        .collect::<Vec<_>>()
        .windows(2)
        .enumerate()
    {
        assert_eq!(pair[0][1..72], pair[1][..71], "line {at} moves on by one");
        assert_eq!(pair[0][72..], *b"\r\n");
    }
    drop(peer);
    driver.await.unwrap();
    assert_eq!(
        scene.closing().reason,
        "the peer closed while it was being answered"
    );
}

#[tokio::test(start_paused = true)]
async fn discard_takes_everything_and_says_nothing() {
    let mut scene = Scene::framed("line,max=16");
    let long = "y".repeat(1000);
    let script = script()
        .sends("a\nb\n")
        .sends(long)
        .sends("\nc\n")
        .half_closes()
        .expects_eof();
    assert_eq!(scene.play(script, &Discard).await, "");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_frame_end_the_connection_and_are_recorded() {
    let mut scene = Scene::framed("u32be");
    let script = script()
        .sends(b"\0\0\0\x02hi")
        .expects(b"\0\0\0\x02hi")
        .sends("rtbu and more");
    let (io, peer) = script.expects_eof().start();
    let driver = scene.start(io, &Echo);
    peer.await.unwrap();
    driver.await.unwrap();
    let (mut bad, mut closing) = (None, None);
    scene
        .observer
        .drain_all(|event, payload| match event.kind() {
            Kind::BadFrame => {
                bad = Some((event.offset, String::from_utf8_lossy(payload).into_owned()));
            }
            Kind::Closed => closing = Some(Closing::from_payload(payload)),
            _ => {}
        });
    let (at, text) = bad.unwrap();
    assert_eq!(at, 6);
    assert!(text.contains("announces 1920230005 bytes"), "{text}");
    assert_eq!(closing.unwrap().reason, text);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_inside_a_frame_says_so() {
    let mut scene = Scene::framed("u32be");
    let reason = scene
        .play(
            script().sends(b"\0\0\0\x05hel").half_closes().expects_eof(),
            &Echo,
        )
        .await;
    assert!(
        reason.starts_with("stream ended at least 2 bytes"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_costs_the_connection_and_has_a_name() {
    let mut scene = Scene::framed("u32be");
    let script = script().sends(b"\0\0\0\x05hel").waits(SECOND).resets();
    assert_eq!(scene.play(script, &Echo).await, "reset by the peer");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let mut scene = Scene::new();
    scene.options.idle_timeout = Some(10 * SECOND);
    let mut busy = script();
    for _ in 0..5 {
        busy = busy.waits(9 * SECOND).sends("x").expects("x");
    }
    let started = Instant::now();
    assert_eq!(scene.play(busy.expects_eof(), &Echo).await, "idle for 10s");
    assert_eq!(started.elapsed().as_secs(), 55);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_begun_has_to_be_completed() {
    let mut scene = Scene::framed("u32be");
    let begun = script()
        .waits(1000 * SECOND)
        .sends(b"\0\0")
        .waits(30 * SECOND)
        .sends(b"\0");
    let started = Instant::now();
    let reason = scene.play(begun.expects_eof(), &Echo).await;
    assert_eq!(reason, "a frame was not complete within 60s");
    assert_eq!(
        started.elapsed().as_secs(),
        1060,
        "each byte does not buy more time"
    );
}

#[tokio::test(start_paused = true)]
async fn each_frame_has_its_own_time() {
    let mut scene = Scene::framed("line");
    let mut slow = script();
    for _ in 0..5 {
        slow = slow
            .sends("he")
            .waits(40 * SECOND)
            .sends("llo\nwo")
            .expects("hello\n");
        slow = slow.waits(40 * SECOND).sends("rld\n").expects("world\n");
    }
    assert_eq!(
        scene.play(slow.half_closes().expects_eof(), &Echo).await,
        ""
    );
}

#[tokio::test(start_paused = true)]
async fn reads_are_as_small_and_as_late_as_asked() {
    let mut scene = Scene::new();
    scene.options.read_size = NonZeroUsize::new(4);
    scene.options.read_pause = Some(SECOND..=SECOND);
    let started = Instant::now();
    let (io, peer) = script()
        .sends("hello there")
        .half_closes()
        .expects("hello there")
        .start();
    let driver = scene.start(io, &Echo);
    peer.await.unwrap();
    driver.await.unwrap();
    let closing = scene.closing();
    assert_eq!((closing.read_messages, closing.read_bytes), (3, 11));
    assert_eq!(
        started.elapsed().as_secs(),
        4,
        "three reads and the empty one waited a second each"
    );
}

#[tokio::test(start_paused = true)]
async fn pauses_are_random_and_repeat_with_the_seed() {
    async fn took(seed: u64) -> Duration {
        let mut scene = Scene::new();
        scene.options.seed = seed;
        scene.options.read_pause = Some(Duration::ZERO..=SECOND);
        let started = Instant::now();
        scene
            .play(
                script().sends("x").expects("x").half_closes().expects_eof(),
                &Echo,
            )
            .await;
        started.elapsed()
    }
    assert_eq!(took(1).await, took(1).await);
    assert_ne!(took(1).await, took(2).await);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_idle_connections_at_once_and_busy_ones_when_they_are_done() {
    let scene = Scene::new();
    let (idle_io, mut idle) = MemoryLink::pair(1024);
    let (busy_io, mut busy) = MemoryLink::pair(1000);
    let drivers = [scene.start(idle_io, &Echo), scene.start(busy_io, &Echo)];
    idle.write_all(b"hi").await.unwrap();
    idle.read_exact(&mut [0; 2]).await.unwrap();
    busy.write_all(&[b'x'; 1900]).await.unwrap();
    tokio::task::yield_now().await;
    let started = Instant::now();
    scene.host.census.announce(Stage::Draining);
    assert_eq!(idle.read(&mut [0; 2]).await.unwrap(), 0);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(
        scene.host.census.count(),
        1,
        "the busy one has something to say"
    );
    let mut got = vec![];
    busy.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, [b'x'; 1900]);
    for driver in drivers {
        driver.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_cuts_what_is_not_done() {
    let mut scene = Scene::new();
    let (io, mut peer) = MemoryLink::pair(10);
    let driver = scene.start(io, &Chargen);
    peer.read_exact(&mut [0; 4]).await.unwrap();
    scene.host.census.announce(Stage::Draining);
    tokio::task::yield_now().await;
    assert!(!driver.is_finished());
    scene.host.census.announce(Stage::Over);
    driver.await.unwrap();
    assert_eq!(
        scene.closing().reason,
        "the server ended before all was sent"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_framed_is_dropped_and_closes() {
    let mut scene = Scene::framed("line");
    let two_lines = crate::reply::Reply::new(b"{}\n{}");
    let reason = scene
        .play(script().sends("hi\n").expects_eof(), &two_lines)
        .await;
    assert!(
        reason.starts_with("the answer cannot be framed: "),
        "{reason}"
    );
}

#[tokio::test]
async fn one_busy_connection_leaves_others_their_turn() {
    let scene = Scene::new();
    let (io, mut peer) = MemoryLink::pair(usize::MAX >> 1);
    // Nothing is answered, so that each step takes one read of this size.
    let total = 3 * TURN * READ_UNANSWERED;
    peer.write_all(&vec![0; total]).await.unwrap();
    let mut driver = Box::pin(scene.driver(io, &Discard));
    let polls = std::future::poll_fn(|cx| {
        let mut polls = 0;
        while driver.link.moved().0 < total as u64 {
            assert!(driver.as_mut().poll(cx).is_pending());
            polls += 1;
        }
        Poll::Ready(polls)
    });
    assert_eq!(polls.await, 3);
}

#[tokio::test(start_paused = true)]
async fn answers_to_bad_frames_are_not_lost_on_a_slow_link() {
    /// Answers what is too long with a question mark and goes on.
    struct Patient;
    impl Responder for Patient {
        fn on_message(&mut self, _: Time, _: &[u8], out: &mut Out<'_>) {
            out.forward();
        }

        fn on_bad_frame(&mut self, _: Time, _: &DecodeError, out: &mut Out<'_>) {
            out.reply(b"?");
        }
    }
    let scene = Scene::framed("line,max=4");
    let (io, peer) = MemoryLink::pair(3);
    let patient = |_: &Peer<'_>| -> Box<dyn Responder> { Box::new(Patient) };
    let driver = scene.start(io, &patient);
    let (mut from, mut to) = tokio::io::split(peer);
    let writer = tokio::spawn(async move {
        to.write_all(b"ok\nmuch too long\nthis as well\nfine\n")
            .await
            .unwrap();
        to.shutdown().await.unwrap();
    });
    let mut got = String::new();
    from.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "ok\n?\n?\nfine\n");
    writer.await.unwrap();
    driver.await.unwrap();
}
