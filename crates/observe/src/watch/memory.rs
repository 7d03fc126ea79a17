//! Reading a watched program's memory. Nothing that is read there is believed: every length is bounded
//! before it sizes anything of ours.

use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// The most parts that the kernel takes in one call (`UIO_MAXIOV` of <linux/uio.h>).
pub(super) const PARTS_MAX: usize = 1024;
/// Parts handed to one process_vm_readv: payloads are capped, so few parts hold all that is kept.
const PARTS_AT_ONCE: usize = 64;

/// The memory of the process that a task belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(Pid);

/// A piece of a watched program's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) address: u64,
    pub(super) len: u64,
}

impl Memory {
    pub(super) fn of(task: i32) -> Self {
        Self(Pid::from_raw(task))
    }

    /// Fills `into` as far as the memory is there; returns how far.
    pub(super) fn read(self, address: u64, into: &mut [u8]) -> usize {
        if into.is_empty() || address == 0 {
            return 0;
        }
        let remote = RemoteIoVec {
            base: address as usize,
            len: into.len(),
        };
        process_vm_readv(self.0, &mut [IoSliceMut::new(into)], &[remote]).unwrap_or(0)
    }

    /// Reads exactly `N` bytes.
    pub(super) fn array<const N: usize>(self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.read(address, &mut bytes) == N).then_some(bytes)
    }

    /// Reads an int.
    pub(super) fn int(self, address: u64) -> Option<i32> {
        self.array(address).map(i32::from_ne_bytes)
    }

    /// Reads at most `len` bytes, and never more than `limit`.
    pub(super) fn bytes(self, address: u64, len: u64, limit: usize) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(limit)];
        let there = self.read(address, &mut bytes);
        bytes.truncate(there);
        bytes
    }

    /// Reads what `parts` hold, one after the other, up to `limit` bytes in all.
    pub(super) fn gather(self, parts: &[Part], limit: u64) -> Vec<u8> {
        let mut remote = Vec::with_capacity(parts.len().min(PARTS_AT_ONCE));
        let mut left = limit;
        for part in parts {
            let len = part.len.min(left);
            if len > 0 {
                remote.push(RemoteIoVec {
                    base: part.address as usize,
                    len: len as usize,
                });
                left -= len;
            }
            if left == 0 || remote.len() == PARTS_AT_ONCE {
                break;
            }
        }
        let mut bytes = vec![0; remote.iter().map(|part| part.len).sum()];
        if bytes.is_empty() {
            return bytes;
        }
        let there = process_vm_readv(self.0, &mut [IoSliceMut::new(&mut bytes)], &remote);
        bytes.truncate(there.unwrap_or(0));
        bytes
    }

    /// Reads an array of struct iovec; none where the kernel would refuse it.
    pub(super) fn parts(self, address: u64, count: u64) -> Option<Vec<Part>> {
        const SIZE: usize = 16;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= PARTS_MAX)?;
        let bytes = self.bytes(address, (count * SIZE) as u64, PARTS_MAX * SIZE);
        let parts = bytes.chunks_exact(SIZE).map(|entry| Part {
            address: word(entry, 0),
            len: word(entry, 8),
        });
        Some(parts.collect())
    }
}

/// How many bytes `parts` hold together; a lying sum saturates.
pub(super) fn total(parts: &[Part]) -> u32 {
    let total = parts
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.len));
    u32::try_from(total).unwrap_or(u32::MAX)
}

/// Eight bytes at `at`; 0 where there are none.
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

/// Four bytes at `at`; 0 where there are none.
pub(super) fn half(bytes: &[u8], at: usize) -> u32 {
    let half = bytes.get(at..).and_then(<[u8]>::first_chunk);
    half.map_or(0, |half| u32::from_ne_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours() -> Memory {
        Memory::of(std::process::id() as i32)
    }

    fn part(bytes: &[u8]) -> Part {
        Part {
            address: bytes.as_ptr() as u64,
            len: bytes.len() as u64,
        }
    }

    #[test]
    fn parts_are_laid_end_to_end_and_capped() {
        let (first, second) = (b"hello ".to_vec(), b"world".to_vec());
        let parts = [part(&first), Part::default(), part(&second)];
        assert_eq!(ours().gather(&parts, 100), b"hello world");
        assert_eq!(ours().gather(&parts, 8), b"hello wo");
        assert_eq!(total(&parts), 11);
    }

    #[test]
    fn memory_that_is_not_there_is_no_bytes() {
        assert_eq!(ours().bytes(8, 100, 100), b"");
        assert_eq!(ours().bytes(0, 100, 100), b"");
        assert_eq!(ours().int(u64::MAX - 1), None);
    }

    #[test]
    fn a_billion_parts_are_refused() {
        assert_eq!(ours().parts(8, 1_000_000_000), None);
        assert_eq!(ours().parts(8, u64::MAX), None);
        let lie = Part {
            address: 8,
            len: 1 << 63,
        };
        assert_eq!(total(&[lie, lie]), u32::MAX);
        assert_eq!(ours().gather(&[lie, lie], 4096), b"");
    }

    proptest! {
        /// Whatever a program says of its buffers, we take no more than the cap.
        #[test]
        fn lying_parts_cost_nothing(
            parts in prop::collection::vec((any::<u64>(), any::<u64>()), 0..200), limit in 0_u64..10_000,
        ) {
            let parts: Vec<_> =
                parts.into_iter().map(|(address, len)| Part { address, len }).collect();
            prop_assert!(ours().gather(&parts, limit).len() as u64 <= limit);
            total(&parts);
        }
    }
}
