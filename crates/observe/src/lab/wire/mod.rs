//! The wire between two hosts: this program, which passes on what comes in at either end, does to it
//! what rules say, and tells of each packet.

mod account;
mod cut;
mod forward;
mod ipv4;
mod made;
mod passed;
mod port;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use sockeye_fault::{Rule, Way};
use sockeye_trace::Fact;

use super::error::{LabError, kernel};
use forward::Forward;
use passed::Counts;

pub use made::ROUTER;
pub use passed::Passed;
pub use port::Port;

/// Frames that are passed on, and told of, at once.
const BATCH: usize = 64;

/// The two ends of a wire.
#[derive(Debug)]
pub struct Ends {
    /// Where what the client's host sends comes in.
    pub client: Port,
    /// Where what the server's host sends comes in.
    pub server: Port,
}

/// What a wire is like.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it does to packets.
    pub rules: Vec<Rule>,
    /// The seed of its chance.
    pub seed: u64,
    /// Bytes of each packet that are told; 0: all.
    pub snap: u32,
}

/// What a wire has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that came in.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that came faster than they could be taken, and are lost.
    pub missed: u64,
    /// Packets that a host's link did not take, and that are lost.
    pub refused: u64,
}

/// The number of the interface at the client's end; packets are told with it as their connection.
pub const CLIENT_END: u64 = 1;
/// The number of the interface at the server's end.
pub const SERVER_END: u64 = 2;

/// A wire that runs, in a thread of its own.
///
/// Each packet is told once, as it came in: its interface is its sender's end, its text what the rules
/// did to it, empty if nothing. A packet that the wire made by itself (a reset, an ICMP error of
/// [`ROUTER`]) is told as outgoing at the end where it leaves. Where hosts send super-segments
/// ([`Setting::fast`](super::Setting)), they pass and are told as they are while there are no rules;
/// rules are shown the packets that they stand for.
///
/// - **Limits:** the ends hold what comes while the wire is busy; what finds no room is counted in
///   [`Statistics::missed`] and told as a gap `lost-packets`. So is what a host's link does not take.
#[derive(Debug)]
pub struct Wire {
    orders: mpsc::Sender<Order>,
    /// Wakes the thread.
    bell: Arc<OwnedFd>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<io::Result<Statistics>>>,
}

/// What a running wire is asked for.
enum Order {
    /// These rules for what comes from now on. Answered when all that came before has been judged.
    Faults(Vec<Rule>, mpsc::SyncSender<()>),
    End,
}

impl Wire {
    /// Joins the two ends. `tell` is given the packets in batches, in the order in which they came at
    /// each end, the two interfaces ahead of all; while it works, packets wait.
    pub fn start<T>(ends: Ends, options: Options, tell: T) -> Result<Self, LabError>
    where
        T: FnMut(&mut dyn Iterator<Item = Fact<'_>>) + Send + 'static,
    {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(kernel("make a bell for the wire"))?;
        let bell = Arc::new(bell);
        let counts = Arc::new(Counts::new());
        let (orders, ordered) = mpsc::channel();
        let (heard, counted) = (Arc::clone(&bell), Arc::clone(&counts));
        let thread = std::thread::Builder::new()
            .name("wire".into())
            .spawn(move || Forward::new(ends, options, tell, counted).run(&ordered, &heard))
            .map_err(kernel("start a thread for the wire"))?;
        Ok(Self {
            orders,
            bell,
            counts,
            thread: Some(thread),
        })
    }

    /// Does this to packets from now on, instead of what it did before. What came before this was
    /// called is judged by the rules before; what they hold arrives.
    ///
    /// - **Errors:** [`LabError::Ended`] if the wire has.
    pub fn faults(&self, rules: Vec<Rule>) -> Result<(), LabError> {
        let (done, wait) = mpsc::sync_channel(1);
        self.order(Order::Faults(rules, done));
        wait.recv().map_err(|_| LabError::Ended("wire"))
    }

    /// What has come so far.
    pub fn passed(&self) -> Passed {
        self.counts.passed()
    }

    /// Passes on and tells what has come until now, and ends. What rules still hold is lost.
    pub fn finish(mut self) -> Result<Statistics, LabError> {
        let ended = self.end().ok_or(LabError::Ended("wire"))?;
        ended.map_err(kernel("wait for packets"))
    }

    fn end(&mut self) -> Option<io::Result<Statistics>> {
        let thread = self.thread.take()?;
        self.order(Order::End);
        thread.join().ok()
    }

    fn order(&self, order: Order) {
        // A wire that has ended is found out by whoever waits for its answer.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

const fn end_of(sender: Way) -> u64 {
    match sender {
        Way::ToServer => CLIENT_END,
        Way::ToClient => SERVER_END,
    }
}
