//! The system calls that move datagrams: recvmmsg(2) and sendmmsg(2) for many at once, recvmsg(2)
//! for one with everything that is known about it.
//!
//! This is the only place of the datagram room that deals in pointers.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};

use super::address::{Address, NAME_BYTES};
use super::control::{self, CONTROL_BYTES, Control, Heard};

/// Datagrams that one call moves.
pub(super) const SLOTS: usize = 64;

/// Bytes for the datagrams of one call: 64 KiB each, since the largest UDP datagram has 65,535
/// bytes with its header (RFC 768). The pages that no datagram touches cost nothing.
const BUFFER_BYTES: usize = SLOTS << 16;

/// Slots that start 64 KiB apart would all fall into the same sets of the processor's caches; an
/// odd number of cache lines between them spreads small datagrams out.
const STAGGER: usize = 64 * 17;

const LAYOUT: Layout = match Layout::from_size_align(BUFFER_BYTES + SLOTS * STAGGER, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("4096 is a power of two"),
};

/// What recvmmsg reads into. The headers hold pointers to their neighbours and into the buffer, so
/// everything lives on the heap behind raw pointers and never moves.
#[derive(Debug)]
pub(super) struct Slots {
    arena: NonNull<Arena>,
    buffer: NonNull<u8>,
    count: usize,
    slot_bytes: usize,
    with_control: bool,
    /// Slots that hold a datagram of the last call.
    filled: usize,
    /// Slots whose lengths have to be set again before the next call.
    used: usize,
}

struct Arena {
    headers: [libc::mmsghdr; SLOTS],
    spans: [libc::iovec; SLOTS],
    names: [Address; SLOTS],
    controls: [Control; SLOTS],
}

/// One datagram, or several of one peer that the kernel glued together.
#[derive(Debug)]
pub(super) struct Received<'a> {
    pub(super) peer: &'a Address,
    pub(super) bytes: &'a [u8],
    /// How long it was before it was cut to its slot.
    pub(super) full_len: usize,
    pub(super) heard: Heard,
}

impl Slots {
    /// Slots for datagrams of at most `slot_bytes`.
    pub(super) fn new(slot_bytes: usize) -> Self {
        // SAFETY: the layout has a size above zero.
        let buffer = NonNull::new(unsafe { alloc_zeroed(LAYOUT) });
        let buffer = buffer.unwrap_or_else(|| handle_alloc_error(LAYOUT));
        // SAFETY: headers, spans, names and controls are integers and pointers, for which all
        // zeroes is a value.
        let arena = unsafe { Box::<Arena>::new_zeroed().assume_init() };
        let arena = NonNull::from(Box::leak(arena));
        let mut this = Self {
            arena,
            buffer,
            count: 0,
            slot_bytes: 0,
            with_control: false,
            filled: 0,
            used: 0,
        };
        this.cut(slot_bytes, false);
        this
    }

    /// Cuts the buffer into slots of `slot_bytes`, with or without room for control messages.
    fn cut(&mut self, slot_bytes: usize, with_control: bool) {
        self.slot_bytes = slot_bytes.clamp(1, BUFFER_BYTES);
        self.count = (BUFFER_BYTES / self.slot_bytes).min(SLOTS);
        self.with_control = with_control;
        (self.filled, self.used) = (0, self.count);
        let (arena, stride) = (self.arena.as_ptr(), self.slot_bytes + STAGGER);
        for slot in 0..self.count {
            // SAFETY: `slot` is below SLOTS, so every place lies inside the arena, which is ours
            // alone; and count * stride is at most the layout's size, so the span does too.
            unsafe {
                let span = &raw mut (*arena).spans[slot];
                (*span).iov_base = self.buffer.as_ptr().add(slot * stride).cast();
                (*span).iov_len = self.slot_bytes;
                let header = &raw mut (*arena).headers[slot].msg_hdr;
                (*header).msg_name = (&raw mut (*arena).names[slot].bytes).cast();
                (*header).msg_iov = span;
                (*header).msg_iovlen = 1;
                (*header).msg_control = if with_control {
                    (&raw mut (*arena).controls[slot]).cast()
                } else {
                    null_mut()
                };
            }
        }
    }

