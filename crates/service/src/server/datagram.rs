//! The datagram driver: one task a socket, which answers a batch of datagrams with a batch.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_net::datagram::{
    Address, Answers, Datagram, GuardLimits, RecvBatch, SendBatch, SessionLimits, Sessions, Socket,
};
use sockeye_trace::{ConnId, Event, Kind, Time};
use tokio::time::Instant;

use super::census::{Place, Stage};
use super::host::{Host, Moved};
use super::lent::lend;
use super::options::Options;
use super::pause::Pause;
use super::reason::Reason;
use super::timer::Timer;
use crate::bounded::Bounded;
use crate::mailbox::{Desk, Emptied, End, Mailbox};
use crate::out::{Outbox, Style};
use crate::{Arrival, Out, Peer, Responder, Responders};

/// Batches that one poll answers before others get their turn.
const TURN: usize = 8;

/// Peers that may not speak to us are told of at most this often: their number is theirs to choose.
const REFUSALS_TOLD: Duration = Duration::from_secs(1);

/// One datagram socket with a responder for each of its peers.
pub(crate) struct DatagramDriver {
    socket: Socket,
    sessions: Sessions<Voice>,
    /// Answers that found no room.
    unsent: SendBatch,
    service: Arc<dyn Responders>,
    host: Arc<Host>,
    options: Arc<Options>,
    place: Place,
    /// Which peers have mail.
    desk: Arc<Desk>,
    /// Whether others ever leave any.
    gets_mail: bool,
    /// What was read and written since the host was told.
    moved: Moved,
    /// Wakes the task for the next session that may have been idle too long, or for the next read.
    timer: Timer,
    pause: Option<Box<Pause>>,
    /// The peer that is served where only one is.
    only: Option<Address>,
    /// When a refusal was last told.
    refusal_told: Option<Time>,
}

/// What one peer is answered by.
struct Voice {
    responder: Box<dyn Responder>,
    /// Whether it knows that it is open.
    greeted: bool,
    /// Where others leave messages for the peer.
    mail: Option<Arc<Mailbox>>,
}

impl Drop for Voice {
    fn drop(&mut self) {
        if let Some(mail) = &self.mail {
            mail.close();
        }
    }
}

impl DatagramDriver {
    /// # Errors
    /// When no socket can be opened for the guard's mark.
    pub(crate) fn new(
        socket: Socket,
        service: Arc<dyn Responders>,
        host: Arc<Host>,
        options: Arc<Options>,
        place: Place,
    ) -> io::Result<Self> {
        let socket = match options.read_size {
            Some(size) => socket.with_read_limit(size.get()),
            None => socket,
        };
        // Who waits before each read wants to see each read.
        let socket = if options.read_pause.is_some() {
            socket.one_by_one()
        } else {
            socket
        };
        let limits = SessionLimits {
            idle: options.idle_timeout.unwrap_or(SessionLimits::IDLE),
            count: options.max_connections,
        };
        let guard = GuardLimits {
            amplify: options.amplify,
            ..GuardLimits::default()
        };
        let pause = options.read_pause.clone();
        Ok(Self {
            sessions: Sessions::new(&socket, limits, guard)?,
            pause: pause.map(|range| Box::new(Pause::new(range, options.seed, 0))),
            socket,
            unsent: SendBatch::default(),
            service,
            host,
            options,
            place,
            desk: Arc::default(),
            gets_mail: false,
            moved: Moved::default(),
            timer: Timer::default(),
            only: None,
            refusal_told: None,
        })
    }

