//! Messages go out as datagrams (or packets of a sequence) and come back.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::error::{BenchError, Ending};
use super::kernel::{self, Batch};
use super::pace::Pace;
use super::plan::{Load, nanos};
use super::poller::{Poller, Ready};
use super::tally::Tally;

/// Datagrams a call.
const BATCH: usize = 64;
/// The largest UDP payload over IPv4: 65,535 less both headers (RFC 768, RFC 791).
const LARGEST: usize = 65_507;
/// Segments that the kernel cuts one send into (UDP_MAX_SEGMENTS; 64 before Linux 6.9).
const SEGMENTS: usize = 64;
/// Reads of joined datagrams are large, so fewer of them make a batch.
const JOINED_BATCH: usize = 16;

/// A message that is out.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The message's number and one; zero if nobody waits here.
    taken: u64,
    sent_at: u64,
}

#[derive(Debug)]
struct Flow {
    conn: u32,
    socket: Option<OwnedFd>,
    /// The first number that was not sent.
    next: u64,
    /// Messages that are out, by the low bits of their numbers.
    slots: Vec<Slot>,
    /// Those whose place a later message has taken: what was lost must not hold the others up.
    stragglers: Vec<Slot>,
    out: u64,
    blocked: bool,
}

impl Flow {
    fn slot(&mut self, number: u64) -> &mut Slot {
        let mask = self.slots.len() - 1;
        &mut self.slots[number as usize & mask]
    }

    /// How many more may leave before `until` with a window of `depth`.
    fn room(&self, depth: u64, until: u64) -> usize {
        let window = depth.saturating_sub(self.out);
        window.min(until.saturating_sub(self.next)) as usize
    }

    /// Notes that the next message left.
    fn sent(&mut self, sent_at: u64) {
        let taken = self.next + 1;
        let before = std::mem::replace(self.slot(self.next), Slot { taken, sent_at });
        if before.taken != 0 {
            self.stragglers.push(before);
        }
        self.next = taken;
        self.out += 1;
    }

    /// Frees the place of a message that came back, and says when it was sent; nothing if nobody
    /// waits for it any more.
    fn answered(&mut self, number: u64) -> Option<u64> {
        let taken = number + 1;
        let slot = self.slot(number);
        let place = if slot.taken == taken {
            std::mem::take(slot)
        } else {
            let at = self
                .stragglers
                .iter()
                .position(|slot| slot.taken == taken)?;
            self.stragglers.swap_remove(at)
        };
        self.out -= 1;
        Some(place.sent_at)
    }

    /// Gives up the messages that left before `limit`, and says how many they were.
    fn give_up(&mut self, oldest: u64) -> u64 {
        let before = self.out;
        for slot in &mut self.slots {
            if slot.taken != 0 && slot.sent_at <= oldest {
                slot.taken = 0;
                self.out -= 1;
            }
        }
        let waiting = self.stragglers.len();
        self.stragglers.retain(|slot| slot.sent_at > oldest);
        self.out -= (waiting - self.stragglers.len()) as u64;
        before - self.out
    }
}

struct Engine<'a> {
    load: &'a Load<'a>,
    pace: Option<Pace>,
    poller: Poller,
    flows: Vec<Flow>,
    inbox: Batch,
    outbox: Batch,
    scratch: Vec<u8>,
    tally: Tally,
    open: usize,
    looked_for_losses: u64,
}

