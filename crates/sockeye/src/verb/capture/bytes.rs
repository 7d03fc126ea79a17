//! What lies under a row: the layers of the packet, and its bytes.

use std::io::Write;

use sockeye_trace::packet::{Packet, layers as draw};

use crate::catalogue::Lang;

/// Bytes of one line.
const LINE: usize = 16;

/// The layers, and what each has of the frame.
pub(super) fn layers(packet: &Packet<'_>, lang: Lang, out: &mut Vec<u8>) {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _: std::fmt::Result = draw::write(packet, lang.into(), &mut text);
    for line in text.lines() {
        out.extend_from_slice(b"      ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// The bytes, sixteen a line, in hex and as ASCII.
pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (number, line) in bytes.chunks(LINE).enumerate() {
        // Writing into memory does not fail.
        let _ = write!(out, "      {:04x} ", number * LINE);
        for place in 0..LINE {
            if place % 8 == 0 {
                out.push(b' ');
            }
            match line.get(place) {
                Some(byte) => {
                    let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                    out.extend_from_slice(&digits);
                }
                None => out.extend_from_slice(b"  "),
            }
            out.push(b' ');
        }
        out.push(b' ');
        let shown = |byte: &u8| {
            if matches!(byte, b' '..=b'~') {
                *byte
            } else {
                b'.'
            }
        };
        out.extend(line.iter().map(shown));
        out.push(b'\n');
    }
}
