//! One WebSocket: messages over an open stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as Tungstenite, Message};

use super::error::WebSocketError;
use super::subprotocol::Kind;

/// Bytes that a message may have unless the endpoint says otherwise.
pub(crate) const MESSAGE_LIMIT: u32 = 1024 * 1024;

/// What one read takes from the stream. A WebSocket holds a buffer of this size while it is idle,
/// so it is small; a large message is read in pieces of it.
const READ: usize = 8 * 1024;

/// How long a peer that broke the rules may take to read why we close.
const PARTING_TIMEOUT: Duration = Duration::from_secs(1);

/// What such a peer may have sent meanwhile and is thrown away: a close with unread bytes is a reset
/// (RFC 1122, section 4.2.2.13), which could destroy what we said last.
const PARTING_BYTES: usize = 4 * 1024 * 1024;

/// What the endpoint says about a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Everything leaves as a binary message.
    pub(crate) binary: bool,
    /// Bytes that a message of the peer may have.
    pub(crate) limit: u32,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            binary: false,
            limit: MESSAGE_LIMIT,
        }
    }
}

/// A WebSocket, whoever of the two ends we are.
///
/// Pings are answered and fragments joined below. What we send goes out as text where the peer's
/// last message was text, or it has sent none yet, and the bytes are UTF-8; else as binary. A
/// sub-protocol may say which of both it is instead.
#[derive(Debug)]
pub(crate) struct WebSocket<S: AsyncRead + AsyncWrite + Unpin> {
    stream: WebSocketStream<S>,
    is_client: bool,
    subprotocol: Option<Box<str>>,
    /// The kind of what we send, where it is not the peer's last message that decides.
    kind: Option<Kind>,
    /// The kind of the peer's last message.
    speaks_text: bool,
    /// A message was taken and may not have left altogether.
    unflushed: bool,
    /// It is dropped without a word.
    silent: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Open,
    /// We said that we are done; what the peer sends until it says the same still comes.
    Closing,
    /// It is over, and the last things are done for that.
    Parting(Box<Parting>),
    Over,
}

/// The end of a WebSocket.
#[derive(Debug)]
struct Parting {
    /// What is told when all is done; nothing after a good end.
    why: Option<WebSocketError>,
    step: Step,
    /// Bytes of the peer that are still thrown away.
    left: usize,
    patience: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// What we said last leaves.
    Flush,
    /// Our direction is shut down.
    Shut,
    /// The peer is given time to read it.
    Drain,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Speaks on a stream whose upgrade is done, and from which `ahead` was read already.
    pub(crate) async fn new(stream: S, ahead: Vec<u8>, role: Role, manner: Manner) -> Self {
        let limit = Some(manner.limit as usize);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            // A message is offered to the stream as soon as it is taken.
            .write_buffer_size(0)
            .max_frame_size(limit)
            .max_message_size(limit);
        let stream = WebSocketStream::from_partially_read(stream, ahead, role, Some(config)).await;
        Self {
            stream,
            is_client: role == Role::Client,
            subprotocol: None,
            kind: manner.binary.then_some(Kind::Binary),
            speaks_text: true,
            unflushed: false,
            silent: false,
            stage: Stage::Open,
        }
    }

    /// The same, where both ends have agreed on what is spoken, or on nothing.
    pub(crate) fn speaking(mut self, subprotocol: Option<Box<str>>) -> Self {
        let agreed = subprotocol.as_deref().and_then(Kind::of_subprotocol);
        self.kind = agreed.or(self.kind);
        self.subprotocol = subprotocol;
        self
    }

    /// What both ends have agreed to speak.
    pub(crate) fn take_subprotocol(&mut self) -> Option<Box<str>> {
        self.subprotocol.take()
    }

    /// What carries it.
    pub(crate) fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// Whether we asked for it.
    pub(crate) fn is_client(&self) -> bool {
        self.is_client
    }

    /// Sends nothing but binary messages from here on.
    pub(crate) fn set_binary(&mut self) {
        self.kind = Some(Kind::Binary);
    }

    /// Whether dropping it says nothing to the peer; lends what carries it, which has to know too.
    pub(crate) fn set_silent(&mut self, silent: bool) -> &mut S {
        self.silent = silent;
        self.stream.get_mut()
    }

