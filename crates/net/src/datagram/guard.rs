//! What keeps our answers from hurting a third party.
//!
//! Anybody can write any source address into a datagram, so whoever answers datagrams can be made
//! to flood somebody else, or two services can be made to answer each other for ever. The guard
//! decides about each answer; an answer that it refuses is dropped whole and recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sockeye_trace::Time;

use super::address::Address;
use super::socket::{Socket, SocketKind};

/// echo (RFC 862), daytime (RFC 867), quote of the day (RFC 865), chargen (RFC 864): services that
/// answer whatever comes, our answers included. Port 0 is nobody's: an answer could not arrive.
const ANSWERING_PORTS: [u16; 5] = [0, 7, 13, 17, 19];

/// How long a verdict against a peer holds: its port may pass to somebody harmless.
const REFUSAL_HOLDS: Duration = Duration::from_secs(1);

/// What answers may cost a peer who possibly never asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimits {
    /// Answers to one peer a second; as many may come at once.
    pub answers_a_second: u32,
    /// Answer more often, and with more bytes than came, also peers outside this machine.
    pub amplify: bool,
}

impl GuardLimits {
    /// A thousand answers a second: more than a person or a script asks, and at a full packet each
    /// a little above ten Mbit/s towards a victim who can shut out one source.
    pub const ANSWERS_A_SECOND: u32 = 1000;
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            answers_a_second: Self::ANSWERS_A_SECOND,
            amplify: false,
        }
    }
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The sender gave no name that an answer could go to.
    Unnamed,
    /// The answer would go to a service that answers by itself.
    AnsweringPort(u16),
    /// The answer would go to a listener of ours, in this process or another.
    OurListener(u16),
    /// Raw IP has no ports: an answer to this machine would come back to us.
    OurHost,
    /// The answer would be more than the peer has sent.
    Amplifies {
        /// Bytes that the peer sent so far.
        got: u64,
        /// Bytes that it would have been sent with this answer.
        sent: u64,
    },
    /// The peer got this many answers within a second.
    TooMany(u32),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("the sender has no name to answer to"),
            Self::AnsweringPort(port) => {
                write!(
                    f,
                    "port {port} is never answered: such services answer each other for ever"
                )
            }
            Self::OurListener(port) => {
                write!(
                    f,
                    "port {port} belongs to a listener of ours: they would answer each other"
                )
            }
            Self::OurHost => f.write_str("an answer to this machine itself would come back to us"),
            Self::Amplifies { got, sent } => {
                write!(f, "the peer sent {got} bytes and would get {sent}")
            }
            Self::TooMany(limit) => write!(f, "the peer got {limit} answers within a second"),
        }
    }
}

/// Decides about the answers of one listening socket.
#[derive(Debug)]
pub struct Guard {
    limits: GuardLimits,
    kind: SocketKind,
    /// Tells others, here and in other processes, that the port answers by itself. `None` for what
    /// has no port, and while another process holds the mark of the same port.
    mark: Option<Arc<Mark>>,
    port: Option<u16>,
}

impl Guard {
    /// The guard of a socket that answers by itself; the socket's port is marked as ours.
    ///
    /// # Errors
    /// When no socket can be opened for the mark.
    pub fn new(socket: &Socket, limits: GuardLimits) -> io::Result<Self> {
        let kind = socket.kind();
        let is_udp = matches!(kind, SocketKind::Udp4 | SocketKind::Udp6);
        let port = socket
            .local()
            .socket_addr()
            .map(|inet| inet.port())
            .filter(|_| is_udp);
        let mark = port.map(Mark::take).transpose()?.flatten();
        Ok(Self {
            limits,
            kind,
            mark,
            port,
        })
    }

    /// Whether anything may ever be sent to this peer.
    fn judge(&mut self, peer: &Address) -> Result<(), Refusal> {
        // The process that held the mark of a shared port may be gone: then it is ours to hold.
        if let (None, Some(port)) = (&self.mark, self.port) {
            self.mark = Mark::take(port).unwrap_or_default();
        }
        let Some(inet) = peer.inet() else {
            return if peer.is_named() {
                Ok(())
            } else {
                Err(Refusal::Unnamed)
            };
        };
        if matches!(self.kind, SocketKind::Raw(_)) {
            return if is_of_this_host(inet) {
                Err(Refusal::OurHost)
            } else {
                Ok(())
            };
        }
        if ANSWERING_PORTS.contains(&inet.port()) {
            return Err(Refusal::AnsweringPort(inet.port()));
        }
        if is_marked(inet.port()) && is_of_this_host(inet) {
            return Err(Refusal::OurListener(inet.port()));
        }
        Ok(())
    }
}

