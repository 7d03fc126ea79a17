//! The machine that runs programs, as the kernel does, for tests.

use super::Instruction;
use super::compile::{DIRECTION, HARDWARE, NETWORK, PROTOCOL, op};

/// A packet as the kernel has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Packet {
    pub(super) protocol: u16,
    pub(super) direction: u8,
    pub(super) hardware: u16,
    /// From the network header on.
    pub(super) bytes: Vec<u8>,
}

impl Packet {
    fn load(&self, at: u32, len: usize) -> Option<u32> {
        match at {
            PROTOCOL => return Some(self.protocol.into()),
            DIRECTION => return Some(self.direction.into()),
            HARDWARE => return Some(self.hardware.into()),
            _ => (),
        }
        let at = at.checked_sub(NETWORK)? as usize;
        let bytes = self.bytes.get(at..at + len)?;
        Some(
            bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte)),
        )
    }
}

/// What a program returns for a packet; a load outside of it ends the program with 0.
pub(super) fn run(program: &[Instruction], packet: &Packet) -> u32 {
    let (mut a, mut x, mut cells, mut at) = (0_u32, 0_u32, [None; 16], 0);
    loop {
        let step = program[at];
        at += 1;
        let mut jump = |holds| at += usize::from(if holds { step.jt } else { step.jf });
        let loaded = match step.code {
            op::LOAD_WORD => packet.load(step.k, 4),
            op::LOAD_HALF => packet.load(step.k, 2),
            op::LOAD_BYTE => packet.load(step.k, 1),
            op::LOAD_HALF_AT => packet.load(x.wrapping_add(step.k), 2),
            op::LOAD_CELL => Some(cells[step.k as usize].expect("loads what was stored")),
            op::LOAD_NUMBER => Some(step.k),
            op::AND => Some(a & step.k),
            op::SHIFT_LEFT => Some(a << step.k),
            _ => Some(a),
        };
        match loaded {
            Some(value) => a = value,
            None => return 0,
        }
        match step.code {
            op::STORE_CELL => cells[step.k as usize] = Some(a),
            op::TO_X => x = a,
            op::JUMP => at += step.k as usize,
            op::JUMP_EQUAL => jump(a == step.k),
            op::JUMP_ABOVE => jump(a > step.k),
            op::JUMP_AT_LEAST => jump(a >= step.k),
            op::RETURN => return step.k,
            _ => (),
        }
    }
}
