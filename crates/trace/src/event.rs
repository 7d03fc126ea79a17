//! Events: one fact each, forty bytes, no pointers.

use crate::{Call, Time};

/// Which connection (or datagram session, or listener) of this process an event speaks of.
///
/// Numbers are given once and never again, so a closed connection's events cannot be taken for
/// those of the next one on the same port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl ConnId {
    /// The largest number an event can carry.
    pub const MAX: u64 = (1 << 48) - 1;

    /// The connection with this number.
    ///
    /// # Panics
    /// If `number` is above [`ConnId::MAX`]; at a million connections a second that is nine years.
    pub const fn new(number: u64) -> Self {
        assert!(number <= Self::MAX, "connection numbers have 48 bits");
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The line of a timeline on which an event is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// What a program handed to its socket.
    AppWrite,
    /// What the network carried.
    Wire,
    /// What a program took from its socket.
    AppRead,
    /// The life of the connection itself.
    Life,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// A connection was accepted. Payload: the peer's name, a newline, our own name.
    Accepted,
    /// A connection was made. Payload: the peer's name, a newline, our own name.
    Connected,
    /// The first datagram of a peer opened a session. Payload as for [`Kind::Accepted`].
    SessionOpened,
    /// A read returned: `result` bytes, or minus the errno. Payload: the bytes, capped.
    Read,
    /// A write returned: `result` bytes, or minus the errno. Payload: the bytes, capped.
    Write,
    /// The peer has sent its last byte (an empty read).
    PeerClosed,
    /// Our side of the connection was shut down for writing.
    Shutdown,
    /// The connection, or the session, is over. Payload: a [`Closing`].
    Closed,
    /// A connection was turned away by a limit. Payload: the peer's name, a newline, the limit.
    Refused,
    /// The peer's bytes are no frame. Payload: the error's text.
    BadFrame,
    /// A datagram was longer than the reader's buffer: `result` bytes arrived of `asked`.
    Truncated,
    /// A message could not be sent and is lost. Payload: why.
    Dropped,
    /// Accepting pauses, `result` is minus the errno.
    AcceptPaused,
    /// Accepting goes on.
    AcceptResumed,
    /// The peer may not do what it came for. Payload: why.
    Denied,
    /// A command runs for the peer. Payload: a JSON object with the fields of docs/events.md.
    CommandStarted,
    /// It has ended. Payload: as above.
    CommandEnded,
    /// A command was asked for and not run. Payload: as above.
    CommandRefused,
    /// A file was stored. Payload: a JSON object with the fields of docs/events.md.
    FileStored,
    /// A file was sent. Payload: as above.
    FileSent,
    /// A file was not stored, sent or listed. Payload: as above.
    FileRefused,
    /// A file stopped coming before its end. Payload: as above.
    FileInterrupted,
    /// A system call that moves no bytes returned (`socket`, `bind`, `close` …): `result`, or minus
    /// the errno. Reads and writes of a watched program are [`Kind::Read`] and [`Kind::Write`].
    Called,
    /// A packet passed an interface: `result` is its length there, `asked` the size of the pieces that
    /// it stands for (0: it is one piece). Payload: the packet, capped. The connection is the number
    /// of the interface.
    Packet,
    /// What the kernel's counters say the wire carried where nobody could look: `result` bytes from
    /// `offset` on, in `asked` segments.
    Inferred,
    /// How full a socket's buffers are. Payload: a [`Gauge`](crate::Gauge).
    Gauged,
    /// What a socket is: a [`Side`](crate::Side), as JSON text.
    Side,
    /// What a process is: a [`Process`](crate::Process), as JSON text.
    Process,
    /// What an interface is: an [`Interface`](crate::Interface), as JSON text.
    Interface,
    /// Something could not be seen: a [`Gap`](crate::Gap), as JSON text.
    Gap,
    /// What watching cost: `offset` stops of the watched programs, `asked` nanoseconds each.
    Cost,
    /// Somebody was let into the chat. Payload: a JSON object with the fields of docs/events.md.
    MemberIn,
    /// He is gone. Payload: as above.
    MemberOut,
    /// What a lab says beside what it sees: its steps, socket tables, counters. JSON text.
    Note,
}

