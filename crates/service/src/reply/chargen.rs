//! Chargen: printable characters without end (RFC 864).

use std::sync::LazyLock;

use sockeye_trace::Time;

use crate::out::BATCH;
use crate::{Arrival, Out, Peer, Responder, Responders};

/// The printable ASCII characters, space to tilde.
const PRINTABLE: usize = 95;
/// Characters on a line, before its CR LF (RFC 864, the popular pattern).
const LINE: usize = 72;
/// After so many bytes the pattern starts again: one line for each character it can start with.
const PERIOD: usize = PRINTABLE * (LINE + 2);
/// The longest datagram (RFC 864: "between 0 and 512").
const DATAGRAM: usize = 512;

/// The pattern, long enough that a whole batch can be lent from wherever a period begins.
static PATTERN: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let line = |start: usize| {
        let characters = (0..LINE).map(move |at| b' ' + ((start + at) % PRINTABLE) as u8);
        characters.chain(*b"\r\n")
    };
    (0..PRINTABLE)
        .cycle()
        .flat_map(line)
        .take(PERIOD + BATCH)
        .collect()
});

/// Sends lines of printable characters until the peer closes; a datagram is answered with as many
/// characters as it had, at most 512, so that nobody can use it to multiply what he sends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chargen;

impl Responders for Chargen {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        Box::new(Generator {
            at: 0,
            arrival: peer.arrival,
        })
    }
}

#[derive(Debug)]
struct Generator {
    /// Where in the pattern the next byte lies.
    at: usize,
    arrival: Arrival,
}

impl Generator {
    fn generate(&mut self, out: &mut Out<'_>) {
        match self.arrival {
            Arrival::Datagrams => {}
            Arrival::Chunks => {
                out.lend(&PATTERN[self.at..][..BATCH]);
                self.at = (self.at + BATCH) % PERIOD;
            }
            Arrival::Frames => {
                while !out.is_full() && !out.is_closed() {
                    out.reply(&PATTERN[self.at..][..LINE]);
                    self.at = (self.at + LINE + 2) % PERIOD;
                }
            }
        }
        out.more_when_drained();
    }
}

impl Responder for Generator {
    fn on_open(&mut self, _now: Time, out: &mut Out<'_>) {
        self.generate(out);
    }

    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        // What a peer sends on a stream is thrown away (RFC 864).
        if self.arrival == Arrival::Datagrams {
            let size = message.len().min(DATAGRAM);
            out.reply(&PATTERN[self.at..][..size]);
            self.at = (self.at + size) % PERIOD;
        }
    }

    fn on_head(&mut self, _now: Time, _header: &[u8], _body: u64, _out: &mut Out<'_>) {}

    fn on_drained(&mut self, _now: Time, out: &mut Out<'_>) {
        self.generate(out);
    }

    fn on_half_close(&mut self, _now: Time, _out: &mut Out<'_>) {
        // Whoever has nothing to say still wants to hear; it ends when he closes for good.
    }

    fn needs_time(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Stage;

    #[test]
    fn the_pattern_is_the_one_of_rfc_864() {
        let lines: Vec<&[u8]> = PATTERN.chunks(LINE + 2).take(PRINTABLE + 1).collect();
        assert_eq!(
            lines[0],
            &br##" !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg"##[..]
                .iter()
                .chain(b"\r\n")
                .copied()
                .collect::<Vec<u8>>()[..]
        );
        assert_eq!(lines[1][0], b'!');
        assert_eq!(lines[94][..3], *b"~ !");
        assert_eq!(lines[95], lines[0], "the pattern starts again");
    }

    #[test]
    fn batches_of_a_stream_join_without_a_seam() {
        let mut generator = Generator {
            at: 0,
            arrival: Arrival::Chunks,
        };
        let mut stream = vec![];
        for _ in 0..3 {
            let mut stage = Stage::raw();
            generator.on_drained(Time::default(), &mut stage.out(b""));
            stream.extend(stage.sent());
        }
        assert_eq!(stream.len(), 3 * BATCH);
        let mut period = PATTERN[..PERIOD].iter().cycle();
        assert!(stream.iter().all(|byte| Some(byte) == period.next()));
    }

    #[test]
    fn a_framing_gets_a_line_a_message_and_a_batch_has_an_end() {
        let mut stage = Stage::framed("line");
        let mut generator = Generator {
            at: 0,
            arrival: Arrival::Frames,
        };
        generator.on_open(Time::default(), &mut stage.out(b""));
        let sent = stage.sent();
        assert!((BATCH..BATCH + LINE + 1).contains(&sent.len()));
        assert!(sent.starts_with(&PATTERN[..LINE]));
        assert_eq!(sent[LINE + 1..][..LINE], PATTERN[LINE + 2..][..LINE]);
    }

    #[test]
    fn a_datagram_is_never_answered_with_more_than_it_had() {
        let mut generator = Generator {
            at: 0,
            arrival: Arrival::Datagrams,
        };
        let mut stage = Stage::datagrams();
        generator.on_open(Time::default(), &mut stage.out(b""));
        for size in [0, 7, 512, 2000] {
            generator.on_message(Time::default(), &vec![b'x'; size], &mut stage.out(b""));
        }
        let sizes: Vec<usize> = stage.messages().iter().map(Vec::len).collect();
        assert_eq!(sizes, [0, 7, 512, 512]);
    }
}
