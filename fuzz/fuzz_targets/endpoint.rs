//! Any text as an endpoint: what is read is shown, on one line, as a text that reads back as the same
//! endpoint; what is refused is explained on one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_net::{Endpoint, PortRange};

fuzz_target!(|text: &str| {
    let shown = match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert_eq!(shown.parse().as_ref(), Ok(&endpoint), "{shown:?}");
            shown
        }
        Err(error) => error.to_string(),
    };
    assert!(!shown.contains(char::is_control), "{shown:?}");
    if let Ok(range) = text.parse::<PortRange>() {
        assert_eq!(range.to_string().parse().as_ref(), Ok(&range), "{range}");
        assert!(range.count() > 0);
    }
});
