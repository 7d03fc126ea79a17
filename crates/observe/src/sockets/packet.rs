//! Packet sockets: linux/packet_diag.h.

use sockeye_trace::{TcpState, Transport};

use super::netlink::{Attributes, u32_at};
use super::{Family, Memory, Socket};

/// `PACKET_SHOW_INFO`, `PACKET_SHOW_MEMINFO`.
const SHOW: u32 = 0x01;
const SHOW_MEMORY: u32 = 0x10;

const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_UID: u16 = 5;
const PACKET_DIAG_MEMINFO: u16 = 6;

/// `struct packet_diag_msg`.
const MESSAGE: usize = 16;

/// `struct packet_diag_req` for all of them.
pub(super) fn request(out: &mut Vec<u8>) {
    out.extend_from_slice(&[libc::AF_PACKET as u8, 0, 0, 0]);
    out.extend_from_slice(&0_u32.to_ne_bytes());
    // What a socket holds is told only as memory: always ask.
    out.extend_from_slice(&(SHOW | SHOW_MEMORY).to_ne_bytes());
    out.extend_from_slice(&[0xff; 8]);
}

/// Reads an answer; nothing if it is too short to be one.
pub(super) fn read(answer: &[u8]) -> Option<Socket> {
    let (message, attributes) = answer.split_first_chunk::<MESSAGE>()?;
    let mut socket = Socket {
        protocol: u16::from_ne_bytes([message[2], message[3]]),
        inode: u32_at(message, 4),
        cookie: u64::from(u32_at(message, 8)) | u64::from(u32_at(message, 12)) << 32,
        ..Socket::of(Transport::Packet, Family::Link, TcpState::Close)
    };
    for (kind, content) in Attributes(attributes) {
        match kind {
            PACKET_DIAG_INFO => socket.interface = u32_at(content, 0),
            PACKET_DIAG_UID => socket.uid = Some(u32_at(content, 0)),
            PACKET_DIAG_MEMINFO => {
                let memory = Memory::read(content);
                socket.recv_queue = memory.recv;
                socket.memory = Some(memory);
            }
            _ => {}
        }
    }
    Some(socket)
}
