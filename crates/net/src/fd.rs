//! `fd:N`: descriptors that we inherited, whatever they are.

#![allow(unsafe_code)]

use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};
use socket2::Socket;
use sockeye_trace::Recorder;
use tokio::net::{TcpStream, UnixStream};

use crate::activation::Handed;
use crate::context::Net;
use crate::datagram;
use crate::endpoint::{Endpoint, Scheme};
use crate::error::{NetError, Operation};
use crate::link::{Link, Listener};
use crate::listen::StreamListener;
use crate::message::MessageLink;
use crate::name::Name;
use crate::options::{Moment, Settings};
use crate::pair::Pair;
use crate::seqpacket::SeqpacketListener;
use crate::stream::{ByteLink, Raw};

/// Held while a descriptor is taken over, so that it gets one owner.
static TAKING: Mutex<()> = Mutex::new(());

/// What a descriptor is used as.
enum What {
    Socket {
        family: AddressFamily,
        kind: SocketType,
        accepts: bool,
    },
    /// A pipe, a file, a terminal.
    Other,
}

/// Takes over a descriptor to be listened on.
pub(crate) fn listen(net: &Net, endpoint: &Endpoint, number: RawFd) -> Result<Listener, NetError> {
    let handed = net.inherited.take_number(number);
    let fd = handed.map_or_else(|| take(endpoint, number), Ok)?;
    adopt(net, endpoint, &endpoint.settings, fd, Name::Fd(number))
}

/// Takes over a descriptor as a link.
pub(crate) fn connect(net: &Net, endpoint: &Endpoint, number: RawFd) -> Result<Link, NetError> {
    match listen(net, endpoint, number)? {
        Listener::Ready(link) => Ok(link),
        _ => Err(NetError::unfit(
            endpoint,
            "the socket is not connected: listen on it instead",
        )),
    }
}

/// Opens a socket that the parent process handed over.
pub(crate) fn adopt_handed(net: &Net, handed: Handed) -> Result<Listener, NetError> {
    let shown = handed.name().unwrap_or("a socket of LISTEN_FDS").to_owned();
    let name = Name::Fd(handed.socket.as_raw_fd());
    adopt(net, &shown, &Settings::default(), handed.socket, name)
}

/// Makes what it is of a descriptor that is ours.
fn adopt(
    net: &Net,
    shown: &impl Display,
    settings: &Settings,
    fd: OwnedFd,
    name: Name,
) -> Result<Listener, NetError> {
    let failed = |error: io::Error| NetError::system(Operation::TakeOver, shown, error);
    let recorder = &net.recorder;
    let (family, kind, accepts) = match what(&fd).map_err(failed)? {
        What::Socket {
            family,
            kind,
            accepts,
        } => (family, kind, accepts),
        What::Other => {
            let fd = Arc::new(fd);
            let pair = Pair::shared(Arc::clone(&fd), fd);
            let link = ByteLink::new(Raw::Pair(Box::new(pair)), name, recorder);
            return Ok(Listener::Ready(Link::Bytes(link)));
        }
    };
    let applied = settings.apply(&fd, Scheme::Fd, Moment::Adopted);
    applied.map_err(|source| NetError::option(shown, source))?;
    let socket = Socket::from(fd);
    let opened = match (kind, family == AddressFamily::UNIX, accepts) {
        (SocketType::STREAM, true, true) => {
            StreamListener::unix(socket, None, settings, recorder).map(Listener::Stream)
        }
        (SocketType::STREAM, false, true) => {
            StreamListener::tcp(socket, settings, recorder).map(Listener::Stream)
        }
        (SocketType::STREAM, is_unix, false) => {
            stream(socket, is_unix, recorder).map(|link| Listener::Ready(Link::Bytes(link)))
        }
        (SocketType::SEQPACKET, true, true) => {
            SeqpacketListener::new(socket, None, recorder).map(Listener::Seqpacket)
        }
        (SocketType::SEQPACKET, true, false) => messages(socket, recorder),
        (SocketType::DGRAM, _, _) if socket.peer_addr().is_ok() => messages(socket, recorder),
        (SocketType::DGRAM | SocketType::RAW, _, _) => {
            datagram::Socket::new(socket, recorder.clone()).map(Listener::Datagram)
        }
        _ => return Err(NetError::unfit(shown, "sockets of this type are not known")),
    };
    opened.map_err(failed)
}

fn stream(socket: Socket, is_unix: bool, recorder: &Recorder) -> io::Result<ByteLink> {
    socket.set_nonblocking(true)?;
    if is_unix {
        ByteLink::from_unix(UnixStream::from_std(socket.into())?, recorder)
    } else {
        ByteLink::from_tcp(TcpStream::from_std(socket.into())?, recorder)
    }
}

fn messages(socket: Socket, recorder: &Recorder) -> io::Result<Listener> {
    let link = MessageLink::new(socket, recorder)?;
    Ok(Listener::Ready(Link::Messages(link)))
}

fn what(fd: &OwnedFd) -> io::Result<What> {
    let kind = match socket_type(fd) {
        Ok(kind) => kind,
        Err(rustix::io::Errno::NOTSOCK) => return Ok(What::Other),
        Err(error) => return Err(error.into()),
    };
    Ok(What::Socket {
        family: socket_domain(fd)?,
        kind,
        accepts: socket_acceptconn(fd)?,
    })
}

/// Makes an inherited descriptor ours, once. Standard input, output and errors stay open for the
/// rest of the program; any other is closed with what becomes of it.
fn take(endpoint: &Endpoint, number: RawFd) -> Result<OwnedFd, NetError> {
    let failed = |error: rustix::io::Errno| NetError::system(Operation::TakeOver, endpoint, error);
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the number is only asked about here: fcntl says whether it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed).map_err(failed)?;
    if number <= libc::STDERR_FILENO {
        return fcntl_dupfd_cloexec(borrowed, 3).map_err(failed);
    }
    // What this process opens is close-on-exec, what was taken over is since then, and what was
    // inherited cannot be.
    if flags.contains(FdFlags::CLOEXEC) {
        let why = "the descriptor was not handed over, or is in use already";
        return Err(NetError::unfit(endpoint, why));
    }
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).map_err(failed)?;
    // SAFETY: it is open and inherited, so nothing in this process owns it, and the flag that was
    // just set sees to it that it is taken once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
