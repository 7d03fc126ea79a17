//! Making and describing links by rtnetlink(7).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::netdevice::name_to_index;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// An address of Ethernet.
pub(crate) type Mac = [u8; 6];

/// `struct nlmsghdr` (linux/netlink.h).
const HEADER: usize = 16;
/// linux/veth.h
const VETH_INFO_PEER: u16 = 1;
/// linux/if_link.h: no address of IPv6 is made for the link.
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;

/// A kept way to change the links of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Route {
    socket: OwnedFd,
    sequence: u32,
}

/// One end of a new pair of links.
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
}

impl Route {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE is 0.
            None,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The number of a link.
    pub(crate) fn index(&self, name: &str) -> io::Result<u32> {
        Ok(name_to_index(&self.socket, name)?)
    }

    /// Makes a pair of links, one end here and one in another network namespace.
    pub(crate) fn pair(
        &mut self,
        near: &End<'_>,
        far: &End<'_>,
        other: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        message.bytes.extend_from_slice(&link(0, 0));
        message.end(near);
        message.nest(libc::IFLA_LINKINFO, |message| {
            message.attribute(libc::IFLA_INFO_KIND, b"veth");
            message.nest(libc::IFLA_INFO_DATA, |message| {
                message.nest(VETH_INFO_PEER, |message| {
                    message.bytes.extend_from_slice(&link(0, 0));
                    message.end(far);
                    message.attribute(libc::IFLA_NET_NS_FD, &other.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.ask(message)
    }

    /// Takes from a link what IPv6 would say on it by itself.
    pub(crate) fn silence_v6(&mut self, index: u32) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.bytes.extend_from_slice(&link(index, 0));
        message.nest(libc::IFLA_AF_SPEC, |message| {
            message.nest(libc::AF_INET6 as u16, |message| {
                message.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        });
        self.ask(message)
    }

    /// Brings a link up, as one on which nobody asks for addresses (ARP).
    pub(crate) fn up(&mut self, index: u32) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        let flags = libc::IFF_UP | libc::IFF_NOARP;
        message
            .bytes
            .extend_from_slice(&link(index, flags.cast_unsigned()));
        self.ask(message)
    }

    /// Gives a link an address, in a network of so many bits.
    pub(crate) fn address(&mut self, index: u32, address: Ipv4Addr, bits: u8) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE);
        // struct ifaddrmsg
        let scope = libc::RT_SCOPE_UNIVERSE;
        message
            .bytes
            .extend_from_slice(&[libc::AF_INET as u8, bits, 0, scope]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address.octets());
        message.attribute(libc::IFA_ADDRESS, &address.octets());
        self.ask(message)
    }

    /// Says once and for all who has an address.
    pub(crate) fn neighbour(&mut self, index: u32, address: Ipv4Addr, mac: Mac) -> io::Result<()> {
        let mut message =
            Message::new(libc::RTM_NEWNEIGH, libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
        // struct ndmsg
        message
            .bytes
            .extend_from_slice(&[libc::AF_INET as u8, 0, 0, 0]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message
            .bytes
            .extend_from_slice(&libc::NUD_PERMANENT.to_ne_bytes());
        message.bytes.extend_from_slice(&[0, 0]);
        message.attribute(libc::NDA_DST, &address.octets());
        message.attribute(libc::NDA_LLADDR, &mac);
        self.ask(message)
    }

    /// Sends a message and waits for its acknowledgement.
    fn ask(&mut self, message: Message) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message.finish(self.sequence);
        rustix::io::retry_on_intr(|| send(&self.socket, &bytes, SendFlags::empty()))?;
        // An acknowledgement quotes what it answers; more than that is cut off, and never read.
        let mut answer = [0; 1024];
        loop {
            let (_, got) = rustix::io::retry_on_intr(|| {
                recv(&self.socket, &mut answer[..], RecvFlags::empty())
            })?;
            if let Some(done) = acknowledged(&answer[..got.min(1024)], self.sequence) {
                return done;
            }
        }
    }
}

/// What an answer says about the request with this number; none if it speaks of something else.
fn acknowledged(answer: &[u8], sequence: u32) -> Option<io::Result<()>> {
    let header: &[u8; HEADER + 4] = answer.first_chunk()?;
    let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    if word(8) != sequence || i32::from(kind) != libc::NLMSG_ERROR {
        return None;
    }
    Some(match word(HEADER).cast_signed() {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
    })
}

/// `struct ifinfomsg`: which link, and the flags that it is to have beside those that it has.
fn link(index: u32, flags: u32) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..16].copy_from_slice(&flags.to_ne_bytes());
    body
}

/// A message that is being written, header first.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: libc::c_int) -> Self {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    fn end(&mut self, end: &End<'_>) {
        self.attribute(libc::IFLA_IFNAME, end.name.as_bytes());
        self.attribute(libc::IFLA_ADDRESS, &end.mac);
        self.attribute(libc::IFLA_MTU, &end.mtu.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, content: &[u8]) {
        self.nest(kind, |message| message.bytes.extend_from_slice(content));
    }

    /// An attribute that `write` fills.
    fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        write(self);
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        // RTA_ALIGNTO
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}
