//! Asking the kernel over netlink, and walking through what it answers where it lies.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::DiagError;

/// Room for one answer. The kernel fills at most 32 KiB at a time, however much there is
/// (`netlink_dump`, net/netlink/af_netlink.c); the rest is for kernels that fill more.
const ROOM: usize = 256 << 10;
/// `struct nlmsghdr` (linux/netlink.h).
const HEADER: usize = 16;

const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// linux/sock_diag.h
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/inet_diag.h: TCP of both families at once, which the newer question cannot ask for.
pub(super) const TCPDIAG_GETSOCK: u16 = 18;

/// A socket that speaks `NETLINK_SOCK_DIAG`, with its buffer.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    room: Vec<u8>,
    request: Vec<u8>,
    sequence: u32,
}

/// Whether the table stood still while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Whole,
    /// It changed in a way that may have hidden or doubled something (`NLM_F_DUMP_INTR`).
    Interrupted,
}

impl Netlink {
    pub(super) fn open() -> Result<Self, DiagError> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(|error| DiagError::Open(error.into()))?;
        Ok(Self {
            socket,
            room: vec![0; ROOM],
            request: Vec::with_capacity(128),
            sequence: 0,
        })
    }

    /// Asks for everything that fits `body`, and hands on each answer.
    pub(super) fn dump(
        &mut self,
        question: u16,
        body: &[u8],
        each: impl FnMut(&[u8]),
    ) -> Result<Told, DiagError> {
        self.ask(question, body, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.answers(true, each)
    }

    /// Asks for the one thing that fits `body`.
    pub(super) fn get(&mut self, body: &[u8], each: impl FnMut(&[u8])) -> Result<(), DiagError> {
        self.ask(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST)?;
        self.answers(false, each).map(|_| ())
    }

    fn ask(&mut self, question: u16, body: &[u8], flags: u16) -> Result<(), DiagError> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = (HEADER + body.len()) as u32;
        self.request.clear();
        self.request.extend_from_slice(&length.to_ne_bytes());
        self.request.extend_from_slice(&question.to_ne_bytes());
        self.request.extend_from_slice(&flags.to_ne_bytes());
        self.request.extend_from_slice(&self.sequence.to_ne_bytes());
        self.request.extend_from_slice(&[0; 4]);
        self.request.extend_from_slice(body);
        let sent =
            rustix::io::retry_on_intr(|| send(&self.socket, &self.request, SendFlags::empty()));
        sent.map_err(|error| DiagError::Ask(error.into()))?;
        Ok(())
    }

    fn answers(&mut self, is_dump: bool, mut each: impl FnMut(&[u8])) -> Result<Told, DiagError> {
        let mut told = Told::Whole;
        loop {
            let (_, got) = rustix::io::retry_on_intr(|| {
                recv(&self.socket, &mut self.room[..], RecvFlags::TRUNC)
            })
            .map_err(|error| DiagError::Ask(error.into()))?;
            let whole = self.room.get(..got).ok_or(DiagError::Answer)?;
            let mut is_ours = false;
            for message in Messages(whole) {
                let message = message?;
                // What an earlier question left behind when it failed half-way.
                if message.sequence != self.sequence {
                    continue;
                }
                is_ours = true;
                if message.flags & NLM_F_DUMP_INTR != 0 {
                    told = Told::Interrupted;
                }
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return failed(message.body).map_or(Ok(told), Err);
                    }
                    _ => each(message.body),
                }
            }
            if is_ours && !is_dump {
                return Ok(told);
            }
        }
    }
}

/// The error that an answer begins with, as a negative errno; none if it is 0.
fn failed(body: &[u8]) -> Option<DiagError> {
    let number = i32::from_ne_bytes(*body.first_chunk()?);
    (number < 0).then(|| DiagError::Ask(io::Error::from_raw_os_error(number.saturating_neg())))
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DiagError>;

    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let length = u32_at(header, 0) as usize;
        let Some(body) = self.0.get(HEADER..length) else {
            self.0 = &[];
            return Some(Err(DiagError::Answer));
        };
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32_at(header, 8),
            body,
        };
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Ok(message))
    }
}

/// `struct rtattr`s one after another: a kind and its content.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; 4] = self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let content = self.0.get(4..length)?;
        // The two upper bits say how the content is laid out (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((kind, content))
    }
}

/// Messages and attributes begin at multiples of four (`NLMSG_ALIGNTO`, `RTA_ALIGNTO`).
const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// The number at `at`; 0 where an older kernel tells less.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_ne_bytes(*word))
}

/// The number at `at`; 0 where an older kernel tells less.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_that_claims_more_than_there_is_ends_the_answer() {
        let mut bytes = [0; HEADER];
        bytes[0] = 17;
        assert!(matches!(
            Messages(&bytes).next(),
            Some(Err(DiagError::Answer))
        ));
        bytes[0] = 3;
        assert!(matches!(
            Messages(&bytes).next(),
            Some(Err(DiagError::Answer))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let messages = Messages(&bytes).count();
            let attributes = Attributes(&bytes).count();
            prop_assert!(messages <= bytes.len() && attributes <= bytes.len());
        }
    }
}