/// Runs the sockets of one thread, which are each `(number, socket)`, to the end of the span.
pub(super) fn run(load: &Load<'_>, sockets: Vec<(u32, OwnedFd)>) -> Result<Tally, BenchError> {
    let plan = load.plan;
    let poller = Poller::new()?;
    let mut flows = Vec::with_capacity(sockets.len());
    let slots = (plan.depth as usize).next_power_of_two();
    for (conn, socket) in sockets {
        if plan.gso {
            kernel::segment(&socket, plan.messages.size())
                .map_err(BenchError::local("UDP_SEGMENT"))?;
        }
        poller.add(&socket, flows.len(), true, false)?;
        let slots = vec![Slot::default(); slots];
        flows.push(Flow {
            conn,
            socket: Some(socket),
            next: 0,
            slots,
            stragglers: Vec::new(),
            out: 0,
            blocked: false,
        });
    }
    let size = plan.messages.size();
    let inbox = if plan.gso {
        Batch::new(JOINED_BATCH, LARGEST)
    } else {
        Batch::new(BATCH, size + 1)
    };
    Engine {
        load,
        pace: plan.rate.map(|rate| Pace::new(rate, plan.connections)),
        poller,
        open: flows.len(),
        flows,
        inbox,
        outbox: Batch::new(BATCH, size),
        scratch: Vec::new(),
        tally: Tally::default(),
        looked_for_losses: 0,
    }
    .run()
}

