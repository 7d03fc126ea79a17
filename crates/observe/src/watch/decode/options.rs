//! Socket options by name, with their values.

use std::net::Ipv4Addr;

use super::super::memory::{half, word};

/// How an option's value reads.
#[derive(Clone, Copy)]
enum Value {
    Int,
    /// struct linger
    Linger,
    /// struct timeval
    Timeval,
    /// Text, such as the name of an interface.
    Text,
    /// An errno.
    Errno,
    /// struct ip_mreq or ip_mreqn
    Membership,
    /// Too much for a line.
    Bytes,
}

macro_rules! options {
    ($($level:ident: $($name:ident $value:ident),+;)*) => {
        &[$($((libc::$level, libc::$name, stringify!($name), Value::$value),)+)*]
    };
}

const OPTIONS: &[(i32, i32, &str, Value)] = options! {
    SOL_SOCKET: SO_DEBUG Int, SO_REUSEADDR Int, SO_TYPE Int, SO_ERROR Errno, SO_DONTROUTE Int,
        SO_BROADCAST Int, SO_SNDBUF Int, SO_RCVBUF Int, SO_SNDBUFFORCE Int, SO_RCVBUFFORCE Int,
        SO_KEEPALIVE Int, SO_OOBINLINE Int, SO_PRIORITY Int, SO_LINGER Linger, SO_REUSEPORT Int,
        SO_PASSCRED Int, SO_PEERCRED Bytes, SO_RCVLOWAT Int, SO_SNDLOWAT Int,
        SO_RCVTIMEO Timeval, SO_SNDTIMEO Timeval, SO_BINDTODEVICE Text, SO_ATTACH_FILTER Bytes,
        SO_DETACH_FILTER Int, SO_TIMESTAMP Int, SO_ACCEPTCONN Int, SO_PEERSEC Text, SO_MARK Int,
        SO_TIMESTAMPNS Int, SO_TIMESTAMPING Int, SO_PROTOCOL Int, SO_DOMAIN Int, SO_RXQ_OVFL Int,
        SO_PEEK_OFF Int, SO_NOFCS Int, SO_BUSY_POLL Int, SO_INCOMING_CPU Int, SO_ZEROCOPY Int,
        SO_TXTIME Bytes, SO_COOKIE Bytes, SO_MEMINFO Bytes, SO_INCOMING_NAPI_ID Int;
    IPPROTO_TCP: TCP_NODELAY Int, TCP_MAXSEG Int, TCP_CORK Int, TCP_KEEPIDLE Int,
        TCP_KEEPINTVL Int, TCP_KEEPCNT Int, TCP_SYNCNT Int, TCP_LINGER2 Int, TCP_DEFER_ACCEPT Int,
        TCP_WINDOW_CLAMP Int, TCP_INFO Bytes, TCP_QUICKACK Int, TCP_CONGESTION Text,
        TCP_MD5SIG Bytes, TCP_USER_TIMEOUT Int, TCP_FASTOPEN Int, TCP_TIMESTAMP Int,
        TCP_NOTSENT_LOWAT Int, TCP_SAVE_SYN Int, TCP_FASTOPEN_CONNECT Int, TCP_ULP Text,
        TCP_INQ Int, TCP_ZEROCOPY_RECEIVE Bytes;
    IPPROTO_IP: IP_TOS Int, IP_TTL Int, IP_HDRINCL Int, IP_OPTIONS Bytes, IP_RECVOPTS Int,
        IP_PKTINFO Int, IP_MTU_DISCOVER Int, IP_RECVERR Int, IP_RECVTTL Int, IP_RECVTOS Int,
        IP_MTU Int, IP_FREEBIND Int, IP_TRANSPARENT Int, IP_RECVORIGDSTADDR Int, IP_MINTTL Int,
        IP_MULTICAST_IF Membership, IP_MULTICAST_TTL Int, IP_MULTICAST_LOOP Int,
        IP_ADD_MEMBERSHIP Membership, IP_DROP_MEMBERSHIP Membership, IP_BIND_ADDRESS_NO_PORT Int,
        IP_MULTICAST_ALL Int;
    IPPROTO_IPV6: IPV6_UNICAST_HOPS Int, IPV6_MULTICAST_IF Int, IPV6_MULTICAST_HOPS Int,
        IPV6_MULTICAST_LOOP Int, IPV6_ADD_MEMBERSHIP Bytes, IPV6_DROP_MEMBERSHIP Bytes,
        IPV6_MTU_DISCOVER Int, IPV6_MTU Int, IPV6_RECVERR Int, IPV6_V6ONLY Int,
        IPV6_RECVPKTINFO Int, IPV6_RECVHOPLIMIT Int, IPV6_TCLASS Int, IPV6_RECVTCLASS Int;
    SOL_UDP: UDP_CORK Int, UDP_ENCAP Int, UDP_SEGMENT Int, UDP_GRO Int;
};

