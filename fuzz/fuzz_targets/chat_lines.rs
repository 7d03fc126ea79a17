//! Three members say any lines to a world that keeps nothing: nothing panics, nobody is stuck, and all
//! that anybody hears are whole lines of a length that clients expect.
//!
//! The first byte of each line chooses who says the rest of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_chat::world::laws::check_lines;

fuzz_target!(|lines: &[u8]| check_lines(lines));
