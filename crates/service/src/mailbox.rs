//! What others leave for a peer that has not asked: how connections reach each other.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use sockeye_frame::{Framing, Unencodable};
use sockeye_net::datagram::Address;

use crate::out::{BATCH, Outbox};
use crate::spare;

/// Bytes that may wait for one peer. A message that finds no room is lost, counted, and told of;
/// nobody waits for the peer.
pub const MAILBOX_BYTES: usize = 1024 * 1024;

/// From here on whoever can wait should: one batch.
const ENOUGH: usize = BATCH;

/// Something is in the box, or its end has come.
const MAIL: u8 = 1;
/// The peer is not to be read from.
const HELD: u8 = 2;
/// Nobody empties the box any more.
const GONE: u8 = 4;

/// Where others leave messages for one peer; its driver empties it.
///
/// It is also where they can stop the peer for a while: who is held is not read from, and so slows
/// down by himself.
#[derive(Debug)]
pub struct Mailbox {
    flags: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How messages become bytes; `None` where the socket keeps their boundaries.
    framing: Option<Framing>,
    bytes: Vec<u8>,
    /// Where each message ends, where boundaries matter.
    ends: Vec<usize>,
    messages: u64,
    /// Messages that were lost since the driver last looked.
    lost: u64,
    /// Why the first of them was, unless there was no room for it.
    lost_why: Option<Unencodable>,
    end: Option<End>,
    /// Tells the driver.
    bell: Bell,
    /// Peers that are held until the box is emptied.
    held: Vec<Arc<Mailbox>>,
}

/// How the driver of a peer hears of mail.
#[derive(Debug)]
enum Bell {
    /// It does not yet.
    None,
    /// The peer has a task of its own.
    Task(Waker),
    /// The peer shares a socket with others.
    Desk(Arc<Desk>, Address),
}

/// How a mailbox ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more will come: the peer is told so when all is sent.
    Finished,
    /// The connection is to be broken off.
    Broken(Cow<'static, str>),
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It waits for the peer.
    Taken,
    /// It waits for the peer, and so much else does that whoever can wait should.
    Enough,
    /// There was no room for it: it is lost, and counted.
    Lost,
    /// The framing cannot carry it: it is lost, and counted.
    Unencodable(Unencodable),
    /// The peer is gone.
    Gone,
}

/// What [`Mailbox::empty_into`] found beside messages.
#[derive(Debug)]
pub(crate) struct Emptied {
    /// Messages that were lost since it was last asked.
    pub(crate) lost: Option<Lost>,
    /// How the mailbox ended, if it has.
    pub(crate) end: Option<End>,
}

/// Messages that were lost.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) messages: u64,
    /// Why the first of them was, unless there was no room for it.
    why: Option<Unencodable>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = match self.messages {
            1 => "a message".to_owned(),
            many => format!("{many} messages"),
        };
        match &self.why {
            Some(why) => write!(f, "{messages} cannot be framed: {why}"),
            None => write!(f, "{messages} found no room: the peer reads too slowly"),
        }
    }
}

impl State {
    /// What the messages take, the empty ones too.
    fn held_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&self.ends[..])
    }

    fn encode(&mut self, message: &[u8]) -> Result<(), Unencodable> {
        let Some(framing) = &self.framing else {
            self.bytes.extend_from_slice(message);
            return Ok(());
        };
        framing.encode(message, &mut self.bytes)
    }
}

impl Mailbox {
    /// An empty box for a peer with this framing; without one its socket keeps boundaries.
    pub fn new(framing: Option<Framing>) -> Arc<Self> {
        let state = State {
            framing,
            bytes: vec![],
            ends: vec![],
            messages: 0,
            lost: 0,
            lost_why: None,
            end: None,
            bell: Bell::None,
            held: vec![],
        };
        Arc::new(Self {
            flags: AtomicU8::new(0),
            state: Mutex::new(state),
        })
    }

    /// Leaves a message, if there is room.
    pub fn post(&self, message: &[u8]) -> Posted {
        self.add(message.len(), MAILBOX_BYTES, |state| state.encode(message))
    }

