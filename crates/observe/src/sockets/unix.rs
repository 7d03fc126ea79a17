//! Unix sockets: linux/unix_diag.h.

use sockeye_trace::{Address, TcpState, Transport};

use super::netlink::{Attributes, u32_at};
use super::{Family, Memory, Socket};

/// `UDIAG_SHOW_*`: name, peer, queues, memory, uid.
const SHOW: u32 = 0x01 | 0x04 | 0x10 | 0x40;
const SHOW_MEMORY: u32 = 0x20;

const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_MEMINFO: u16 = 5;
const UNIX_DIAG_UID: u16 = 7;

/// `struct unix_diag_msg`.
const MESSAGE: usize = 16;

/// `struct unix_diag_req` for all of them.
pub(super) fn request(states: u32, memory: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[libc::AF_UNIX as u8, 0, 0, 0]);
    out.extend_from_slice(&states.to_ne_bytes());
    out.extend_from_slice(&0_u32.to_ne_bytes());
    let show = if memory { SHOW | SHOW_MEMORY } else { SHOW };
    out.extend_from_slice(&show.to_ne_bytes());
    out.extend_from_slice(&[0xff; 8]);
}

/// `struct unix_diag_req` for the one with this inode.
pub(super) fn request_one(inode: u32, out: &mut Vec<u8>) {
    let at = out.len();
    request(u32::MAX, false, out);
    // udiag_ino follows the states; a cookie of ones is not compared (INET_DIAG_NOCOOKIE).
    out[at + 8..at + 12].copy_from_slice(&inode.to_ne_bytes());
}

/// Reads an answer; nothing if it is too short to be one.
pub(super) fn read(answer: &[u8]) -> Option<Socket> {
    let (message, attributes) = answer.split_first_chunk::<MESSAGE>()?;
    let transport = match i32::from(message[1]) {
        libc::SOCK_STREAM => Transport::Unix,
        libc::SOCK_DGRAM => Transport::UnixDgram,
        libc::SOCK_SEQPACKET => Transport::UnixSeqpacket,
        _ => Transport::Other,
    };
    let mut socket = Socket {
        inode: u32_at(message, 4),
        cookie: u64::from(u32_at(message, 8)) | u64::from(u32_at(message, 12)) << 32,
        ..Socket::of(transport, Family::Unix, TcpState::of_number(message[2]))
    };
    for (kind, content) in Attributes(attributes) {
        match kind {
            UNIX_DIAG_NAME => socket.local = name(content),
            UNIX_DIAG_PEER => socket.peer_inode = u32_at(content, 0),
            UNIX_DIAG_RQLEN => {
                socket.recv_queue = u32_at(content, 0);
                socket.send_queue = u32_at(content, 4);
            }
            UNIX_DIAG_MEMINFO => socket.memory = Some(Memory::read(content)),
            UNIX_DIAG_UID => socket.uid = Some(u32_at(content, 0)),
            _ => {}
        }
    }
    Some(socket)
}

/// The name as people write it: an abstract one begins with `@` instead of a zero byte.
fn name(content: &[u8]) -> Address {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "@");
    match content {
        [] => Address::None,
        [0, rest @ ..] => Address::Unix(format!("@{}", text(rest))),
        path => Address::Unix(text(path.strip_suffix(&[0]).unwrap_or(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_people_write_them() {
        assert_eq!(name(b"/run/x.sock\0").to_string(), "/run/x.sock");
        assert_eq!(name(b"/run/x.sock").to_string(), "/run/x.sock");
        assert_eq!(name(b"\0name").to_string(), "@name");
        assert_eq!(name(b"\0a\0b").to_string(), "@a@b");
        assert_eq!(name(b""), Address::None);
    }
}
