//! Counts the bytes that decoders look at, so that tests can say that no byte is looked at twice.
//! Outside tests and fuzzing this is nothing at all.

#[cfg(any(test, feature = "laws"))]
use std::cell::Cell;

#[cfg(any(test, feature = "laws"))]
thread_local! {
    static LOOKED_AT: Cell<u64> = const { Cell::new(0) };
}

/// Notes that `bytes` bytes are looked at.
#[inline]
pub(crate) fn look(bytes: usize) {
    #[cfg(any(test, feature = "laws"))]
    LOOKED_AT.with(|sum| sum.set(sum.get() + bytes as u64));
    #[cfg(not(any(test, feature = "laws")))]
    let _ = bytes;
}

/// Bytes that this thread's decoders looked at since the last call.
#[cfg(any(test, feature = "laws"))]
pub(crate) fn take() -> u64 {
    LOOKED_AT.with(|sum| sum.replace(0))
}
