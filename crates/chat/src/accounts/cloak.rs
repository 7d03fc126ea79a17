//! What everybody sees in place of an address.

use std::fmt;
use std::net::IpAddr;

/// What members of this machine are shown to come from.
const LOOPBACK: &str = "loopback";

/// Bytes of the hash that are shown: one in 2^40 for two addresses to look alike.
const SHOWN_BYTES: usize = 5;

/// Makes of an address what tells people apart and does not tell where they are: a keyed hash, the
/// same as long as the secret is.
#[derive(Clone)]
pub struct Cloak {
    secret: [u8; 32],
}

impl fmt::Debug for Cloak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloak(…)")
    }
}

impl Cloak {
    /// With a secret that is kept: whoever knows it can try all addresses.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// What stands for this address; without one, he is on this machine.
    ///
    /// ```
    /// use sockeye_chat::accounts::Cloak;
    /// let cloak = Cloak::new([7; 32]);
    /// assert_eq!(cloak.host(Some("127.0.0.1".parse().unwrap())), "loopback");
    /// let host = cloak.host(Some("192.0.2.7".parse().unwrap()));
    /// assert!(host.ends_with(".hidden"), "{host}");
    /// assert_eq!(host, cloak.host(Some("::ffff:192.0.2.7".parse().unwrap())));
    /// ```
    pub fn host(&self, address: Option<IpAddr>) -> String {
        let Some(address) = address.map(|address| address.to_canonical()) else {
            return LOOPBACK.into();
        };
        if address.is_loopback() {
            return LOOPBACK.into();
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        match address {
            IpAddr::V4(v4) => hasher.update(&v4.octets()),
            // Whoever has one address of IPv6 has the 2^64 of its network (RFC 4291, section 2.5.4).
            IpAddr::V6(v6) => hasher.update(&v6.octets()[..8]),
        };
        let hash = hasher.finalize();
        format!("{}.hidden", &hash.to_hex()[..2 * SHOWN_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_look_different_and_networks_alike() {
        let host = |secret: u8, address: &str| {
            Cloak::new([secret; 32]).host(Some(address.parse().unwrap()))
        };
        assert_ne!(host(1, "192.0.2.7"), host(1, "192.0.2.8"));
        assert_ne!(host(1, "192.0.2.7"), host(2, "192.0.2.7"));
        assert_eq!(host(1, "2001:db8::1"), host(1, "2001:db8::2"));
        assert_ne!(host(1, "2001:db8::1"), host(1, "2001:db8:0:1::1"));
        assert_eq!(host(1, "::1"), "loopback");
        assert_eq!(Cloak::new([1; 32]).host(None), "loopback");
    }
}