    /// Makes the slots fit a socket; returns how many datagrams one call can take.
    pub(super) fn fit(&mut self, slot_bytes: usize, with_control: bool) -> usize {
        self.filled = 0;
        if (slot_bytes, with_control) != (self.slot_bytes, self.with_control) {
            self.cut(slot_bytes, with_control);
        }
        self.count
    }

    /// Takes what has arrived, at most `most` datagrams, without waiting; returns how many slots
    /// were filled.
    ///
    /// Fewer than `most` means that the socket was empty, or that the next call says why it
    /// failed; `most` is at most what [`Slots::fit`] said.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        debug_assert!(
            most <= self.count,
            "fewer datagrams than asked would look like the last"
        );
        let (arena, with_control) = (self.arena.as_ptr(), self.with_control);
        for slot in 0..self.used {
            // SAFETY: as in `cut`. The kernel overwrote both lengths of the slots it filled.
            unsafe {
                let header = &raw mut (*arena).headers[slot].msg_hdr;
                (*header).msg_namelen = NAME_BYTES as libc::socklen_t;
                (*header).msg_controllen = if with_control { CONTROL_BYTES } else { 0 };
            }
        }
        (self.filled, self.used) = (0, 0);
        // MSG_TRUNC makes msg_len the datagram's own length, recvmsg(2).
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the first `count` headers point at names, spans, buffers and controls of the
        // lengths that they state, all alive and ours alone until the call returns.
        let filled = unsafe {
            let headers = (&raw mut (*arena).headers).cast();
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                self.count.min(most) as u32,
                flags,
                null_mut(),
            )
        };
        self.filled = usize::try_from(filled).map_err(|_| io::Error::last_os_error())?;
        self.used = self.filled;
        for slot in 0..self.filled {
            // SAFETY: as in `cut`.
            unsafe {
                let len = (*arena).headers[slot].msg_hdr.msg_namelen;
                (*arena).names[slot].len = len.min(NAME_BYTES as u32) as u16;
            }
        }
        Ok(self.filled)
    }

    /// Forgets what the last call brought.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// How many slots the last call filled.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// What the last call put into a slot.
    ///
    /// # Panics
    /// If it did not fill that one.
    pub(super) fn get(&self, slot: usize) -> Received<'_> {
        assert!(
            slot < self.filled,
            "slot {slot} of {} was not filled",
            self.filled
        );
        // SAFETY: nobody writes to the arena or the buffer while `self` is shared: the kernel only
        // does during `receive`, which takes it exclusively. The buffer was zeroed when it was
        // made, so every byte of it is initialised.
        unsafe {
            let arena = self.arena.as_ref();
            let header = &arena.headers[slot];
            let full_len = header.msg_len as usize;
            let from = self.buffer.as_ptr().add(slot * (self.slot_bytes + STAGGER));
            let bytes = std::slice::from_raw_parts(from, full_len.min(self.slot_bytes));
            let heard = if self.with_control {
                control::read(&arena.controls[slot].0[..header.msg_hdr.msg_controllen])
            } else {
                Heard::default()
            };
            Received {
                peer: &arena.names[slot],
                bytes,
                full_len,
                heard,
            }
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: both were made in `new`, the arena by a Box and the buffer with this layout, and
        // nothing that was lent from them outlives `self`.
        unsafe {
            drop(Box::from_raw(self.arena.as_ptr()));
            std::alloc::dealloc(self.buffer.as_ptr(), LAYOUT);
        }
    }
}

/// One message for sendmmsg: a datagram, or several equal ones laid end to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    /// `None` on a connected socket.
    pub(super) to: Option<&'a Address>,
    pub(super) bytes: &'a [u8],
    /// Cut `bytes` into datagrams of this size (`UDP_SEGMENT`, udp(7)).
    pub(super) segment: Option<u16>,
    /// Leave from this address of ours.
    pub(super) from: Option<IpAddr>,
}

