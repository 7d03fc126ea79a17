//! Any bytes as a session: an error, or a session that is joined, explained and written as a capture
//! file without a panic, with every call and packet in one place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_trace::{Lang, Session, Timeline, finding, pcapng};

fuzz_target!(|data: &[u8]| {
    let session = match Session::load(data) {
        Ok(session) => session,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let timeline = Timeline::build(&session);
    for flow in &timeline.flows {
        assert_eq!(flow.items(&timeline).len(), flow.len());
    }
    let findings = finding::find(&timeline);
    let mut file = vec![];
    // What cannot be written is told: an interface's number may lie.
    if pcapng::write(&timeline, &findings, Lang::En, &mut file).is_ok() {
        pcapng::read(&file[..]).expect("our own file is sound");
    }
});
