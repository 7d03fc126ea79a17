//! Large buffers that a thread uses again.
//!
//! What a peer does not take at once is kept for a moment and then given back. Memory of that size
//! comes fresh from the kernel each time, and touching it for the first time costs more than copying
//! the bytes does; so a thread keeps a few buffers that are warm.

use std::cell::RefCell;

/// Below this size the allocator is as good.
pub(crate) const SMALL: usize = 4096;

/// Larger ones are given back to the allocator.
const LARGE: usize = 1024 * 1024;

/// How many buffers a thread keeps.
const COUNT: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for `size` bytes, and not for many times as much: whoever waits long
/// shall not hold more than he needs.
pub(crate) fn take(size: usize) -> Vec<u8> {
    if size > SMALL {
        let fits = |spare: &Vec<u8>| (size..=size.saturating_mul(4)).contains(&spare.capacity());
        let found = SPARE.with_borrow_mut(|spare| {
            spare
                .iter()
                .position(fits)
                .map(|place| spare.swap_remove(place))
        });
        if let Some(found) = found {
            return found;
        }
    }
    Vec::with_capacity(size)
}

/// Moves to a larger buffer where `more` bytes would not fit.
pub(crate) fn reserve(buffer: &mut Vec<u8>, more: usize) {
    let size = buffer.len() + more;
    if size > buffer.capacity() && size > SMALL {
        let mut larger = take(size.next_power_of_two());
        larger.extend_from_slice(buffer);
        give(std::mem::replace(buffer, larger));
    }
}

/// Gives a buffer back.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if (SMALL..=LARGE).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < COUNT {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_fits_is_used_again() {
        let large = take(100_000);
        let (address, capacity) = (large.as_ptr(), large.capacity());
        give(large);
        assert!(
            take(10_000).capacity() < capacity,
            "nobody holds ten times what he needs"
        );
        let again = take(50_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
    }

    #[test]
    fn a_thread_keeps_no_more_than_a_few() {
        for _ in 0..3 * COUNT {
            give(Vec::with_capacity(2 * SMALL));
        }
        give(Vec::with_capacity(2 * LARGE));
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), COUNT);
            assert!(spare.iter().all(|buffer| buffer.capacity() <= LARGE));
        });
    }
}
