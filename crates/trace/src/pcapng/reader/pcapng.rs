//! pcapng: sections of blocks, in the byte order that each section names.

use std::io::{self, Read};

use super::{BLOCK_LIMIT, CaptureFileError, CaptureReader, Format, Got, News};
use crate::pcapng::block;
use crate::pcapng::blocks::{self, Order};

impl<R: Read> CaptureReader<R> {
    /// Reads the rest of a section's header; its type was read.
    pub(super) fn section(&mut self) -> Result<(), CaptureFileError> {
        if !matches!(self.fill(8)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        let order = match Order::Little.u32(&self.body, 4) {
            Some(block::BYTE_ORDER) => Order::Little,
            Some(other) if other.swap_bytes() == block::BYTE_ORDER => Order::Big,
            _ => return Err(self.damaged("a section does not say its byte order")),
        };
        let total = order.u32(&self.body, 0).unwrap_or_default();
        self.format = Format::Blocks {
            order,
            base: self.interfaces.len(),
        };
        // The type, the length and the byte order were read.
        if !self.behind(order, total, 12)? {
            return Ok(());
        }
        if order.u16(&self.body, 0) != Some(1) {
            return Err(self.damaged("a section has another version than 1"));
        }
        self.at += u64::from(total);
        Ok(())
    }

    /// Reads what is behind the first `read` bytes of a block, and checks its length; false: cut.
    fn behind(&mut self, order: Order, total: u32, read: u32) -> Result<bool, CaptureFileError> {
        if total < read + 4 || !total.is_multiple_of(4) {
            return Err(self.damaged("a block has an impossible length"));
        }
        if total > BLOCK_LIMIT {
            return Err(self.damaged("a block is longer than any packet"));
        }
        let rest = (total - read) as usize;
        if !matches!(self.fill(rest)?, Got::Whole) {
            self.cut();
            return Ok(false);
        }
        if order.u32(&self.body, rest - 4) != Some(total) {
            return Err(self.damaged("a block's two lengths differ"));
        }
        self.body.truncate(rest - 4);
        Ok(true)
    }

    /// Reads the next block, of whatever kind.
    pub(super) fn block(&mut self, order: Order, base: usize) -> Result<(), CaptureFileError> {
        match self.fill(4)? {
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
        let kind = order.u32(&self.body, 0).unwrap_or_default();
        if kind == block::SECTION {
            return self.section();
        }
        if !matches!(self.fill(4)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        let total = order.u32(&self.body, 0).unwrap_or_default();
        let known = [
            block::INTERFACE,
            block::PACKET,
            block::SIMPLE,
            block::STATISTICS,
            block::ENHANCED,
        ];
        if !known.contains(&kind) {
            return self.skip(total);
        }
        if self.behind(order, total, 8)? {
            self.known(order, base, kind)?;
            self.at += u64::from(total);
        }
        Ok(())
    }

    /// Takes what a block says that was read whole.
    fn known(&mut self, order: Order, base: usize, kind: u32) -> Result<(), CaptureFileError> {
        let short = self.damaged("a block is too short for its kind");
        let body = &self.body[..];
        match kind {
            block::INTERFACE => {
                let described = blocks::interface(order, body).ok_or(short)?;
                self.add(described)
            }
            block::STATISTICS => {
                let (interface, lost) = blocks::statistics(order, body).ok_or(short)?;
                self.lost(base, interface, lost);
                Ok(())
            }
            block::SIMPLE => {
                let first = self.interfaces.get(base);
                let snap = first.map_or(0, |known| known.interface.snap);
                let packet = blocks::simple(order, body, snap).ok_or(short)?;
                self.take(base, &packet)
            }
            _ => {
                let old = kind == block::PACKET;
                let packet = blocks::enhanced(order, body, old).ok_or(short)?;
                self.take(base.saturating_add(packet.interface as usize), &packet)
            }
        }
    }

    fn lost(&mut self, base: usize, interface: u32, lost: u64) {
        let index = base.saturating_add(interface as usize);
        if let Some(known) = self.interfaces.get_mut(index)
            && known.interface.dropped != lost
        {
            known.interface.dropped = lost;
            if !std::mem::replace(&mut known.fresh, true) {
                self.news.push_back(News::Interface(index));
            }
        }
    }

    /// Passes a block by that says nothing to us, of any length.
    fn skip(&mut self, total: u32) -> Result<(), CaptureFileError> {
        if total < 12 || !total.is_multiple_of(4) {
            return Err(self.damaged("a block has an impossible length"));
        }
        let rest = u64::from(total) - 8;
        let passed = io::copy(&mut (&mut self.input).take(rest), &mut io::sink())?;
        if passed < rest {
            self.cut();
        } else {
            self.at += u64::from(total);
        }
        Ok(())
    }
}
