//! The loopback device of a new network namespace, by ioctl: netdevice(7).
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsRawFd, OwnedFd};

use super::{Isolation, NamespaceError, Stage};

// Commands of SIOCETHTOOL that set a flag (include/uapi/linux/ethtool.h).
const ETHTOOL_STSO: u32 = 0x1f;
const ETHTOOL_SGSO: u32 = 0x24;
const ETHTOOL_SGRO: u32 = 0x2c;
/// include/uapi/linux/sockios.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// `struct ethtool_value`
#[repr(C)]
struct Setting {
    command: u32,
    value: u32,
}

/// Sets what was asked for, then brings it up: 127.0.0.1 and ::1 are there at once.
pub(super) fn bring_up(isolation: &Isolation) -> Result<(), NamespaceError> {
    let device = Device::open().map_err(Stage::Loopback.failed())?;
    if let Some(mtu) = isolation.mtu {
        device.set_mtu(mtu).map_err(Stage::Loopback.failed())?;
    }
    if !isolation.offload {
        for command in [ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO] {
            // A kernel that cannot switch one of them shows larger packets, which are told apart.
            let _ = device.switch_off(command);
        }
    }
    device.up().map_err(Stage::Loopback.failed())
}

/// Any socket will do for asking about a device.
struct Device(OwnedFd);

impl Device {
    fn open() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Inet, SockType::Datagram, flags, None).map(Self)
    }

    fn set_mtu(&self, mtu: u32) -> Result<(), Errno> {
        let mut request = named();
        request.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
        self.ask(libc::SIOCSIFMTU, &mut request)
    }

    fn up(&self) -> Result<(), Errno> {
        let mut request = named();
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        self.ask(libc::SIOCSIFFLAGS, &mut request)
    }

    fn switch_off(&self, command: u32) -> Result<(), Errno> {
        let mut setting = Setting { command, value: 0 };
        let mut request = named();
        request.ifr_ifru.ifru_data = (&raw mut setting).cast();
        self.ask(SIOCETHTOOL, &mut request)
    }

    fn ask(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> Result<(), Errno> {
        // SAFETY: the request is a whole `struct ifreq` with a name that ends in a zero; where it
        // points to more, that lives in the caller's frame.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), what as _, request) };
        Errno::result(result).map(drop)
    }
}

/// A request about `lo`.
fn named() -> libc::ifreq {
    // SAFETY: `struct ifreq` is numbers and pointers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *place = byte as libc::c_char;
    }
    request
}