    fn run(&mut self, cx: &mut Context<'_>, draining: bool) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            ready!(self.socket.poll_send(cx, &mut self.unsent))?;
            if draining || self.is_done() {
                return Poll::Ready(Ok(()));
            }
            self.collect(cx);
            if !self.unsent.is_empty() {
                continue;
            }
            if self
                .pause
                .as_ref()
                .is_some_and(|pause| pause.until() > Instant::now())
            {
                return Poll::Pending;
            }
            ready!(RecvBatch::lend(|batch| {
                ready!(self.socket.poll_recv(cx, batch))?;
                self.answer(batch);
                Poll::Ready(io::Result::Ok(()))
            }))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Answers every datagram of the batch, and sends what there is room for.
    fn answer(&mut self, received: &RecvBatch) {
        if let Some(pause) = &mut self.pause {
            pause.again();
        }
        let now = self.host.recorder.now();
        // Limits of sessions are the socket's; all else may have been reloaded.
        self.options = self.host.options();
        SendBatch::lend(|batch| {
            lend(|lent| {
                for datagram in received.datagrams() {
                    if self.admits(datagram.peer, now) {
                        self.answer_one(&datagram, now, batch, &mut lent.outbox);
                    }
                }
            });
            if !self.socket.try_send(batch) {
                self.unsent = std::mem::take(batch);
            }
        });
        self.host.add(std::mem::take(&mut self.moved));
    }

    fn answer_one(
        &mut self,
        datagram: &Datagram<'_>,
        now: Time,
        batch: &mut SendBatch,
        outbox: &mut Outbox,
    ) {
        let Self {
            sessions,
            service,
            host,
            options,
            desk,
            gets_mail,
            moved,
            ..
        } = self;
        let mut session = sessions.on_datagram(datagram, now, |ledger| {
            host.on_accepted();
            let peer = Peer {
                name: ledger.peer(),
                arrival: Arrival::Datagrams,
                framing: None,
            };
            let responder = Bounded::around(service.open(&peer), options.bounds());
            let mail = responder.mailbox();
            if let Some(mail) = &mail {
                *gets_mail = true;
                mail.rings(desk, *ledger.peer());
            }
            Voice {
                responder,
                greeted: false,
                mail,
            }
        });
        let payload = datagram.payload;
        outbox.clear();
        let Voice {
            responder, greeted, ..
        } = &mut *session.value;
        if !std::mem::replace(greeted, true) {
            responder.on_open(now, &mut Out::new(outbox, Style::Messages, payload));
        }
        let mut out =
            Out::new(outbox, Style::Messages, payload).answering(payload, 0..payload.len());
        if !out.is_closed() {
            responder.on_message(now, payload, &mut out);
        }
        moved.read_bytes += payload.len() as u64;
        moved.read_messages += 1;
        send(outbox, payload, &mut session.answers, batch, moved);
        if let Some(ending) = outbox.ending.take() {
            let reason = Reason::of(ending, false).to_string();
            sessions.end(datagram.peer, now, &reason);
        }
    }

    /// Sends what others left for the peers.
    fn collect(&mut self, cx: &Context<'_>) {
        if !self.gets_mail {
            return;
        }
        let rung = self.desk.take(cx.waker());
        if rung.is_empty() {
            return;
        }
        let now = self.host.recorder.now();
        SendBatch::lend(|batch| {
            for peer in rung {
                lend(|lent| self.deliver(&peer, now, batch, &mut lent.outbox));
            }
            if !self.socket.try_send(batch) {
                self.unsent = std::mem::take(batch);
            }
        });
        self.host.add(std::mem::take(&mut self.moved));
    }

    fn deliver(&mut self, peer: &Address, now: Time, batch: &mut SendBatch, outbox: &mut Outbox) {
        let Some(mut session) = self.sessions.of_peer(peer, now) else {
            return;
        };
        let Some(mail) = &session.value.mail else {
            return;
        };
        outbox.clear();
        let Emptied { lost, end } = mail.empty_into(outbox);
        if let Some(lost) = lost {
            self.host.on_lost(session.answers.ledger().conn(), &lost);
        }
        send(outbox, &[], &mut session.answers, batch, &mut self.moved);
        match end {
            Some(End::Finished) => drop(self.sessions.end(peer, now, "the other side closed")),
            Some(End::Broken(reason)) => drop(self.sessions.end(peer, now, &reason)),
            None => {}
        }
    }

    /// Whether this peer is served.
    fn admits(&mut self, peer: &Address, now: Time) -> bool {
        if let Some(limit) = self.options.refusal_of(peer.inet().map(|inet| inet.ip())) {
            self.host.on_refused();
            if self.host.recorder.is_on()
                && self
                    .refusal_told
                    .is_none_or(|told| now.since(told) >= REFUSALS_TOLD)
            {
                self.refusal_told = Some(now);
                let event = Event::new(Kind::Refused, ConnId::default(), now);
                let peer = self.socket.kind().name_of(peer);
                self.host
                    .recorder
                    .record(event, format!("{peer}\n{limit}").as_bytes());
            }
            return false;
        }
        if self.options.once && self.only.is_none() && self.host.is_the_one() {
            self.only = Some(*peer);
        }
        !self.options.once || self.only == Some(*peer)
    }

    /// Whether only one peer is served, and it came and went, or came to another socket.
    fn is_done(&self) -> bool {
        self.options.once && self.host.has_one() && self.sessions.is_empty()
    }

    /// Ends sessions that were idle too long and waits for the next one, or for the next read.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Sessions only ever end later than was thought when the timer was set.
        if self.timer.is_running() && self.pause.is_none() {
            return Poll::Pending;
        }
        let now = self.host.recorder.now();
        let was_empty = self.sessions.is_empty();
        let expires = self
            .sessions
            .expire(now)
            .map(|at| Instant::now() + at.since(now));
        // The one peer that is served was idle too long: nothing else would wake the task.
        if !was_empty && self.is_done() {
            return Poll::Ready(());
        }
        let reads = self.pause.as_ref().map(|pause| pause.until());
        let reads = reads.filter(|until| *until > Instant::now());
        if let Some(deadline) = [expires, reads].into_iter().flatten().min() {
            return self.timer.poll(cx, deadline);
        }
        self.timer.clear();
        Poll::Pending
    }
}

/// Sends what a peer is answered with.
fn send(
    outbox: &Outbox,
    payload: &[u8],
    answers: &mut Answers<'_>,
    batch: &mut SendBatch,
    moved: &mut Moved,
) {
    let mut push = |message: &[u8]| {
        // What the guard refuses is recorded by it and lost.
        if answers.push(batch, message).is_ok() {
            moved.written_bytes += message.len() as u64;
            moved.written_messages += 1;
        }
    };
    if !outbox.forwarded.is_empty() {
        push(&payload[outbox.forwarded.clone()]);
    }
    let mut from = 0;
    for end in &outbox.ends {
        push(&outbox.bytes[std::mem::replace(&mut from, *end)..*end]);
    }
}

impl Future for DatagramDriver {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let stage = this.place.stage(cx.waker());
            let reason = if stage == Stage::Over {
                Reason::Cut
            } else {
                Reason::Drained
            };
            let result = if stage == Stage::Over {
                Poll::Ready(Ok(()))
            } else {
                this.run(cx, stage == Stage::Draining)
            };
            if result.is_ready() {
                let now = this.host.recorder.now();
                this.sessions.end_all(now, &reason.to_string());
                return result;
            }
            ready!(this.poll_timers(cx));
        }
    }
}
