//! A bound socket whose first peer becomes its only one, as one accepts a single connection.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SocketAddrAny};

use super::{Address, Socket};
use crate::message::MessageLink;

impl Socket {
    /// Waits for a datagram and links to whoever sent it; the datagram is the link's first message.
    ///
    /// From then on the kernel turns others away, but for what they sent before.
    ///
    /// # Errors
    /// When the peer has no name that could be answered (an unbound Unix socket), and whatever the
    /// kernel reports.
    pub async fn into_first_peer(self) -> io::Result<MessageLink> {
        let peer = poll_fn(|cx| self.poll_peer(cx)).await?;
        let (socket, recorder, claim) = self.into_parts();
        rustix::net::connect(&socket, &peer)?;
        let address = Address::from(&socket.peer_addr()?);
        MessageLink::connected(socket, &address, claim, &recorder)
    }

    /// Looks who sent the first datagram without taking it.
    fn poll_peer(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddrAny>> {
        loop {
            let mut ready = ready!(self.watched().poll_read_ready(cx))?;
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            match rustix::net::recvfrom(self.watched().as_fd(), &mut [0; 1][..], flags) {
                Ok((_, _, Some(peer))) => return Poll::Ready(Ok(peer)),
                Ok((_, _, None)) => {
                    let why = "the peer's socket has no name: it cannot be answered";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, why)));
                }
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                // An ICMP error that an earlier user of the port has earned is none of ours.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNREFUSED) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use sockeye_trace::Recorder;

    use super::*;

    #[tokio::test]
    async fn the_first_peer_is_linked_and_its_datagram_kept() {
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = ours.local_addr().unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::new(ours.into(), Recorder::new()).unwrap();
        let linking = tokio::spawn(socket.into_first_peer());
        peer.send_to(b"hello", at).unwrap();
        let mut link = linking.await.unwrap().unwrap();
        let mut buf = [0; 16];
        let got = link.recv(&mut buf).await.unwrap().unwrap();
        assert_eq!(&buf[..got.len], b"hello");
        link.send(b"you").await.unwrap();
        let got = peer.recv(&mut buf).unwrap();
        assert_eq!(&buf[..got], b"you");
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.connect(at).unwrap();
        stranger.send(b"me too").unwrap();
        let refused = stranger.recv(&mut buf).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
