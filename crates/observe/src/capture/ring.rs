//! The socket and the ring that it shares with the kernel: the one place here with `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::filter::Instruction;

/// Where the status of a block stands in it: `struct tpacket_block_desc` of linux/if_packet.h.
const STATUS_AT: usize = 8;

/// Bytes that blocks have. A packet is never cut in two, so one must fit with its header: 64 KiB is
/// what the loopback device carries. Larger blocks mean fewer wake-ups.
pub(super) const BLOCK: usize = 1 << 20;

/// A packet socket with a ring of received packets.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    memory: *mut u8,
    blocks: usize,
    /// The block that is filled next.
    next: usize,
}

// SAFETY: the memory belongs to this value alone, like a Vec's; nothing in it is bound to a thread.
unsafe impl Send for Ring {}

/// A block that the kernel has handed over; dropping it hands it back.
#[derive(Debug)]
pub(super) struct Block<'r> {
    ring: &'r mut Ring,
}

impl Ring {
    /// A packet socket that receives nothing yet (packet(7): protocol 0).
    pub(super) fn socket() -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            flags,
            None,
        )?)
    }

    /// Gives the socket a ring of `blocks` blocks, which are retired after `retire_ms` at the latest.
    pub(super) fn map(socket: OwnedFd, blocks: usize, retire_ms: u32) -> io::Result<Self> {
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
        set(&socket, libc::PACKET_VERSION, &version)?;
        set(&socket, libc::PACKET_VNET_HDR, &1_i32)?;
        set(&socket, libc::PACKET_RX_RING, &request)?;
        // SAFETY: a new mapping, of the size that the kernel has just made the ring.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                blocks * BLOCK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            socket,
            memory: memory.cast(),
            blocks,
            next: 0,
        })
    }

    /// Leaves out what this socket's interface sends.
    pub(super) fn ignore_outgoing(&self) -> io::Result<()> {
        set(&self.socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)
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
        option(
            &self.socket,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            &program,
        )
    }

    /// From here on packets of this interface come in (0: of all).
    pub(super) fn bind(&self, index: u32) -> io::Result<()> {
        // SAFETY: all zeros is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index.cast_signed();
        // SAFETY: the address is one of packet(7), of the size that is told.
        let done = unsafe {
            libc::bind(
                self.socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        checked(done)
    }

    /// Packets and, among them, drops since it was last asked.
    pub(super) fn statistics(&self) -> io::Result<(u32, u32)> {
        let mut statistics = libc::tpacket_stats_v3 {
            tp_packets: 0,
            tp_drops: 0,
            tp_freeze_q_cnt: 0,
        };
        let mut len = size_of_val(&statistics) as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes into a struct of plain numbers.
        let done = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut len,
            )
        };
        checked(done)?;
        Ok((statistics.tp_packets, statistics.tp_drops))
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
        unsafe { AtomicU32::from_ptr(self.memory.add(self.next * BLOCK + STATUS_AT).cast()) }
    }
}

impl Block<'_> {
    /// All of it, header first.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: it lies in the mapping, and the kernel leaves a block alone between handing it over
        // and getting it back, which takes this value's drop.
        unsafe { std::slice::from_raw_parts(self.ring.memory.add(self.ring.next * BLOCK), BLOCK) }
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

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any more.
        unsafe { libc::munmap(self.memory.cast(), self.blocks * BLOCK) };
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set<T>(socket: &impl AsRawFd, name: libc::c_int, value: &T) -> io::Result<()> {
    option(socket, libc::SOL_PACKET, name, value)
}

fn option<T>(
    socket: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the kernel reads a value of the size that is told.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    checked(done)
}

fn checked(done: libc::c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
