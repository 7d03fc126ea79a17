//! A packet socket (packet(7)) and the memory that it shares with the kernel: what a capture and the
//! wire of a lab have in common.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// A socket for whole frames.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// One that receives nothing yet (packet(7): protocol 0).
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        Ok(Self(socket))
    }

    /// Sets an option of packet(7), whose value the kernel reads as plain bytes.
    pub(crate) fn set<T: Copy>(&self, name: libc::c_int, value: &T) -> io::Result<()> {
        self.option(libc::SOL_PACKET, name, value)
    }

    /// Sets any option.
    pub(crate) fn option<T: Copy>(
        &self,
        level: libc::c_int,
        name: libc::c_int,
        value: &T,
    ) -> io::Result<()> {
        // SAFETY: the kernel reads a value of the size that is told.
        let done = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        checked(done)
    }

    /// From here on packets of this interface come in (0: of all).
    pub(crate) fn bind(&self, index: u32) -> io::Result<()> {
        // SAFETY: all zeros is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index.cast_signed();
        // SAFETY: the address is one of packet(7), of the size that is told.
        let done = unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        checked(done)
    }

    /// Packets and, among them, drops since it was last asked.
    pub(crate) fn statistics(&self) -> io::Result<(u32, u32)> {
        // What rings of other versions are told is the beginning of this.
        let mut statistics = libc::tpacket_stats_v3 {
            tp_packets: 0,
            tp_drops: 0,
            tp_freeze_q_cnt: 0,
        };
        let mut len = size_of_val(&statistics) as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes into a struct of plain numbers.
        let done = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut len,
            )
        };
        checked(done)?;
        Ok((statistics.tp_packets, statistics.tp_drops))
    }

    /// The memory of the ring that the socket was given, which has this size.
    pub(crate) fn map(&self, bytes: usize) -> io::Result<Mapping> {
        // SAFETY: a new mapping, which nothing refers to yet.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                self.0.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { memory, bytes })
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> libc::c_int {
        self.0.as_raw_fd()
    }
}

/// Memory that the kernel shares with us.
#[derive(Debug)]
pub(crate) struct Mapping {
    memory: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to this value alone, like a Vec's; nothing in it is bound to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Where an offset of it lies.
    ///
    /// # Panics
    /// If it lies outside.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.bytes, "the ring ends before");
        // SAFETY: it lies in the mapping.
        unsafe { self.memory.as_ptr().add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.bytes) };
    }
}

fn checked(done: libc::c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