    /// Leaves a message in any case: whoever does so waits when there is enough, by
    /// [`hold_until_emptied`](Self::hold_until_emptied).
    pub(crate) fn post_surely(&self, message: &[u8]) -> Posted {
        self.add(message.len(), usize::MAX, |state| state.encode(message))
    }

    /// Leaves a message that is encoded already, as the box's own framing does it.
    pub(crate) fn post_encoded(&self, frame: &[u8]) -> Posted {
        self.add(frame.len(), MAILBOX_BYTES, |state| {
            state.bytes.extend_from_slice(frame);
            Ok(())
        })
    }

    /// Leaves what goes ahead of a body of `body` bytes, in any case.
    pub(crate) fn post_head(&self, header: &[u8], body: u64) -> Posted {
        self.add(header.len(), usize::MAX, |state| match &state.framing {
            Some(framing) => framing.encode_head(header, body, &mut state.bytes),
            None => Err(Unencodable::NotStreamed),
        })
    }

    /// Leaves a piece of the body that [`post_head`](Self::post_head) announced, in any case.
    pub(crate) fn post_body(&self, chunk: &[u8], left: u64) -> Posted {
        self.add(chunk.len(), usize::MAX, |state| {
            // The body belongs to the message of its head.
            state.messages -= 1;
            state.bytes.extend_from_slice(chunk);
            if let (Some(framing), 0) = (&state.framing, left) {
                framing.encode_tail(&mut state.bytes);
            }
            Ok(())
        })
    }

    fn add(
        &self,
        len: usize,
        limit: usize,
        write: impl FnOnce(&mut State) -> Result<(), Unencodable>,
    ) -> Posted {
        let mut state = self.lock();
        if self.flags() & GONE != 0 || state.end.is_some() {
            return Posted::Gone;
        }
        // A message that is larger than the box still passes, alone.
        if state.messages > 0 && state.held_bytes() + len > limit {
            return self.lose(state);
        }
        // A frame's header and delimiter are a few bytes; `encode` makes room if that is too little.
        spare::reserve(&mut state.bytes, len + 16);
        state.messages += 1;
        if let Err(error) = write(&mut state) {
            state.messages -= 1;
            if state.lost == 0 {
                state.lost_why = Some(error.clone());
            }
            let _ = self.lose(state);
            return Posted::Unencodable(error);
        }
        if state.framing.is_none() {
            let end = state.bytes.len();
            state.ends.push(end);
        }
        let posted = if state.held_bytes() < ENOUGH {
            Posted::Taken
        } else {
            Posted::Enough
        };
        self.ring(&state);
        posted
    }

    /// Counts a message that is lost before it could be left here.
    pub(crate) fn count_lost(&self) {
        let _ = self.lose(self.lock());
    }

    fn lose(&self, mut state: MutexGuard<'_, State>) -> Posted {
        state.lost += 1;
        self.ring(&state);
        Posted::Lost
    }

    /// Nothing more will come: the peer is told so when all is sent.
    pub fn finish(&self) {
        self.end(End::Finished);
    }

    /// Breaks the peer's connection off.
    pub(crate) fn break_off(&self, reason: impl Into<Cow<'static, str>>) {
        self.end(End::Broken(reason.into()));
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        // Breaking off outdoes finishing, nothing else takes an end back.
        if state.end.is_none() || matches!(end, End::Broken(_)) {
            state.end = Some(end);
            self.ring(&state);
        }
    }

    /// Tells the driver, once until it looks.
    fn ring(&self, state: &State) {
        if self.flags.fetch_or(MAIL, Ordering::AcqRel) & MAIL == 0 {
            state.bell.ring();
        }
    }

    /// Does not read from `peer` until this box has been emptied.
    pub(crate) fn hold_until_emptied(&self, peer: &Arc<Self>) {
        let mut state = self.lock();
        if self.flags() & GONE == 0 && state.held_bytes() > 0 && !peer.is_held() {
            peer.hold();
            state.held.push(Arc::clone(peer));
        }
    }

