//! Which addresses may connect.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// A range of addresses, as `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// A text that is no range of addresses.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrError {
    /// What stands before the slash is no address.
    #[error("\"{0}\" is no IP address; a range looks like 10.0.0.0/8, fd00::/8 or 192.0.2.7")]
    BadAddress(String),
    /// What stands behind the slash does not fit the address.
    #[error("\"{given}\" is no prefix length; {address} allows 0 to {most}")]
    BadBits {
        /// What was read.
        given: String,
        /// The address before it.
        address: IpAddr,
        /// The longest prefix of its family.
        most: u8,
    },
    /// Bits behind the prefix are set: a slip of the pen more often than not.
    #[error("{given} has bits set behind its prefix; the range is {meant}")]
    HostBits {
        /// What was read.
        given: String,
        /// The range that contains it.
        meant: String,
    },
}

impl Cidr {
    /// Whether the address lies in the range. An IPv4 peer of a dual-stack socket is an IPv4 peer.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, own) = (address.to_canonical(), self.address);
        address.is_ipv4() == own.is_ipv4() && prefix(address, self.bits) == prefix(own, self.bits)
    }
}

/// Bits of an address of this family.
const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `bits` bits of an address, in front of 128.
fn prefix(address: IpAddr, bits: u8) -> u128 {
    let whole = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    if bits == 0 {
        0
    } else {
        whole & (u128::MAX << (128 - bits))
    }
}

/// The address that `prefix` was made of.
fn unprefix(like: IpAddr, prefix: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(((prefix >> 96) as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(prefix.into()),
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let bare = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = bare
            .unwrap_or(address)
            .parse()
            .map_err(|_| CidrError::BadAddress(address.into()))?;
        let most = width(address);
        let bits = match bits {
            None => most,
            Some(given) => given
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| CidrError::BadBits {
                    given: given.into(),
                    address,
                    most,
                })?,
        };
        let meant = Self {
            address: unprefix(address, prefix(address, bits)),
            bits,
        };
        if meant.address != address {
            return Err(CidrError::HostBits {
                given: text.into(),
                meant: meant.to_string(),
            });
        }
        Ok(meant)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.address) {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_what_they_say() {
        let check = |range: &str, address: &str, want: bool| {
            let cidr: Cidr = range.parse().unwrap();
            assert_eq!(cidr.to_string(), range);
            assert_eq!(
                cidr.contains(address.parse().unwrap()),
                want,
                "{address} in {range}"
            );
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "::1", true);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe00::1", false);
        check("192.0.2.128/25", "192.0.2.127", false);
    }

    #[test]
    fn errors_say_what_is_allowed() {
        let check = |text: &str, want: &str| {
            assert_eq!(text.parse::<Cidr>().unwrap_err().to_string(), want);
        };
        check(
            "localhost",
            "\"localhost\" is no IP address; a range looks like 10.0.0.0/8, fd00::/8 or 192.0.2.7",
        );
        check(
            "10.0.0.0/33",
            "\"33\" is no prefix length; 10.0.0.0 allows 0 to 32",
        );
        check("::1/x", "\"x\" is no prefix length; ::1 allows 0 to 128");
        check(
            "10.0.0.1/8",
            "10.0.0.1/8 has bits set behind its prefix; the range is 10.0.0.0/8",
        );
        assert_eq!("[::1]".parse::<Cidr>().unwrap().to_string(), "::1");
    }
}
