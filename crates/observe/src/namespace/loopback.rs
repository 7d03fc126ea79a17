//! The loopback device of a new network namespace.

use super::device::{Device, Offload};
use super::{Isolation, NamespaceError, Stage};

/// Sets what was asked for, then brings it up: 127.0.0.1 and ::1 are there at once.
pub(super) fn bring_up(isolation: &Isolation) -> Result<(), NamespaceError> {
    let device = Device::open("lo").map_err(Stage::Loopback.failed())?;
    if let Some(mtu) = isolation.mtu {
        device.set_mtu(mtu).map_err(Stage::Loopback.failed())?;
    }
    if !isolation.offload {
        for offload in [Offload::Tso, Offload::Gso, Offload::Gro] {
            // A kernel that cannot switch one of them shows larger packets, which are told apart.
            let _ = device.switch_off(offload);
        }
    }
    device.up().map_err(Stage::Loopback.failed())
}