    /// Does not read from the peer for now.
    pub(crate) fn hold(&self) {
        self.flags.fetch_or(HELD, Ordering::AcqRel);
    }

    /// Reads from the peer again.
    pub(crate) fn release(&self) {
        self.flags.fetch_and(!HELD, Ordering::AcqRel);
        self.lock().bell.ring();
    }

    /// Whether the peer is not to be read from.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.flags() & HELD != 0
    }

    /// Whether there is anything in it.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.flags() & MAIL != 0
    }

    /// Wakes this task when something is left.
    pub(crate) fn wakes(&self, waker: &Waker) {
        self.lock().bell = Bell::Task(waker.clone());
    }

    /// Tells the desk of a shared socket when something is left.
    pub(crate) fn rings(&self, desk: &Arc<Desk>, peer: Address) {
        let mut state = self.lock();
        state.bell = Bell::Desk(Arc::clone(desk), peer);
        if self.has_mail() {
            state.bell.ring();
        }
    }

    /// Moves all that was left into an empty outbox.
    pub(crate) fn empty_into(&self, outbox: &mut Outbox) -> Emptied {
        let mut state = self.lock();
        self.flags.fetch_and(!MAIL, Ordering::AcqRel);
        if state.bytes.capacity() > spare::SMALL && outbox.bytes.is_empty() {
            std::mem::swap(&mut outbox.bytes, &mut state.bytes);
            spare::give(std::mem::take(&mut state.bytes));
        } else {
            outbox.bytes.extend_from_slice(&state.bytes);
            state.bytes.clear();
        }
        outbox.ends.extend_from_slice(&state.ends);
        outbox.messages += std::mem::take(&mut state.messages);
        state.ends.clear();
        state.ends.shrink_to(spare::SMALL / size_of::<usize>());
        let held = std::mem::take(&mut state.held);
        let why = state.lost_why.take();
        let messages = std::mem::take(&mut state.lost);
        let lost = (messages > 0).then_some(Lost { messages, why });
        let emptied = Emptied {
            lost,
            end: state.end.clone(),
        };
        drop(state);
        for peer in held {
            peer.release();
        }
        emptied
    }

    /// The peer is gone: nobody empties the box any more.
    pub(crate) fn close(&self) {
        self.flags.fetch_or(GONE, Ordering::AcqRel);
        let mut state = self.lock();
        (state.bytes, state.ends, state.bell) = (vec![], vec![], Bell::None);
        let held = std::mem::take(&mut state.held);
        drop(state);
        for peer in held {
            peer.release();
        }
    }

    #[inline]
    fn flags(&self) -> u8 {
        self.flags.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    fn ring(&self) {
        match self {
            Self::None => {}
            Self::Task(waker) => waker.wake_by_ref(),
            Self::Desk(desk, peer) => desk.ring(*peer),
        }
    }
}

/// Which peers of a shared socket have mail.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    state: Mutex<(Vec<Address>, Option<Waker>)>,
}

