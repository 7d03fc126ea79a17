//! Numbers and addresses as text, straight into a buffer: a row is written half a million times a second.

use std::io::Write;
use std::net::IpAddr;

use sockeye_trace::packet::row::Host;

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A number with leading zeros, as wide as `digits`.
pub(super) fn padded(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let at = out.len();
    out.resize(at + digits, b'0');
    for place in out[at..].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Nanoseconds as seconds with six digits behind the point.
pub(super) fn seconds(out: &mut Vec<u8>, nanos: u64) {
    number(out, nanos / 1_000_000_000);
    out.push(b'.');
    padded(out, nanos % 1_000_000_000 / 1000, 6);
}

/// An address.
pub(super) fn host(out: &mut Vec<u8>, host: &Host) {
    match host {
        Host::Ip(IpAddr::V4(address)) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(out, octet.into());
            }
        }
        // Writing into memory does not fail.
        other => drop(write!(out, "{other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = vec![];
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_those_of_format() {
        for value in [0, 7, 10, 1234, 999_999, u64::MAX] {
            assert_eq!(text(|out| number(out, value)), value.to_string());
        }
        assert_eq!(text(|out| padded(out, 42, 6)), "000042");
        assert_eq!(text(|out| seconds(out, 1_000_042_999)), "1.000042");
    }

    #[test]
    fn addresses_are_those_of_format() {
        for address in ["127.0.0.1", "255.255.255.0", "::1", "fd00::7:1"] {
            let of = Host::Ip(address.parse().unwrap());
            assert_eq!(text(|out| host(out, &of)), address);
        }
        assert_eq!(
            text(|out| host(out, &Host::Mac([2; 6]))),
            "02:02:02:02:02:02"
        );
    }
}
