//! Daytime: the date and time as a line of text (RFC 867).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sockeye_trace::Time;

use crate::{Arrival, Out, Peer, Responder, Responders};

/// Makes responders that tell the time: on a stream at once, and then they close; to a datagram as
/// the answer.
#[derive(Clone, Debug)]
pub struct Daytime {
    zone: TimeZone,
}

impl Daytime {
    /// Tells the time of this time zone.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone }
    }
}

impl Default for Daytime {
    /// Tells the time of the system's time zone.
    fn default() -> Self {
        Self::new(TimeZone::system())
    }
}

impl Responders for Daytime {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        Box::new(Teller {
            zone: self.zone.clone(),
            arrival: peer.arrival,
        })
    }
}

#[derive(Debug)]
struct Teller {
    zone: TimeZone,
    arrival: Arrival,
}

impl Teller {
    /// RFC 867's first form, `Tuesday, February 22, 1982 17:37:43-PST`, and the end of a line where
    /// no framing adds one.
    fn tell(&self, now: Time, out: &mut Out<'_>) {
        let nanos = i128::from(now.as_nanos());
        let time = Timestamp::from_nanosecond(nanos).expect("64 bits of nanoseconds end in 2554");
        let mut text = time
            .to_zoned(self.zone.clone())
            .strftime("%A, %B %-d, %Y %H:%M:%S-%Z")
            .to_string();
        if self.arrival != Arrival::Frames {
            text.push_str("\r\n");
        }
        out.reply(text.as_bytes());
    }
}

impl Responder for Teller {
    fn on_open(&mut self, now: Time, out: &mut Out<'_>) {
        if self.arrival != Arrival::Datagrams {
            self.tell(now, out);
            out.close();
        }
    }

    fn on_message(&mut self, now: Time, _message: &[u8], out: &mut Out<'_>) {
        self.tell(now, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Stage;

    /// 1982-02-22T17:37:43Z.
    const THEN: Time = Time::from_nanos(383_247_463_000_000_000);

    fn teller(arrival: Arrival) -> Teller {
        Teller {
            zone: TimeZone::UTC,
            arrival,
        }
    }

    #[test]
    fn a_stream_is_told_once_and_closed() {
        let mut stage = Stage::raw();
        teller(Arrival::Chunks).on_open(THEN, &mut stage.out(b""));
        assert_eq!(stage.sent(), b"Monday, February 22, 1982 17:37:43-UTC\r\n");
        assert!(stage.is_closed());
    }

    #[test]
    fn a_framing_brings_its_own_end_of_line() {
        let mut stage = Stage::framed("line");
        teller(Arrival::Frames).on_open(THEN, &mut stage.out(b""));
        assert_eq!(stage.sent(), b"Monday, February 22, 1982 17:37:43-UTC\n");
    }

    #[test]
    fn a_datagram_is_answered() {
        let mut stage = Stage::datagrams();
        let mut teller = teller(Arrival::Datagrams);
        teller.on_open(THEN, &mut stage.out(b""));
        assert_eq!(stage.messages(), Vec::<Vec<u8>>::new());
        teller.on_message(THEN, b"", &mut stage.out(b""));
        assert_eq!(
            stage.messages(),
            [b"Monday, February 22, 1982 17:37:43-UTC\r\n"]
        );
        assert!(!stage.is_closed());
    }
}
