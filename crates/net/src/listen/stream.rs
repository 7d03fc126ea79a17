//! Listeners that accept byte links.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use sockeye_trace::Recorder;
use tokio::net::{TcpListener, UnixListener};

use crate::endpoint::{Scheme, UnixKind};
use crate::name::Name;
use crate::options::{Moment, Setting, Settings};
use crate::stream::{ByteLink, Raw};
use crate::unix_lock::Claim;

/// A socket that accepts connections, each of which is a [`ByteLink`].
///
/// Dropping it closes the socket, and removes the file of a Unix socket if it is still ours.
#[derive(Debug)]
pub struct StreamListener {
    raw: RawListener,
    recorder: Recorder,
    local: Name,
    /// Options that the kernel does not hand down, if there are any.
    on_accept: Option<Settings>,
}

#[derive(Debug)]
enum RawListener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Of a socket with a file that we made.
        _claim: Option<Claim>,
    },
}

impl StreamListener {
    /// Takes a TCP socket that listens.
    pub(crate) fn tcp(
        socket: socket2::Socket,
        settings: &Settings,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = Name::tcp(listener.local_addr()?);
        Ok(Self {
            raw: RawListener::Tcp(listener),
            recorder: recorder.clone(),
            local,
            on_accept: on_accept(settings),
        })
    }

    /// Takes a Unix stream socket that listens.
    pub(crate) fn unix(
        socket: socket2::Socket,
        claim: Option<Claim>,
        settings: &Settings,
        recorder: &Recorder,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let local = rustix::net::getsockname(&socket)?;
        let local = Name::unix_any(UnixKind::Stream, Some(&local));
        let listener = UnixListener::from_std(socket.into())?;
        Ok(Self {
            raw: RawListener::Unix {
                listener,
                _claim: claim,
            },
            recorder: recorder.clone(),
            local,
            on_accept: on_accept(settings),
        })
    }

    /// The address that it really has.
    pub fn local(&self) -> &Name {
        &self.local
    }

    fn scheme(&self) -> Scheme {
        match self.raw {
            RawListener::Tcp(_) => Scheme::Tcp,
            RawListener::Unix { .. } => Scheme::Unix,
        }
    }

    /// Accepts one connection; of TCP with one system call. Options that are handed down were set on
    /// the listener.
    ///
    /// **Errors:** what is wrong with this process or machine, such as `EMFILE`; accepting may go
    /// on later. What is wrong with a connection that is gone already is passed over, as accept(2)
    /// advises.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<ByteLink>> {
        loop {
            let accepted = match &self.raw {
                RawListener::Tcp(listener) => ready!(listener.poll_accept(cx))
                    .map(|(stream, peer)| (Raw::Tcp(stream), Name::tcp(peer))),
                // The runtime's accept drops abstract names, so the kernel is asked.
                RawListener::Unix { listener, .. } => {
                    ready!(listener.poll_accept(cx)).map(|(stream, _)| {
                        let peer = rustix::net::getpeername(&stream).ok().flatten();
                        (
                            Raw::Unix(stream),
                            Name::unix_any(UnixKind::Stream, peer.as_ref()),
                        )
                    })
                }
            };
            match accepted {
                Ok((raw, peer)) => {
                    let link = ByteLink::new(raw, peer, &self.recorder);
                    if let Some(settings) = &self.on_accept {
                        // A connection that refuses them is gone already: reading will say so.
                        let _ = settings.apply(&link, self.scheme(), Moment::Accepted);
                    }
                    return Poll::Ready(Ok(link));
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Waits for one connection. Cancelling loses none.
    pub async fn accept(&self) -> io::Result<ByteLink> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }
}

impl AsFd for StreamListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.raw {
            RawListener::Tcp(listener) => listener.as_fd(),
            RawListener::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

fn on_accept(settings: &Settings) -> Option<Settings> {
    let is_due = |setting: &Setting| setting.key().spec().when.has(Moment::Accepted);
    settings.iter().any(is_due).then(|| settings.clone())
}

/// Errors that a pending connection brought with it: accept(2), "Error handling".
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::ENETDOWN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}
