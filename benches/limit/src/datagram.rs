//! Datagrams go back to their senders, many a system call.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use crate::sys;

/// Datagrams a call.
const BATCH: usize = 64;
/// Segments of one send (UDP_MAX_SEGMENTS; 64 before Linux 6.9).
const SEGMENTS: usize = 64;
/// The largest UDP payload over IPv4: 65,535 less both headers (RFC 768, RFC 791).
const LARGEST: usize = 65_507;
/// Room for one control message with a segment size (cmsg(3)).
const CONTROL: usize = 64;

/// Room for one batch. Every header points into the other fields, none of which moves or grows.
struct Batch {
    headers: Vec<libc::mmsghdr>,
    names: Vec<libc::sockaddr_in>,
    slices: Vec<libc::iovec>,
    controls: Vec<[u64; CONTROL / 8]>,
    bytes: Vec<u8>,
    each: usize,
}

impl Batch {
    fn new(each: usize) -> Self {
        // SAFETY: all three are plain data for which zero is a value.
        let (header, name, slice): (libc::mmsghdr, libc::sockaddr_in, libc::iovec) =
            unsafe { std::mem::zeroed() };
        // A cache line more than a power of two, so that the datagrams don't share cache sets.
        let each = each.next_multiple_of(64) + 64;
        let mut batch = Self {
            headers: vec![header; BATCH],
            names: vec![name; BATCH],
            slices: vec![slice; BATCH],
            controls: vec![[0; CONTROL / 8]; BATCH],
            bytes: vec![0; BATCH * each],
            each,
        };
        for at in 0..BATCH {
            batch.slices[at].iov_base = batch.bytes[at * each..].as_mut_ptr().cast();
            let header = &mut batch.headers[at].msg_hdr;
            header.msg_name = (&raw mut batch.names[at]).cast();
            header.msg_iov = &raw mut batch.slices[at];
            header.msg_iovlen = 1;
        }
        batch
    }

    /// Waits for at least one datagram and returns how many came.
    fn receive(&mut self, fd: i32, with_control: bool) -> usize {
        for (at, header) in self.headers.iter_mut().enumerate() {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            self.slices[at].iov_len = self.each;
            if with_control {
                header.msg_hdr.msg_control = self.controls[at].as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = CONTROL;
            }
        }
        // SAFETY: all headers point to memory that this batch owns.
        let count = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        count.max(0) as usize
    }

    /// Sends the first `count` datagrams back to where they came from.
    fn send(&mut self, fd: i32, count: usize, with_control: bool) {
        for at in 0..count {
            let received = self.headers[at].msg_len as usize;
            self.slices[at].iov_len = received;
            if with_control {
                self.reply_in_segments(at, received);
            }
        }
        let mut sent = 0;
        while sent < count {
            let rest = &mut self.headers[sent..count];
            // SAFETY: as for receiving.
            let done = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as u32, 0) };
            // A datagram that cannot be sent is lost, as on any network.
            sent += done.max(1) as usize;
        }
    }

    /// Sends the first `count` datagrams back, those that follow each other with one size and one
    /// peer as one that the kernel cuts.
    fn send_joined(&mut self, fd: i32, count: usize) {
        let alike = |batch: &Self, a: usize, b: usize| {
            let (one, other) = (&batch.names[a], &batch.names[b]);
            batch.headers[a].msg_len == batch.headers[b].msg_len
                && one.sin_port == other.sin_port
                && one.sin_addr.s_addr == other.sin_addr.s_addr
        };
        let mut at = 0;
        while at < count {
            let size = self.headers[at].msg_len as usize;
            let most = count.min(at + SEGMENTS.min(LARGEST / size.max(1)).max(1));
            let run = (at + 1..most)
                .take_while(|&next| alike(self, at, next))
                .count()
                + 1;
            for slice in &mut self.slices[at..at + run] {
                slice.iov_len = size;
            }
            let mut header = self.headers[at].msg_hdr;
            header.msg_iov = &raw mut self.slices[at];
            header.msg_iovlen = run;
            header.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_controllen = segment_by(&mut self.controls[at], size);
            if run == 1 {
                header.msg_controllen = 0;
            }
            // SAFETY: the header points to the slices, names and controls of this batch.
            unsafe { libc::sendmsg(fd, &raw const header, 0) };
            at += run;
        }
    }

    /// Turns the size that the kernel coalesced by into the size to cut by.
    fn reply_in_segments(&mut self, at: usize, received: usize) {
        let header = &mut self.headers[at].msg_hdr;
        // SAFETY: the control buffer is the kernel's own answer, aligned and of the size given.
        unsafe {
            let control = libc::CMSG_FIRSTHDR(header);
            if control.is_null() || (*control).cmsg_type != libc::UDP_GRO {
                header.msg_controllen = 0;
                return;
            }
            let segment = libc::CMSG_DATA(control).cast::<i32>().read_unaligned();
            if received <= segment as usize {
                header.msg_controllen = 0;
                return;
            }
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            libc::CMSG_DATA(control)
                .cast::<u16>()
                .write_unaligned(segment as u16);
            header.msg_controllen = libc::CMSG_SPACE(2) as usize;
        }
    }
}

/// Writes a control message that says how to cut (udp(7)), and returns its size.
fn segment_by(control: &mut [u64; CONTROL / 8], size: usize) -> usize {
    let mut header = empty_header();
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = CONTROL;
    // SAFETY: the control buffer is aligned and has room for one message.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(2) as usize;
        libc::CMSG_DATA(message)
            .cast::<u16>()
            .write_unaligned(size as u16);
        libc::CMSG_SPACE(2) as usize
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: plain data for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Runs the echo.
pub(crate) fn run(gro: bool, gso: bool, each: usize) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let fd = socket.as_raw_fd();
    if gro && !sys::set_option(fd, libc::SOL_UDP, libc::UDP_GRO, 1) {
        return Err(io::Error::last_os_error());
    }
    // As much as net.core.rmem_max grants: the tables measure the server, not the queue.
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, 4 << 20);
    sys::announce(&format!("udp://{}", socket.local_addr()?))?;
    let mut batch = Batch::new(each);
    loop {
        let count = batch.receive(fd, gro);
        if gso {
            batch.send_joined(fd, count);
        } else {
            batch.send(fd, count, gro);
        }
    }
}
