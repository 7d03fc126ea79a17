//! A peer that follows a script: what it sends, when, and what it must get.

use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::MemoryLink;

/// How long a line of a script may take. On a paused clock this costs nothing.
const LINE_DEADLINE: Duration = Duration::from_mins(1);

/// Bytes that each direction of the link between the script and the code under test holds.
const CAPACITY: usize = 64 * 1024;

/// A peer's part of a conversation, line by line; it reads like a packet trace.
///
/// The lines run in order: put what the peer sends without waiting for an answer before what it
/// expects. When the script has ended the peer closes its end.
///
/// ```
/// # use std::time::Duration;
/// # use sockeye_testkit::ScriptedPeer;
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let (mut io, peer) = ScriptedPeer::new()
///     .sends(b"he")
///     .waits(Duration::from_millis(40))
///     .sends(b"llo")
///     .half_closes()
///     .expects(b"HELLO")
///     .expects_eof()
///     .start();
/// let mut all = vec![];
/// io.read_to_end(&mut all).await.unwrap();
/// io.write_all(&all.to_ascii_uppercase()).await.unwrap();
/// drop(io);
/// peer.await.unwrap(); // Names the script line that failed.
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a script does nothing until it is started"]
pub struct ScriptedPeer {
    lines: Vec<Line>,
    capacity: Option<usize>,
}

#[derive(Debug)]
struct Line {
    at: &'static Location<'static>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Sends(Vec<u8>),
    Waits(Duration),
    HalfCloses,
    Expects(Vec<u8>),
    ExpectsEof,
    ExpectsReset,
    Resets,
}

/// A stream that a script can run over.
pub trait ScriptStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ends the stream so that the other end gets a reset.
    fn reset(self) -> io::Result<()>;
}

impl ScriptStream for MemoryLink {
    fn reset(self) -> io::Result<()> {
        Self::reset(self);
        Ok(())
    }
}

