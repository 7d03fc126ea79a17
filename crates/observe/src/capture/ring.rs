//! The ring that a capture shares with the kernel.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use super::filter::Instruction;
use crate::packet::{Mapping, PacketSocket};

/// Where the status of a block stands in it: `struct tpacket_block_desc` of linux/if_packet.h.
const STATUS_AT: usize = 8;

/// Bytes that blocks have. A packet is never cut in two, so one must fit with its header: 64 KiB is
/// what the loopback device carries. Larger blocks mean fewer wake-ups.
pub(super) const BLOCK: usize = 1 << 20;

/// A packet socket with a ring of received packets.
#[derive(Debug)]
pub(super) struct Ring {
    socket: PacketSocket,
    memory: Mapping,
    blocks: usize,
    /// The block that is filled next.
    next: usize,
}

/// A block that the kernel has handed over; dropping it hands it back.
#[derive(Debug)]
pub(super) struct Block<'r> {
    ring: &'r mut Ring,
}

impl Ring {
    /// Gives the socket a ring of `blocks` blocks, which are retired after `retire_ms` at the latest.
    pub(super) fn map(socket: PacketSocket, blocks: usize, retire_ms: u32) -> io::Result<Self> {
        // A frame's size only decides how much room the kernel checks for: any packet may take a block.
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: BLOCK as u32,
            tp_frame_nr: blocks as u32,
            tp_retire_blk_tov: retire_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        socket.set(libc::PACKET_VERSION, &version)?;
        socket.set(libc::PACKET_VNET_HDR, &1_i32)?;
        socket.set(libc::PACKET_RX_RING, &request)?;
        let memory = socket.map(blocks * BLOCK)?;
        Ok(Self {
            socket,
            memory,
            blocks,
            next: 0,
        })
    }

    /// Leaves out what this socket's interface sends.
    pub(super) fn ignore_outgoing(&self) -> io::Result<()> {
        self.socket.set(libc::PACKET_IGNORE_OUTGOING, &1_i32)
    }

    /// Lets only those packets in that the program accepts.
    pub(super) fn attach(&self, program: &[Instruction]) -> io::Result<()> {
        let mut program: Vec<libc::sock_filter> = program
            .iter()
            .map(|step| libc::sock_filter {
                code: step.code,
                jt: step.jt,
                jf: step.jf,
                k: step.k,
            })
            .collect();
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            filter: program.as_mut_ptr(),
        };
        self.socket
            .option(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// From here on packets of this interface come in (0: of all).
    pub(super) fn bind(&self, index: u32) -> io::Result<()> {
        self.socket.bind(index)
    }

    /// Packets and, among them, drops since it was last asked.
    pub(super) fn statistics(&self) -> io::Result<(u32, u32)> {
        self.socket.statistics()
    }

    /// Whether a block is there to be read.
    pub(super) fn is_ready(&self) -> bool {
        self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The next block, if the kernel has handed it over.
    pub(super) fn block(&mut self) -> Option<Block<'_>> {
        self.is_ready().then(|| Block { ring: self })
    }

    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: `next` is below `blocks`, so the word lies in the mapping; it is aligned, because
        // blocks are whole pages, and the kernel's accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.memory.at(self.next * BLOCK + STATUS_AT).cast()) }
    }
}

impl Block<'_> {
    /// All of it, header first.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: it lies in the mapping, and the kernel leaves a block alone between handing it over
        // and getting it back, which takes this value's drop.
        unsafe { std::slice::from_raw_parts(self.ring.memory.at(self.ring.next * BLOCK), BLOCK) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Release: our reads are done before the kernel may write again.
        self.ring
            .status()
            .store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.ring.next = (self.ring.next + 1) % self.ring.blocks;
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
