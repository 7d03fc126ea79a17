//! Buffers for content: few, large, used again, so that a file of any size needs the same memory.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that are read from a peer or a disk at once, and written at once.
pub(super) const PIECE: usize = 256 << 10;

/// Bytes of content that one connection holds at most between its socket and its disk.
pub(super) const HELD: usize = 8 * PIECE;

/// What is counted in: a job costs at least one.
const UNIT: usize = 4 << 10;

/// Smaller buffers are not worth keeping.
const WORTH: usize = 64 << 10;

/// The buffers of one connection.
#[derive(Debug)]
pub(super) struct Buffers {
    room: Arc<Semaphore>,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Some bytes, and the room that they take.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// So many of them are filled.
    pub(super) filled: usize,
    /// Where they are counted.
    room: Option<OwnedSemaphorePermit>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(HELD / UNIT)),
            spare: Mutex::default(),
        }
    }
}

impl Buffers {
    /// A buffer for the next `size` bytes of what comes from the peer, or for as many of them as fit
    /// into one. Waits until there is room.
    pub(super) async fn take(&self, size: u64) -> Buffer {
        let size = usize::try_from(size).map_or(PIECE, |size| size.min(PIECE));
        Buffer {
            room: self.room_for(size).await,
            ..self.take_uncounted(size)
        }
    }

    /// Waits until there is room for so much. It is given back when what is returned is dropped.
    pub(super) async fn room_for(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        let units = (size / UNIT + 1).min(HELD / UNIT) as u32;
        // The semaphore is never closed.
        let room = Arc::clone(&self.room).acquire_many_owned(units).await;
        room.ok()
    }

    /// A buffer that is counted elsewhere.
    pub(super) fn take_uncounted(&self, size: usize) -> Buffer {
        let spare = || {
            self.spare
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        };
        let bytes = if size > WORTH { spare() } else { None };
        Buffer {
            bytes: bytes.unwrap_or_else(|| vec![0; if size > WORTH { PIECE } else { size }]),
            filled: 0,
            room: None,
        }
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, buffer: Buffer) {
        let Buffer { bytes, room, .. } = buffer;
        if bytes.len() == PIECE {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < HELD / PIECE {
                spare.push(bytes);
            }
        }
        drop(room);
    }

    /// Gives the memory back that nothing is in.
    pub(super) fn forget(&self) {
        self.spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Buffer {
    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Where there is room.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_connection_holds_so_much_and_no_more() {
        let buffers = Buffers::default();
        let mut held = vec![];
        for _ in 0..7 {
            held.push(buffers.take(u64::MAX).await);
        }
        let next = buffers.take(u64::MAX);
        tokio::pin!(next);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut cx).is_pending());
        buffers.give(held.pop().unwrap());
        assert_eq!(next.await.rest().len(), PIECE);
        assert_eq!(buffers.take(10).await.rest().len(), 10);
    }
}
