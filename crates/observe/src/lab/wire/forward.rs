//! The thread of the wire.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_fault::{Chain, Chunk, Content, Fate, Way, Why};
use sockeye_trace::{Clock, Fact, Time};

use super::account::{self, Account};
use super::cut::cut;
use super::made;
use super::passed::Counts;
use super::port::{Frame, Port, Sending, VIRTIO_HEADER};
use super::{BATCH, Ends, Options, Order, Statistics};

/// The length of an address of Ethernet; a frame begins with its receiver's and its sender's.
const MAC: usize = 6;

/// All that the thread works with.
pub(super) struct Forward<T> {
    /// By way: where it comes in.
    ports: [Port; 2],
    chain: Chain,
    snap: usize,
    clock: Clock,
    counts: Arc<Counts>,
    statistics: Statistics,
    sending: Sending,
    tell: T,
    /// What was judged in this batch.
    account: Account,
    /// Room for a piece, and for one with its header.
    piece: Vec<u8>,
    whole: Vec<u8>,
}

impl<T> Forward<T>
where
    T: FnMut(&mut dyn Iterator<Item = Fact<'_>>),
{
    pub(super) fn new(ends: Ends, options: Options, tell: T, counts: Arc<Counts>) -> Self {
        let snap = match options.snap {
            0 => usize::MAX,
            snap => snap as usize,
        };
        Self {
            ports: [ends.client, ends.server],
            chain: Chain::new(options.rules, options.seed),
            snap,
            clock: Clock::start(),
            counts,
            statistics: Statistics::default(),
            sending: Sending::new(),
            tell,
            account: Account::new(snap),
            piece: vec![],
            whole: vec![],
        }
    }

    /// Passes on what comes until it is told to end.
    pub(super) fn run(
        mut self,
        orders: &mpsc::Receiver<Order>,
        bell: &OwnedFd,
    ) -> io::Result<Statistics> {
        // Timers of this thread are to be exact (prctl(2), PR_SET_TIMERSLACK).
        let _ = nix::sys::prctl::set_timerslack(1);
        account::interfaces(self.clock.now(), self.snap, &mut self.tell);
        loop {
            let mut came = 0;
            for way in [Way::ToServer, Way::ToClient] {
                came += self.batch(way);
            }
            self.release();
            match orders.try_recv() {
                Ok(Order::Faults(rules, done)) => {
                    self.take_what_has_come();
                    self.chain.replace(self.clock.now(), rules);
                    self.release();
                    let _ = done.send(());
                }
                Ok(Order::End) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.take_what_has_come();
                    let missed = self.ports.iter().map(|port| u64::from(port.statistics().1));
                    self.statistics.missed = missed.sum();
                    account::losses(self.clock.now(), &self.statistics, &mut self.tell);
                    return Ok(self.statistics);
                }
                Err(mpsc::TryRecvError::Empty) if came == 0 => self.wait(bell)?,
                Err(mpsc::TryRecvError::Empty) => {}
            }
        }
    }

    /// All that lies at the ends now, and not what comes meanwhile.
    fn take_what_has_come(&mut self) {
        let lying = [0, 1].map(|way| self.ports[way].ready(usize::MAX));
        for (way, mut left) in [Way::ToServer, Way::ToClient].into_iter().zip(lying) {
            while left > 0 {
                left -= self.batch(way).clamp(1, left);
            }
        }
        self.release();
    }

    /// Until something comes, is due, or is asked for.
    fn wait(&self, bell: &OwnedFd) -> io::Result<()> {
        let due = self.chain.poll_timeout().map(|due| {
            let left = due.since(self.clock.now());
            Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: i64::MAX,
                tv_nsec: 0,
            })
        });
        let [client, server] = &self.ports;
        let mut fds = [
            PollFd::new(client, PollFlags::IN),
            PollFd::new(server, PollFlags::IN),
            PollFd::new(bell, PollFlags::IN),
        ];
        match poll(&mut fds, due.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        for (port, polled) in self.ports.iter().zip(&fds) {
            if polled.revents().contains(PollFlags::ERR) {
                port.clear_error();
            }
        }
        if !fds[2].revents().is_empty() {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        Ok(())
    }

    /// Takes some of what came in one way; says how many.
    fn batch(&mut self, way: Way) -> usize {
        let count = self.ports[way as usize].ready(BATCH);
        if count == 0 {
            return 0;
        }
        if self.chain.is_idle() {
            self.pass(way, count);
        } else {
            self.judge_all(way, count);
            self.account.tell(&mut self.tell);
        }
        self.ports[way as usize].give_back(count);
        count
    }

    /// No rule asks for anything: all of it leaves from where it lies, then it is told.
    fn pass(&mut self, way: Way, count: usize) {
        let (from, to) = ends(&self.ports, way);
        let mut leaving = [IoSlice::new(&[]); BATCH];
        let mut filled = 0;
        for ahead in 0..count {
            let frame = from.frame(ahead);
            if is_for_somebody(frame.bytes) {
                leaving[filled] = IoSlice::new(frame.whole);
                filled += 1;
            }
            self.counts.count(way, frame.bytes);
            self.statistics.bytes += u64::from(frame.original_len);
        }
        self.statistics.packets += count as u64;
        self.statistics.refused += to.send(&leaving[..filled], &mut self.sending);
        let snap = self.snap;
        let mut facts = (0..count).map(|ahead| account::of_frame(way, &from.frame(ahead), snap));
        (self.tell)(&mut facts);
    }

    /// Each is judged by the rules, in order.
    fn judge_all(&mut self, way: Way, count: usize) {
        let mut piece = std::mem::take(&mut self.piece);
        for ahead in 0..count {
            let port = &self.ports[way as usize];
            let Frame {
                time_ns,
                bytes,
                piece: size,
                partial_checksum,
                ..
            } = port.frame(ahead);
            let time = Time::from_nanos(time_ns);
            if size == 0 && !partial_checksum {
                // The slot is not ours to borrow while the rest of us is used.
                piece.clear();
                piece.extend_from_slice(bytes);
                self.judge(way, time, &piece);
                continue;
            }
            let bytes = bytes.to_vec();
            cut(&bytes, size.into(), &mut piece, |packet| {
                self.judge(way, time, packet);
            });
        }
        self.piece = piece;
    }

    /// One true packet.
    fn judge(&mut self, way: Way, time: Time, packet: &[u8]) {
        self.counts.count(way, packet);
        self.statistics.packets += 1;
        self.statistics.bytes += packet.len() as u64;
        if !is_for_somebody(packet) {
            return self.account.came(way, time, packet, Why::NOTHING);
        }
        let now = self.clock.now();
        let verdict = self.chain.on_chunk(
            now,
            Chunk {
                way,
                peer: 0,
                content: Content::Packet,
                bytes: packet,
            },
        );
        let why = verdict.why.clone();
        self.account.came(way, time, packet, verdict.why);
        match verdict.fate {
            Fate::Pass => self.send(way, packet),
            Fate::TooBig(mtu) => {
                if let Some(answer) = made::fragmentation_needed(packet, mtu) {
                    self.make(back(way), &answer, &why);
                }
            }
            Fate::Reset => {
                if let Some([forward, answer]) = made::resets(packet) {
                    self.make(way, &forward, &why);
                    self.make(back(way), &answer, &why);
                }
            }
            _ => {}
        }
        while let Some(released) = self.chain.poll_release(now) {
            self.send(released.way, &released.bytes);
        }
    }

    /// Sends a packet of our own, and tells of it.
    fn make(&mut self, way: Way, packet: &[u8], why: &Why) {
        let now = self.clock.now();
        self.account.made(way, now, packet, why.clone());
        self.send(way, packet);
    }

    /// Passes on what is due.
    fn release(&mut self) {
        if self.chain.is_idle() {
            return;
        }
        let now = self.clock.now();
        while let Some(released) = self.chain.poll_release(now) {
            self.send(released.way, &released.bytes);
        }
    }

    /// Sends one packet that is whole.
    fn send(&mut self, way: Way, packet: &[u8]) {
        let (_, to) = ends(&self.ports, way);
        let frame = if to.large {
            self.whole.clear();
            // A virtio header that says nothing (linux/virtio_net.h).
            self.whole.resize(VIRTIO_HEADER, 0);
            self.whole.extend_from_slice(packet);
            &self.whole
        } else {
            packet
        };
        self.statistics.refused += to.send(&[IoSlice::new(frame)], &mut self.sending);
    }
}

/// Where what goes this way comes in, and where it leaves.
fn ends(ports: &[Port; 2], way: Way) -> (&Port, &Port) {
    let [client, server] = ports;
    match way {
        Way::ToServer => (client, server),
        Way::ToClient => (server, client),
    }
}

const fn back(way: Way) -> Way {
    match way {
        Way::ToServer => Way::ToClient,
        Way::ToClient => Way::ToServer,
    }
}

/// What is for an address that no host has is for the sender's own, because that is what a link without
/// ARP writes for those that it was not told of (`arp_constructor`, net/ipv4/arp.c).
fn is_for_somebody(frame: &[u8]) -> bool {
    match frame.first_chunk::<{ 2 * MAC }>() {
        Some(addresses) => addresses[..MAC] != addresses[MAC..],
        None => false,
    }
}
