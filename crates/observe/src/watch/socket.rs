//! Asking the kernel about a watched program's socket through a duplicate of its descriptor.
//!
//! A duplicate that stayed open would keep the program's close from sending a FIN, so every function
//! that needs one takes it, asks, and gives it back before it returns.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use sockeye_trace::{Address, Gauge, TcpState, Transport};

use super::decode::{NAME_MAX, Name};
use super::memory::{half, word};

/// Enough for struct tcp_info of any kernel so far (<linux/tcp.h>); a longer one is cut.
const TCP_INFO_BYTES: usize = 256;
/// How many counters `SO_MEMINFO` has (`SK_MEMINFO_VARS` of <linux/sock_diag.h>).
const MEMINFO_VARS: usize = 9;
/// `SIOCOUTQNSD` of <linux/sockios.h>: bytes not yet sent.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;

/// A process, held so that its number cannot come to mean another.
#[derive(Debug)]
pub(super) struct Handle(OwnedFd);

impl Handle {
    pub(super) fn open(process: i32) -> io::Result<Self> {
        let pid = rustix::process::Pid::from_raw(process).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// A short-lived duplicate of one of its descriptors.
    pub(super) fn borrow(&self, fd: i32) -> io::Result<Copy> {
        if fd < 0 {
            return Err(rustix::io::Errno::BADF.into());
        }
        let copy = pidfd_getfd(self.0.as_fd(), fd, PidfdGetfdFlags::empty())?;
        Ok(Copy(copy))
    }
}

/// A duplicate of a watched descriptor: closed as soon as possible.
#[derive(Debug)]
pub(super) struct Copy(OwnedFd);

/// What a socket is, once and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// `SO_COOKIE`: the kernel never gives it twice.
    pub(super) cookie: u64,
    pub(super) transport: Transport,
    /// It keeps messages apart.
    pub(super) datagrams: bool,
}

/// What TCP_INFO says that we use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpInfo {
    pub(super) state: TcpState,
    /// Segments with data, retransmissions included.
    pub(super) data_segs_out: u32,
    /// Distinct bytes that were put on the wire.
    pub(super) sent: u64,
    /// Bytes that wait for their first sending.
    pub(super) unsent: u32,
    /// Distinct bytes that arrived in order.
    pub(super) received: u64,
}

impl TcpInfo {
    /// Reads struct tcp_info of <linux/tcp.h>; what an older kernel does not tell is 0.
    fn parse(info: &[u8]) -> Self {
        let state = TcpState::of_number(info.first().copied().unwrap_or(0));
        // The FIN counts as a byte (net/ipv4/tcp_input.c, tcp_rcv_nxt_update).
        let fin = matches!(
            state,
            TcpState::CloseWait | TcpState::LastAck | TcpState::Closing | TcpState::TimeWait
        );
        Self {
            state,
            data_segs_out: half(info, 156),
            sent: word(info, 200).saturating_sub(word(info, 208)),
            unsent: half(info, 144),
            received: word(info, 128).saturating_sub(u64::from(fin)),
        }
    }
}

impl Copy {
    /// What the socket is; none where it is no socket.
    pub(super) fn identity(&self) -> Option<Identity> {
        let cookie = word(&self.option::<8>(libc::SOL_SOCKET, libc::SO_COOKIE)?, 0);
        let int =
            |option| Some(half(&self.option::<4>(libc::SOL_SOCKET, option)?, 0).cast_signed());
        let (domain, kind) = (int(libc::SO_DOMAIN)?, int(libc::SO_TYPE)?);
        let transport = transport(domain, kind, int(libc::SO_PROTOCOL)?);
        Some(Identity {
            cookie,
            transport,
            datagrams: kind != libc::SOCK_STREAM,
        })
    }