const LEVELS: &[(i32, &str)] = &[
    (libc::SOL_SOCKET, "SOL_SOCKET"),
    (libc::IPPROTO_TCP, "SOL_TCP"),
    (libc::IPPROTO_IP, "SOL_IP"),
    (libc::IPPROTO_IPV6, "SOL_IPV6"),
    (libc::SOL_UDP, "SOL_UDP"),
    (libc::SOL_NETLINK, "SOL_NETLINK"),
    (libc::SOL_PACKET, "SOL_PACKET"),
    (libc::SOL_TLS, "SOL_TLS"),
];

/// An option with its value: `SO_REUSEADDR 1`. One that is not known is its level and number.
pub(crate) fn option_text(level: i32, number: i32, value: &[u8]) -> String {
    let known = OPTIONS
        .iter()
        .find(|(of, option, ..)| (*of, *option) == (level, number));
    let Some((_, _, name, kind)) = known else {
        let level = super::words::named(level, LEVELS);
        return format!("{level} {number} {}", value_text(Value::Int, value))
            .trim_end()
            .to_owned();
    };
    format!("{name} {}", value_text(*kind, value))
        .trim_end()
        .to_owned()
}

fn value_text(kind: Value, value: &[u8]) -> String {
    match (kind, value.len()) {
        (_, 0) => String::new(),
        (Value::Int | Value::Membership, 1) => value[0].to_string(),
        (Value::Int, 4) => int(value, 0).to_string(),
        (Value::Errno, 4) => sockeye_trace::errno_name(int(value, 0)).to_owned(),
        (Value::Linger, 8) => format!("{{l_onoff={}, l_linger={}}}", int(value, 0), int(value, 4)),
        (Value::Timeval, 16) => {
            let (seconds, micros) = (word(value, 0), word(value, 8));
            format!(
                "{{tv_sec={}, tv_usec={}}}",
                seconds.cast_signed(),
                micros.cast_signed()
            )
        }
        (Value::Text, _) => {
            let end = value
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(value.len());
            format!("\"{}\"", String::from_utf8_lossy(&value[..end]))
        }
        (Value::Membership, 4) => address(value, 0).to_string(),
        (Value::Membership, 8 | 12) => format!("{} {}", address(value, 0), address(value, 4)),
        (_, len) => format!("({len} bytes)"),
    }
}

fn int(value: &[u8], at: usize) -> i32 {
    half(value, at).cast_signed()
}

fn address(value: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::from(half(value, at).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(level: i32, option: i32, value: &[u8], expected: &str) {
        assert_eq!(option_text(level, option, value), expected);
    }

    #[test]
    fn options_have_their_names_and_values() {
        let one = 1_i32.to_ne_bytes();
        let socket = libc::SOL_SOCKET;
        check(socket, libc::SO_REUSEADDR, &one, "SO_REUSEADDR 1");
        check(
            socket,
            libc::SO_ERROR,
            &111_i32.to_ne_bytes(),
            "SO_ERROR ECONNREFUSED",
        );
        check(socket, libc::SO_ERROR, &[0; 4], "SO_ERROR 0");
        check(
            socket,
            libc::SO_LINGER,
            &[1, 0, 0, 0, 0, 0, 0, 0],
            "SO_LINGER {l_onoff=1, l_linger=0}",
        );
        let half_second = [0_u64.to_ne_bytes(), 500_000_u64.to_ne_bytes()].concat();
        check(
            socket,
            libc::SO_RCVTIMEO,
            &half_second,
            "SO_RCVTIMEO {tv_sec=0, tv_usec=500000}",
        );
        check(
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            b"reno\0\0",
            "TCP_CONGESTION \"reno\"",
        );
        check(
            libc::IPPROTO_IP,
            libc::IP_ADD_MEMBERSHIP,
            &[239, 0, 0, 1, 127, 0, 0, 1],
            "IP_ADD_MEMBERSHIP 239.0.0.1 127.0.0.1",
        );
        check(
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            &[0; 104],
            "TCP_INFO (104 bytes)",
        );
        check(libc::SOL_NETLINK, 11, &one, "SOL_NETLINK 11 1");
        check(socket, libc::SO_REUSEADDR, b"", "SO_REUSEADDR");
    }

    proptest! {
        #[test]
        fn any_value_is_text(
            index in 0..OPTIONS.len(), value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (level, option, ..) = OPTIONS[index];
            prop_assert!(!option_text(level, option, &value).is_empty());
        }
    }
}
