//! The few calls that no safe crate offers: batches of datagrams, segmentation offload, and the
//! processor time of another process.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Room for one control message with a segment size (cmsg(3)), aligned as they must be.
type Control = [u64; 8];

/// Datagrams that cross into the kernel, or out of it, in one call.
pub(super) struct Batch {
    /// Each header points into the fields below, none of which moves or grows.
    headers: Box<[libc::mmsghdr]>,
    slices: Box<[libc::iovec]>,
    controls: Box<[Control]>,
    bytes: Box<[u8]>,
    stride: usize,
}

// SAFETY: the pointers lead into the batch's own boxes, which go wherever it goes.
unsafe impl Send for Batch {}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("datagrams", &self.headers.len())
            .finish_non_exhaustive()
    }
}

impl Batch {
    /// Room for `count` datagrams of at most `each` bytes.
    pub(super) fn new(count: usize, each: usize) -> Self {
        // SAFETY: both are plain data for which zero is a value.
        let (header, slice): (libc::mmsghdr, libc::iovec) = unsafe { std::mem::zeroed() };
        // A cache line more than a power of two, so that the datagrams don't share cache sets.
        let stride = each.next_multiple_of(64) + 64;
        let mut batch = Self {
            headers: vec![header; count].into(),
            slices: vec![slice; count].into(),
            controls: vec![Control::default(); count].into(),
            bytes: vec![0; count * stride].into(),
            stride,
        };
        let bytes = batch.bytes.as_mut_ptr();
        for at in 0..count {
            // SAFETY: `bytes` has `stride` bytes for each of `count` datagrams.
            batch.slices[at].iov_base = unsafe { bytes.add(at * stride) }.cast();
            let header = &mut batch.headers[at].msg_hdr;
            header.msg_iov = &raw mut batch.slices[at];
            header.msg_iovlen = 1;
        }
        batch
    }

    pub(super) fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// Takes what the socket has, without waiting, and returns how many datagrams that is.
    pub(super) fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        for at in 0..self.headers.len() {
            self.slices[at].iov_len = self.stride;
            let header = &mut self.headers[at].msg_hdr;
            header.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        let count = self.headers.len() as u32;
        // SAFETY: all headers point to memory that this batch owns, with its true sizes.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// A datagram that was received, and how long each is if the kernel joined several.
    pub(super) fn datagram(&self, at: usize) -> (&[u8], Option<usize>) {
        let length = (self.headers[at].msg_len as usize).min(self.stride);
        let header = &self.headers[at].msg_hdr;
        // SAFETY: the control buffer is the kernel's answer, aligned and of the size given.
        let segment = unsafe {
            let control = libc::CMSG_FIRSTHDR(header);
            if control.is_null()
                || (*control).cmsg_level != libc::SOL_UDP
                || (*control).cmsg_type != libc::UDP_GRO
            {
                None
            } else {
                Some(libc::CMSG_DATA(control).cast::<i32>().read_unaligned())
            }
        };
        let segment = segment
            .and_then(|size| usize::try_from(size).ok())
            .filter(|&size| size > 0);
        (&self.bytes[at * self.stride..][..length], segment)
    }

    /// Writes the datagram that [`Batch::send`] will send at `at`.
    pub(super) fn set(
        &mut self,
        at: usize,
        fill: impl FnOnce(&mut Vec<u8>),
        scratch: &mut Vec<u8>,
    ) {
        scratch.clear();
        fill(scratch);
        self.bytes[at * self.stride..][..scratch.len()].copy_from_slice(scratch);
        self.slices[at].iov_len = scratch.len();
        let header = &mut self.headers[at].msg_hdr;
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
    }

    /// Sends the first `count` datagrams, and returns how many the socket took.
    pub(super) fn send(&mut self, socket: impl AsFd, count: usize) -> io::Result<usize> {
        let count = count.min(self.headers.len()) as u32;
        // SAFETY: as for receiving.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

fn set_option(socket: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value lives across the call and its size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the kernel cut what is sent into datagrams of `size`, and join what arrives (udp(7)).
pub(super) fn segment(socket: impl AsFd, size: usize) -> io::Result<()> {
    set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, size as i32)?;
    set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Binding to an address leaves the port to `connect`, which may then use one for several
/// destinations (IP_BIND_ADDRESS_NO_PORT, ip(7)).
pub(super) fn bind_address_only(socket: impl AsFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Nanoseconds that all threads of a process have had a processor, those that ended included.
///
/// The kernel numbers such clocks after the process (clock_getcpuclockid(3)).
pub(super) fn cpu_time(pid: u32) -> io::Result<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both pointers are to values that live across their call.
    unsafe {
        let mut clock: libc::clockid_t = 0;
        match libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) {
            0 => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
        if libc::clock_gettime(clock, &raw mut time) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
