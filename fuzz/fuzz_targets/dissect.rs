//! Any bytes as a frame of any link: nothing panics, every range lies in the frame, the layers make
//! it up to the last byte, and the pieces of a super-segment make up what it carries.
//!
//! The input is a byte that chooses the link, two of how much longer the frame was on the wire, two of
//! the size of pieces, and the frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_trace::packet::stream::{Segment, Stream};
use sockeye_trace::packet::{Rows, dissect, layers, link_type};
use sockeye_trace::{Lang, Time};

const LINKS: [u32; 9] = [
    link_type::ETHERNET,
    link_type::RAW,
    link_type::NULL,
    link_type::LOOP,
    link_type::LINUX_SLL,
    link_type::LINUX_SLL2,
    link_type::IPV4,
    link_type::IPV6,
    12,
];

fuzz_target!(|data: &[u8]| {
    let [link, cut_high, cut_low, gso_high, gso_low, frame @ ..] = data else {
        return;
    };
    let link = LINKS[usize::from(*link) % LINKS.len()];
    let cut = u32::from(u16::from_be_bytes([*cut_high, *cut_low]));
    let packet = dissect(link, frame, frame.len() as u32 + cut);
    assert!(packet.payload.start <= packet.payload.end);
    assert!(packet.payload.end <= frame.len());
    assert!(packet.payload.len() as u32 <= packet.payload_len);
    assert!(packet.payload_len <= packet.original_len);

    let mut at = 0;
    for layer in packet.layers() {
        assert_eq!(layer.bytes.start, at);
        at = layer.bytes.end;
    }
    let whole = packet.frame_len_with_fcs().unwrap_or(packet.original_len);
    assert_eq!(at, whole);

    let mut carried = 0;
    let pieces = packet.pieces(u16::from_be_bytes([*gso_high, *gso_low]).into());
    let mut rows = Rows::new();
    let row = rows.row(&packet, Time::default());
    for piece in pieces {
        assert_eq!(piece.offset, carried);
        carried += piece.len;
        assert_eq!(row.piece(&piece).len, piece.len);
    }
    assert_eq!(carried, packet.payload_len);

    let mut text = String::new();
    for lang in [Lang::En, Lang::Zh] {
        row.write_detail(lang, &mut text).expect("text takes all");
        assert!(!text.contains(char::is_control), "{text:?}");
        let mut drawing = String::new();
        layers::write(&packet, lang, &mut drawing).expect("text takes all");
        assert!(!drawing.replace('\n', "").contains(char::is_control));
    }
    if let Some(segment) = Segment::of(&packet) {
        let mut stream = Stream::new();
        stream.on_segment(&segment, &mut |_| {});
        assert!(stream.offset() <= u64::from(segment.len));
    }
});