impl Kind {
    const ALL: [Self; 34] = [
        Self::Accepted,
        Self::Connected,
        Self::SessionOpened,
        Self::Read,
        Self::Write,
        Self::PeerClosed,
        Self::Shutdown,
        Self::Closed,
        Self::Refused,
        Self::BadFrame,
        Self::Truncated,
        Self::Dropped,
        Self::AcceptPaused,
        Self::AcceptResumed,
        Self::Denied,
        Self::CommandStarted,
        Self::CommandEnded,
        Self::CommandRefused,
        Self::FileStored,
        Self::FileSent,
        Self::FileRefused,
        Self::FileInterrupted,
        Self::Called,
        Self::Packet,
        Self::Inferred,
        Self::Gauged,
        Self::Side,
        Self::Process,
        Self::Interface,
        Self::Gap,
        Self::Cost,
        Self::MemberIn,
        Self::MemberOut,
        Self::Note,
    ];

    /// The kind with this number.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether a full ring may drop it to keep room for the life of connections.
    pub const fn is_data(self) -> bool {
        matches!(
            self,
            Self::Read | Self::Write | Self::Truncated | Self::Dropped
        )
    }

    /// Whether it is one read or write, of which a busy connection makes millions.
    pub const fn is_call(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// The lane it is drawn on.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Read | Self::PeerClosed | Self::Truncated | Self::BadFrame => Lane::AppRead,
            Self::Write | Self::Shutdown | Self::Dropped => Lane::AppWrite,
            Self::Packet | Self::Inferred => Lane::Wire,
            _ => Lane::Life,
        }
    }
}

/// One fact: what happened, when, on which connection, where in its byte stream.
///
/// - **Units:** `time` in nanoseconds since the epoch, `took_ns` in nanoseconds (saturating at 4.3 s),
///   `offset` in bytes from the start of that direction; datagrams count as if laid end to end.
/// - **Limits:** `result` and `asked` stop at 2 GiB, as a Linux read or write does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// When it ended.
    pub time: Time,
    /// Connection in the upper 48 bits, then 8 of the call, 8 of the kind: keeps the event at five words.
    packed: u64,
    /// Where in its direction the bytes begin.
    pub offset: u64,
    /// Bytes, or minus the errno.
    pub result: i32,
    /// Bytes the caller offered, or had room for.
    pub asked: u32,
    /// How long the call took.
    pub took_ns: u32,
    /// How many bytes of payload were copied beside the event.
    pub payload: u32,
}

impl Event {
    /// An event with everything else zero.
    pub const fn new(kind: Kind, conn: ConnId, time: Time) -> Self {
        Self {
            time,
            packed: conn.0 << 16 | kind as u64,
            offset: 0,
            result: 0,
            asked: 0,
            took_ns: 0,
            payload: 0,
        }
    }

    /// The same with its place in the byte stream.
    #[must_use]
    pub const fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// The same with what the call returned.
    #[must_use]
    pub const fn with_result(mut self, result: i32) -> Self {
        self.result = result;
        self
    }

    /// The same with what the call was asked for.
    #[must_use]
    pub const fn with_asked(mut self, asked: u32) -> Self {
        self.asked = asked;
        self
    }

    /// The same with the system call that it was.
    #[must_use]
    pub const fn with_call(mut self, call: Call) -> Self {
        self.packed = self.packed & !0xff00 | (call as u64) << 8;
        self
    }

    /// The same of another connection.
    #[must_use]
    pub const fn with_conn(mut self, conn: ConnId) -> Self {
        self.packed = self.packed & 0xffff | conn.0 << 16;
        self
    }

    /// Which system call it was; [`Call::Untold`] where nobody said.
    pub fn call(&self) -> Call {
        Call::of_number((self.packed >> 8) as u8).unwrap_or_default()
    }

