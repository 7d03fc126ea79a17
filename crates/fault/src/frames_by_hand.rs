//! Frames of Ethernet for tests, made byte by byte.

/// A segment of TCP over IPv4, from 10.0.0.1:4000 to 10.0.0.2:9000, with right check sums.
pub(crate) fn tcp(flags: u8, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut tcp = vec![0x0f, 0xa0, 0x23, 0x28];
    tcp.extend_from_slice(&seq.to_be_bytes());
    tcp.extend_from_slice(&[0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(payload);
    let mut frame = ip(6, 0x4000, &tcp);
    let sum = !transport_sum(&frame[14..]);
    frame[14 + 20 + 16..14 + 20 + 18].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// A datagram of UDP without a check sum, from 10.0.0.1:4000 to 10.0.0.2:9000.
pub(crate) fn udp(payload: &[u8], dont_fragment: bool) -> Vec<u8> {
    let mut udp = vec![0x0f, 0xa0, 0x23, 0x28];
    udp.extend_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    ip(17, if dont_fragment { 0x4000 } else { 0 }, &udp)
}

fn ip(protocol: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&(body.len() as u16 + 20).to_be_bytes());
    header.extend_from_slice(&[0x12, 0x34]);
    header.extend_from_slice(&fragment.to_be_bytes());
    header.extend_from_slice(&[64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = !ones_sum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend_from_slice(&header);
    frame.extend_from_slice(body);
    frame
}

/// Whether the sums over IP's header and over the segment come out as they must.
pub(crate) fn sums_are_right(frame: &[u8]) -> bool {
    let net = &frame[14..];
    ones_sum(&net[..20]) == 0xffff && transport_sum(net) == 0xffff
}

/// The sum over the segment and its pseudo header, word by word with the carry taken back at once.
fn transport_sum(net: &[u8]) -> u16 {
    let segment = &net[20..];
    let mut all = net[12..20].to_vec();
    all.extend_from_slice(&[0, 6]);
    all.extend_from_slice(&(segment.len() as u16).to_be_bytes());
    all.extend_from_slice(segment);
    ones_sum(&all)
}

fn ones_sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0u16, |sum, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
