//! One end of the wire: a packet socket whose received frames lie in memory that we share with the
//! kernel, and leave from there.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::BATCH;
use crate::packet::{Mapping, PacketSocket};

/// Memory is taken from the kernel in blocks of so many bytes; no frame lies in two.
const BLOCK: usize = 1 << 20;
/// Frames that wait for the wire: more than the largest window that a receiver opens by itself
/// (`tcp_rmem`, 6 MiB) has segments of 1448 bytes.
const SLOTS: usize = 8192;
/// Where they may be 64 KiB each: one such window, and no more memory than processors keep at hand.
/// Twice as many made bulk with offload slower by a fifth (benches/wire).
const LARGE_SLOTS: usize = 128;
/// The longest packet with offload: `GSO_LEGACY_MAX_SIZE` of the kernel.
const LARGE: usize = 65_536;
/// What lies in a slot before the packet: `struct tpacket2_hdr`, `sockaddr_ll`, the virtio header, and
/// what aligns them (`tpacket_rcv`, net/packet/af_packet.c).
const AHEAD: usize = 96;
/// An Ethernet header, with a tag.
const LINK_HEADER: usize = 18;
/// `struct virtio_net_hdr` (linux/virtio_net.h).
pub(super) const VIRTIO_HEADER: usize = 10;

/// How often a frame is offered to a link that has no room at the moment, and how long each time.
const TRIES: usize = 100;
const TRY: Duration = Duration::from_micros(100);

/// An end of the wire.
#[derive(Debug)]
pub struct Port {
    socket: PacketSocket,
    memory: Mapping,
    slot_bytes: usize,
    slots: usize,
    /// The slot that is filled next.
    next: usize,
    /// Whether frames have a virtio header ahead, which says what they stand for.
    pub(super) large: bool,
}

/// A frame that came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'p> {
    /// When, in nanoseconds since the epoch.
    pub(super) time_ns: u64,
    pub(super) original_len: u32,
    /// From its Ethernet header on.
    pub(super) bytes: &'p [u8],
    /// The same with what a large frame has ahead: what is sent.
    pub(super) whole: &'p [u8],
    /// The size of the pieces that it stands for; 0: it is one.
    pub(super) piece: u16,
    /// Its check sum is still to be filled in.
    pub(super) partial_checksum: bool,
}

/// What sending needs, kept from one time to the next.
pub(super) struct Sending {
    headers: Vec<libc::mmsghdr>,
}

impl Sending {
    pub(super) fn new() -> Self {
        // SAFETY: a header is numbers and pointers, for which zero is a value.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Self {
            headers: vec![header; BATCH],
        }
    }
}

impl Port {
    /// Opens an end: from here on what the interface receives lies in it.
    ///
    /// - **Input:** the interface, the longest packet of a host, and whether it may send longer ones that
    ///   stand for several.
    pub(crate) fn open(index: u32, mtu: u32, large: bool) -> io::Result<Self> {
        let longest = if large { LARGE } else { mtu as usize };
        let slot_bytes = (AHEAD + LINK_HEADER + longest).next_multiple_of(64);
        let per_block = BLOCK / slot_bytes;
        let wanted = if slot_bytes > 8192 {
            LARGE_SLOTS
        } else {
            SLOTS
        };
        let blocks = wanted.div_ceil(per_block);
        let slots = blocks * per_block;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: slot_bytes as u32,
            tp_frame_nr: slots as u32,
        };
        let socket = PacketSocket::open()?;
        // Of the versions of a ring, this one hands over each frame as it comes.
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        socket.set(libc::PACKET_VERSION, &version)?;
        if large {
            socket.set(libc::PACKET_VNET_HDR, &1_i32)?;
        }
        // What we send ourselves does not come in again, and takes the short way to the link.
        socket.set(libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        socket.set(libc::PACKET_QDISC_BYPASS, &1_i32)?;
        socket.set(libc::PACKET_RX_RING, &request)?;
        let memory = socket.map(blocks * BLOCK)?;
        socket.bind(index)?;
        Ok(Self {
            socket,
            memory,
            slot_bytes,
            slots,
            next: 0,
            large,
        })
    }

