//! Filters as text, as flags give them.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::{End, Test, What};

/// Why a text is no test of a filter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// No port, and no range of ports.
    #[error("'{0}' is no port; write 5000, 5000-5010, src:5000, dst:5000 or not:5000")]
    Port(String),
    /// No address, and no network.
    #[error(
        "'{0}' is no address; write 10.0.0.1, 10.0.0.0/8, ::1, src:10.0.0.1, dst:10.0.0.1 or not:10.0.0.1"
    )]
    Host(String),
    /// A network of more bits than its addresses have.
    #[error("an address such as {address} has {most} bits, {prefix} are too many")]
    Prefix {
        /// The address.
        address: IpAddr,
        /// How many bits it has.
        most: u8,
        /// How many were asked for.
        prefix: u8,
    },
    /// A name that no protocol has.
    #[error(
        "'{0}' is no protocol; write tcp, udp, icmp, icmpv6, igmp, arp, ip, ip6, sctp or a number up to 255"
    )]
    Protocol(String),
    /// More tests than a program can hold.
    #[error("the filter has {steps} steps, the kernel takes {limit}")]
    TooLong {
        /// How many it has.
        steps: usize,
        /// How many are allowed (`BPF_MAXINSNS`).
        limit: usize,
    },
}

/// The value of a flag, less what is said about it.
struct Words<'t> {
    not: bool,
    end: End,
    value: &'t str,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        let (not, value) = match text.strip_prefix("not:") {
            Some(value) => (true, value),
            None => (false, text),
        };
        let (end, value) = match value.split_once(':') {
            Some(("src", value)) => (End::Source, value),
            Some(("dst", value)) => (End::Destination, value),
            _ => (End::Either, value),
        };
        Self { not, end, value }
    }
}

impl Test {
    /// Reads `5000`, `5000-5010`, with `src:` or `dst:` for one end only, and `not:` ahead of that.
    pub fn parse_port(text: &str) -> Result<Self, FilterError> {
        let words = Words::of(text);
        let bad = || FilterError::Port(text.to_owned());
        let (first, last) = words
            .value
            .split_once('-')
            .unwrap_or((words.value, words.value));
        let port = |text| u16::from_str(text).map_err(|_| bad());
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(bad());
        }
        let end = words.end;
        Ok(Self {
            not: words.not,
            what: What::Port { first, last, end },
        })
    }

    /// Reads `10.0.0.1`, `10.0.0.0/8`, `::1`, `fe80::/10`, with `src:`, `dst:` and `not:` as ports have.
    pub fn parse_host(text: &str) -> Result<Self, FilterError> {
        let words = Words::of(text);
        let bad = || FilterError::Host(text.to_owned());
        let (address, prefix) = match words.value.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| bad())?)),
            None => (words.value, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return Err(FilterError::Prefix {
                address,
                most,
                prefix,
            });
        }
        let end = words.end;
        Ok(Self {
            not: words.not,
            what: What::Host {
                address,
                prefix,
                end,
            },
        })
    }

    /// Reads `tcp`, `udp`, `icmp`, `icmpv6`, `igmp`, `sctp`, `arp`, `ip`, `ip6` or a number, and `not:`.
    pub fn parse_protocol(text: &str) -> Result<Self, FilterError> {
        let (not, name) = match text.strip_prefix("not:") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let what = match name {
            "tcp" => What::Protocol(6),
            "udp" => What::Protocol(17),
            "icmp" => What::Protocol(1),
            "icmpv6" | "icmp6" => What::Protocol(58),
            "igmp" => What::Protocol(2),
            "sctp" => What::Protocol(132),
            "arp" => What::Arp,
            "ip" | "ipv4" => What::Version { v6: false },
            "ip6" | "ipv6" => What::Version { v6: true },
            number => match number.parse() {
                Ok(number) => What::Protocol(number),
                Err(_) => return Err(FilterError::Protocol(text.to_owned())),
            },
        };
        Ok(Self { not, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_what_is_wanted() {
        let port = |not, first, last, end| Test {
            not,
            what: What::Port { first, last, end },
        };
        assert_eq!(Test::parse_port("5000"), Ok(Test::port(5000)));
        assert_eq!(
            Test::parse_port("20-25"),
            Ok(port(false, 20, 25, End::Either))
        );
        assert_eq!(
            Test::parse_port("src:7"),
            Ok(port(false, 7, 7, End::Source))
        );
        assert_eq!(
            Test::parse_port("not:dst:7"),
            Ok(port(true, 7, 7, End::Destination))
        );
        let host = |not, address: &str, prefix, end| Test {
            not,
            what: What::Host {
                address: address.parse().unwrap(),
                prefix,
                end,
            },
        };
        assert_eq!(
            Test::parse_host("::1"),
            Ok(host(false, "::1", 128, End::Either))
        );
        assert_eq!(
            Test::parse_host("10.0.0.0/8"),
            Ok(host(false, "10.0.0.0", 8, End::Either))
        );
        assert_eq!(
            Test::parse_host("not:src:[fe80::]/10"),
            Ok(host(true, "fe80::", 10, End::Source))
        );
        assert_eq!(
            Test::parse_protocol("not:arp"),
            Ok(Test {
                not: true,
                what: What::Arp
            })
        );
        assert_eq!(
            Test::parse_protocol("89"),
            Ok(Test::has(What::Protocol(89)))
        );
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for text in ["", "x", "65536", "9-7", "src:", "7:src"] {
            assert_eq!(Test::parse_port(text), Err(FilterError::Port(text.into())));
        }
        for text in ["", "localhost", "10.0.0.0/x", "10.0.0", "dst:"] {
            assert_eq!(Test::parse_host(text), Err(FilterError::Host(text.into())));
        }
        let many = Test::parse_host("10.0.0.0/33").unwrap_err().to_string();
        assert_eq!(
            many,
            "an address such as 10.0.0.0 has 32 bits, 33 are too many"
        );
        for text in ["", "http", "256", "src:tcp"] {
            assert_eq!(
                Test::parse_protocol(text),
                Err(FilterError::Protocol(text.into()))
            );
        }
    }
}
