//! Addresses as the kernel writes them.

use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::endpoint::UnixName;

/// The longest name a socket of our families has: `sockaddr_un`, unix(7).
pub(super) const NAME_BYTES: usize = size_of::<libc::sockaddr_un>();

/// Where a datagram comes from or goes to, in the kernel's own form.
///
/// It is copied from one system call to the next and compared as bytes, so an answer costs no
/// translation. IPv4 peers of a dual-stack socket are IPv6-mapped in here and plain IPv4 in
/// [`Address::inet`] and when printed.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Address {
    pub(super) bytes: [u8; NAME_BYTES],
    /// At most `NAME_BYTES`.
    pub(super) len: u16,
}

impl Address {
    /// The address of a sender that has none: an unbound Unix socket. It cannot be answered.
    pub const UNNAMED: Self = Self {
        bytes: [0; NAME_BYTES],
        len: 0,
    };

    /// The first `bytes.len()` bytes are the name; what does not fit is no name of ours.
    fn from_bytes(name: &[u8]) -> Self {
        let mut address = Self::UNNAMED;
        let len = name.len().min(NAME_BYTES);
        address.bytes[..len].copy_from_slice(&name[..len]);
        address.len = len as u16;
        address
    }

    /// The name, as `bind` and `sendto` take it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(NAME_BYTES)]
    }

    fn family(&self) -> Option<libc::c_int> {
        let family = self.as_bytes().first_chunk::<2>()?;
        Some(libc::c_int::from(u16::from_ne_bytes(*family)))
    }

    /// The internet address and port, IPv4 where it is IPv4-mapped.
    pub fn inet(&self) -> Option<SocketAddr> {
        let raw = self.raw_inet()?;
        Some(match raw {
            SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
                Some(v4) => SocketAddr::from((v4, v6.port())),
                None => raw,
            },
            SocketAddr::V4(_) => raw,
        })
    }

    /// The internet address as the socket's family has it.
    pub(crate) fn raw_inet(&self) -> Option<SocketAddr> {
        let name = self.as_bytes();
        let port = u16::from_be_bytes(*name.get(2..)?.first_chunk()?);
        match self.family()? {
            libc::AF_INET => {
                let ip: [u8; 4] = *name.get(4..)?.first_chunk()?;
                Some(SocketAddrV4::new(Ipv4Addr::from(ip), port).into())
            }
            libc::AF_INET6 => {
                let flow = u32::from_ne_bytes(*name.get(4..)?.first_chunk()?);
                let ip: [u8; 16] = *name.get(8..)?.first_chunk()?;
                let scope = u32::from_ne_bytes(*name.get(24..)?.first_chunk()?);
                Some(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope).into())
            }
            _ => None,
        }
    }

    /// The path of a Unix socket that has one.
    pub fn unix_path(&self) -> Option<&Path> {
        let path = self.unix_name()?;
        // The kernel counts the closing NUL or leaves it out, as the binder wrote it.
        let path = path.split(|byte| *byte == 0).next()?;
        (!path.is_empty()).then(|| Path::new(OsStr::from_bytes(path)))
    }

    /// The abstract name of a Unix socket that has one, without its leading NUL.
    pub fn unix_abstract(&self) -> Option<&[u8]> {
        self.unix_name()?.strip_prefix(&[0])
    }

    fn unix_name(&self) -> Option<&[u8]> {
        (self.family()? == libc::AF_UNIX).then(|| self.as_bytes().get(2..))?
    }

    /// The name of a Unix socket, if it has one.
    pub fn unix(&self) -> Option<UnixName> {
        let path = || {
            self.unix_path()
                .map(|path| UnixName::Path(PathBuf::from(path)))
        };
        self.unix_abstract()
            .map(|name| UnixName::Abstract(name.into()))
            .or_else(path)
    }

    /// Whether an answer can be sent there.
    pub fn is_named(&self) -> bool {
        self.raw_inet().is_some() || self.unix_name().is_some_and(|name| !name.is_empty())
    }

    /// Whether nobody outside this machine can write this source address into a datagram.
    pub fn is_unspoofable(&self) -> bool {
        match self.inet() {
            Some(inet) => inet.ip().is_loopback(),
            None => true,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(inet: SocketAddr) -> Self {
        let mut name = [0; size_of::<libc::sockaddr_in6>()];
        name[2..4].copy_from_slice(&inet.port().to_be_bytes());
        let (family, len) = match inet {
            SocketAddr::V4(v4) => {
                name[4..8].copy_from_slice(&v4.ip().octets());
                (libc::AF_INET, size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(v6) => {
                name[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                name[8..24].copy_from_slice(&v6.ip().octets());
                name[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                (libc::AF_INET6, size_of::<libc::sockaddr_in6>())
            }
        };
        name[..2].copy_from_slice(&(family as u16).to_ne_bytes());
        Self::from_bytes(&name[..len])
    }
}

impl From<&socket2::SockAddr> for Address {
    fn from(name: &socket2::SockAddr) -> Self {
        if let Some(inet) = name.as_socket() {
            return inet.into();
        }
        let family = (libc::AF_UNIX as u16).to_ne_bytes();
        let unix = match (name.as_pathname(), name.as_abstract_namespace()) {
            (Some(path), _) => [&family[..], path.as_os_str().as_bytes(), &[0]].concat(),
            (None, Some(name)) => [&family[..], &[0], name].concat(),
            (None, None) => vec![],
        };
        Self::from_bytes(&unix)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(inet) = self.inet() {
            return inet.fmt(f);
        }
        if let Some(path) = self.unix_path() {
            return path.display().fmt(f);
        }
        match self.unix_abstract() {
            Some(name) => write!(f, "@{}", name.escape_ascii()),
            None => f.write_str("unnamed"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The same address with IPv4 mapped into IPv6, as pktinfo of a dual-stack socket has it.
pub(super) fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internet_addresses_read_back_and_print_plainly() {
        for (text, shown) in [
            ("127.0.0.1:7", "127.0.0.1:7"),
            ("[::1]:65535", "[::1]:65535"),
            ("[fe80::1%3]:9", "[fe80::1%3]:9"),
            ("[::ffff:10.1.2.3]:80", "10.1.2.3:80"),
        ] {
            let inet: SocketAddr = text.parse().unwrap();
            let address = Address::from(inet);
            assert_eq!(address.raw_inet(), Some(inet));
            assert_eq!(address.to_string(), shown);
            assert!(address.is_named());
        }
    }

    #[test]
    fn unix_names_read_back_and_print_escaped() {
        let path = Address::from(&socket2::SockAddr::unix("/run/a b").unwrap());
        assert_eq!(path.unix_path(), Some(Path::new("/run/a b")));
        assert_eq!(
            (path.to_string(), path.is_named()),
            ("/run/a b".into(), true)
        );

        let hidden = Address::from(&socket2::SockAddr::unix("\0x\n").unwrap());
        assert_eq!(
            (hidden.unix_path(), hidden.unix_abstract()),
            (None, Some(&b"x\n"[..]))
        );
        assert_eq!(hidden.to_string(), "@x\\n");
    }

    #[test]
    fn a_sender_without_a_name_cannot_be_answered() {
        let family_only = Address::from_bytes(&(libc::AF_UNIX as u16).to_ne_bytes());
        for unnamed in [Address::UNNAMED, family_only] {
            assert_eq!(
                (unnamed.is_named(), unnamed.to_string()),
                (false, "unnamed".into())
            );
        }
    }

    #[test]
    fn only_loopback_and_local_sockets_cannot_be_spoofed() {
        let is = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap()).is_unspoofable();
        assert!(is("127.9.9.9:1") && is("[::1]:1") && is("[::ffff:127.0.0.1]:1"));
        assert!(!is("192.0.2.1:1") && !is("[2001:db8::1]:1"));
        assert!(Address::UNNAMED.is_unspoofable());
    }
}