    pub(super) fn is_listening(&self) -> bool {
        let value = self.option::<4>(libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
        value.is_some_and(|value| value != [0; 4])
    }

    /// The number by which sock_diag knows it.
    pub(super) fn inode(&self) -> Option<u32> {
        u32::try_from(rustix::fs::fstat(&self.0).ok()?.st_ino).ok()
    }

    pub(super) fn local(&self) -> Address {
        self.name(libc::getsockname)
    }

    pub(super) fn peer(&self) -> Address {
        self.name(libc::getpeername)
    }

    /// What TCP says; nothing for other sockets.
    pub(super) fn tcp(&self) -> Option<TcpInfo> {
        let mut info = [0; TCP_INFO_BYTES];
        let len = self.option_into(libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
        Some(TcpInfo::parse(&info[..len]))
    }

    /// Bytes that arrived and were not read.
    pub(super) fn unread(&self) -> Option<u32> {
        self.queue(libc::FIONREAD)
    }

    /// How full the buffers are.
    pub(super) fn gauge(&self) -> Option<Gauge> {
        let (queued, unsent) = (self.queue(libc::TIOCOUTQ)?, self.queue(SIOCOUTQNSD)?);
        let memory = self.option::<{ MEMINFO_VARS * 4 }>(libc::SOL_SOCKET, libc::SO_MEMINFO)?;
        // In the order of SK_MEMINFO_RMEM_ALLOC … of <linux/sock_diag.h>.
        let of = |index: usize| half(&memory, index * 4);
        Some(Gauge {
            unsent,
            unacked: queued.saturating_sub(unsent),
            unread: self.unread()?,
            recv_memory: of(0),
            recv_limit: of(1),
            send_memory: of(5),
            send_limit: of(3),
        })
    }

    fn queue(&self, which: libc::Ioctl) -> Option<u32> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: these requests write one int to where the argument points.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), which, &raw mut bytes) };
        (result == 0).then(|| bytes.cast_unsigned())
    }

    fn option<const N: usize>(&self, level: i32, option: i32) -> Option<[u8; N]> {
        let mut value = [0; N];
        self.option_into(level, option, &mut value)?;
        Some(value)
    }

    fn option_into(&self, level: i32, option: i32, value: &mut [u8]) -> Option<usize> {
        let mut len = value.len() as libc::socklen_t;
        let fd = self.0.as_raw_fd();
        // SAFETY: the kernel writes at most `len` bytes to `value`, and how many to `len`.
        let result =
            unsafe { libc::getsockopt(fd, level, option, value.as_mut_ptr().cast(), &raw mut len) };
        (result == 0).then_some(len as usize)
    }

    fn name(&self, ask: NameCall) -> Address {
        let mut bytes = [0; NAME_MAX];
        let mut len = NAME_MAX as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes, and how many the address has to `len`.
        let result = unsafe { ask(self.0.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut len) };
        if result != 0 {
            return Address::None;
        }
        match Name::parse(&bytes[..(len as usize).min(NAME_MAX)]).address {
            // What an unbound socket has is no address.
            Address::Ip(any) if any.ip().is_unspecified() && any.port() == 0 => Address::None,
            address => address,
        }
    }
}

type NameCall = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

impl AsFd for Copy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn transport(domain: i32, kind: i32, protocol: i32) -> Transport {
    match (domain, kind) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM)
            if matches!(protocol, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP) =>
        {
            Transport::Tcp
        }
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM) if protocol == libc::IPPROTO_UDP => {
            Transport::Udp
        }
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_RAW | libc::SOCK_DGRAM) => Transport::Raw,
        (libc::AF_UNIX, libc::SOCK_STREAM) => Transport::Unix,
        (libc::AF_UNIX, libc::SOCK_DGRAM) => Transport::UnixDgram,
        (libc::AF_UNIX, libc::SOCK_SEQPACKET) => Transport::UnixSeqpacket,
        (libc::AF_PACKET, _) => Transport::Packet,
        _ => Transport::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn ours() -> Handle {
        Handle::open(std::process::id() as i32).unwrap()
    }

    #[test]
    fn a_connection_says_what_it_is_and_how_far_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 400]).unwrap();

        let copy = ours().borrow(client.as_raw_fd()).unwrap();
        let identity = copy.identity().unwrap();
        assert_eq!(
            (identity.transport, identity.datagrams),
            (Transport::Tcp, false)
        );
        assert_eq!(copy.local(), Address::ip(client.local_addr().unwrap()));
        assert_eq!(copy.peer(), Address::ip(listener.local_addr().unwrap()));
        let info = copy.tcp().unwrap();
        assert_eq!((info.state, info.sent), (TcpState::Established, 1000));

        let copy = ours().borrow(server.as_raw_fd()).unwrap();
        assert_eq!(copy.tcp().unwrap().received, 1000);
        let gauge = copy.gauge().unwrap();
        assert_eq!((gauge.unread, gauge.unsent), (600, 0));
        assert!(gauge.recv_memory >= 600 && gauge.recv_limit > 0);

        let copy = ours().borrow(listener.as_raw_fd()).unwrap();
        assert!(copy.is_listening());
        assert_ne!(copy.identity().unwrap().cookie, identity.cookie);
    }

    #[test]
    fn what_is_no_tcp_socket_says_so() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let copy = ours().borrow(socket.as_raw_fd()).unwrap();
        let identity = copy.identity().unwrap();
        assert_eq!(
            (identity.transport, identity.datagrams),
            (Transport::Udp, true)
        );
        assert_eq!(copy.tcp(), None);
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(ours().borrow(reader.as_raw_fd()).unwrap().identity(), None);
        assert!(ours().borrow(i32::MAX).is_err());
    }
}
