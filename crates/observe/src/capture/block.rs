//! A block of the ring, read as bytes. Its offsets come from the kernel and are checked all the same.
//!
//! **Source:** `struct tpacket_block_desc`, `tpacket3_hdr` (linux/if_packet.h) and `virtio_net_hdr`
//! (linux/virtio_net.h), all in the byte order of this machine.

use thiserror::Error;

/// A packet as it lies in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'b> {
    /// When it passed, in nanoseconds since the epoch.
    pub time_ns: u64,
    /// Its length before it was cut, without a tag that the hardware took off.
    pub original_len: u32,
    /// The packet from its link header on.
    pub data: &'b [u8],
    /// Where the header of the network layer begins in `data`.
    pub network_at: usize,
    /// The interface.
    pub index: u32,
    /// What kind of hardware that is (`ARPHRD_*`).
    pub hardware: u16,
    /// The `EtherType` of what the link carries.
    pub protocol: u16,
    /// Whom it was for (`PACKET_HOST`, `PACKET_OUTGOING` …).
    pub direction: u8,
    /// The VLAN tag that the hardware took off: protocol and tag.
    pub vlan: Option<(u16, u16)>,
    /// The size of the pieces that it stands for; 0: it is one.
    pub piece: u16,
    /// Its check sum is still to be filled in.
    pub partial_checksum: bool,
}

/// Why a block makes no sense.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// A header or a packet would lie outside of the block.
    #[error("packet {packet} of a block of {blocks} bytes lies outside of it, at {at}")]
    Outside {
        /// Which packet of the block.
        packet: u32,
        /// The size of the block.
        blocks: usize,
        /// Where it would begin.
        at: usize,
    },
}

/// `struct tpacket_hdr_v1` ends here.
const BLOCK_HEADER: usize = 48;
/// `struct tpacket3_hdr`, aligned; a `sockaddr_ll` follows.
const PACKET_HEADER: usize = 48;
/// The part of `sockaddr_ll` before the hardware's address.
const LINK_ADDRESS: usize = 12;
/// `struct virtio_net_hdr`, just before the packet.
const VIRTIO_HEADER: usize = 10;

/// Gives each packet of a block to `each`, in order.
///
/// - **Input:** a block from its header on.
/// - **Output:** how many were given.
/// - **Errors:** [`BlockError::Outside`] at the first packet that would lie outside of the block.
pub fn walk<'b>(block: &'b [u8], mut each: impl FnMut(&Record<'b>)) -> Result<u32, BlockError> {
    let outside = |packet, at| BlockError::Outside {
        packet,
        blocks: block.len(),
        at,
    };
    let Some(header) = block.first_chunk::<BLOCK_HEADER>() else {
        return Err(outside(0, 0));
    };
    let (count, mut at) = (u32_at(header, 12), u32_at(header, 16) as usize);
    for packet in 0..count {
        let (record, next) = record(block, at).ok_or_else(|| outside(packet, at))?;
        each(&record);
        // The last one has no next; one that stands still would be read for ever.
        if next == 0 {
            return Ok(packet + 1);
        }
        at += next;
    }
    Ok(count)
}

/// The packet at an offset, and how far it is to the next.
fn record(block: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    let header = block.get(at..)?;
    let fixed = header.first_chunk::<{ PACKET_HEADER + LINK_ADDRESS }>()?;
    let (mac, net) = (
        usize::from(u16_at(fixed, 24)),
        usize::from(u16_at(fixed, 26)),
    );
    let data = header.get(mac..mac.checked_add(u32_at(fixed, 12) as usize)?)?;
    let virtio = header.get(mac.checked_sub(VIRTIO_HEADER)?..mac)?;
    let status = u32_at(fixed, 20);
    let tag = (u32_at(fixed, 32) as u16, u16_at(fixed, 36));
    let record = Record {
        time_ns: u64::from(u32_at(fixed, 4)) * 1_000_000_000 + u64::from(u32_at(fixed, 8)),
        original_len: u32_at(fixed, 16),
        data,
        network_at: net.saturating_sub(mac).min(data.len()),
        index: u32_at(fixed, 52),
        hardware: u16_at(fixed, 56),
        protocol: u16_at(fixed, 50).to_be(),
        direction: fixed[58],
        vlan: vlan(status, tag),
        // VIRTIO_NET_HDR_GSO_NONE is 0.
        piece: if virtio[1] == 0 {
            0
        } else {
            u16::from_ne_bytes([virtio[4], virtio[5]])
        },
        // VIRTIO_NET_HDR_F_NEEDS_CSUM.
        partial_checksum: virtio[0] & 1 != 0,
    };
    Some((record, u32_at(fixed, 0) as usize))
}

