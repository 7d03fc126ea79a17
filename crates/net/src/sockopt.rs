//! getsockopt(2) and setsockopt(2) by number, for a table that holds numbers; and one ioctl(2).

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// A socket option as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SockOpt {
    pub(crate) level: c_int,
    pub(crate) name: c_int,
}

/// What may cross the kernel's border as plain memory.
///
/// # Safety
/// Every pattern of bits must be a valid value, and there must be no padding.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: three integers of four bytes.
unsafe impl Plain for libc::ucred {}
// SAFETY: two integers of eight bytes.
unsafe impl Plain for libc::timeval {}
// SAFETY: a byte.
unsafe impl Plain for u8 {}
// SAFETY: `T` has no padding and an array adds none.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

impl SockOpt {
    pub(crate) const fn new(level: c_int, name: c_int) -> Self {
        Self { level, name }
    }

    /// Sets the option to `value`.
    pub(crate) fn set<T: Plain>(self, socket: impl AsFd, value: &T) -> io::Result<()> {
        self.set_memory(socket, std::ptr::from_ref(value).cast(), size_of::<T>())
    }

    /// Sets an option that is a text.
    pub(crate) fn set_bytes(self, socket: impl AsFd, value: &[u8]) -> io::Result<()> {
        self.set_memory(socket, value.as_ptr().cast(), value.len())
    }

    /// `value` must point to `len` bytes.
    fn set_memory(self, socket: impl AsFd, value: *const c_void, len: usize) -> io::Result<()> {
        let fd = socket.as_fd().as_raw_fd();
        let len = len as libc::socklen_t;
        // SAFETY: both callers take pointer and length from one reference, which outlives this.
        let done = unsafe { libc::setsockopt(fd, self.level, self.name, value, len) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Reads the option; what the kernel leaves out is zero. Returns how many bytes it wrote.
    pub(crate) fn get<T: Plain>(self, socket: impl AsFd) -> io::Result<(T, usize)> {
        let fd = socket.as_fd().as_raw_fd();
        let mut value = MaybeUninit::<T>::zeroed();
        let mut len = size_of::<T>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `value`, which outlives the call.
        let done = unsafe {
            libc::getsockopt(
                fd,
                self.level,
                self.name,
                value.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `Plain` holds for zeroes and for whatever the kernel wrote over them.
        Ok((unsafe { value.assume_init() }, len as usize))
    }

    /// Reads an option that is an `int`.
    pub(crate) fn int(self, socket: impl AsFd) -> io::Result<c_int> {
        // ip(7): the kernel may answer with a single byte, which then is the lowest.
        match self.get::<[u8; 4]>(socket)? {
            (bytes, 1) => Ok(c_int::from(bytes[0])),
            (bytes, _) => Ok(c_int::from_ne_bytes(bytes)),
        }
    }
}

/// How many bytes of a socket are not sent, or not acknowledged (`SIOCOUTQ`, tcp(7), udp(7)).
pub(crate) fn unsent(socket: impl AsFd) -> io::Result<u32> {
    let mut unsent: c_int = 0;
    // SAFETY: SIOCOUTQ, which is TIOCOUTQ, writes one `int`.
    let done = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::TIOCOUTQ,
            std::ptr::from_mut(&mut unsent),
        )
    };
    if done == 0 {
        Ok(unsent.cast_unsigned())
    } else {
        Err(io::Error::last_os_error())
    }
}
