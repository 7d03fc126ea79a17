//! The interfaces of a capture, and what link they have.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{if_indextoname, if_nameindex};
use sockeye_trace::Interface;

use super::{CaptureError, Options};

/// LINKTYPE_ETHERNET of pcap.
pub(super) const ETHERNET: u32 = 1;
/// LINKTYPE_RAW of pcap: packets begin with the header of IP.
const RAW_IP: u32 = 101;

/// The interfaces that packets come from.
#[derive(Debug)]
pub(super) struct Links {
    /// The one that was asked for.
    pub(super) only: Option<u32>,
    snap: u32,
    interfaces: Vec<Interface>,
    /// Whether the one at the same place has been told of.
    told: Vec<bool>,
    /// Where the last one was found: packets come in runs.
    last: usize,
}

impl Links {
    pub(super) fn find(options: &Options) -> Result<Self, CaptureError> {
        let mut links = Self {
            only: None,
            snap: options.snap,
            interfaces: vec![],
            told: vec![],
            last: 0,
        };
        let there: Vec<(u32, String)> = if_nameindex()
            .map_err(|error| super::kernel("list the interfaces")(error.into()))?
            .iter()
            .map(|one| (one.index(), one.name().to_string_lossy().into_owned()))
            .collect();
        if let Some(name) = &options.interface {
            let Some(found) = there.iter().find(|(_, known)| known == name) else {
                return Err(CaptureError::NoInterface {
                    name: name.clone(),
                    known: there.into_iter().map(|(_, name)| name).collect(),
                });
            };
            links.only = Some(found.0);
            links.add(found.0, found.1.clone(), hardware_of(&found.1));
            return Ok(links);
        }
        for (index, name) in there {
            let hardware = hardware_of(&name);
            links.add(index, name, hardware);
        }
        Ok(links)
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Whether only the loopback device is captured.
    pub(super) fn is_loopback(&self) -> bool {
        let [interface] = &*self.interfaces else {
            return false;
        };
        self.only.is_some() && hardware_of(&interface.name) == libc::ARPHRD_LOOPBACK
    }

    /// The interface with this number, and whether this is the first time.
    pub(super) fn of(&mut self, index: u32, hardware: u16) -> (&Interface, bool) {
        let is = |interface: &Interface| interface.number == u64::from(index);
        if !self.interfaces.get(self.last).is_some_and(is) {
            self.last = match self.interfaces.iter().position(is) {
                Some(place) => place,
                None => self.appeared(index, hardware),
            };
        }
        let first = !std::mem::replace(&mut self.told[self.last], true);
        if first {
            // Interfaces without an address of their own are listed without their hardware.
            self.interfaces[self.last].link_type = link_type(hardware);
        }
        (&self.interfaces[self.last], first)
    }

    /// An interface that was not there when the capture began.
    fn appeared(&mut self, index: u32, hardware: u16) -> usize {
        let name = if_indextoname(index).map_or_else(
            |_| format!("interface {index}"),
            |name| name.to_string_lossy().into_owned(),
        );
        self.add(index, name, hardware);
        self.interfaces.len() - 1
    }

    fn add(&mut self, index: u32, name: String, hardware: u16) {
        self.interfaces.push(Interface {
            number: index.into(),
            name,
            link_type: link_type(hardware),
            snap: self.snap,
            dropped: 0,
        });
        self.told.push(false);
    }
}

/// How packets of such hardware are handed out: those of Ethernet and of the loopback device from
/// their link header on, those of tunnels and whatever else there is from the header of IP on.
pub(super) fn link_type(hardware: u16) -> u32 {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => ETHERNET,
        _ => RAW_IP,
    }
}

/// `ARPHRD_*` of an interface; what has no address has none that could be asked for without one.
fn hardware_of(name: &str) -> u16 {
    let found = getifaddrs().ok().and_then(|mut addresses| {
        addresses.find_map(|one| {
            let link = *one.address?.as_link_addr()?;
            (one.interface_name == name).then(|| link.hatype())
        })
    });
    found.unwrap_or(libc::ARPHRD_NONE)
}
