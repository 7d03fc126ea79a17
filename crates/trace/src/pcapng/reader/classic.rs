//! Classic pcap: one header, then packets.

use std::io::Read;

use super::{BLOCK_LIMIT, CaptureFileError, CaptureReader, Format, Got};
use crate::pcapng::blocks::{Captured, Described, Order, Ticks};

impl<R: Read> CaptureReader<R> {
    /// Reads the rest of a classic file's header; its magic was read.
    pub(super) fn classic(&mut self, order: Order, ticks: Ticks) -> Result<(), CaptureFileError> {
        self.format = Format::Records { order };
        if !matches!(self.fill(20)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        if order.u16(&self.body, 0) != Some(2) {
            return Err(self.damaged("a capture file has another version than 2"));
        }
        let word = |at| order.u32(&self.body, at).unwrap_or_default();
        self.at = 24;
        self.add(Described {
            // The upper half says whether frames carry check sums.
            link_type: word(16) & 0xffff,
            snap: word(12),
            name: String::new(),
            ticks,
        })
    }

    /// Reads the next packet of a classic file.
    pub(super) fn record(&mut self, order: Order) -> Result<(), CaptureFileError> {
        match self.fill(16)? {
            Got::Whole => {}
            Got::End => {
                self.over = true;
                return Ok(());
            }
            Got::Cut => {
                self.cut();
                return Ok(());
            }
        }
        let word = |at| order.u32(&self.body, at).unwrap_or_default();
        let [seconds, fraction, len, original_len] = [word(0), word(4), word(8), word(12)];
        if len > BLOCK_LIMIT {
            return Err(self.damaged("a packet is longer than any packet"));
        }
        if !matches!(self.fill(len as usize)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        // In ticks: a file that counts more than a second's worth in a fraction means later.
        let unit = match self.interfaces[0].ticks {
            Ticks::NANOS => 1_000_000_000,
            _ => 1_000_000,
        };
        let packet = Captured {
            ticks: Some(u64::from(seconds) * unit + u64::from(fraction)),
            len,
            original_len,
            ..Captured::default()
        };
        self.take(0, &packet)?;
        self.at += 16 + u64::from(len);
        Ok(())
    }
}