impl Desk {
    fn ring(&self, peer: Address) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push(peer);
        if let Some(waker) = &state.1 {
            waker.wake_by_ref();
        }
    }

    /// Takes the peers that have mail; wakes the task when there are more.
    pub(crate) fn take(&self, waker: &Waker) -> Vec<Address> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.get_or_insert_with(|| waker.clone());
        std::mem::take(&mut state.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(mailbox: &Mailbox) -> (Vec<u8>, Vec<usize>, u64, Emptied) {
        let mut outbox = Outbox::default();
        let emptied = mailbox.empty_into(&mut outbox);
        (outbox.bytes, outbox.ends, outbox.messages, emptied)
    }

    #[test]
    fn messages_wait_framed_and_in_order() {
        let mailbox = Mailbox::new(Some(Framing::line()));
        assert_eq!(mailbox.post(b"one"), Posted::Taken);
        assert_eq!(mailbox.post_encoded(b"two\n"), Posted::Taken);
        assert!(matches!(mailbox.post(b"no\nline"), Posted::Unencodable(_)));
        mailbox.finish();
        assert_eq!(mailbox.post(b"late"), Posted::Gone);
        assert!(mailbox.has_mail());
        let (bytes, ends, messages, emptied) = empty(&mailbox);
        assert_eq!(
            (&bytes[..], ends.len(), messages),
            (&b"one\ntwo\n"[..], 0, 2)
        );
        let lost = emptied.lost.unwrap().to_string();
        assert_eq!(
            lost,
            "a message cannot be framed: the message holds the delimiter at byte 2"
        );
        assert_eq!(emptied.end, Some(End::Finished));
        assert!(!mailbox.has_mail());
    }

    #[test]
    fn datagrams_keep_their_ends_the_empty_one_too() {
        let mailbox = Mailbox::new(None);
        for message in [&b"ab"[..], b"", b"c"] {
            assert_eq!(mailbox.post(message), Posted::Taken);
        }
        let (bytes, ends, messages, _) = empty(&mailbox);
        assert_eq!(
            (&bytes[..], &ends[..], messages),
            (&b"abc"[..], &[2, 2, 3][..], 3)
        );
    }

    #[test]
    fn a_full_box_loses_and_counts() {
        let mailbox = Mailbox::new(Some(Framing::raw()));
        let message = vec![0; MAILBOX_BYTES / 4];
        let posted: Vec<Posted> = (0..6).map(|_| mailbox.post(&message)).collect();
        let enough = Posted::Enough;
        assert_eq!(
            posted[..4],
            [enough.clone(), enough.clone(), enough.clone(), enough]
        );
        assert_eq!(posted[4..], [Posted::Lost, Posted::Lost]);
        assert_eq!(empty(&mailbox).3.lost.unwrap().messages, 2);
        let huge = vec![0; 2 * MAILBOX_BYTES];
        assert_eq!(
            mailbox.post(&huge),
            Posted::Enough,
            "alone, what is larger than the box passes"
        );
    }

    #[test]
    fn empty_datagrams_fill_a_box_too() {
        let mailbox = Mailbox::new(None);
        let most = MAILBOX_BYTES / size_of::<usize>();
        let taken = (0..2 * most)
            .take_while(|_| mailbox.post(b"") != Posted::Lost)
            .count();
        assert_eq!(taken, most + 1);
    }

    #[test]
    fn who_is_held_is_let_go_when_the_box_is_emptied_or_closed() {
        let (from, to) = (Mailbox::new(None), Mailbox::new(None));
        to.hold_until_emptied(&from);
        assert!(!from.is_held(), "an empty box holds nobody up");
        for end in [|to: &Mailbox| drop(empty(to)), Mailbox::close] {
            let _ = to.post(b"x");
            to.hold_until_emptied(&from);
            assert!(from.is_held());
            end(&to);
            assert!(!from.is_held());
        }
        assert_eq!(to.post(b"x"), Posted::Gone);
    }

    #[test]
    fn a_streamed_body_is_one_message() {
        let mailbox = Mailbox::new(Some("u8,max=2,max-body=9".parse().unwrap()));
        assert_eq!(mailbox.post_head(b"", 4), Posted::Taken);
        assert_eq!(mailbox.post_body(b"ab", 2), Posted::Taken);
        assert_eq!(mailbox.post_body(b"cd", 0), Posted::Taken);
        let (bytes, _, messages, _) = empty(&mailbox);
        assert_eq!((&bytes[..], messages), (&b"\x04abcd"[..], 1));
    }

    #[test]
    fn a_shared_socket_hears_once_of_each_peer() {
        let desk = Arc::new(Desk::default());
        let peer = Address::from("127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap());
        let mailbox = Mailbox::new(None);
        let _ = mailbox.post(b"early");
        mailbox.rings(&desk, peer);
        let _ = mailbox.post(b"more");
        assert_eq!(desk.take(Waker::noop()), [peer]);
        empty(&mailbox);
        let _ = mailbox.post(b"again");
        assert_eq!(desk.take(Waker::noop()), [peer]);
    }
}
