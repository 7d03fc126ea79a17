//! `mtu:1400,icmp`: larger packets don't get through.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::segment;
use crate::stage::{Fault, Meet, Step};

/// The least MTU of IPv4 (RFC 791, section 3.2).
const LEAST: u64 = 68;

pub(super) const KIND: Kind = Kind {
    name: "mtu",
    value: Some("SIZE"),
    keys: &["icmp"],
    read: |args| {
        let mtu = args.size("SIZE", LEAST, 65_535)?;
        Ok(Arc::new(Mtu {
            mtu: args.needs("SIZE", mtu)? as u32,
            icmp: args.has("icmp"),
        }))
    },
};

/// A link with this MTU, in front of which a router stands: what may be fragmented (IPv4 without the
/// flag "don't fragment") goes on in fragments. Of the rest, larger packets are dropped; `icmp` tells
/// their sender, and without it this is a path MTU black hole (RFC 2923, section 2.1).
#[derive(Clone, Copy, Debug)]
struct Mtu {
    mtu: u32,
    icmp: bool,
}

impl Fault for Mtu {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let Some(packet) = meet.view.packet() else {
            return Step::Pass;
        };
        // As the header says: Ethernet's padding is no part of it.
        let len = packet.payload.end - packet.net_at.min(packet.payload.end);
        if packet.net.is_none() || len <= self.mtu as usize {
            return Step::Pass;
        }
        if let Some(fragments) = segment::fragments(packet, self.mtu as usize) {
            let act = Act::Fragmented(fragments.len() as u32);
            return Step::Several(fragments, act);
        }
        if self.icmp {
            Step::Refuse(self.mtu)
        } else {
            Step::Drop(Act::TooBig(self.mtu))
        }
    }
}
