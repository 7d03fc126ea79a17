//! A network device of this thread's network namespace, by ioctl: netdevice(7).
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsRawFd, OwnedFd};

/// include/uapi/linux/sockios.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// Work that a device may do in place of the kernel, by the command of `SIOCETHTOOL` that switches it
/// (include/uapi/linux/ethtool.h).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Offload {
    /// Check sums of what is sent.
    TxChecksum = 0x17,
    /// Cutting segments of TCP.
    Tso = 0x1f,
    /// Cutting them late, in the kernel.
    Gso = 0x24,
    /// Putting segments together that arrive.
    Gro = 0x2c,
}

/// `struct ethtool_value`
#[repr(C)]
struct Setting {
    command: u32,
    value: u32,
}

/// A device, and a socket, of which any will do for asking about it.
pub(crate) struct Device {
    socket: OwnedFd,
    name: &'static str,
}

impl Device {
    pub(crate) fn open(name: &'static str) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        Ok(Self { socket, name })
    }

    pub(crate) fn set_mtu(&self, mtu: u32) -> Result<(), Errno> {
        let mut request = self.request();
        request.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
        self.ask(libc::SIOCSIFMTU, &mut request)
    }

    pub(crate) fn up(&self) -> Result<(), Errno> {
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        self.ask(libc::SIOCSIFFLAGS, &mut request)
    }

    pub(crate) fn switch_off(&self, offload: Offload) -> Result<(), Errno> {
        let mut setting = Setting {
            command: offload as u32,
            value: 0,
        };
        let mut request = self.request();
        request.ifr_ifru.ifru_data = (&raw mut setting).cast();
        self.ask(SIOCETHTOOL, &mut request)
    }

    fn ask(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> Result<(), Errno> {
        // SAFETY: the request is a whole `struct ifreq` with a name that ends in a zero; where it
        // points to more, that lives in the caller's frame.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), what as _, request) };
        Errno::result(result).map(drop)
    }

    /// A request about this device.
    fn request(&self) -> libc::ifreq {
        // SAFETY: `struct ifreq` is numbers and pointers, for which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name = &self.name.as_bytes()[..self.name.len().min(libc::IFNAMSIZ - 1)];
        for (place, byte) in request.ifr_name.iter_mut().zip(name) {
            *place = *byte as libc::c_char;
        }
        request
    }
}