impl ScriptStream for TcpStream {
    fn reset(self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl ScriptedPeer {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets each direction hold `bytes` instead of 64 KiB, to make the other end wait.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = Some(bytes);
        self
    }

    /// The peer sends these bytes, in as many pieces as the other end's room asks for.
    #[track_caller]
    pub fn sends(self, bytes: impl AsRef<[u8]>) -> Self {
        self.line(Step::Sends(bytes.as_ref().to_vec()))
    }

    /// The peer does nothing for a while.
    #[track_caller]
    pub fn waits(self, pause: Duration) -> Self {
        self.line(Step::Waits(pause))
    }

    /// The peer will send no more, but still reads.
    #[track_caller]
    pub fn half_closes(self) -> Self {
        self.line(Step::HalfCloses)
    }

    /// The peer must get exactly these bytes next, in any number of pieces.
    #[track_caller]
    pub fn expects(self, bytes: impl AsRef<[u8]>) -> Self {
        self.line(Step::Expects(bytes.as_ref().to_vec()))
    }

    /// The other end must have half-closed or closed, with no bytes before.
    #[track_caller]
    pub fn expects_eof(self) -> Self {
        self.line(Step::ExpectsEof)
    }

    /// The other end must have reset the stream.
    #[track_caller]
    pub fn expects_reset(self) -> Self {
        self.line(Step::ExpectsReset)
    }

    /// The peer resets the stream; no line can follow.
    #[track_caller]
    pub fn resets(self) -> Self {
        self.line(Step::Resets)
    }

    /// Runs the script over a link in memory; returns the code's end of it and the running peer.
    /// Needs a tokio runtime; its clock may be paused.
    pub fn start(self) -> (MemoryLink, RunningPeer) {
        let (ours, theirs) = MemoryLink::pair(self.capacity.unwrap_or(CAPACITY));
        let peer = self.start_over(theirs);
        (ours, peer)
    }

    /// Runs the script over a stream that is already connected.
    ///
    /// Not on a paused clock if the stream is a socket: an idle runtime lets the clock jump ahead
    /// while the kernel still carries the bytes.
    pub fn start_over(self, stream: impl ScriptStream) -> RunningPeer {
        RunningPeer {
            task: tokio::spawn(self.run(stream)),
        }
    }

    #[track_caller]
    fn line(mut self, step: Step) -> Self {
        self.lines.push(Line {
            at: Location::caller(),
            step,
        });
        self
    }

    async fn run(self, stream: impl ScriptStream) -> Result<(), ScriptError> {
        let mut stream = Some(stream);
        for (index, line) in self.lines.into_iter().enumerate() {
            let wrong = |what| ScriptError {
                number: index + 1,
                at: line.at,
                what,
            };
            if let Step::Waits(pause) = line.step {
                tokio::time::sleep(pause).await;
                continue;
            }
            let shown = line.step.to_string();
            match timeout(LINE_DEADLINE, line.step.play(&mut stream)).await {
                Ok(Ok(())) => {}
                Ok(Err(what)) => return Err(wrong(format!("{shown}, but {what}"))),
                Err(_) => {
                    return Err(wrong(format!(
                        "{shown}, but nothing more happened for a minute"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Step {
    async fn play<S: ScriptStream>(self, stream: &mut Option<S>) -> Result<(), String> {
        if matches!(self, Self::Resets) {
            let stream = stream.take().ok_or("the stream was reset before")?;
            return stream.reset().map_err(|error| error.to_string());
        }
        let stream = stream.as_mut().ok_or("the stream was reset before")?;
        match self {
            Self::Sends(bytes) => stream.write_all(&bytes).await.map_err(|e| e.to_string()),
            Self::HalfCloses => stream.shutdown().await.map_err(|e| e.to_string()),
            Self::Expects(bytes) => expect(stream, &bytes).await,
            Self::ExpectsEof => match stream.read(&mut [0; 64]).await {
                Ok(0) => Ok(()),
                Ok(got) => Err(format!("{got} or more bytes came")),
                Err(error) => Err(error.to_string()),
            },
            Self::ExpectsReset => match stream.read(&mut [0; 64]).await {
                Ok(0) => Err("the stream ended in order".to_owned()),
                Ok(got) => Err(format!("{got} or more bytes came")),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Self::Waits(_) | Self::Resets => unreachable!("both are played before this match"),
        }
    }
}

/// Reads no byte more than `bytes` holds: the rest belongs to the next line of the script.
async fn expect(stream: &mut (impl AsyncRead + Unpin), bytes: &[u8]) -> Result<(), String> {
    let mut got = vec![];
    while got.len() < bytes.len() {
        let mut room = vec![0; bytes.len() - got.len()];
        let read = stream.read(&mut room).await;
        let after = || format!("after \"{}\"", got.escape_ascii());
        match read {
            Ok(0) => return Err(format!("the stream ended {}", after())),
            Err(error) => return Err(format!("{error} {}", after())),
            Ok(read) => got.extend_from_slice(&room[..read]),
        }
        if !bytes.starts_with(&got) {
            return Err(format!("got \"{}\"", got.escape_ascii()));
        }
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sends(bytes) => write!(f, "sends \"{}\"", bytes.escape_ascii()),
            Self::Waits(pause) => write!(f, "waits {pause:?}"),
            Self::HalfCloses => f.write_str("half-closes"),
            Self::Expects(bytes) => write!(f, "expects \"{}\"", bytes.escape_ascii()),
            Self::ExpectsEof => f.write_str("expects the end"),
            Self::ExpectsReset => f.write_str("expects a reset"),
            Self::Resets => f.write_str("resets"),
        }
    }
}

/// A script that is being played; awaiting it gives the verdict.
#[derive(Debug)]
#[must_use = "await it: it knows whether the script held"]
pub struct RunningPeer {
    task: JoinHandle<Result<(), ScriptError>>,
}

impl Future for RunningPeer {
    type Output = Result<(), ScriptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task)
            .poll(cx)
            .map(|joined| joined.expect("a script never panics"))
    }
}

/// The line of a script that did not hold.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptError {
    number: usize,
    at: &'static Location<'static>,
    what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, what } = self;
        write!(
            f,
            "script line {number} ({}:{}): the peer {what}",
            at.file(),
            at.line()
        )
    }
}

/// The same text as `Display`, because `unwrap` prints this one.
impl fmt::Debug for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ScriptError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the script against an echo and returns the verdict.
    async fn against_echo(script: ScriptedPeer) -> Result<(), ScriptError> {
        let (mut io, peer) = script.start();
        let mut chunk = [0; 16];
        while let Ok(got @ 1..) = io.read(&mut chunk).await {
            io.write_all(&chunk[..got]).await.ok();
        }
        drop(io);
        peer.await
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_that_holds_is_silent() {
        let pause = Duration::from_hours(1);
        let script = ScriptedPeer::new()
            .sends(b"he")
            .waits(pause)
            .sends("llo")
            .expects(b"hello")
            .half_closes();
        assert_eq!(against_echo(script.expects_eof()).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_that_fails_is_named() {
        let script = ScriptedPeer::new().sends(b"hello").expects(b"help!");
        let line = line!() - 1;
        let expected = format!(
            "script line 2 ({}:{line}): the peer expects \"help!\", but got \"hello\"",
            file!()
        );
        assert_eq!(
            against_echo(script).await.unwrap_err().to_string(),
            expected
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_a_failure_and_costs_no_real_time() {
        let error = against_echo(ScriptedPeer::new().sends(b"a").expects(b"ab"))
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("but nothing more happened for a minute"),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_where_the_end_was_expected_are_a_failure() {
        let error = against_echo(ScriptedPeer::new().sends(b"a").expects_eof())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("expects the end, but 1 or more bytes came"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_reset_reaches_a_memory_link_and_a_tcp_socket() {
        let (mut io, peer) = ScriptedPeer::new().resets().start();
        assert_eq!(
            io.read_u8().await.unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        peer.await.unwrap();

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        ScriptedPeer::new()
            .sends(b"x")
            .resets()
            .start_over(accepted)
            .await
            .unwrap();
        let mut all = vec![];
        let error = client.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
