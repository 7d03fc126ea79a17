//! What a run counted.

use hdrhistogram::Histogram;

use super::error::Ending;

/// The longest latency that is told apart: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;
/// Significant decimal digits of a latency.
const DIGITS: u8 = 3;

/// Counts of the measured span; those that speak of trouble are of the whole run.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Messages that came back right.
    pub(super) messages: u64,
    /// Payload bytes that came back, or went one way.
    pub(super) bytes: u64,
    /// Latencies in nanoseconds, one a message.
    pub(super) latency: Histogram<u64>,
    /// Datagrams that were sent and not answered in time.
    pub(super) lost: u64,
    /// Datagrams that were answered again, or after they had been given up.
    pub(super) late: u64,
    /// Messages on streams that were not answered in time.
    pub(super) unanswered: u64,
    /// Connections that the server ended, or that failed.
    pub(super) broken: u64,
    /// Why the first of them did.
    pub(super) why_broken: Option<Ending>,
    /// How often there was no free local port.
    pub(super) no_port: u64,
    /// Messages of the open loop that were due but never sent, because the window was full.
    pub(super) unsent: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, DIGITS)
            .expect("the bounds and the digits are what the crate allows");
        Self {
            messages: 0,
            bytes: 0,
            latency,
            lost: 0,
            late: 0,
            unanswered: 0,
            broken: 0,
            why_broken: None,
            no_port: 0,
            unsent: 0,
        }
    }
}

impl Tally {
    /// Counts messages that came back together after `nanos`.
    pub(super) fn answered(&mut self, messages: u64, bytes: u64, nanos: u64) {
        self.messages += messages;
        self.bytes += bytes;
        self.latency.saturating_record_n(nanos, messages);
    }

    /// Counts a connection that ended before it should have.
    pub(super) fn broke(&mut self, why: Ending) {
        self.broken += 1;
        self.why_broken.get_or_insert(why);
    }

    /// Adds what another thread counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.latency
            .add(&other.latency)
            .expect("all histograms have the same bounds");
        self.lost += other.lost;
        self.late += other.late;
        self.unanswered += other.unanswered;
        self.broken += other.broken;
        self.no_port += other.no_port;
        self.unsent += other.unsent;
        self.why_broken = self.why_broken.or(other.why_broken);
    }
}
