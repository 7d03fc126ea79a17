//! One server, for as long as somebody wants to be there: dialled, and dialled again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use sockeye_chat::irc::Message;
use sockeye_frame::{Blame, Framing};
use sockeye_net::{Arrival, Endpoint, Framed, Incoming, Link, Name, NetError, Outgoing};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::client::Told;
use super::model::{FromServer, ServerId};
use crate::context::Context;
use crate::exit::TimedOut;
use crate::trust;

/// Bytes of a line with its tags: 8191 of tags (<https://ircv3.net/specs/extensions/message-tags>),
/// and far more than 512 of the rest.
const LINES: &str = "crlf,max=16KiB";
/// Lines that wait to be written. Twice what the model lets wait for an answer, and some.
const QUEUE: usize = 4_096;
/// Lines that one write carries at most.
const LINES_AT_ONCE: usize = 64;
/// How long dialling may take.
const DIALLING: Duration = Duration::from_secs(30);
/// How long a server may take to let us in.
const WELCOME: Duration = Duration::from_mins(1);
/// After so much silence the server is asked whether it is there.
const SILENCE: Duration = Duration::from_mins(1);
/// So long it has to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Between the first two attempts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Where lines go that the server shall get.
pub(super) type Lines = Sender<Vec<u8>>;

/// A session that runs.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    /// Of the connection, while there is one.
    pub(super) lines: Option<Lines>,
    task: JoinHandle<()>,
}

impl Session {
    pub(super) fn start(
        number: u64,
        server: ServerId,
        dialler: impl Dial,
        teller: Sender<Told>,
    ) -> Self {
        let teller = Teller {
            number,
            server,
            to: teller,
        };
        Self {
            number,
            lines: None,
            task: tokio::spawn(run(dialler, teller)),
        }
    }

    /// Hangs up once what waits has been written.
    pub(super) async fn end(mut self) {
        if self.lines.take().is_none() {
            self.task.abort();
        }
        let mut ends = Aborts(self.task);
        let _ = (&mut ends.0).await;
    }
}

/// A task that does not outlive whoever waits for it.
struct Aborts(JoinHandle<()>);

