//! Numbers with names: families, types, flags.

use std::fmt::Write as _;

/// Where `number` is among `names`: its name, else the number itself.
pub(super) fn named(number: i32, names: &[(i32, &str)]) -> String {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The names of the bits in `bits`, joined by `|`; what has no name in hexadecimal.
fn flags(bits: i32, names: &[(i32, &str)]) -> String {
    let mut text = String::new();
    let mut left = bits;
    for (bit, name) in names {
        if left & bit == *bit && *bit != 0 {
            left &= !bit;
            text.push_str(if text.is_empty() { "" } else { "|" });
            text.push_str(name);
        }
    }
    if left != 0 {
        text.push_str(if text.is_empty() { "" } else { "|" });
        let _ = write!(text, "{left:#x}");
    }
    text
}

const FAMILIES: &[(i32, &str)] = &[
    (libc::AF_UNSPEC, "AF_UNSPEC"),
    (libc::AF_UNIX, "AF_UNIX"),
    (libc::AF_INET, "AF_INET"),
    (libc::AF_INET6, "AF_INET6"),
    (libc::AF_NETLINK, "AF_NETLINK"),
    (libc::AF_PACKET, "AF_PACKET"),
    (libc::AF_VSOCK, "AF_VSOCK"),
    (libc::AF_ALG, "AF_ALG"),
    (libc::AF_BLUETOOTH, "AF_BLUETOOTH"),
    (libc::AF_CAN, "AF_CAN"),
];
const TYPES: &[(i32, &str)] = &[
    (libc::SOCK_STREAM, "SOCK_STREAM"),
    (libc::SOCK_DGRAM, "SOCK_DGRAM"),
    (libc::SOCK_RAW, "SOCK_RAW"),
    (libc::SOCK_SEQPACKET, "SOCK_SEQPACKET"),
];
const TYPE_FLAGS: &[(i32, &str)] = &[
    (libc::SOCK_CLOEXEC, "SOCK_CLOEXEC"),
    (libc::SOCK_NONBLOCK, "SOCK_NONBLOCK"),
];
const PROTOCOLS: &[(i32, &str)] = &[
    (libc::IPPROTO_IP, "IPPROTO_IP"),
    (libc::IPPROTO_ICMP, "IPPROTO_ICMP"),
    (libc::IPPROTO_TCP, "IPPROTO_TCP"),
    (libc::IPPROTO_UDP, "IPPROTO_UDP"),
    (libc::IPPROTO_ICMPV6, "IPPROTO_ICMPV6"),
    (libc::IPPROTO_SCTP, "IPPROTO_SCTP"),
    (libc::IPPROTO_RAW, "IPPROTO_RAW"),
    (libc::IPPROTO_MPTCP, "IPPROTO_MPTCP"),
];
const STATUS_FLAGS: &[(i32, &str)] = &[
    (libc::O_WRONLY, "O_WRONLY"),
    (libc::O_RDWR, "O_RDWR"),
    (libc::O_APPEND, "O_APPEND"),
    (libc::O_NONBLOCK, "O_NONBLOCK"),
    (libc::O_ASYNC, "O_ASYNC"),
    (libc::O_LARGEFILE, "O_LARGEFILE"),
];

/// The arguments of socket(2) and socketpair(2).
pub(crate) fn socket_text(family: i32, kind: i32, protocol: i32) -> String {
    const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let mut kinds = named(kind & !FLAGS, TYPES);
    if kind & FLAGS != 0 {
        kinds.push('|');
        kinds.push_str(&flags(kind & FLAGS, TYPE_FLAGS));
    }
    let inet = matches!(family, libc::AF_INET | libc::AF_INET6);
    let protocol = named(protocol, if inet { PROTOCOLS } else { &[] });
    format!("{}, {kinds}, {protocol}", named(family, FAMILIES))
}

/// The flags of accept4(2).
pub(crate) fn accept_flags(bits: i32) -> String {
    flags(bits, TYPE_FLAGS)
}

/// The flags of open(2) as fcntl(2) sets them.
pub(crate) fn status_flags(bits: i32) -> String {
    match flags(bits, STATUS_FLAGS) {
        none if none.is_empty() => "O_RDONLY".to_owned(),
        some => some,
    }
}

/// The second argument of shutdown(2).
pub(crate) fn shutdown_how(how: i32) -> String {
    const HOW: &[(i32, &str)] = &[
        (libc::SHUT_RD, "SHUT_RD"),
        (libc::SHUT_WR, "SHUT_WR"),
        (libc::SHUT_RDWR, "SHUT_RDWR"),
    ];
    named(how, HOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_read_as_strace_writes_them() {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let text = "AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP";
        assert_eq!(socket_text(libc::AF_INET, kind, libc::IPPROTO_TCP), text);
        assert_eq!(
            socket_text(libc::AF_UNIX, libc::SOCK_DGRAM, 0),
            "AF_UNIX, SOCK_DGRAM, 0"
        );
        assert_eq!(socket_text(99, 77, 5), "99, 77, 5");
        assert_eq!(shutdown_how(libc::SHUT_WR), "SHUT_WR");
        assert_eq!(shutdown_how(9), "9");
        assert_eq!(
            status_flags(libc::O_RDWR | libc::O_NONBLOCK),
            "O_RDWR|O_NONBLOCK"
        );
        assert_eq!(status_flags(0), "O_RDONLY");
        assert_eq!(accept_flags(libc::SOCK_CLOEXEC | 1), "SOCK_CLOEXEC|0x1");
    }
}
