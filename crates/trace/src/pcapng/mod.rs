//! Capture files: pcapng written and read, classic pcap read.
//!
//! Packets go in as they were captured, with nanoseconds, their length on the wire and their direction.
//! Source of the format: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>.

mod blocks;
mod lanes;
mod reader;
mod writer;

pub use lanes::write;
pub use reader::{BLOCK_LIMIT, CaptureFileError, CaptureReader, INTERFACE_LIMIT, read};
pub use writer::{PacketRecord, PcapngWriter};

/// Bytes of one packet that are written at most: Wireshark takes no packet for sound that is longer
/// (`WTAP_MAX_PACKET_SIZE_STANDARD`). Its length on the wire is told in full.
pub const PACKET_LIMIT: usize = 262_144;

/// The interface of a file whose packets are calls of programs: see [`write()`].
pub const PROGRAMS: &str = "programs";

/// Types of blocks.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    /// The forerunner of [`ENHANCED`].
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE: u32 = 3;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const ENHANCED: u32 = 6;
    /// What a section's numbers look like in its own byte order.
    pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
}

/// Codes of options; their meaning depends on the block.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_RESOLUTION: u16 = 9;
    pub(super) const IF_OFFSET: u16 = 14;
    pub(super) const EPB_FLAGS: u16 = 2;
    pub(super) const SHB_APPLICATION: u16 = 4;
    pub(super) const ISB_START: u16 = 2;
    pub(super) const ISB_END: u16 = 3;
    pub(super) const ISB_RECEIVED: u16 = 4;
    pub(super) const ISB_DROPPED: u16 = 5;
    pub(super) const ISB_OS_DROPPED: u16 = 7;
}

/// How a packet that stands for several is marked: this, then the size of the pieces.
const OFFLOAD_COMMENT: &str = "segmentation offload, pieces of ";
