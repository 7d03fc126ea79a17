//! Any text as a framing: what is read is shown as a text that reads back as the same framing; what is
//! refused is explained at a byte of the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::Framing;

fuzz_target!(|text: &str| {
    match text.parse::<Framing>() {
        Ok(framing) => {
            let shown = framing.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            assert_eq!(shown.parse::<Framing>().as_ref(), Ok(&framing), "{shown:?}");
            assert!(framing.decoder().finish(&[]).is_ok());
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.at), "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
});