/// What one peer sent and got, as far as the guard cares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) got: u64,
    pub(super) sent: u64,
    /// Answers that may leave at once, in nanoseconds of the rate: a token bucket that is
    /// `1 s` deep and from which an answer takes `1 s / answers_a_second`.
    saved: Duration,
    filled: Time,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    None,
    Free,
    Limited,
    Refused(Refusal, Time),
}

impl Account {
    pub(super) fn new(now: Time) -> Self {
        let saved = Duration::from_secs(1);
        Self {
            got: 0,
            sent: 0,
            saved,
            filled: now,
            verdict: Verdict::None,
        }
    }

    /// Decides about an answer of `len` bytes and, if it may leave, enters it.
    pub(super) fn answer(
        &mut self,
        guard: &mut Guard,
        peer: &Address,
        len: usize,
        now: Time,
    ) -> Result<(), Refusal> {
        if let Verdict::None = self.verdict {
            self.verdict = match guard.judge(peer) {
                Err(refusal) => Verdict::Refused(refusal, now),
                Ok(()) if peer.is_unspoofable() || guard.limits.amplify => Verdict::Free,
                Ok(()) => Verdict::Limited,
            };
        }
        match self.verdict {
            Verdict::Refused(refusal, since) => {
                if now.since(since) >= REFUSAL_HOLDS {
                    self.verdict = Verdict::None;
                }
                return Err(refusal);
            }
            Verdict::Limited => self.limit(guard.limits.answers_a_second, len, now)?,
            Verdict::Free | Verdict::None => {}
        }
        self.sent += len as u64;
        Ok(())
    }

    fn limit(&mut self, answers_a_second: u32, len: usize, now: Time) -> Result<(), Refusal> {
        let sent = self.sent + len as u64;
        if sent > self.got {
            return Err(Refusal::Amplifies {
                got: self.got,
                sent,
            });
        }
        self.saved = (self.saved + now.since(self.filled)).min(Duration::from_secs(1));
        self.filled = now;
        let price = Duration::from_secs(1) / answers_a_second.max(1);
        match self.saved.checked_sub(price) {
            Some(rest) if answers_a_second > 0 => self.saved = rest,
            _ => return Err(Refusal::TooMany(answers_a_second)),
        }
        Ok(())
    }
}

/// A Unix datagram socket with the abstract name of a port. Abstract names live in the network
/// namespace, as UDP ports do, and go with the process (unix(7)), so the mark is exact.
#[derive(Debug)]
struct Mark {
    _socket: socket2::Socket,
}

/// The marks of this process: several sockets may share a port.
static MARKS: Mutex<BTreeMap<u16, Weak<Mark>>> = Mutex::new(BTreeMap::new());

impl Mark {
    /// Marks a port as ours; `None` if another process has marked it.
    fn take(port: u16) -> io::Result<Option<Arc<Self>>> {
        let mut marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = marks.get(&port).and_then(Weak::upgrade) {
            return Ok(Some(mark));
        }
        let socket = unix_datagram()?;
        match socket.bind(&mark_name(port)?) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
            Err(error) => return Err(error),
        }
        let mark = Arc::new(Self { _socket: socket });
        marks.retain(|_, mark| mark.strong_count() > 0);
        marks.insert(port, Arc::downgrade(&mark));
        Ok(Some(mark))
    }
}

fn unix_datagram() -> io::Result<socket2::Socket> {
    socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)
}

fn mark_name(port: u16) -> io::Result<socket2::SockAddr> {
    socket2::SockAddr::unix(format!("\0sockeye/udp/{port}"))
}

/// Whether a listener of ours has this port, in whatever process. In doubt it has.
fn is_marked(port: u16) -> bool {
    let asked = unix_datagram().and_then(|probe| probe.connect(&mark_name(port)?));
    asked.map_or_else(
        |error| error.kind() != io::ErrorKind::ConnectionRefused,
        |()| true,
    )
}

/// Whether an address is this machine's own: only those can be bound. In doubt it is.
fn is_of_this_host(mut inet: SocketAddr) -> bool {
    inet.set_port(0);
    inet.ip().is_loopback()
        || UdpSocket::bind(inet).map_or_else(
            |error| error.kind() != io::ErrorKind::AddrNotAvailable,
            |_bound| true,
        )
}