impl Engine<'_> {
    fn run(mut self) -> Result<Tally, BenchError> {
        for index in 0..self.flows.len() {
            self.pump(index, self.load.span.now())?;
        }
        loop {
            let now = self.load.span.now();
            if self.is_over(now) {
                break;
            }
            self.look_for_losses(now)?;
            if self.pace.is_some() {
                for index in 0..self.flows.len() {
                    self.pump(index, now)?;
                }
            }
            let patience = self.patience(now);
            let count = self.poller.wait(patience)?;
            for at in 0..count {
                let Ready {
                    token,
                    readable,
                    writable,
                } = self.poller.ready(at);
                if writable {
                    self.unblock(token)?;
                }
                if readable {
                    self.receive(token)?;
                }
            }
        }
        self.tally.lost += self.flows.iter().map(|flow| flow.out).sum::<u64>();
        if let Some(pace) = self.pace {
            let due = pace.due(self.load.span.until.saturating_sub(1));
            let unsent = |flow: &Flow| pace.share(flow.conn, due).saturating_sub(flow.next);
            self.tally.unsent = self.flows.iter().map(unsent).sum();
        }
        Ok(self.tally)
    }

    fn is_over(&self, now: u64) -> bool {
        let span = &self.load.span;
        let idle = || {
            self.flows
                .iter()
                .all(|flow| flow.out == 0 || flow.socket.is_none())
        };
        self.open == 0
            || self.load.stopped()
            || now >= span.give_up
            || (now >= span.until && idle())
    }

    fn patience(&self, now: u64) -> Duration {
        let patience = self.load.span.patience(now);
        let Some(pace) = self.pace else {
            return patience;
        };
        let due = pace.due(now);
        let next = pace.intended(pace.conn(due), due / self.load.plan.connections as u64);
        patience.min(Duration::from_nanos(next.saturating_sub(now)))
    }

    /// Frees the slots of messages that were out for too long.
    fn look_for_losses(&mut self, now: u64) -> Result<(), BenchError> {
        let limit = nanos(self.load.plan.timeout);
        if now - self.looked_for_losses < limit / 4 {
            return Ok(());
        }
        self.looked_for_losses = now;
        let Some(oldest) = now.checked_sub(limit) else {
            return Ok(());
        };
        for index in 0..self.flows.len() {
            let lost = self.flows[index].give_up(oldest);
            self.tally.lost += lost;
            if lost > 0 {
                self.pump(index, now)?;
            }
        }
        Ok(())
    }

    /// Sends as much as the window, and the timetable if there is one, permit.
    fn pump(&mut self, index: usize, now: u64) -> Result<(), BenchError> {
        let span = &self.load.span;
        let mut until = if now < span.until { u64::MAX } else { 0 };
        if let Some(pace) = self.pace {
            until = until.min(pace.share(self.flows[index].conn, pace.due(now)));
        }
        loop {
            let flow = &mut self.flows[index];
            let room = flow.room(self.load.plan.depth, until);
            if room == 0 || flow.blocked || flow.socket.is_none() {
                return Ok(());
            }
            let sent = if self.load.plan.gso {
                self.send_joined(index, room)
            } else {
                self.send_each(index, room)
            };
            match sent {
                Ok(sent) => self.sent(index, sent as u64, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.block(index, true);
                }
                // What a connected socket reports here may be an earlier datagram's answer.
                Err(error) => {
                    self.broke(index, error.into());
                    return Ok(());
                }
            }
        }
    }

    fn send_each(&mut self, index: usize, room: usize) -> io::Result<usize> {
        let flow = &self.flows[index];
        let Some(socket) = &flow.socket else {
            return Ok(0);
        };
        let count = room.min(self.outbox.capacity());
        for at in 0..count {
            let (conn, number) = (flow.conn, flow.next + at as u64);
            let messages = &self.load.plan.messages;
            let fill = |out: &mut Vec<u8>| messages.append(conn, number, 0, out);
            self.outbox.set(at, fill, &mut self.scratch);
        }
        self.outbox.send(socket, count)
    }

    /// Sends several as one that the kernel cuts.
    fn send_joined(&mut self, index: usize, room: usize) -> io::Result<usize> {
        let flow = &self.flows[index];
        let Some(socket) = &flow.socket else {
            return Ok(0);
        };
        let messages = &self.load.plan.messages;
        let count = room.min(SEGMENTS).min(LARGEST / messages.size()).max(1);
        self.scratch.clear();
        for number in flow.next..flow.next + count as u64 {
            messages.append(flow.conn, number, 0, &mut self.scratch);
        }
        rustix::net::send(socket, &self.scratch, rustix::net::SendFlags::NOSIGNAL)?;
        Ok(count)
    }

    fn sent(&mut self, index: usize, count: u64, now: u64) {
        let pace = self.pace;
        let flow = &mut self.flows[index];
        for number in flow.next..flow.next + count {
            flow.sent(pace.map_or(now, |pace| pace.intended(flow.conn, number).min(now)));
        }
    }

    fn block(&mut self, index: usize, blocked: bool) -> Result<(), BenchError> {
        let flow = &mut self.flows[index];
        let Some(socket) = &flow.socket else {
            return Ok(());
        };
        flow.blocked = blocked;
        self.poller.change(socket, index, true, blocked)
    }

    fn unblock(&mut self, index: usize) -> Result<(), BenchError> {
        self.block(index, false)?;
        self.pump(index, self.load.span.now())
    }

    fn receive(&mut self, index: usize) -> Result<(), BenchError> {
        let Some(socket) = &self.flows[index].socket else {
            return Ok(());
        };
        let count = match self.inbox.receive(socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => {
                self.broke(index, error.into());
                return Ok(());
            }
        };
        let now = self.load.span.now();
        for at in 0..count {
            let (bytes, segment) = self.inbox.datagram(at);
            // The end of a seqpacket connection: no message here is empty.
            if bytes.is_empty() {
                self.broke(index, Ending::Closed);
                return Ok(());
            }
            let each = segment.unwrap_or(bytes.len());
            let flow = &mut self.flows[index];
            for reply in bytes.chunks(each) {
                answer(self.load, flow, reply, now, &mut self.tally)?;
            }
        }
        self.pump(index, now)
    }

    fn broke(&mut self, index: usize, why: Ending) {
        let flow = &mut self.flows[index];
        flow.socket = None;
        flow.out = 0;
        self.open -= 1;
        if self.load.span.now() < self.load.span.until {
            self.tally.broke(why);
        }
    }
}

/// Checks one reply and counts it.
fn answer(
    load: &Load<'_>,
    flow: &mut Flow,
    reply: &[u8],
    now: u64,
    tally: &mut Tally,
) -> Result<(), BenchError> {
    let messages = &load.plan.messages;
    // A reply that names no number of ours is shown against the last message.
    let number = messages
        .number(reply, flow.next)
        .unwrap_or(flow.next.saturating_sub(1));
    if load.plan.verify {
        messages.check_whole(flow.conn, number, reply)?;
    }
    let Some(sent_at) = flow.answered(number) else {
        tally.late += 1;
        return Ok(());
    };
    if load.span.counts(now) {
        tally.answered(1, reply.len() as u64, now - sent_at);
    }
    load.progress(1);
    Ok(())
}
