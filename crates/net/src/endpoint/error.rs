//! Why a text is no endpoint.

use thiserror::Error;

use crate::options::OptionError;

/// How much of somebody's text an error repeats.
const SHOWN: usize = 120;

/// Why a text is no endpoint: what was read, where it broke, what is allowed; one line.
///
/// All of these are for the one who wrote the endpoint to mend.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// Nothing was written.
    #[error("the endpoint is empty; {ALLOWED}")]
    Empty,
    /// `gopher://host`, or another scheme that is not known.
    #[error("unknown scheme `{scheme}`; {ALLOWED}")]
    UnknownScheme {
        /// What stood before the colon.
        scheme: String,
    },
    /// `tcp:host:80`.
    #[error("`{text}`: two slashes follow `{scheme}:`; write {scheme}://HOST{}", if *.scheme == "ip" { "?proto=N" } else { ":PORT" })]
    NeedsSlashes {
        /// The whole endpoint.
        text: String,
        /// Its scheme.
        scheme: &'static str,
    },
    /// `localhost` or `host 80`.
    #[error("`{text}` has no port; write {hint}")]
    NoPort {
        /// What was read.
        text: String,
        /// How to write it.
        hint: String,
    },
    /// `host:http`, `host:70000`.
    #[error(
        "`{text}`: `{port}` is no port; allowed are 0 to 65535{}",
        range_hint(port)
    )]
    BadPort {
        /// The whole of host and port.
        text: String,
        /// What stood after the last colon.
        port: String,
    },
    /// `host:25-20`.
    #[error("`{text}`: the range of ports ends before it begins")]
    BackwardRange {
        /// The whole of host and ports.
        text: String,
    },
    /// `::1:7`, which could be an address with a port or only an address.
    #[error("`{text}`: an IPv6 address stands in brackets; write {hint}")]
    NeedsBrackets {
        /// What was read.
        text: String,
        /// How to write it.
        hint: String,
    },
    /// `[::g]:80`, `256.0.0.1:80`.
    #[error("`{text}` is no {family} address")]
    BadAddress {
        /// What was read.
        text: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// A host name that no resolver should see.
    #[error("`{text}` is no host name: {why}")]
    BadHost {
        /// What was read.
        text: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A scope or an interface that the kernel could not have.
    #[error("`{text}` is no network interface: {why}")]
    BadInterface {
        /// What was read.
        text: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// `unix:`, or another Unix socket without a usable name.
    #[error("`{text}`: {why}; write {scheme}:/PATH or {scheme}:@NAME")]
    BadUnixName {
        /// What was read.
        text: String,
        /// Its scheme.
        scheme: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A name that does not fit into `sun_path`.
    #[error("the Unix socket name `{text}` has {len} bytes, the limit is {limit} (unix(7))")]
    UnixNameTooLong {
        /// What was read.
        text: String,
        /// Its bytes after percent-decoding.
        len: usize,
        /// How many fit.
        limit: usize,
    },
    /// `%zz`.
    #[error("`{text}`: `{escape}` is no percent escape (a plain percent sign is written %25)")]
    BadEscape {
        /// What was read.
        text: String,
        /// The percent sign and what follows it.
        escape: String,
    },
    /// An option's value that is not UTF-8 after decoding.
    #[error("`{text}` is not UTF-8 once its percent escapes are decoded")]
    NotUtf8 {
        /// What was read.
        text: String,
    },
    /// `exec:` with nothing that can be run.
    #[error("`{text}`: {why}")]
    BadCommand {
        /// The command line.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// `fd:x`.
    #[error("`{text}` is no file descriptor; write fd:N with N from 0 to 2147483647")]
    BadFd {
        /// What stood after the colon.
        text: String,
    },
    /// `ip://HOST` with no protocol, or one that IP cannot carry.
    #[error(
        "`{text}`: ip:// needs proto=icmp, icmpv6, igmp or a number from 0 to 255{}",
        found(value)
    )]
    BadProtocol {
        /// The whole endpoint.
        text: String,
        /// What `proto=` was given; empty when there was none.
        value: String,
    },
    /// `via=ftp://…`.
    #[error("unknown proxy scheme `{scheme}`")]
    UnknownProxy {
        /// What stood before the colon.
        scheme: String,
    },
    /// `via=socks5://user:secret@host:1080`.
    #[error(
        "a password does not belong where everybody can read it: write USER@HOST:PORT and set {}",
        crate::context::PROXY_PASSWORD
    )]
    PasswordWritten,
    /// Something stands where only options may follow.
    #[error("`{text}`: only ?OPTION=VALUE&… may follow {after}, not `{rest}`")]
    Trailing {
        /// The whole endpoint.
        text: String,
        /// What it follows.
        after: &'static str,
        /// What was read there.
        rest: String,
    },
    /// An option is unknown, out of place or badly valued.
    #[error(transparent)]
    Option(#[from] OptionError),
}

const ALLOWED: &str = "allowed are HOST:PORT, :PORT, tcp://HOST:PORT, tls://HOST:PORT, \
     quic://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, udp://HOST:PORT, unix:/PATH, unix-dgram:/PATH, unix-seqpacket:/PATH, ip://HOST?proto=N, exec:COMMAND, fd:N and stdio: (or -)";

fn range_hint(port: &str) -> &'static str {
    let is_range = port
        .split_once('-')
        .is_some_and(|(first, last)| first.parse::<u16>().is_ok() && last.parse::<u16>().is_ok());
    if is_range {
        ", and a range only where ports are checked"
    } else {
        ""
    }
}

fn found(value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!(", not `{value}`")
    }
}

/// Somebody's text as an error may repeat it: on one line, with nothing that moves a cursor, and
/// not endless.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, line and paragraph separators, and what reorders text.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_errors_repeat_stays_on_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}[2J\u{202e}"), r"a\nb\u{1b}[2J\u{202e}");
        let long = shown(&"x".repeat(SHOWN + 1));
        assert_eq!(long.chars().count(), SHOWN + 1);
        assert!(long.ends_with('…'));
        assert_eq!(shown(&"x".repeat(SHOWN)).chars().count(), SHOWN);
    }
}
