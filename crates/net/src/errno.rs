//! Error numbers of the kernel, with the names that man pages use.

use std::fmt;
use std::io;

/// An error number as people look for it: its text, its name, its number.
///
/// Prints `connection refused (ECONNREFUSED, 111)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// The error with this number.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The name, as in errno(3).
    pub fn name(self) -> &'static str {
        sockeye_trace::errno_name(self.0)
    }

    /// What a failed call reported; `EIO` for the few errors that the standard library makes up.
    pub fn of(error: &io::Error) -> Self {
        let made_up = match error.kind() {
            io::ErrorKind::TimedOut => libc::ETIMEDOUT,
            io::ErrorKind::BrokenPipe | io::ErrorKind::WriteZero => libc::EPIPE,
            io::ErrorKind::ConnectionRefused => libc::ECONNREFUSED,
            io::ErrorKind::InvalidInput => libc::EINVAL,
            io::ErrorKind::NotConnected => libc::ENOTCONN,
            _ => libc::EIO,
        };
        Self(error.raw_os_error().unwrap_or(made_up))
    }

    /// As the standard library's error.
    pub fn to_io(self) -> io::Error {
        io::Error::from_raw_os_error(self.0)
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Self {
        Self(error.raw_os_error())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_io().to_string();
        // The standard library appends the number in words of its own.
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut letters = text.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        write!(
            f,
            "{}{} ({}, {})",
            first.unwrap_or('?'),
            letters.as_str(),
            self.name(),
            self.0
        )
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_text_name_and_number() {
        assert_eq!(
            Errno::new(libc::ECONNREFUSED).to_string(),
            "connection refused (ECONNREFUSED, 111)"
        );
        assert!(Errno::new(4000).to_string().ends_with("(E?, 4000)"));
    }

    #[test]
    fn errors_without_a_number_get_the_nearest() {
        let made_up = io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(Errno::of(&made_up).number(), libc::ETIMEDOUT);
        assert_eq!(Errno::of(&Errno::new(libc::EPIPE).to_io()).name(), "EPIPE");
    }
}
