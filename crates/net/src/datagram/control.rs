//! Control messages beside a datagram: which of our addresses was asked, and segment sizes.
//!
//! They are laid out as cmsg(3) says: a header of length, level and type, the data, padding to the
//! size of a word. Bytes in, bytes out; no pointers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::mapped;

const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 2 * size_of::<libc::c_int>();

/// Room for what we ask the kernel to say: pktinfo of either family (both come to a dual-stack
/// socket when both were asked for) and a GRO segment size.
pub(super) const CONTROL_BYTES: usize = 128;

/// A control buffer, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL_BYTES]);

/// What the control messages of a received datagram say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The size of the segments that the kernel glued together (`UDP_GRO`, udp(7)).
    pub(super) segment: Option<usize>,
    /// Our address that an answer has to leave from.
    pub(super) local: Option<IpAddr>,
}

/// Reads the control messages of a received datagram.
pub(super) fn read(mut control: &[u8]) -> Heard {
    let mut heard = Heard::default();
    while let Some((level, kind, data, rest)) = split(control) {
        control = rest;
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let size = data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
                heard.segment = size.and_then(|size| usize::try_from(size).ok());
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // struct in_pktinfo, ip(7): index, the local address, the header's destination.
                let local = data.get(4..).and_then(|data| data.first_chunk::<4>());
                heard.local = local.map(|octets| Ipv4Addr::from(*octets).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // struct in6_pktinfo, ipv6(7): the header's destination, index.
                let local = data
                    .first_chunk::<16>()
                    .map(|octets| Ipv6Addr::from(*octets));
                // A group cannot be the source of an answer; one of IPv4 comes mapped.
                let local = local.filter(|ip| !ip.to_canonical().is_multicast());
                heard.local = local.map(IpAddr::V6);
            }
            _ => {}
        }
    }
    heard
}

fn split(control: &[u8]) -> Option<(libc::c_int, libc::c_int, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(*control.first_chunk()?);
    let int = |at: usize| {
        Some(libc::c_int::from_ne_bytes(
            *control.get(at..)?.first_chunk()?,
        ))
    };
    let (level, kind) = (int(WORD)?, int(WORD + 4)?);
    let data = control.get(HEADER..len)?;
    let next = len.next_multiple_of(WORD).min(control.len());
    Some((level, kind, data, &control[next..]))
}

/// Writes the control messages of a datagram to send; returns how many bytes they take.
pub(super) fn write(
    control: &mut Control,
    segment: Option<u16>,
    local: Option<IpAddr>,
    v6_socket: bool,
) -> usize {
    let mut used = 0;
    if let Some(size) = segment {
        push(
            control,
            &mut used,
            (libc::SOL_UDP, libc::UDP_SEGMENT),
            &size.to_ne_bytes(),
        );
    }
    match local {
        Some(IpAddr::V4(v4)) if !v6_socket => {
            let mut info = [0; size_of::<libc::in_pktinfo>()];
            info[4..8].copy_from_slice(&v4.octets());
            push(
                control,
                &mut used,
                (libc::IPPROTO_IP, libc::IP_PKTINFO),
                &info,
            );
        }
        Some(ip) if v6_socket => {
            let mut info = [0; size_of::<libc::in6_pktinfo>()];
            info[..16].copy_from_slice(&mapped(ip).octets());
            push(
                control,
                &mut used,
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
                &info,
            );
        }
        _ => {}
    }
    used
}

fn push(control: &mut Control, used: &mut usize, kind: (libc::c_int, libc::c_int), data: &[u8]) {
    let len = HEADER + data.len();
    let into = &mut control.0[*used..][..len.next_multiple_of(WORD)];
    into[..WORD].copy_from_slice(&len.to_ne_bytes());
    into[WORD..WORD + 4].copy_from_slice(&kind.0.to_ne_bytes());
    into[WORD + 4..HEADER].copy_from_slice(&kind.1.to_ne_bytes());
    into[HEADER..len].copy_from_slice(data);
    into[len..].fill(0);
    *used += into.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(segment: Option<u16>, local: &str, v6: bool) -> Heard {
        let mut control = Control([0xff; CONTROL_BYTES]);
        let used = write(&mut control, segment, local.parse().ok(), v6);
        read(&control.0[..used])
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        let v4 = written(None, "192.0.2.7", false);
        // The kernel fills the address that we read at the place where we write it.
        assert_eq!(v4.local, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(
            written(None, "2001:db8::7", true).local,
            "2001:db8::7".parse().ok()
        );
        assert_eq!(
            written(None, "192.0.2.7", true).local,
            "::ffff:192.0.2.7".parse().ok()
        );
        assert_eq!(written(None, "2001:db8::7", false), Heard::default());
        assert_eq!(written(None, "ff02::1", true).local, None);
        assert_eq!(written(None, "239.7.7.7", true).local, None);
    }

    #[test]
    fn a_segment_size_stands_beside_the_address() {
        let mut control = Control([0; CONTROL_BYTES]);
        let used = write(&mut control, Some(1400), "::1".parse().ok(), true);
        assert_eq!(
            used,
            2 * HEADER + 2_usize.next_multiple_of(WORD) + 20_usize.next_multiple_of(WORD)
        );
        assert_eq!(read(&control.0[..used]).local, "::1".parse().ok());

        let mut gro = Control([0; CONTROL_BYTES]);
        let mut used = 0;
        push(
            &mut gro,
            &mut used,
            (libc::SOL_UDP, libc::UDP_GRO),
            &1400_i32.to_ne_bytes(),
        );
        assert_eq!(
            read(&gro.0[..used]),
            Heard {
                segment: Some(1400),
                local: None
            }
        );
    }

    #[test]
    fn control_messages_that_were_cut_are_no_panic() {
        let mut control = Control([0; CONTROL_BYTES]);
        let used = write(&mut control, Some(7), "127.0.0.1".parse().ok(), false);
        for cut in 0..used {
            read(&control.0[..cut]);
        }
        assert_eq!(read(&[0xff; 64]), Heard::default());
        // A length of zero must not be read for ever.
        assert_eq!(read(&[0; 64]), Heard::default());
    }
}
