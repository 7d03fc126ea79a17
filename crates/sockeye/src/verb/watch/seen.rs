//! What a growing session is known to hold, kept up fact by fact.

use std::collections::{HashMap, VecDeque};

use sockeye_trace::{Fact, Gauge, Kind, Time};

/// Readings of one socket's buffers that are kept; older ones give way.
const READINGS: usize = 65_536;

/// Counts, and readings of buffers by socket.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Calls of all kinds.
    pub(super) calls: u64,
    /// Packets, or what stands for them.
    pub(super) packets: u64,
    /// Stops of the watched programs and what each cost in nanoseconds, as the tracer said last.
    pub(super) cost: Option<(u64, u32)>,
    readings: HashMap<u64, VecDeque<(Time, Gauge)>>,
}

impl Seen {
    /// Takes a fact into account.
    pub(super) fn note(&mut self, fact: &Fact<'_>) {
        match fact.kind() {
            Kind::Read | Kind::Write | Kind::Called => self.calls += 1,
            Kind::Packet | Kind::Inferred => self.packets += 1,
            Kind::Cost => self.cost = Some((fact.event.offset, fact.event.asked)),
            Kind::Gauged => {
                if let Some(gauge) = Gauge::from_payload(fact.data) {
                    let readings = self.readings.entry(fact.event.conn().number()).or_default();
                    readings.push_back((fact.event.time, gauge));
                    if readings.len() > READINGS {
                        readings.pop_front();
                    }
                }
            }
            _ => {}
        }
    }

    /// How full the buffers of one of these sockets were at that time: the last reading before it.
    pub(super) fn gauge(&self, sides: impl Iterator<Item = u64>, at: Time) -> Option<Gauge> {
        let before = sides.filter_map(|side| {
            let readings = self.readings.get(&side)?;
            let after = readings.partition_point(|(time, _)| *time <= at);
            after.checked_sub(1).map(|last| readings[last])
        });
        before.max_by_key(|(time, _)| *time).map(|(_, gauge)| gauge)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_trace::{ConnId, Event};

    use super::*;

    #[test]
    fn the_last_reading_before_a_moment_counts() {
        let mut seen = Seen::default();
        let mut read = |side, at, unread| {
            let payload = Gauge {
                unread,
                ..Gauge::default()
            }
            .to_payload();
            let time = Time::from_nanos(at);
            let mut fact = Fact::new(Event::new(Kind::Gauged, ConnId::new(side), time));
            fact.data = &payload;
            seen.note(&fact);
        };
        read(1, 10, 100);
        read(2, 15, 150);
        read(1, 20, 200);
        let at = |sides: &[u64], at| {
            let gauge = seen.gauge(sides.iter().copied(), Time::from_nanos(at));
            gauge.map(|gauge| gauge.unread)
        };
        assert_eq!(at(&[1], 9), None);
        assert_eq!(at(&[1], 10), Some(100));
        assert_eq!(at(&[1, 2], 19), Some(150));
        assert_eq!(at(&[1, 2], 99), Some(200));
        assert_eq!(at(&[3], 99), None);
    }

    #[test]
    fn readings_are_bounded() {
        let mut seen = Seen::default();
        let payload = Gauge::default().to_payload();
        for at in 0..=READINGS as u64 {
            let event = Event::new(Kind::Gauged, ConnId::new(1), Time::from_nanos(at));
            let mut fact = Fact::new(event);
            fact.data = &payload;
            seen.note(&fact);
        }
        assert_eq!(seen.readings[&1].len(), READINGS);
    }
}
