//! The least that a wire can be: a thread that waits at two packet sockets, receives a frame from one
//! and sends it to the other.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The longest frame with offload, with its virtio header.
const ROOM: usize = 10 + 18 + 65_536;
/// How long it waits at most until it looks whether it is to end, in milliseconds.
const LOOK: libc::c_int = 20;

pub(crate) struct Bare {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Joins the two interfaces of this network.
    pub(crate) fn start(large: bool) -> io::Result<Self> {
        let ends = [open("client", large)?, open("server", large)?];
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut room = vec![0; ROOM];
            while !end.load(Ordering::Relaxed) {
                forward(&ends, &mut room);
            }
        });
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn forward(ends: &[OwnedFd; 2], room: &mut [u8]) {
    let waits = |end: &OwnedFd| libc::pollfd {
        fd: end.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut polled = [waits(&ends[0]), waits(&ends[1])];
    // SAFETY: two descriptors of ours, in an array of two.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, LOOK) };
    for (from, to) in [(0, 1), (1, 0)] {
        if polled[from].revents == 0 {
            continue;
        }
        loop {
            let (from, to) = (ends[from].as_raw_fd(), ends[to].as_raw_fd());
            // SAFETY: the kernel writes at most the room's length, and reads what it wrote.
            let got = unsafe { libc::recv(from, room.as_mut_ptr().cast(), room.len(), 0) };
            if got <= 0 {
                break;
            }
            // SAFETY: as above.
            unsafe { libc::send(to, room.as_ptr().cast(), got as usize, 0) };
        }
    }
}

fn open(name: &str, large: bool) -> io::Result<OwnedFd> {
    let all = (libc::ETH_P_ALL as u16).to_be();
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the call takes no pointers; what it returns is ours alone.
    let end = unsafe {
        let end = libc::socket(libc::AF_PACKET, flags, 0);
        if end < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(end)
    };
    set(&end, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    if large {
        set(&end, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
    }
    // A window's worth, where that is allowed; root needs not ask.
    let room = 32 << 20;
    if set(&end, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, room).is_err() {
        set(&end, libc::SOL_SOCKET, libc::SO_RCVBUF, room)?;
    }
    let name = CString::new(name)?;
    // SAFETY: an address is numbers, for which zero is a value; the name ends in a zero, and the
    // address is of the size that is told.
    let bound = unsafe {
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = all;
        address.sll_ifindex = libc::if_nametoindex(name.as_ptr()).cast_signed();
        let size = size_of_val(&address) as libc::socklen_t;
        libc::bind(end.as_raw_fd(), (&raw const address).cast(), size)
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(end)
}

fn set(end: &OwnedFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads a number of the size that is told.
    let done = unsafe {
        libc::setsockopt(
            end.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
