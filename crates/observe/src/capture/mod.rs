//! Packets of an interface, through a packet socket's ring (packet(7), `TPACKET_V3`).

mod block;
mod filter;
mod interface;
#[cfg(test)]
mod live;
mod ring;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_trace::{ConnId, Event, Fact, Interface, Kind, Time, packet_flag};
use thiserror::Error;

pub use block::{BlockError, Record, walk};
pub use filter::{Clause, End, Filter, FilterError, Instruction, Test, What};
use interface::Links;
use ring::{BLOCK, Ring};

use crate::packet::PacketSocket;

/// What to capture, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interface; none: every one.
    pub interface: Option<String>,
    /// Which packets.
    pub filter: Filter,
    /// Bytes to keep of each packet; 0: all.
    pub snap: u32,
    /// The size of the ring; it is rounded up to whole blocks of 1 MiB.
    pub ring_bytes: usize,
    /// How long a packet may wait in a block that is not full: shorter is livelier, longer is cheaper.
    pub delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interface: None,
            filter: Filter::everything(),
            snap: 0,
            ring_bytes: Capture::RING,
            delay: Duration::from_millis(10),
        }
    }
}

/// Why packets cannot be captured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// This program may not.
    #[error("capturing packets is not permitted (it takes CAP_NET_RAW)")]
    NotPermitted(#[source] io::Error),
    /// There is no such interface.
    #[error("there is no interface '{name}', there are {}", .known.join(", "))]
    NoInterface {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The interface is down.
    #[error("the interface '{0}' is down")]
    Down(String),
    /// The filter cannot be given to the kernel.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The kernel refused something else.
    #[error("cannot {what}")]
    Kernel {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// How much was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that passed the filter.
    pub packets: u64,
    /// Those among them that the ring had no room for.
    pub dropped: u64,
}

/// A running capture. Nothing that passed before [`Capture::open`] returned is in it.
///
/// - **Limits:** a ring of [`Options::ring_bytes`]; what does not fit is counted in
///   [`Statistics::dropped`].
#[derive(Debug)]
pub struct Capture {
    ring: Ring,
    links: Links,
    statistics: Statistics,
    /// The statistics of the moment after which nothing more was let in.
    ended: Option<Statistics>,
    /// Packets that were taken out of the ring.
    delivered: u64,
    delay: Duration,
    /// A packet with the tag that the hardware took off put back.
    tagged: Vec<u8>,
    /// A block that made no sense ends the capture.
    broken: bool,
}

impl Capture {
    /// The size of a ring unless another is asked for.
    pub const RING: usize = 32 * BLOCK;
    /// The largest ring: what is more is a slip of the finger.
    pub const RING_LIMIT: usize = 1024 * BLOCK;

    /// Begins to capture.
    pub fn open(options: &Options) -> Result<Self, CaptureError> {
        let socket = PacketSocket::open().map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => CaptureError::NotPermitted(error),
            _ => kernel("open a packet socket")(error),
        })?;
        let links = Links::find(options)?;
        let delay = options.delay.clamp(MIN_DELAY, MAX_DELAY);
        let blocks = options.ring_bytes.min(Self::RING_LIMIT).div_ceil(BLOCK);
        // With fewer the kernel has none to go on with while one is read.
        let blocks = blocks.max(2);
        let ring = Ring::map(socket, blocks, delay.as_millis() as u32)
            .map_err(kernel("make a ring for packets"))?;
        let snap = if options.snap == 0 {
            u32::MAX
        } else {
            options.snap
        };
        let program = options.filter.compile(snap, links.only.is_none())?;
        ring.attach(&program).map_err(kernel("set a filter"))?;
        if links.is_loopback() {
            ring.ignore_outgoing()
                .map_err(kernel("leave out what the loopback device sends"))?;
        }
        ring.bind(links.only.unwrap_or(0))
            .map_err(kernel("bind a packet socket"))?;
        let capture = Self {
            ring,
            links,
            statistics: Statistics::default(),
            ended: None,
            delivered: 0,
            delay,
            tagged: vec![],
            broken: false,
        };
        match (capture.error(), &options.interface) {
            (Ok(()), _) => Ok(capture),
            (Err(_), Some(name)) => Err(CaptureError::Down(name.clone())),
            (Err(error), None) => Err(kernel("bind a packet socket")(error)),
        }
    }

    /// The interfaces that are known: the one that was asked for, or all that were there; more may come.
    pub fn interfaces(&self) -> &[Interface] {
        self.links.interfaces()
    }

    /// Waits until there is something to drain; `false`: nothing came.
    ///
    /// - **Errors:** `ENETDOWN` when the interface went down or away; what it left can still be drained.
    pub fn wait(&self, most: Duration) -> io::Result<bool> {
        if self.ring.is_ready() {
            return Ok(true);
        }
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        let timeout = Timespec::try_from(most).unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        });
        match poll(&mut fds, Some(&timeout)) {
            // A signal: the caller looks at what it asked for.
            Err(rustix::io::Errno::INTR) => return Ok(false),
            other => other?,
        };
        if self.ring.is_ready() {
            return Ok(true);
        }
        if fds[0].revents().contains(PollFlags::ERR) {
            self.error()?;
        }
        Ok(false)
    }

    /// Gives every packet that has been handed over to `each`, each interface ahead of its first one.
    ///
    /// - **Output:** how many packets there were.
    /// - **Limits:** stops after one round of the ring, so that a flood does not keep the caller here.
    pub fn drain(&mut self, mut each: impl FnMut(&Fact<'_>)) -> io::Result<usize> {
        let mut packets = 0;
        for _ in 0..self.ring.blocks() {
            if self.broken {
                break;
            }
            let Some(block) = self.ring.block() else {
                break;
            };
            let (links, tagged) = (&mut self.links, &mut self.tagged);
            let delivered = &mut self.delivered;
            let end = walk(block.bytes(), |record| {
                *delivered += 1;
                packets += usize::from(tell(links, tagged, record, &mut each));
            });
            drop(block);
            if let Err(error) = end {
                self.broken = true;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(packets)
    }

    /// Lets nothing more in and gives what is left to `each`, also of the block that is not full.
    ///
    /// - **Limits:** takes at most twice the delay: a block that is not full is retired after it.
    pub fn finish(&mut self, mut each: impl FnMut(&Fact<'_>)) -> io::Result<usize> {
        self.ring.attach(&filter::NOTHING)?;
        self.ended = Some(self.count());
        let until = Instant::now() + 2 * self.delay + RETIRE_SLACK;
        let mut packets = 0;
        loop {
            packets += self.drain(&mut each)?;
            let left = until.saturating_duration_since(Instant::now());
            let total = self.statistics.packets - self.statistics.dropped;
            if self.delivered >= total || left.is_zero() {
                return Ok(packets);
            }
            // An interface that went down says so once, and its last block is retired all the same.
            let _ = self.wait(left);
        }
    }

    /// What was seen so far; once it is finished, until then.
    pub fn statistics(&mut self) -> Statistics {
        self.ended.unwrap_or_else(|| self.count())
    }

    fn count(&mut self) -> Statistics {
        // Asking starts the kernel's counters anew. A socket of ours always answers.
        if let Ok((packets, dropped)) = self.ring.statistics() {
            self.statistics.packets += u64::from(packets);
            self.statistics.dropped += u64::from(dropped);
        }
        self.statistics
    }

    /// What has happened to the socket.
    fn error(&self) -> io::Result<()> {
        match rustix::net::sockopt::socket_error(&self.ring)? {
            Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// What the kernel counts delays in; 0 would mean that it chooses.
const MIN_DELAY: Duration = Duration::from_millis(1);
/// Longer than anybody would want to wait for the first packet.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// How much later than asked for the kernel may retire a block.
const RETIRE_SLACK: Duration = Duration::from_millis(20);

/// Gives one packet to `each`, behind its interface if that is new. `false`: nothing here can draw it.
fn tell(
    links: &mut Links,
    tagged: &mut Vec<u8>,
    record: &Record<'_>,
    each: &mut impl FnMut(&Fact<'_>),
) -> bool {
    let from_ip = interface::link_type(record.hardware) != interface::ETHERNET;
    if from_ip
        && !matches!(
            i32::from(record.protocol),
            libc::ETH_P_IP | libc::ETH_P_IPV6
        )
    {
        return false;
    }
    let time = Time::from_nanos(record.time_ns);
    let (interface, first) = links.of(record.index, record.hardware);
    let number = ConnId::new(interface.number);
    if first {
        let text = serde_json::to_string(interface).unwrap_or_default();
        let mut fact = Fact::new(Event::new(Kind::Interface, number, time));
        fact.text = &text;
        each(&fact);
    }
    let (data, original_len) = match record.vlan {
        _ if from_ip => {
            let link = record.network_at as u32;
            let data = &record.data[record.network_at..];
            (data, record.original_len.saturating_sub(link))
        }
        Some(tag) => (put_back(record.data, tag, tagged), record.original_len + 4),
        None => (record.data, record.original_len),
    };
    let mut fact = Fact::new(
        Event::new(Kind::Packet, number, time)
            .with_result(i32::try_from(original_len).unwrap_or(i32::MAX))
            .with_asked(record.piece.into()),
    );
    if record.direction == libc::PACKET_OUTGOING {
        fact.flags |= packet_flag::OUTGOING;
    }
    if record.partial_checksum {
        fact.flags |= packet_flag::PARTIAL_CHECKSUM;
    }
    fact.data = data;
    each(&fact);
    true
}

/// The frame with its VLAN tag where it was on the wire: behind the two addresses (IEEE 802.1Q).
fn put_back<'t>(frame: &[u8], (protocol, tag): (u16, u16), tagged: &'t mut Vec<u8>) -> &'t [u8] {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    tagged.clear();
    tagged.extend_from_slice(addresses);
    tagged.extend_from_slice(&protocol.to_be_bytes());
    tagged.extend_from_slice(&tag.to_be_bytes());
    tagged.extend_from_slice(rest);
    tagged
}

fn kernel(what: &'static str) -> impl Fn(io::Error) -> CaptureError {
    move |source| CaptureError::Kernel { what, source }
}
