//! Two hosts and the links from each of them to the wire.

mod route;

use std::net::Ipv4Addr;

use nix::errno::Errno;

use super::error::{LabError, kernel};
use super::host::HostNetwork;
use super::wire::{Ends, Port};
use super::{Host, Setting};
use crate::namespace::ETHERNET_MTU;
use crate::namespace::device::{Device, Offload};
use route::{End, Mac, Route};

/// The address of the client's host.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address of the server's host.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// An address that no host has. Every other one of the network is nobody's too.
pub const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// The bits that addresses of their network have in common.
const NETWORK_BITS: u8 = 24;

/// What RFC 791 lets every link carry, and what IPv4 can carry at most.
const MTU: (u32, u32) = (68, 65_535);

/// The one interface that each host has beside its loopback device.
const INTERFACE: &str = "eth0";

/// Two hosts, each with a network namespace of its own, and the two ends of their links that the wire
/// joins: what one host sends comes in at its end here, and nowhere else.
///
/// ```text
///   host client                 here                 host server
///   eth0 10.0.0.1 ── client ┄┄ (Wire) ┄┄ server ── eth0 10.0.0.2
/// ```
///
/// Nobody asks for addresses (ARP) and nothing is said of IPv6: what is on the wire was sent by
/// programs.
#[derive(Debug)]
pub struct Link {
    /// The client's host.
    pub client: HostNetwork,
    /// The server's host.
    pub server: HostNetwork,
    /// What the wire joins.
    pub ends: Ends,
}

impl Link {
    /// Makes hosts and links as they are set.
    ///
    /// The caller is in a network namespace of its own ([`crate::namespace::enter`]), where the wire's
    /// ends are made. All of it is gone with the last process and value that refer to it.
    pub fn build(setting: &Setting) -> Result<Self, LabError> {
        let mtu = setting.mtu.unwrap_or(ETHERNET_MTU);
        if !(MTU.0..=MTU.1).contains(&mtu) {
            return Err(LabError::Mtu {
                asked: mtu,
                allowed: MTU,
            });
        }
        let fast = setting.fast.unwrap_or(false);
        let mut route = Route::open().map_err(kernel("speak of links with the kernel"))?;
        let client = HostNetwork::make(Host::Client)?;
        let server = HostNetwork::make(Host::Server)?;
        let ends = Ends {
            client: lay(&mut route, &client, mtu, fast)?,
            server: lay(&mut route, &server, mtu, fast)?,
        };
        for (host, own) in [(&client, &setting.client), (&server, &setting.server)] {
            furnish(host, fast)?;
            for (name, value) in &own.sysctl {
                host.sysctl(name, value)?;
            }
        }
        Ok(Self {
            client,
            server,
            ends,
        })
    }
}

/// Who a host is on the wire.
const fn address_of(host: Host) -> Ipv4Addr {
    match host {
        Host::Client => CLIENT,
        Host::Server => SERVER,
    }
}

const fn other(host: Host) -> Host {
    match host {
        Host::Client => Host::Server,
        Host::Server => Host::Client,
    }
}

/// An address of Ethernet that is administered here (IEEE 802, the second bit) and shows whose it is.
pub(super) const fn mac_of(host: Host) -> Mac {
    let [a, b, c, d] = address_of(host).octets();
    [2, 0, a, b, c, d]
}

/// Makes the link of a host, and opens its near end: from here on nothing that the host sends is missed.
fn lay(route: &mut Route, host: &HostNetwork, mtu: u32, fast: bool) -> Result<Port, LabError> {
    let which = host.host();
    let [_, rest @ ..] = mac_of(which);
    let near = End {
        name: match which {
            Host::Client => "client",
            Host::Server => "server",
        },
        // Of the wire itself, to which nobody speaks.
        mac: [6, rest[0], rest[1], rest[2], rest[3], rest[4]],
        // Only the hosts' own bound what is sent.
        mtu: MTU.1,
    };
    let far = End {
        name: INTERFACE,
        mac: mac_of(which),
        mtu,
    };
    route
        .pair(&near, &far, host.network())
        .map_err(kernel("make a pair of links"))?;
    let index = route
        .index(near.name)
        .map_err(kernel("find a link that was made"))?;
    // A kernel without IPv6 says nothing of it.
    let _ = route.silence_v6(index);
    let port = Port::open(index, mtu, fast).map_err(kernel("open an end of the wire"))?;
    route.up(index).map_err(kernel("bring a link up"))?;
    // It was down until now, which the first who sends would be told.
    port.clear_error();
    Ok(port)
}

/// Makes a host of what was only a namespace: devices up, addresses, neighbours, settings.
fn furnish(host: &HostNetwork, fast: bool) -> Result<(), LabError> {
    let which = host.host();
    host.inside(move || {
        silence_v6();
        bring_up(which, fast)
    })??;
    // Ports below 1024 need no privilege (ip-sysctl.rst).
    host.sysctl("net.ipv4.ip_unprivileged_port_start", "0")?;
    // What a kernel chooses otherwise differs from machine to machine; reno is in every kernel.
    host.sysctl("net.ipv4.tcp_congestion_control", "reno")
}

/// A kernel without IPv6 has no such settings; where they may not be written, no address of IPv6 is
/// made for links all the same ([`Route::silence_v6`]).
fn silence_v6() {
    for of in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{of}/disable_ipv6");
        let _ = std::fs::write(path, "1");
    }
}

/// Inside of the host.
fn bring_up(which: Host, fast: bool) -> Result<(), LabError> {
    let errno = |what| move |errno: Errno| kernel(what)(std::io::Error::from(errno));
    let link = kernel::<std::io::Error>;
    Device::open("lo")
        .and_then(|lo| lo.up())
        .map_err(errno("bring a loopback device up"))?;
    if !fast {
        let device = Device::open(INTERFACE).map_err(errno("ask about a link"))?;
        for offload in [
            Offload::Tso,
            Offload::Gso,
            Offload::Gro,
            Offload::TxChecksum,
        ] {
            device
                .switch_off(offload)
                .map_err(errno("switch the offload of a link off"))?;
        }
    }
    let mut route = Route::open().map_err(link("speak of links with the kernel"))?;
    let index = route
        .index(INTERFACE)
        .map_err(link("find a link that was made"))?;
    let _ = route.silence_v6(index);
    route.up(index).map_err(link("bring a link up"))?;
    route
        .address(index, address_of(which), NETWORK_BITS)
        .map_err(link("give a host its address"))?;
    let neighbour = other(which);
    route
        .neighbour(index, address_of(neighbour), mac_of(neighbour))
        .map_err(link("tell a host of the other"))
}
