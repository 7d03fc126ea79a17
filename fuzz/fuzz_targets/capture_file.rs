//! Any bytes as a capture file: an error that names a byte of the file, or packets, which written
//! again are the same packets. Nothing panics, and a file that lies about lengths costs no memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_trace::packet::dissect;
use sockeye_trace::pcapng::{self, CaptureFileError, CaptureReader, PcapngWriter};
use sockeye_trace::{Interface, Kind, Session, Time};

fuzz_target!(|data: &[u8]| {
    match pcapng::read(data) {
        Ok(session) => {
            let written = write(&session);
            let again = pcapng::read(&written[..]).expect("our own file is sound");
            assert_eq!(packets(&again), packets(&session));
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            if let CaptureFileError::Damaged { at, .. } = error {
                assert!(at <= data.len() as u64, "{error}");
            }
        }
    }
    // As they come, too: what stands ahead of the damage.
    let Ok(mut reader) = CaptureReader::new(data) else {
        return;
    };
    let mut links = vec![];
    while let Ok(Some(fact)) = reader.next_fact() {
        match fact.kind() {
            Kind::Interface => links.extend(fact.describes::<Interface>()),
            Kind::Packet => {
                let number = fact.event.conn().number();
                let link = links.iter().find(|link| link.number == number);
                let link = link.expect("an interface stands ahead of its packets");
                dissect(link.link_type, fact.data, fact.moved() as u32);
            }
            kind => assert_eq!(kind, Kind::Gap),
        }
    }
});

fn write(session: &Session) -> Vec<u8> {
    let mut writer = PcapngWriter::new(vec![], "").expect("memory takes all");
    // Times may run backwards in a file: in a session an interface can stand behind its packets.
    for packets in [false, true] {
        let facts = session.facts().map(|(_, fact)| fact);
        for fact in facts.filter(|fact| (fact.kind() == Kind::Packet) == packets) {
            writer.fact(&fact).expect("memory takes all");
        }
    }
    writer.finish().expect("memory takes all");
    writer.into_inner()
}

/// Time, length on the wire, flags, size of pieces, bytes.
type Seen = (Time, u64, u32, u32, Vec<u8>);

fn packets(session: &Session) -> Vec<Seen> {
    let packets = session
        .facts()
        .filter(|(_, fact)| fact.kind() == Kind::Packet);
    packets
        .map(|(_, fact)| {
            let (time, pieces) = (fact.event.time, fact.event.asked);
            (time, fact.moved(), fact.flags, pieces, fact.data.to_vec())
        })
        .collect()
}
