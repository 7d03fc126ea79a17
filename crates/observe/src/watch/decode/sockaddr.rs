//! struct sockaddr of every family that we know.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use sockeye_trace::Address;

/// The longest address that the kernel takes (struct sockaddr_storage).
pub(crate) const NAME_MAX: usize = 128;
/// Where the path begins in struct sockaddr_un.
const UNIX_PATH: usize = 2;

/// A socket's name as the kernel keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// `AF_*`.
    pub(crate) family: u16,
    /// What it says, where it is of a family that we know.
    pub(crate) address: Address,
}

impl Name {
    /// Reads a struct sockaddr of as many bytes as there are.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let Some((family, rest)) = bytes.split_first_chunk() else {
            return Self::default();
        };
        let family = u16::from_ne_bytes(*family);
        let address = match i32::from(family) {
            libc::AF_INET => internet(rest),
            libc::AF_INET6 => internet_6(rest),
            libc::AF_UNIX => unix(&bytes[UNIX_PATH..]),
            _ => None,
        };
        Self {
            family,
            address: address.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i32::from(self.family) {
            libc::AF_UNSPEC => f.write_str("AF_UNSPEC"),
            libc::AF_UNIX if self.address.is_none() => f.write_str("AF_UNIX"),
            libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX => self.address.fmt(f),
            libc::AF_NETLINK => f.write_str("AF_NETLINK"),
            libc::AF_PACKET => f.write_str("AF_PACKET"),
            other => write!(f, "AF_{other}"),
        }
    }
}

fn internet(rest: &[u8]) -> Option<Address> {
    let (port, rest) = rest.split_first_chunk()?;
    let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
    Some(Address::ip((address, u16::from_be_bytes(*port)).into()))
}

fn internet_6(rest: &[u8]) -> Option<Address> {
    let (port, rest) = rest.split_first_chunk()?;
    let (_flow, rest) = rest.split_first_chunk::<4>()?;
    let (address, rest) = rest.split_first_chunk::<16>()?;
    // A kernel before 2.6 had no scope here, and it still takes 24 bytes.
    let scope = rest
        .first_chunk()
        .map_or(0, |scope| u32::from_ne_bytes(*scope));
    let port = u16::from_be_bytes(*port);
    let address = SocketAddrV6::new(Ipv6Addr::from(*address), port, 0, scope);
    Some(Address::ip(SocketAddr::V6(address)))
}

fn unix(path: &[u8]) -> Option<Address> {
    let name = match path {
        [] | [0] => return None,
        // An abstract name is as long as the address says, and may hold any byte.
        [0, name @ ..] => {
            let name = String::from_utf8_lossy(name).replace('\0', "@");
            format!("@{name}")
        }
        path => {
            let end = path
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(path.len());
            String::from_utf8_lossy(&path[..end]).into_owned()
        }
    };
    Some(Address::Unix(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(Name::parse(bytes).to_string(), expected);
    }

    #[test]
    fn names_are_read() {
        let mut four = vec![2, 0, 0x13, 0x88, 127, 0, 0, 1];
        check(&four, "127.0.0.1:5000");
        four.extend([0; 8]);
        check(&four, "127.0.0.1:5000");
        let mut six = vec![10, 0, 0x13, 0x88, 0, 0, 0, 0];
        six.extend(Ipv6Addr::LOCALHOST.octets());
        check(&six, "[::1]:5000");
        six.extend([3, 0, 0, 0]);
        check(&six, "[::1]:5000");
        check(b"\x01\x00/run/x\0rest", "/run/x");
        check(b"\x01\x00\0name", "@name");
        check(b"\x01\x00", "AF_UNIX");
        check(b"\x00\x00", "AF_UNSPEC");
        check(b"\x10\x00\0\0\0\0", "AF_NETLINK");
        check(b"", "AF_UNSPEC");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name(bytes in prop::collection::vec(any::<u8>(), 0..NAME_MAX)) {
            let _ = Name::parse(&bytes).to_string();
        }
    }
}
