//! The thread of the wire.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_fault::{Chain, Chunk, Content, Fate, Verdict, Way, Why};
use sockeye_trace::{Clock, ConnId, Event, Fact, Gap, Interface, Kind, Time, packet_flag};

use super::passed::Counts;
use super::port::{Frame, Port, Sending, Unsent, VIRTIO_HEADER};
use super::{BATCH, Ends, Options, Order, Statistics, end_of};

/// LINKTYPE_ETHERNET of pcap.
const ETHERNET: u32 = 1;
/// Where a frame says whom it is for.
const MAC: usize = 6;
/// A virtio header that says nothing (linux/virtio_net.h).
const PLAIN: [u8; VIRTIO_HEADER] = [0; VIRTIO_HEADER];

/// All that the thread works with.
pub(super) struct Forward<T> {
    /// By way: where it comes in; it leaves at the other.
    ports: [Port; 2],
    chain: Chain,
    /// Chains that were replaced and still hold something.
    retired: Vec<Chain>,
    seed: u64,
    snap: usize,
    clock: Clock,
    counts: Arc<Counts>,
    statistics: Statistics,
    sending: Sending,
    tell: T,
    /// What the rules said of the frames of this batch.
    whys: Vec<Why>,
}

impl<T> Forward<T>
where
    T: FnMut(&mut dyn Iterator<Item = Fact<'_>>),
{
    pub(super) fn new(ends: Ends, options: Options, tell: T, counts: Arc<Counts>) -> Self {
        Self {
            ports: [ends.client, ends.server],
            chain: Chain::new(options.rules, options.seed),
            retired: vec![],
            seed: options.seed,
            snap: match options.snap {
                0 => usize::MAX,
                snap => snap as usize,
            },
            clock: Clock::start(),
            counts,
            statistics: Statistics::default(),
            sending: Sending::new(),
            tell,
            whys: vec![Why::NOTHING; BATCH],
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
        self.tell_interfaces();
        loop {
            let mut came = 0;
            for way in [Way::ToServer, Way::ToClient] {
                came += self.batch(way);
            }
            self.release();
            match orders.try_recv() {
                Ok(Order::Faults(rules, done)) => {
                    self.judge_what_has_come();
                    let chain = Chain::new(rules, self.seed);
                    self.retired.push(std::mem::replace(&mut self.chain, chain));
                    let _ = done.send(());
                }
                Ok(Order::End) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.judge_what_has_come();
                    self.tell_losses();
                    return Ok(self.statistics);
                }
                Err(mpsc::TryRecvError::Empty) if came == 0 => self.wait(bell)?,
                Err(mpsc::TryRecvError::Empty) => {}
            }
        }
    }

    /// All that lies at the ends now, and not what comes meanwhile.
    fn judge_what_has_come(&mut self) {
        for way in [Way::ToServer, Way::ToClient] {
            let mut left = self.ports[way as usize].ready(usize::MAX);
            while left > 0 {
                left -= self.batch(way).clamp(1, left);
            }
        }
        self.release();
    }

    /// Until something comes, is due, or is asked for.
    fn wait(&self, bell: &OwnedFd) -> io::Result<()> {
        let due = self.due().map(|due| {
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

    /// When some chain has something.
    fn due(&self) -> Option<Time> {
        let chains = self.retired.iter().chain([&self.chain]);
        chains.filter_map(Chain::poll_timeout).min()
    }

    /// Passes on and tells some of what came in one way; says how many.
    fn batch(&mut self, way: Way) -> usize {
        let count = self.ports[way as usize].ready(BATCH);
        if count == 0 {
            return 0;
        }
        if self.chain.is_idle() {
            self.pass_all(way, count);
        } else {
            self.judge_all(way, count);
        }
        self.tell_all(way, count);
        self.ports[way as usize].give_back(count);
        count
    }

    /// No rule asks for anything: all of it leaves from where it lies.
    fn pass_all(&mut self, way: Way, count: usize) {
        let (from, to) = ends(&self.ports, way);
        let mut leaving = [IoSlice::new(&[]); BATCH];
        let mut filled = 0;
        for ahead in 0..count {
            let frame = from.frame(ahead);
            if is_for_somebody(&frame) {
                leaving[filled] = IoSlice::new(frame.whole);
                filled += 1;
            }
        }
        let unsent = to.send(&leaving[..filled], &mut self.sending);
        self.note(unsent);
    }

    /// Each is judged by the rules, in order.
    fn judge_all(&mut self, way: Way, count: usize) {
        let (from, to) = ends(&self.ports, way);
        let mut unsent = vec![];
        for ahead in 0..count {
            let frame = from.frame(ahead);
            if !is_for_somebody(&frame) {
                continue;
            }
            let now = self.clock.now();
            let chunk = Chunk {
                way,
                peer: 0,
                content: Content::Packet,
                bytes: frame.bytes,
            };
            let Verdict { fate, why } = self.chain.on_chunk(now, chunk);
            self.whys[ahead] = why;
            if fate == Fate::Pass {
                let frame = IoSlice::new(frame.whole);
                unsent.push(to.send(&[frame], &mut self.sending));
            }
            while let Some(released) = self.chain.poll_release(now) {
                let (_, to) = ends(&self.ports, released.way);
                unsent.push(send_plain(to, &released.bytes, &mut self.sending));
            }
        }
        for unsent in unsent {
            self.note(unsent);
        }
    }

    /// Passes on what is due.
    fn release(&mut self) {
        if self.chain.is_idle() && self.retired.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut unsent = vec![];
        for chain in self.retired.iter_mut().chain([&mut self.chain]) {
            while let Some(released) = chain.poll_release(now) {
                let (_, to) = ends(&self.ports, released.way);
                unsent.push(send_plain(to, &released.bytes, &mut self.sending));
            }
        }
        self.retired.retain(|chain| chain.poll_timeout().is_some());
        for unsent in unsent {
            self.note(unsent);
        }
    }

    fn note(&mut self, unsent: Unsent) {
        self.statistics.refused += unsent.count;
    }

    /// Tells of frames that lie in their slots still.
    fn tell_all(&mut self, way: Way, count: usize) {
        let port = &self.ports[way as usize];
        for ahead in 0..count {
            let frame = port.frame(ahead);
            self.counts.count(way, frame.bytes);
            self.statistics.packets += 1;
            self.statistics.bytes += u64::from(frame.original_len);
        }
        let (snap, whys) = (self.snap, &self.whys);
        let mut facts =
            (0..count).map(|ahead| fact_of(way, &port.frame(ahead), snap, &whys[ahead]));
        (self.tell)(&mut facts);
        self.whys[..count].fill(Why::NOTHING);
    }

    fn tell_interfaces(&mut self) {
        let now = self.clock.now();
        let snap = u32::try_from(self.snap).unwrap_or(0);
        let texts = [(Way::ToServer, "client"), (Way::ToClient, "server")].map(|(way, name)| {
            let interface = Interface {
                number: end_of(way),
                name: name.into(),
                link_type: ETHERNET,
                snap,
                dropped: 0,
            };
            (
                end_of(way),
                serde_json::to_string(&interface).unwrap_or_default(),
            )
        });
        let mut facts = texts.iter().map(|(number, text)| {
            let mut fact = Fact::new(Event::new(Kind::Interface, ConnId::new(*number), now));
            fact.text = text;
            fact
        });
        (self.tell)(&mut facts);
    }

    /// What the ends had no room for, and what links did not take.
    fn tell_losses(&mut self) {
        for port in &self.ports {
            self.statistics.missed += u64::from(port.statistics().1);
        }
        let lost = self.statistics.missed + self.statistics.refused;
        if lost == 0 {
            return;
        }
        let gap = Gap {
            what: "lost-packets".into(),
            count: lost,
            ..Gap::default()
        };
        let text = serde_json::to_string(&gap).unwrap_or_default();
        let mut fact = Fact::new(Event::new(Kind::Gap, ConnId::default(), self.clock.now()));
        fact.text = &text;
        (self.tell)(&mut std::iter::once(fact));
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

/// What is for an address that no host has is for the sender's own, because that is what a link without
/// ARP writes for those that it was not told of (`arp_constructor`, net/ipv4/arp.c).
fn is_for_somebody(frame: &Frame<'_>) -> bool {
    match frame.bytes.first_chunk::<{ 2 * MAC }>() {
        Some(addresses) => addresses[..MAC] != addresses[MAC..],
        None => false,
    }
}

/// Sends a frame that lies anywhere.
fn send_plain(to: &Port, frame: &[u8], sending: &mut Sending) -> Unsent {
    if !to.large {
        return to.send(&[IoSlice::new(frame)], sending);
    }
    let mut whole = Vec::with_capacity(VIRTIO_HEADER + frame.len());
    whole.extend_from_slice(&PLAIN);
    whole.extend_from_slice(frame);
    to.send(&[IoSlice::new(&whole)], sending)
}

fn fact_of<'f>(way: Way, frame: &Frame<'f>, snap: usize, why: &'f str) -> Fact<'f> {
    let time = Time::from_nanos(frame.time_ns);
    let mut fact = Fact::new(
        Event::new(Kind::Packet, ConnId::new(end_of(way)), time)
            .with_result(i32::try_from(frame.original_len).unwrap_or(i32::MAX))
            .with_asked(frame.piece.into()),
    );
    if frame.partial_checksum {
        fact.flags |= packet_flag::PARTIAL_CHECKSUM;
    }
    fact.text = why;
    fact.data = &frame.bytes[..frame.bytes.len().min(snap)];
    fact
}
