//! The kernel's socket tables under /proc/net (proc_net(5)), as far as names are concerned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// `TCP_ESTABLISHED`, `TCP_TIME_WAIT` and `TCP_LISTEN` of include/net/tcp_states.h.
pub(super) const ESTABLISHED: u8 = 1;
pub(super) const TIME_WAIT: u8 = 6;
pub(super) const LISTEN: u8 = 10;

/// `__SO_ACCEPTCON` of include/linux/net.h: the Unix socket listens.
const ACCEPTING: u32 = 1 << 16;

/// One line of /proc/net/{tcp,tcp6,udp,udp6}.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InetSocket {
    pub(super) local: SocketAddr,
    pub(super) state: u8,
    /// When the line's timer runs out; of a connection in TIME_WAIT, when it is gone.
    pub(super) timer: Duration,
    pub(super) uid: u32,
    /// 0 for what no program holds any more.
    pub(super) inode: u64,
}

/// One line of /proc/net/unix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnixSocket {
    pub(super) accepting: bool,
    pub(super) inode: u64,
    /// As the kernel prints it: abstract names behind `@`, each NUL as `@`.
    pub(super) name: Vec<u8>,
}

/// Reads a table of internet sockets; lines that are none are passed over.
pub(super) fn inet_sockets(table: &str) -> impl Iterator<Item = InetSocket> {
    table.lines().skip(1).filter_map(inet_socket)
}

fn inet_socket(line: &str) -> Option<InetSocket> {
    // sl local remote st tx:rx tr:when retrnsmt uid timeout inode …
    let mut columns = line.split_ascii_whitespace().skip(1);
    let local = address(columns.next()?)?;
    let state = u8::from_str_radix(columns.nth(1)?, 16).ok()?;
    let (_, when) = columns.nth(1)?.split_once(':')?;
    // In ticks of USER_HZ, which is 100 on every architecture that Rust knows.
    let timer = Duration::from_millis(u64::from_str_radix(when, 16).ok()?.saturating_mul(10));
    let uid = columns.nth(1)?.parse().ok()?;
    let inode = columns.nth(1)?.parse().ok()?;
    Some(InetSocket {
        local,
        state,
        timer,
        uid,
        inode,
    })
}

/// `0100007F:1F90`: each word of the address in the machine's byte order, the port in hex.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = ip.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().expect("four words are 16 bytes");
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Reads the table of Unix sockets; unnamed ones are passed over.
pub(super) fn unix_sockets(table: &[u8]) -> impl Iterator<Item = UnixSocket> {
    table
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(unix_socket)
}

fn unix_socket(line: &[u8]) -> Option<UnixSocket> {
    // Num RefCount Protocol Flags Type St Inode Path; the inode is padded, the path is not.
    let mut rest = line;
    let mut column = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let end = rest[start..]
            .iter()
            .position(|byte| *byte == b' ')
            .map(|len| start + len)?;
        let (text, after) = (&rest[start..end], &rest[end..]);
        rest = after;
        std::str::from_utf8(text).ok()
    };
    let mut columns = [""; 7];
    for slot in &mut columns {
        *slot = column()?;
    }
    let flags = u32::from_str_radix(columns[3], 16).ok()?;
    let name = rest
        .strip_prefix(b" ")
        .filter(|name| !name.is_empty())?
        .to_vec();
    Some(UnixSocket {
        accepting: flags & ACCEPTING != 0,
        inode: columns[6].parse().ok()?,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 06 00000000:00000000 03:00001067 00000000     0        0 0 3 0000000000000000
";
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0000000000000000 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_of_the_kernel_are_read() {
        let read: Vec<_> = inet_sockets(TCP).collect();
        let local = "127.0.0.1:8080".parse().unwrap();
        let wait = Duration::from_millis(41_990);
        assert_eq!(
            read,
            [
                InetSocket {
                    local,
                    state: LISTEN,
                    timer: Duration::ZERO,
                    uid: 1000,
                    inode: 4242
                },
                InetSocket {
                    local,
                    state: TIME_WAIT,
                    timer: wait,
                    uid: 0,
                    inode: 0
                },
            ]
        );
        let read: Vec<_> = inet_sockets(TCP6).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].local, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn unix_names_are_taken_as_they_are() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01    24 /run/a b.sock
0000000000000000: 00000003 00000000 00000000 0001 03 31415926 @x@y\xff
0000000000000000: 00000002 00000000 00000000 0002 01 25
broken
";
        let read: Vec<_> = unix_sockets(table).collect();
        assert_eq!(
            read,
            [
                UnixSocket {
                    accepting: true,
                    inode: 24,
                    name: b"/run/a b.sock".to_vec()
                },
                UnixSocket {
                    accepting: false,
                    inode: 31_415_926,
                    name: b"@x@y\xff".to_vec()
                },
            ]
        );
    }

    proptest! {
        #[test]
        fn no_table_panics(text: String, bytes: Vec<u8>) {
            let _ = (inet_sockets(&text).count(), unix_sockets(&bytes).count());
            let _ = inet_socket(&text);
        }
    }
}
