//! Conversations, numbered as they begin.

use std::collections::HashMap;
use std::net::IpAddr;

use sockeye_trace::packet::Packet;

use crate::chunk::View;

/// How many conversations are told apart; all later ones have the number 0.
pub(crate) const PEERS_LIMIT: usize = 65_536;

/// The numbers of conversations, from 1.
#[derive(Debug, Default)]
pub(crate) struct Peers(HashMap<Key, u32>);

/// What tells one conversation from another: what the driver says, and of packets the protocol and both
/// ends, the lesser first. Fragments without ports are a conversation of their own.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    peer: u64,
    protocol: u8,
    ends: Option<[(IpAddr, u16); 2]>,
}

impl Peers {
    pub(crate) fn number(&mut self, view: &View<'_>) -> u32 {
        let key = Key::of(view);
        if let Some(number) = self.0.get(&key) {
            return *number;
        }
        if self.0.len() >= PEERS_LIMIT {
            return 0;
        }
        let number = self.0.len() as u32 + 1;
        self.0.insert(key, number);
        number
    }
}

impl Key {
    fn of(view: &View<'_>) -> Self {
        let packet = view.packet();
        let net = packet.and_then(|packet| packet.net);
        let ports = packet.and_then(Packet::ports).unwrap_or((0, 0));
        Self {
            peer: view.chunk.peer,
            protocol: net.map_or(0, |net| net.protocol),
            ends: net.map(|net| {
                let mut ends = [(net.source, ports.0), (net.destination, ports.1)];
                ends.sort();
                ends
            }),
        }
    }
}