/// Hands over the first messages of `batch` (at most [`SLOTS`]) without waiting; returns how many
/// were taken. An error speaks of the first one.
pub(super) fn send<'a>(
    socket: BorrowedFd<'_>,
    v6_socket: bool,
    batch: impl Iterator<Item = Outgoing<'a>>,
) -> io::Result<usize> {
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; SLOTS];
    let mut spans = [const { MaybeUninit::<libc::iovec>::uninit() }; SLOTS];
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; SLOTS];
    let mut count = 0;
    for (message, ((header, span), control)) in
        batch.zip(headers.iter_mut().zip(&mut spans).zip(&mut controls))
    {
        let span = span.write(libc::iovec {
            iov_base: message.bytes.as_ptr().cast_mut().cast(),
            iov_len: message.bytes.len(),
        });
        // SAFETY: a message header is integers and pointers, for which all zeroes is a value.
        let header = header.write(unsafe { std::mem::zeroed() });
        header.msg_hdr.msg_iov = span;
        header.msg_hdr.msg_iovlen = 1;
        if let Some(to) = message.to {
            header.msg_hdr.msg_name = to.bytes.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = to.as_bytes().len() as libc::socklen_t;
        }
        if message.segment.is_some() || message.from.is_some() {
            let control = control.write(Control([0; CONTROL_BYTES]));
            let used = control::write(control, message.segment, message.from, v6_socket);
            header.msg_hdr.msg_control = (&raw mut control.0).cast();
            header.msg_hdr.msg_controllen = used;
        }
        count += 1;
    }
    // MSG_NOSIGNAL: a Unix peer that is gone is an error to handle, not a signal, send(2).
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the first `count` headers were written above and point at names, spans, bytes and
    // controls that are alive until the call returns; the kernel only reads what they point at.
    let taken = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr().cast(),
            count,
            flags,
        )
    };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

/// Sends one message to a named peer, without waiting.
pub(crate) fn send_one(
    socket: BorrowedFd<'_>,
    v6_socket: bool,
    to: &Address,
    bytes: &[u8],
) -> io::Result<()> {
    let message = Outgoing {
        to: Some(to),
        bytes,
        segment: None,
        from: None,
    };
    send(socket, v6_socket, std::iter::once(message)).map(drop)
}

/// One message that was read by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct One {
    /// How long it was before it was cut to the buffer.
    pub(crate) full_len: usize,
    /// Who sent it; unnamed on sockets that don't say.
    pub(crate) from: Address,
    /// Whether a control message stood beside it, such as the sender's credentials.
    pub(crate) has_control: bool,
}

/// Takes the next message into `buf`, without waiting.
pub(crate) fn receive_one(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<One> {
    let mut from = Address::UNNAMED;
    // Room for a `struct ucred` and not for descriptors as well, which the kernel then closes.
    let mut control = Control([0; CONTROL_BYTES]);
    let mut span = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: a message header is integers and pointers, for which all zeroes is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut from.bytes).cast();
    header.msg_namelen = NAME_BYTES as libc::socklen_t;
    header.msg_iov = &raw mut span;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control.0).cast();
    header.msg_controllen = CREDENTIALS_BYTES;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header points at a name, a span, a buffer and a control buffer of the lengths
    // that it states, all alive and borrowed by us alone until the call returns.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let full_len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    from.len = header.msg_namelen.min(NAME_BYTES as u32) as u16;
    Ok(One {
        full_len,
        from,
        has_control: header.msg_controllen > 0,
    })
}

/// What one `SCM_CREDENTIALS` takes, unix(7).
// SAFETY: CMSG_SPACE only calculates.
const CREDENTIALS_BYTES: usize =
    unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

/// Sets a socket option that is an `int`.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let (at, len) = (
        (&raw const value).cast(),
        size_of_val(&value) as libc::socklen_t,
    );
    // SAFETY: `at` points at `len` bytes that live until the call returns.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, at, len) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for has to fit the slots as they are cut now: fewer datagrams than asked for
    /// count as the last ones, and nobody would look for more.
    #[test]
    fn larger_slots_are_fewer() {
        let mut slots = Slots::new(1 << 16);
        for (slot_bytes, count) in [(1 << 18, 16), (1 << 16, 64), (1 << 22, 1), (9, 64)] {
            assert_eq!(slots.fit(slot_bytes, slot_bytes == 9), count);
            assert_eq!(slots.filled(), 0);
        }
    }
}
