//! Sessions with scripted servers, on a clock that does not run by itself.

use std::collections::VecDeque;

use sockeye_testkit::{MemoryLink, RunningPeer, ScriptedPeer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};

use super::*;
use crate::verb::chat::model::ServerId;

/// A script waits for a minute at each line: this much of a silence it sleeps through.
const NEARLY: Duration = Duration::from_secs(55);

/// Servers that answer one after another; none: nobody listens.
struct Scripts(VecDeque<Option<MemoryLink>>);

struct Coming(BufReader<ReadHalf<MemoryLink>>, Vec<u8>);
struct Going(WriteHalf<MemoryLink>, Vec<u8>);

impl Dial for Scripts {
    type In = Coming;
    type Out = Going;

    async fn dial(&mut self) -> Result<Wire<Coming, Going>, Trouble> {
        let Some(link) = self.0.pop_front() else {
            return std::future::pending().await;
        };
        let link = link.ok_or_else(|| Trouble {
            why: "refused".into(),
            error: anyhow::anyhow!("refused"),
            is_final: false,
        })?;
        let (read, write) = split(link);
        Ok(Wire {
            incoming: Coming(BufReader::new(read), vec![]),
            outgoing: Going(write, vec![]),
            is_private: true,
            is_secure: false,
        })
    }
}

impl Read for Coming {
    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let read = self.0.read_until(b'\n', &mut self.1).await;
        read.map_err(|error| error.to_string())?;
        let line = std::mem::take(&mut self.1);
        Ok(line.strip_suffix(b"\r\n").map(<[u8]>::to_vec))
    }
}

impl Write for Going {
    fn feed(&mut self, line: &[u8]) -> Result<(), String> {
        self.1.extend_from_slice(line);
        self.1.extend_from_slice(b"\r\n");
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), String> {
        while !self.1.is_empty() {
            let wrote = self.0.write(&self.1).await;
            let wrote = wrote.map_err(|error| error.to_string())?;
            self.1.drain(..wrote);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), String> {
        self.flush().await?;
        let ended = self.0.shutdown().await;
        ended.map_err(|error| error.to_string())
    }
}

/// A session with these servers, and what it tells.
fn start(scripts: Vec<Option<ScriptedPeer>>) -> (Session, Receiver<Told>, Vec<RunningPeer>) {
    let (mut links, mut peers) = (VecDeque::new(), vec![]);
    for script in scripts {
        links.push_back(script.map(|script| {
            let (link, peer) = script.start();
            peers.push(peer);
            link
        }));
    }
    let (teller, told) = mpsc::channel(100);
    let session = Session::start(1, ServerId::default(), Scripts(links), teller);
    (session, told, peers)
}

/// What is told next, in a few words, and when that is after the beginning; a connection's lines are
/// kept for the test.
async fn next(told: &mut Receiver<Told>, session: &mut Session) -> String {
    match told.recv().await.expect("the session goes on") {
        Told::Server(_, _, FromServer::Dialling) => "dialling".into(),
        Told::Server(_, _, FromServer::Line(line)) => line,
        Told::Server(_, _, FromServer::Lost { why, again_in_ms }) => {
            format!("{why}, again: {}", again_in_ms.is_some())
        }
        Told::Connected { lines, .. } => {
            session.lines = Some(lines);
            "connected".into()
        }
        Told::Failed(..) => "failed".into(),
        other => format!("{other:?}"),
    }
}

async fn expect(told: &mut Receiver<Told>, session: &mut Session, expected: &[&str]) {
    for expected in expected {
        assert_eq!(next(told, session).await, *expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_after_every_kind_of_loss() {
    let welcome = ":s 001 tom :Welcome\r\n";
    let scripts = vec![
        None,
        Some(ScriptedPeer::new().sends(welcome).half_closes()),
        Some(
            ScriptedPeer::new()
                .sends(welcome)
                .sends(":s PING")
                .waits(Duration::from_secs(40))
                .resets(),
        ),
        Some(
            ScriptedPeer::new()
                .sends(welcome)
                .expects("QUIT\r\n")
                .expects_eof(),
        ),
    ];
    let (mut session, mut told, peers) = start(scripts);
    let told = &mut told;
    let refused = ["dialling", "failed", "refused, again: true"];
    expect(told, &mut session, &refused).await;
    let welcomed = ["dialling", "connected", ":s 001 tom :Welcome"];
    expect(told, &mut session, &welcomed).await;
    let closed = "the server has closed the connection, again: true";
    expect(told, &mut session, &[closed]).await;
    expect(told, &mut session, &welcomed).await;
    let reset = next(told, &mut session).await;
    assert!(
        reset.contains("reset") && reset.ends_with("again: true"),
        "{reset}"
    );
    expect(told, &mut session, &welcomed).await;
    session
        .lines
        .as_ref()
        .unwrap()
        .send(b"QUIT".to_vec())
        .await
        .unwrap();
    session.end().await;
    for peer in peers {
        peer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_and_then_left() {
    let script = ScriptedPeer::new()
        .sends(":s 001 tom :Welcome\r\n")
        .waits(Duration::from_secs(50))
        .sends(":s NOTICE tom :still here\r\n")
        .waits(Duration::from_secs(59))
        .sends("PING :x\r\n")
        .waits(NEARLY)
        .expects("PING :are-you-there\r\n")
        .sends(":s PONG s :are-you-there\r\n")
        .waits(NEARLY)
        .expects("PING :are-you-there\r\n")
        .expects_eof();
    let (mut session, mut told, peers) = start(vec![Some(script)]);
    let began = Instant::now();
    let lines = [
        "dialling",
        "connected",
        ":s 001 tom :Welcome",
        ":s NOTICE tom :still here",
        "PING :x",
        ":s PONG s :are-you-there",
        "no sign of life for 90s, again: true",
    ];
    expect(&mut told, &mut session, &lines).await;
    // 50 and 59 seconds with signs of life, then 60 to the answer, then 60 and 30 in vain.
    assert_eq!(began.elapsed().as_secs(), 50 + 59 + 60 + 90);
    for peer in peers {
        peer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_let_us_in_is_left() {
    let script = ScriptedPeer::new()
        .sends(":s NOTICE * :looking up your name\r\n")
        .waits(NEARLY)
        .expects_eof();
    let (mut session, mut told, _peers) = start(vec![Some(script)]);
    let began = Instant::now();
    let lines = [
        "dialling",
        "connected",
        ":s NOTICE * :looking up your name",
        "failed",
        "the server did not let us in within 60s, again: true",
    ];
    expect(&mut told, &mut session, &lines).await;
    assert_eq!(began.elapsed(), WELCOME);
}

#[test]
fn pauses_grow_to_a_minute_and_are_never_shorter_than_a_second() {
    for attempts in 0..100 {
        for _ in 0..100 {
            let pause = pause(attempts);
            assert!((FIRST_PAUSE..=LONGEST_PAUSE).contains(&pause), "{pause:?}");
            assert!(attempts < 10 || pause >= LONGEST_PAUSE.mul_f64(0.75));
        }
    }
}
