//! Any bytes as a line of IRC, as tags, names and masks: nothing panics, and what was read and is
//! written again is read as the same message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_chat::irc::laws::check_line;

fuzz_target!(|line: &[u8]| check_line(line));