    /// How many frames have come, at most so many.
    pub(super) fn ready(&self, most: usize) -> usize {
        let most = most.min(self.slots);
        let come =
            |ahead: &usize| self.status(*ahead).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        (0..most).take_while(come).count()
    }

    /// One of the frames that have come.
    pub(super) fn frame(&self, ahead: usize) -> Frame<'_> {
        let start = self.slot(ahead);
        // SAFETY: the slot lies in the mapping; the kernel leaves it alone between handing it over and
        // `give_back`, which borrows this port mutably.
        let slot = unsafe { std::slice::from_raw_parts(self.memory.at(start), self.slot_bytes) };
        let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| slot[at + byte]));
        // struct tpacket2_hdr: status, length, kept, where from (two bytes each), seconds, nanoseconds.
        let (kept, mac) = (word(8) as usize, usize::from(word(12) as u16));
        let end = (mac + kept).min(slot.len());
        let mac = mac.clamp(VIRTIO_HEADER, end.max(VIRTIO_HEADER));
        let virtio = &slot[mac - VIRTIO_HEADER..mac];
        let first = if self.large { mac - VIRTIO_HEADER } else { mac };
        Frame {
            time_ns: u64::from(word(16)) * 1_000_000_000 + u64::from(word(20)),
            original_len: word(4),
            bytes: &slot[mac..end],
            whole: &slot[first..end],
            // VIRTIO_NET_HDR_GSO_NONE is 0.
            piece: if self.large && virtio[1] != 0 {
                u16::from_ne_bytes([virtio[4], virtio[5]])
            } else {
                0
            },
            // VIRTIO_NET_HDR_F_NEEDS_CSUM
            partial_checksum: self.large && virtio[0] & 1 != 0,
        }
    }

    /// Lets the kernel have the slots of the first frames again.
    pub(super) fn give_back(&mut self, frames: usize) {
        for ahead in 0..frames {
            // Release: our reads are done before the kernel may write again.
            self.status(ahead)
                .store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
        self.next = (self.next + frames) % self.slots;
    }

    /// Sends frames, in order, each with its virtio header where this end has them, at most [`BATCH`].
    /// What a link has no room for is offered again for a while; says how many it did not take.
    pub(super) fn send(&self, frames: &[IoSlice<'_>], sending: &mut Sending) -> u64 {
        for (header, frame) in sending.headers.iter_mut().zip(frames) {
            // An IoSlice is laid out as an iovec (std::io::IoSlice).
            header.msg_hdr.msg_iov = std::ptr::from_ref(frame).cast_mut().cast();
            header.msg_hdr.msg_iovlen = 1;
        }
        let count = frames.len().min(sending.headers.len());
        let (mut at, mut tries, mut refused) = (0, 0, 0);
        while at < count {
            // SAFETY: the headers from `at` to `count` were pointed to frames that are borrowed until
            // we return; the kernel reads those and writes the headers' lengths.
            let sent = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    sending.headers[at..].as_mut_ptr(),
                    (count - at) as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            if sent > 0 {
                (at, tries) = (at + sent as usize, 0);
                continue;
            }
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::ENOBUFS) if tries < TRIES => {
                    tries += 1;
                    // A queue says nothing when it has room again.
                    std::thread::sleep(TRY);
                }
                _ => {
                    refused += 1;
                    (at, tries) = (at + 1, 0);
                }
            }
        }
        refused
    }

    /// Frames and, among them, those for which there was no slot, since it was last asked.
    pub(super) fn statistics(&self) -> (u32, u32) {
        self.socket.statistics().unwrap_or_default()
    }

    /// Takes note of what happened to the interface, as its going down: or else waiting ends at once,
    /// and the next frame is not sent.
    pub(crate) fn clear_error(&self) {
        let _ = rustix::net::sockopt::socket_error(&self.socket);
    }

    /// Where a slot begins.
    fn slot(&self, ahead: usize) -> usize {
        let slot = (self.next + ahead) % self.slots;
        let per_block = BLOCK / self.slot_bytes;
        slot / per_block * BLOCK + slot % per_block * self.slot_bytes
    }

    fn status(&self, ahead: usize) -> &AtomicU32 {
        // SAFETY: the word lies in the mapping; it is aligned, because slots are multiples of 64 bytes
        // in blocks of whole pages, and the kernel's accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.memory.at(self.slot(ahead)).cast()) }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