fn vlan(status: u32, (tag, protocol): (u16, u16)) -> Option<(u16, u16)> {
    /// What 802.1Q has where the kernel names no other.
    const VLAN: u16 = 0x8100;
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let named = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    Some((if named { protocol } else { VLAN }, tag))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block with packets of these contents.
    fn block(packets: &[Vec<u8>]) -> Vec<u8> {
        let mut block = vec![0; BLOCK_HEADER];
        block[12..16].copy_from_slice(&(packets.len() as u32).to_ne_bytes());
        block[16..20].copy_from_slice(&(BLOCK_HEADER as u32).to_ne_bytes());
        for (number, packet) in packets.iter().enumerate() {
            let (at, mac) = (block.len(), PACKET_HEADER + 20 + VIRTIO_HEADER + 2);
            block.resize(at + mac, 0);
            block.extend_from_slice(packet);
            block.resize(block.len().next_multiple_of(16), 0);
            let next = if number + 1 == packets.len() {
                0
            } else {
                block.len() - at
            };
            let words = [next, 1, number, packet.len(), packet.len() + 7];
            for (word, value) in words.into_iter().enumerate() {
                block[at + 4 * word..][..4].copy_from_slice(&(value as u32).to_ne_bytes());
            }
            block[at + 24..][..2].copy_from_slice(&(mac as u16).to_ne_bytes());
            block[at + 26..][..2].copy_from_slice(&(mac as u16 + 14).to_ne_bytes());
            block[at + 52..][..4].copy_from_slice(&3_u32.to_ne_bytes());
            block[at + mac - VIRTIO_HEADER..][..2].copy_from_slice(&[1, 1]);
            block[at + mac - 6..][..2].copy_from_slice(&1448_u16.to_ne_bytes());
        }
        block
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_lie_there(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
        ) {
            let block = block(&packets);
            let mut seen = vec![];
            let count = walk(&block, |record| {
                seen.push(record.data.to_vec());
                assert_eq!(record.original_len as usize, record.data.len() + 7);
                assert_eq!(record.time_ns, 1_000_000_000 + seen.len() as u64 - 1);
                assert_eq!((record.index, record.piece, record.partial_checksum), (3, 1448, true));
                assert!(record.network_at <= record.data.len());
            });
            prop_assert_eq!(count, Ok(packets.len() as u32));
            prop_assert_eq!(seen, packets);
        }

        /// Whatever the kernel would claim, nothing outside of the block is read, and the walk ends.
        #[test]
        fn lies_are_errors(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..4),
            lies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut block = block(&packets);
            for (place, lie) in lies {
                let place = place.index(block.len());
                block[place] = lie;
            }
            block.truncate(keep.index(block.len() + 1));
            let mut given = 0;
            let end = walk(&block, |_| given += 1);
            match end {
                Ok(count) => prop_assert_eq!(count, given),
                Err(BlockError::Outside { packet, .. }) => prop_assert_eq!(packet, given),
            }
        }
    }

    #[test]
    fn a_packet_outside_of_its_block_is_an_error() {
        let mut block = block(&[b"abc".to_vec(), b"def".to_vec()]);
        block[BLOCK_HEADER..][..4].copy_from_slice(&4096_u32.to_ne_bytes());
        let end = walk(&block, |_| ());
        let lie = BlockError::Outside {
            packet: 1,
            blocks: block.len(),
            at: BLOCK_HEADER + 4096,
        };
        assert_eq!(end, Err(lie));
    }
}