    /// When the call was entered: the end less what it took.
    pub fn began(&self) -> Time {
        self.time - std::time::Duration::from_nanos(self.took_ns.into())
    }

    /// What happened.
    pub fn kind(&self) -> Kind {
        Kind::ALL[(self.packed & 0xff) as usize]
    }

    /// Where it happened.
    pub const fn conn(&self) -> ConnId {
        ConnId(self.packed >> 16)
    }

    pub(crate) fn to_words(self) -> [u64; 5] {
        [
            self.time.as_nanos(),
            self.packed,
            self.offset,
            u64::from(self.result.cast_unsigned()) << 32 | u64::from(self.asked),
            u64::from(self.took_ns) << 32 | u64::from(self.payload),
        ]
    }

    /// The event of words that came from outside; none where the kind is not one of ours.
    pub(crate) fn checked(words: [u64; 5]) -> Option<Self> {
        Kind::of_number(words[1] as u8)?;
        Some(Self::from_words(words))
    }

    pub(crate) fn from_words(words: [u64; 5]) -> Self {
        let [time, packed, offset, call, size] = words;
        Self {
            time: Time::from_nanos(time),
            packed,
            offset,
            result: ((call >> 32) as u32).cast_signed(),
            asked: call as u32,
            took_ns: (size >> 32) as u32,
            payload: size as u32,
        }
    }
}

/// What a connection came to: the payload of [`Kind::Closed`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// Bytes read from the peer.
    pub read_bytes: u64,
    /// Bytes written to the peer.
    pub written_bytes: u64,
    /// Messages read.
    pub read_messages: u64,
    /// Messages written.
    pub written_messages: u64,
    /// Why it ended, for people; empty when the peer simply closed.
    pub reason: String,
}

impl Closing {
    /// As the payload of an event.
    pub fn to_payload(&self) -> Vec<u8> {
        let counts = [
            self.read_bytes,
            self.written_bytes,
            self.read_messages,
            self.written_messages,
        ];
        let mut payload: Vec<u8> = counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        payload.extend_from_slice(self.reason.as_bytes());
        payload
    }

    /// Reads back what [`Closing::to_payload`] wrote; a payload that was cut loses its reason.
    pub fn from_payload(payload: &[u8]) -> Self {
        let (counts, reason) = payload.split_at_checked(32).unwrap_or((&[0; 32], b""));
        let count = |index: usize| {
            let bytes = counts[index * 8..][..8]
                .try_into()
                .expect("eight bytes were sliced");
            u64::from_le_bytes(bytes)
        };
        Self {
            read_bytes: count(0),
            written_bytes: count(1),
            read_messages: count(2),
            written_messages: count(3),
            reason: String::from_utf8_lossy(reason).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_is_forty_bytes() {
        assert_eq!(size_of::<Event>(), 40);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(
                Event::new(kind, ConnId::new(7), Time::default()).kind(),
                kind
            );
        }
    }

    #[test]
    fn a_closing_that_was_cut_is_no_panic() {
        assert_eq!(Closing::from_payload(b"short"), Closing::default());
    }

    proptest! {
        #[test]
        fn words_read_back(
            time: u64, conn in 0..=ConnId::MAX, offset: u64, result: i32, asked: u32, took_ns: u32,
            payload: u32,
        ) {
            let mut event = Event::new(Kind::Closed, ConnId::new(conn), Time::from_nanos(time))
                .with_offset(offset).with_result(result).with_asked(asked);
            event.took_ns = took_ns;
            event.payload = payload;
            prop_assert_eq!(Event::from_words(event.to_words()), event);
            prop_assert_eq!(event.conn().number(), conn);
        }

        #[test]
        fn closings_read_back(
            read_bytes: u64, written_bytes: u64, read_messages: u64, written_messages: u64,
            reason in ".{0,40}",
        ) {
            let closing =
                Closing { read_bytes, written_bytes, read_messages, written_messages, reason };
            prop_assert_eq!(Closing::from_payload(&closing.to_payload()), closing);
        }
    }
}
