//! Datagrams go back to their senders, many a system call.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use crate::sys;

/// Datagrams a call.
const BATCH: usize = 64;
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

/// Runs the echo.
pub(crate) fn run(gro: bool, each: usize) -> io::Result<()> {
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
        batch.send(fd, count, gro);
    }
}
