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
pub(crate) const ANSWERING_PORTS: [u16; 5] = [0, 7, 13, 17, 19];

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
pub(super) struct Guard {
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
    pub(super) fn new(socket: &Socket, limits: GuardLimits) -> io::Result<Self> {
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
pub(crate) struct Mark {
    _socket: socket2::Socket,
}

/// The marks of this process: several sockets may share a port.
static MARKS: Mutex<BTreeMap<u16, Weak<Mark>>> = Mutex::new(BTreeMap::new());

impl Mark {
    /// Marks a port as ours; `None` if another process has marked it.
    pub(crate) fn take(port: u16) -> io::Result<Option<Arc<Self>>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_trace::Recorder;

    fn socket() -> Socket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Socket::new(socket.into(), Recorder::new()).unwrap()
    }

    fn guard(limits: GuardLimits) -> Guard {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        Guard::new(&socket(), limits).unwrap()
    }

    fn peer(text: &str) -> Address {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn services_that_answer_by_themselves_are_never_answered() {
        let mut guard = guard(GuardLimits {
            amplify: true,
            ..GuardLimits::default()
        });
        for port in ANSWERING_PORTS {
            for host in ["127.0.0.1", "192.0.2.1", "[::1]"] {
                let peer = peer(&format!("{host}:{port}"));
                assert_eq!(guard.judge(&peer), Err(Refusal::AnsweringPort(port)));
            }
        }
        assert_eq!(guard.judge(&peer("192.0.2.1:5000")), Ok(()));
        assert_eq!(guard.judge(&Address::UNNAMED), Err(Refusal::Unnamed));
    }

    #[tokio::test]
    async fn listeners_of_ours_are_not_answered_whichever_address_they_write_from() {
        let (ours, theirs) = (socket(), socket());
        let mut guard = Guard::new(&ours, GuardLimits::default()).unwrap();
        let address = theirs.local().socket_addr().unwrap();
        let asking = Address::from(address);
        // A socket that no service answers from is a peer like any other.
        assert_eq!(guard.judge(&asking), Ok(()));
        let marked = Guard::new(&theirs, GuardLimits::default()).unwrap();
        let refused = Err(Refusal::OurListener(address.port()));
        assert_eq!(guard.judge(&asking), refused);
        assert_eq!(
            guard.judge(&peer(&format!("127.0.0.9:{}", address.port()))),
            refused
        );
        // The same port of another host is none of ours.
        assert_eq!(
            guard.judge(&peer(&format!("192.0.2.1:{}", address.port()))),
            Ok(())
        );
        drop(marked);
        assert_eq!(guard.judge(&asking), Ok(()));
    }

    /// What another process has marked is a name that this one did not bind.
    #[tokio::test]
    async fn listeners_of_other_processes_are_not_answered_and_their_marks_are_inherited() {
        let (ours, theirs) = (socket(), socket());
        let port = theirs.local().socket_addr().unwrap().port();
        let foreign = unix_datagram().unwrap();
        foreign.bind(&mark_name(port).unwrap()).unwrap();
        let mut guard = Guard::new(&ours, GuardLimits::default()).unwrap();
        let asking = peer(&format!("127.0.0.1:{port}"));
        assert_eq!(guard.judge(&asking), Err(Refusal::OurListener(port)));

        // Two processes share a port; the one that holds the mark ends, the other takes it over.
        let mut second = Guard::new(&theirs, GuardLimits::default()).unwrap();
        assert!(second.mark.is_none());
        drop(foreign);
        assert_eq!(guard.judge(&asking), Ok(()));
        second.judge(&peer("192.0.2.1:5000")).unwrap();
        assert_eq!(guard.judge(&asking), Err(Refusal::OurListener(port)));
    }

    #[tokio::test]
    async fn a_verdict_against_a_peer_holds_a_second() {
        let (ours, theirs) = (socket(), socket());
        let mut guard = Guard::new(&ours, GuardLimits::default()).unwrap();
        let peer = theirs.local().socket_addr().unwrap();
        let foreign = unix_datagram().unwrap();
        foreign.bind(&mark_name(peer.port()).unwrap()).unwrap();
        let refused = Err(Refusal::OurListener(peer.port()));
        let (peer, mut account) = (Address::from(peer), Account::new(at(0)));
        assert_eq!(account.answer(&mut guard, &peer, 1, at(0)), refused);
        drop(foreign);
        assert_eq!(account.answer(&mut guard, &peer, 1, at(999)), refused);
        assert_eq!(account.answer(&mut guard, &peer, 1, at(1000)), refused);
        assert_eq!(account.answer(&mut guard, &peer, 1, at(1001)), Ok(()));
        assert_eq!(account.sent, 1);
    }

    #[test]
    fn a_peer_outside_never_gets_more_than_it_sent() {
        let mut guard = guard(GuardLimits::default());
        let (peer, mut account) = (peer("192.0.2.1:5000"), Account::new(at(0)));
        account.got = 10;
        assert_eq!(account.answer(&mut guard, &peer, 6, at(0)), Ok(()));
        let refused = Err(Refusal::Amplifies { got: 10, sent: 11 });
        assert_eq!(account.answer(&mut guard, &peer, 5, at(0)), refused);
        assert_eq!(account.answer(&mut guard, &peer, 4, at(0)), Ok(()));
        assert_eq!(account.answer(&mut guard, &peer, 0, at(0)), Ok(()));
        assert_eq!(account.sent, 10);
    }

    #[test]
    fn a_peer_outside_gets_so_many_answers_a_second() {
        let mut guard = guard(GuardLimits {
            answers_a_second: 3,
            amplify: false,
        });
        let (peer, mut account) = (peer("192.0.2.1:5000"), Account::new(at(0)));
        account.got = 1000;
        let mut answer = |millis| account.answer(&mut guard, &peer, 1, at(millis));
        for _ in 0..3 {
            assert_eq!(answer(0), Ok(()));
        }
        assert_eq!(answer(0), Err(Refusal::TooMany(3)));
        assert_eq!(answer(333), Err(Refusal::TooMany(3)));
        assert_eq!(answer(334), Ok(()));
        // However long it waited, it gets no more than a second's answers at once.
        for _ in 0..3 {
            assert_eq!(answer(60_000), Ok(()));
        }
        assert_eq!(answer(60_000), Err(Refusal::TooMany(3)));
    }

    #[test]
    fn loopback_and_allowed_amplification_know_no_limits() {
        let limits = GuardLimits {
            answers_a_second: 1,
            amplify: false,
        };
        let allowed = GuardLimits {
            amplify: true,
            ..limits
        };
        for (limits, text) in [(limits, "127.0.0.1:5000"), (allowed, "192.0.2.1:5000")] {
            let (mut guard, mut account) = (guard(limits), Account::new(at(0)));
            for _ in 0..100 {
                assert_eq!(account.answer(&mut guard, &peer(text), 1000, at(0)), Ok(()));
            }
        }
    }

    #[test]
    fn a_rate_of_zero_answers_nobody_outside() {
        let mut guard = guard(GuardLimits {
            answers_a_second: 0,
            amplify: false,
        });
        let refused = Err(Refusal::TooMany(0));
        let mut account = Account::new(at(0));
        assert_eq!(
            account.answer(&mut guard, &peer("192.0.2.1:5000"), 0, at(0)),
            refused
        );
    }
}