impl Drop for Aborts {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells of one session.
struct Teller {
    number: u64,
    server: ServerId,
    to: Sender<Told>,
}

impl Teller {
    /// False once nobody listens.
    async fn tell(&self, event: FromServer) -> bool {
        let told = Told::Server(self.number, self.server, event);
        self.to.send(told).await.is_ok()
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Trouble {
    why: String,
    error: anyhow::Error,
    /// Dialling again would bring the same.
    is_final: bool,
}

/// What makes connections.
pub(super) trait Dial: Send + 'static {
    type In: Read;
    type Out: Write;
    fn dial(&mut self) -> impl Future<Output = Result<Wire<Self::In, Self::Out>, Trouble>> + Send;
}

/// A connection, line by line.
pub(super) struct Wire<I, O> {
    incoming: I,
    outgoing: O,
    is_private: bool,
    is_secure: bool,
}

/// Lines that come.
pub(super) trait Read: Send {
    /// The next line; none at the end. Giving up the wait loses nothing.
    fn line(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, String>> + Send;
}

/// Lines that go.
pub(super) trait Write: Send {
    fn feed(&mut self, line: &[u8]) -> Result<(), String>;
    fn flush(&mut self) -> impl Future<Output = Result<(), String>> + Send;
    fn finish(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// How a conversation ended.
enum Over {
    /// It broke; whether the server had let us in.
    Lost { why: String, welcome: bool },
    /// Nobody wants it any more.
    Left,
}

/// Dials until nobody wants it any more.
async fn run(mut dialler: impl Dial, teller: Teller) {
    let mut attempts = 0;
    let mut was_welcome = false;
    loop {
        if !teller.tell(FromServer::Dialling).await {
            return;
        }
        let dialled = match timeout(DIALLING, dialler.dial()).await {
            Ok(dialled) => dialled,
            Err(_) => Err(Trouble {
                why: format!("no connection within {DIALLING:?}"),
                error: TimedOut::answer(DIALLING).into(),
                is_final: false,
            }),
        };
        let trouble = match dialled {
            Ok(wire) => match converse(wire, &teller).await {
                Over::Left => return,
                Over::Lost { why, welcome } => {
                    if welcome {
                        attempts = 0;
                        was_welcome = true;
                    }
                    Trouble {
                        error: anyhow::anyhow!(why.clone()),
                        why,
                        is_final: false,
                    }
                }
            },
            Err(trouble) => trouble,
        };
        if !was_welcome {
            let told = Told::Failed(teller.number, teller.server, trouble.error);
            let _ = teller.to.send(told).await;
        }
        let pause = (!trouble.is_final).then(|| pause(attempts));
        attempts += 1;
        let lost = FromServer::Lost {
            why: trouble.why,
            again_in_ms: pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        };
        let (true, Some(pause)) = (teller.tell(lost).await, pause) else {
            return;
        };
        sleep(pause).await;
    }
}

/// One second, two, four, up to a minute; with a random part, so that a thousand clients do not
/// come back in the same moment.
fn pause(attempts: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.min(10));
    let most = doubled.min(LONGEST_PAUSE).mul_f64(1.5).min(LONGEST_PAUSE);
    let least = doubled.min(LONGEST_PAUSE).mul_f64(0.75).max(FIRST_PAUSE);
    rand::rng().random_range(least..=most.max(least))
}

/// One connection, from its first line to its end.
async fn converse<I: Read, O: Write>(wire: Wire<I, O>, teller: &Teller) -> Over {
    let Wire {
        mut incoming,
        mut outgoing,
        is_private,
        is_secure,
    } = wire;
    let (lines, mut queue) = mpsc::channel(QUEUE);
    let connected = Told::Connected {
        session: teller.number,
        server: teller.server,
        lines,
        is_private,
        is_secure,
    };
    if teller.to.send(connected).await.is_err() {
        return Over::Left;
    }
    let mut life = Life::begin();
    // Whether something was fed that the socket has not taken yet.
    let mut dirty = false;
    loop {
        let why = tokio::select! {
            line = incoming.line() => match line {
                Ok(Some(line)) => {
                    life.hears(&line);
                    let text = text_of(line);
                    if teller.tell(FromServer::Line(text)).await {
                        continue;
                    }
                    return Over::Left;
                }
                Ok(None) => "the server has closed the connection".to_owned(),
                Err(why) => why,
            },
            flushed = outgoing.flush(), if dirty => match flushed {
                Ok(()) => {
                    dirty = false;
                    continue;
                }
                Err(why) => why,
            },
            line = queue.recv(), if !dirty => {
                let Some(line) = line else {
                    leave(&mut incoming, &mut outgoing).await;
                    return Over::Left;
                };
                match feed(&mut outgoing, &line, &mut queue) {
                    Ok(()) => {
                        dirty = true;
                        continue;
                    }
                    Err(why) => why,
                }
            }
            () = sleep_until(life.deadline()) => match life.on_deadline() {
                Ok(ping) => match outgoing.feed(ping) {
                    Ok(()) => {
                        dirty = true;
                        continue;
                    }
                    Err(why) => why,
                },
                Err(why) => why,
            },
        };
        return Over::Lost {
            why,
            welcome: life.welcome,
        };
    }
}

/// Takes what waits, so that one write carries it.
fn feed(
    outgoing: &mut impl Write,
    first: &[u8],
    queue: &mut Receiver<Vec<u8>>,
) -> Result<(), String> {
    outgoing.feed(first)?;
    for _ in 0..LINES_AT_ONCE {
        let Ok(line) = queue.try_recv() else { break };
        outgoing.feed(&line)?;
    }
    Ok(())
}

/// Says that nothing more will come and waits for the server to hang up: what it had still to say
/// would otherwise reset the connection, and with it our last words.
async fn leave(incoming: &mut impl Read, outgoing: &mut impl Write) {
    if outgoing.finish().await.is_ok() {
        while let Ok(Some(_)) = incoming.line().await {}
    }
}

/// Whether the server is still there.
struct Life {
    welcome: bool,
    /// When something came last.
    heard: Instant,
    /// When it was asked whether it is there.
    asked: Option<Instant>,
}

impl Life {
    fn begin() -> Self {
        Self {
            welcome: false,
            heard: Instant::now(),
            asked: None,
        }
    }