    /// Waits for the next message; nothing after the closing handshake.
    ///
    /// **Errors:** a [`WebSocketError`] within, which the peer was told before; or what the stream
    /// reports.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            match &mut self.stage {
                Stage::Open | Stage::Closing => {}
                Stage::Parting(parting) => {
                    ready!(parting.poll(cx, &mut self.stream));
                    let why = parting.why.take();
                    self.stage = Stage::Over;
                    return Poll::Ready(why.map_or(Ok(None), |why| Err(why.into())));
                }
                Stage::Over => return Poll::Ready(Ok(None)),
            }
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => {
                    self.speaks_text = true;
                    return Poll::Ready(Ok(Some(text.into())));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.speaks_text = false;
                    return Poll::Ready(Ok(Some(bytes)));
                }
                // The codec has its answer to both ready.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    self.part(WebSocketError::of_close(frame.as_ref()));
                }
                Some(Err(error)) => match WebSocketError::of(error) {
                    Ok(error) => self.part(Some(error)),
                    Err(error) => {
                        self.stage = Stage::Over;
                        return Poll::Ready(Err(error));
                    }
                },
                None => self.stage = Stage::Over,
            }
        }
    }

    /// Nothing more will be read as messages.
    fn part(&mut self, why: Option<WebSocketError>) {
        let code = why.as_ref().and_then(WebSocketError::close_code);
        if let Some(code) = code {
            self.say_close(code, why.as_ref());
        }
        self.stage = Stage::Parting(Box::new(Parting {
            why,
            step: Step::Flush,
            // After the peer's own close frame nothing of it is left to come.
            left: code.map_or(0, |_| PARTING_BYTES),
            patience: Box::pin(sleep(PARTING_TIMEOUT)),
        }));
    }

    fn say_close(&mut self, code: CloseCode, why: Option<&WebSocketError>) {
        let reason = why.map(ToString::to_string).unwrap_or_default();
        let frame = CloseFrame {
            code,
            // A control frame holds 125 bytes, two of which are the code.
            reason: reason[..reason.floor_char_boundary(123)].into(),
        };
        // It fails where the stream is broken, and then there is nobody to tell.
        let _ = Pin::new(&mut self.stream).start_send(Message::Close(Some(frame)));
        self.unflushed = true;
    }

    /// Takes one message, whole, and offers it to the stream; what does not leave at once does so by
    /// [`WebSocket::poll_flush`]. Waits while the one before it has not left.
    ///
    /// **Errors:** `EPIPE` once either end has closed; or what the stream reports.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &[u8],
    ) -> Poll<io::Result<()>> {
        if !matches!(self.stage, Stage::Open) {
            return Poll::Ready(Err(closed()));
        }
        ready!(self.poll_flush(cx))?;
        let message = self.message(message);
        let taken = Pin::new(&mut self.stream).start_send(message);
        taken.map_err(on_send)?;
        self.unflushed = true;
        match self.poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn message(&self, bytes: &[u8]) -> Message {
        let as_text = match self.kind {
            Some(kind) => kind == Kind::Text,
            None => self.speaks_text,
        };
        match str::from_utf8(bytes) {
            Ok(text) if as_text => Message::text(text),
            _ => Message::binary(bytes.to_vec()),
        }
    }

    /// Waits until what was taken has left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.unflushed = false;
        Poll::Ready(flushed.map_err(on_send))
    }

    /// Begins the closing handshake, in which a WebSocket ends for both directions. What the peer
    /// sends until it has heard of it can still be read.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.stage, Stage::Open) {
            self.say_close(CloseCode::Normal, None);
            self.stage = Stage::Closing;
        }
        self.poll_flush(cx)
    }
}

impl Parting {
    /// Goes on until nothing is left to do, or for as long as the peer's due.
    fn poll<S>(&mut self, cx: &mut Context<'_>, stream: &mut WebSocketStream<S>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.patience.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.step(cx, stream),
        }
    }

    fn step<S>(&mut self, cx: &mut Context<'_>, stream: &mut WebSocketStream<S>) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match self.step {
                Step::Flush => {
                    if ready!(Pin::new(&mut *stream).poll_flush(cx)).is_err() {
                        return Poll::Ready(());
                    }
                    self.step = Step::Shut;
                }
                Step::Shut => {
                    let shut = ready!(Pin::new(stream.get_mut()).poll_shutdown(cx));
                    if shut.is_err() || self.left == 0 {
                        return Poll::Ready(());
                    }
                    self.step = Step::Drain;
                }
                Step::Drain => {
                    let mut thrown_away = [0; 4096];
                    let mut buf = ReadBuf::new(&mut thrown_away);
                    let read = ready!(Pin::new(stream.get_mut()).poll_read(cx, &mut buf));
                    let got = buf.filled().len();
                    if read.is_err() || got == 0 || got >= self.left {
                        return Poll::Ready(());
                    }
                    self.left -= got;
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for WebSocket<S> {
    /// Says that we go away, as far as that needs no waiting.
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Open) && !self.silent {
            self.say_close(CloseCode::Away, None);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            // Over TLS this says that nothing was cut off.
            let _ = Pin::new(self.stream.get_mut()).poll_shutdown(&mut cx);
        }
    }
}

fn closed() -> io::Error {
    io::Error::from_raw_os_error(libc::EPIPE)
}

fn on_send(error: Tungstenite) -> io::Error {
    match error {
        Tungstenite::Io(error) => error,
        // All that is left means that the WebSocket is over.
        _ => closed(),
    }
}
