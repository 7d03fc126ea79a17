//! What the hosts are called, for programs that look names up.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const NOTHING: Option<&str> = None;
/// Where names are looked up first, hosts(5).
const HOSTS: &str = "/etc/hosts";
/// A folder that every machine has, and that programs see as it is again when they start.
const BORROWED: &str = "/tmp";

/// Gives everybody who is started from here both names in [`HOSTS`]; what it said before stands below.
///
/// No file of this machine is written: mounts are ours alone, and what is mounted is memory, which is
/// gone with the last process that sees it.
pub(super) fn give(client: Ipv4Addr, server: Ipv4Addr) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING)?;
    let before = fs::read_to_string(HOSTS)?;
    let memory = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("lab"),
        BORROWED,
        Some("tmpfs"),
        memory,
        Some("mode=0755,size=1m"),
    )?;
    let file = format!("{BORROWED}/hosts");
    let named = fs::write(&file, names(client, server, &before)).and_then(|()| {
        let bind = MsFlags::MS_BIND;
        Ok(mount(Some(file.as_str()), HOSTS, NOTHING, bind, NOTHING)?)
    });
    umount2(BORROWED, MntFlags::MNT_DETACH)?;
    named
}

/// The names, ahead of what else is known: the first that fits counts.
fn names(client: Ipv4Addr, server: Ipv4Addr, before: &str) -> String {
    format!("127.0.0.1 localhost\n{client} client\n{server} server\n{before}")
}