    fn hears(&mut self, line: &[u8]) {
        let welcomes = |line| Message::parse(line).is_ok_and(|line| line.is("001"));
        let is_first = !self.welcome && welcomes(line);
        self.welcome |= is_first;
        // Before the welcome only that counts.
        if self.welcome {
            self.heard = Instant::now();
            self.asked = None;
        }
    }

    fn deadline(&self) -> Instant {
        match self.asked {
            _ if !self.welcome => self.heard + WELCOME,
            Some(asked) => asked + ANSWER,
            None => self.heard + SILENCE,
        }
    }

    /// The question that is to be asked, or that it was asked in vain.
    fn on_deadline(&mut self) -> Result<&'static [u8], String> {
        if !self.welcome {
            return Err(format!("the server did not let us in within {WELCOME:?}"));
        }
        if self.asked.is_some() {
            return Err(format!("no sign of life for {:?}", self.heard.elapsed()));
        }
        self.asked = Some(Instant::now());
        Ok(b"PING :are-you-there")
    }
}

/// A line as text; what is not UTF-8 is shown as bytes.
fn text_of(line: Vec<u8>) -> String {
    String::from_utf8(line)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Dials an endpoint.
pub(super) struct Dialler {
    pub(super) context: Context,
    pub(super) endpoint: Endpoint,
    /// Whether a person may be asked about an unknown key.
    pub(super) asks: Arc<AtomicBool>,
}

impl Dial for Dialler {
    type In = Incoming;
    type Out = Outgoing;

    async fn dial(&mut self) -> Result<Wire<Incoming, Outgoing>, Trouble> {
        let linked = if self.asks.load(Ordering::Relaxed) {
            trust::connect(&self.context, &self.endpoint).await
        } else {
            let linked = sockeye_net::connect(&self.context.net, &self.endpoint).await;
            linked.map_err(anyhow::Error::new)
        };
        let link = linked.map_err(|error| Trouble::of(error, &self.context))?;
        let is_secure = self.endpoint.place.scheme().is_secure();
        let is_private = is_secure || is_local(&link);
        let framing: Framing = LINES.parse().expect("it is a framing");
        let (incoming, outgoing) = Framed::new(link, &framing).split();
        Ok(Wire {
            incoming,
            outgoing,
            is_private,
            is_secure,
        })
    }
}

impl Trouble {
    fn of(error: anyhow::Error, context: &Context) -> Self {
        let net = error.chain().find_map(|cause| cause.downcast_ref());
        let is_final =
            net.is_none_or(|net: &NetError| net.is_untrusted() || net.blame() == Blame::Caller);
        let hint = net.and_then(|net| context.ui.hint(net));
        let why = match hint {
            Some(hint) => format!("{error:#}; {hint}"),
            None => format!("{error:#}"),
        };
        Self {
            why,
            error,
            is_final,
        }
    }
}

/// Whether nobody beyond this machine can read along.
fn is_local(link: &Link) -> bool {
    match link.peer_name() {
        Name::Unix { .. } => true,
        Name::Tcp(address) => address.ip().to_canonical().is_loopback(),
        _ => false,
    }
}

impl Read for Incoming {
    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let arrival = match self.next().await {
                Ok(Some(arrival)) => arrival,
                Ok(None) => return Ok(None),
                Err(error) => return Err(format!("{:#}", anyhow::Error::new(error))),
            };
            match arrival {
                // What was cut off is no line: half of a message would be another message.
                Arrival::Message(line) => return Ok(Some(line.to_vec())),
                Arrival::Unterminated(_) => return Ok(None),
                _ => {}
            }
        }
    }
}

impl Write for Outgoing {
    fn feed(&mut self, line: &[u8]) -> Result<(), String> {
        Outgoing::feed(self, line).map_err(|error| error.to_string())
    }

    async fn flush(&mut self) -> Result<(), String> {
        let flushed = Outgoing::flush(self).await;
        flushed.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    }

    async fn finish(&mut self) -> Result<(), String> {
        let finished = Outgoing::finish(self).await;
        finished.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    }
}

#[cfg(test)]
mod tests;
