//! Network interfaces, by name or by index.

use std::fmt;
use std::io;
use std::str::FromStr;

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use super::error::{EndpointError, shown};

/// `IFNAMSIZ` less the closing NUL (netdevice(7)).
const NAME_LIMIT: usize = 15;

/// A network interface: `eth0`, or its index `2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface(Box<str>);

impl Interface {
    /// The interface with this index.
    pub fn from_index(index: u32) -> Self {
        Self(index.to_string().into())
    }

    /// What was written: a name, or an index in digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The index that the kernel knows it by.
    pub fn index(&self) -> io::Result<u32> {
        match self.0.parse() {
            Ok(index) => Ok(index),
            Err(_) => Ok(netdevice::name_to_index(any_socket()?, &self.0)?),
        }
    }

    /// The name that the kernel knows it by.
    pub fn name(&self) -> io::Result<String> {
        match self.0.parse() {
            Ok(index) => Ok(netdevice::index_to_name(any_socket()?, index)?),
            Err(_) => Ok(self.0.to_string()),
        }
    }

    /// Reads what follows the `%` of an IPv6 address: raw as people write it, or after `%25` as
    /// RFC 6874 §2 has it in URLs. Digits alone are an index even if they begin with 25.
    pub(super) fn from_scope(text: &str) -> Result<Self, EndpointError> {
        match text.strip_prefix("25") {
            Some(name) if !is_number(text) => name.parse(),
            _ => text.parse(),
        }
    }

    /// What [`Interface::from_scope`] reads back.
    pub(super) fn as_scope(&self) -> String {
        if self.0.starts_with("25") && !is_number(&self.0) {
            format!("25{}", self.0)
        } else {
            self.0.to_string()
        }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// The kernel answers questions about interfaces to any socket.
fn any_socket() -> io::Result<rustix::fd::OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

impl FromStr for Interface {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| EndpointError::BadInterface {
            text: shown(text),
            why,
        };
        if text.is_empty() || text.len() > NAME_LIMIT {
            return Err(bad("a name has 1 to 15 bytes (netdevice(7))"));
        }
        if is_number(text) && text.parse::<u32>().map_or(true, |index| index == 0) {
            return Err(bad("an index is a number from 1 to 4294967295"));
        }
        // The kernel's dev_valid_name refuses `/`, `:` and blanks; the rest would not survive
        // our own brackets.
        let is_allowed = |c: char| c.is_ascii_graphic() && !"/:[]%?&#@".contains(c);
        if !text.chars().all(is_allowed) {
            return Err(bad("a name has no blanks and none of / : [ ] % ? & # @"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
