//! The sockets of an actor by name: how they are made, connected, accepted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketType};

use super::held::{Failure, Held, Until};
use super::{CALLS, Cannot, Deeds, Done, Places, lock, option};
use crate::lab::Kind;
use crate::lab::script::Options;

/// All sockets that were made here, closed ones too: who uses such a one meets `EBADF`.
pub(super) struct Table {
    places: Places,
    sockets: Mutex<BTreeMap<String, Arc<Held>>>,
}

/// Where a connection is to go, and how.
pub(super) struct Goal<'a> {
    pub(super) kind: Kind,
    pub(super) to: SocketAddrV4,
    pub(super) options: &'a Options,
    pub(super) timeout: Option<Duration>,
}

impl Table {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            sockets: Mutex::default(),
        }
    }

    /// The socket of this name.
    pub(super) fn held(&self, name: &str) -> Result<Arc<Held>, Cannot> {
        let sockets = lock(&self.sockets);
        sockets.get(name).map(Arc::clone).ok_or_else(|| {
            let names: Vec<&str> = sockets.keys().map(String::as_str).collect();
            let has = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            Cannot(format!("no socket here is called `{name}`; there is {has}"))
        })
    }

    /// A host by its name, or an address. What is not this machine cannot be reached without a wire.
    pub(super) fn address(&self, to: &str, port: u16) -> Result<SocketAddrV4, Cannot> {
        let ip = match to {
            "client" => self.places.client,
            "server" => self.places.server,
            other => other.parse::<Ipv4Addr>().map_err(|_| {
                Cannot(format!(
                    "`{other}` is no host: `client`, `server` or an IPv4 address"
                ))
            })?,
        };
        if self.places.server.is_loopback() && !ip.is_loopback() {
            return Err(format!("{ip} is not on the loopback device").into());
        }
        Ok(SocketAddrV4::new(ip, port))
    }

    fn own(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.places.of(self.places.own), port)
    }

    fn keep(&self, name: String, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        lock(&self.sockets).insert(name, Arc::clone(&held));
        held
    }

    /// socket(2), which is kept under `name`, then options and bind(2); what failed says so.
    fn make(
        &self,
        name: &str,
        kind: Kind,
        port: Option<u16>,
        options: &Options,
    ) -> Result<Result<Arc<Held>, Done>, Cannot> {
        let made = match create(kind) {
            Ok(made) => self.keep(name.to_owned(), made),
            Err(failure) => return Ok(Err(Done::of("socket", Err(failure)))),
        };
        if let Some(failed) = first_failed(option::set_all(&made, options)?) {
            return Ok(Err(failed));
        }
        let Some(port) = port else {
            return Ok(Ok(made));
        };
        let own = self.own(port);
        Ok(match made.call(|fd| rustix::net::bind(fd, &own)) {
            Ok(()) => Ok(made),
            Err(failure) => Err(Done::of("bind", Err(failure))),
        })
    }

    pub(super) fn socket(
        &self,
        name: &str,
        kind: Kind,
        port: Option<u16>,
        options: &Options,
    ) -> Deeds {
        let call = if port.is_some() { "bind" } else { "socket" };
        let made = self.make(name, kind, port, options)?;
        Ok(vec![
            made.map_or_else(|failed| failed, |_| Done::of(call, Ok(0))),
        ])
    }

    pub(super) fn listen(&self, name: &str, port: u16, backlog: i32, options: &Options) -> Deeds {
        let mut options = options.clone();
        options.entry("reuseaddr".to_owned()).or_insert(1);
        let made = match self.make(name, Kind::Tcp, Some(port), &options)? {
            Ok(made) => made,
            Err(failed) => return Ok(vec![failed]),
        };
        let listening = made.call(|fd| rustix::net::listen(fd, backlog));
        Ok(vec![Done::of("listen", listening.map(|()| 0))])
    }

    pub(super) fn connect(&self, name: &str, goal: &Goal<'_>, times: u32) -> Deeds {
        let one = |index| self.connect_one(&numbered(name, index), goal);
        bounded(times)?.map(one).collect()
    }

    fn connect_one(&self, name: &str, goal: &Goal<'_>) -> Result<Done, Cannot> {
        let there = lock(&self.sockets).get(name).map(Arc::clone);
        let held = match there.filter(|held| !held.is_closed()) {
            Some(held) => match first_failed(option::set_all(&held, goal.options)?) {
                None => held,
                Some(failed) => return Ok(failed),
            },
            None => match self.make(name, goal.kind, None, goal.options)? {
                Ok(made) => made,
                Err(failed) => return Ok(failed),
            },
        };
        if let Some(limit) = goal.timeout {
            let set = held.set_timeout(limit);
            if set.failed() {
                return Ok(set);
            }
        }
        Ok(Done::of("connect", connect(&held, goal.to).map(|()| 0)))
    }

    pub(super) fn accept(&self, listener: &str, name: &str, times: u32) -> Deeds {
        let listener = self.held(listener)?;
        let one = |index| {
            let accepted = listener.patient(Until::Readable, |fd| rustix::net::accept(fd));
            let accepted = accepted.map(|fd| {
                self.keep(numbered(name, index), Held::new(fd, Kind::Tcp));
                0
            });
            Done::of("accept", accepted)
        };
        Ok(bounded(times)?.map(one).collect())
    }

    /// The socket of this name; a fresh one of UDP where there is none.
    pub(super) fn datagrams(&self, name: &str) -> Result<Result<Arc<Held>, Done>, Cannot> {
        let there = lock(&self.sockets).get(name).map(Arc::clone);
        match there {
            Some(held) => Ok(Ok(held)),
            None => self.make(name, Kind::Udp, None, &Options::new()),
        }
    }
}

fn create(kind: Kind) -> Result<Held, Failure> {
    let (form, protocol) = match kind {
        Kind::Tcp => (SocketType::STREAM, None),
        Kind::Udp => (SocketType::DGRAM, None),
    };
    let fd = rustix::net::socket(AddressFamily::INET, form, protocol)?;
    Ok(Held::new(fd, kind))
}

/// connect(2); with a timeout as CPython does it: begun without waiting, then waited for, then asked.
fn connect(held: &Held, to: SocketAddrV4) -> Result<(), Failure> {
    let end = held.end();
    match held.call(|fd| rustix::net::connect(fd, &to)) {
        Err(Failure::Errno(Errno::INPROGRESS)) => {}
        other => return other,
    }
    let Some(end) = end else {
        return Err(Errno::INPROGRESS.into());
    };
    held.ready(Until::Writable, end)?;
    held.call(|fd| socket_error(fd)?)
}

/// The name of the first, the second … of several.
fn numbered(name: &str, index: u32) -> String {
    match index {
        0 => name.to_owned(),
        index => format!("{name}-{}", index + 1),
    }
}

/// The numbers of so many calls, if they are not too many.
fn bounded(times: u32) -> Result<std::ops::Range<u32>, Cannot> {
    if times as usize > CALLS {
        return Err(format!("{times} calls are more than the {CALLS} that a step may make").into());
    }
    Ok(0..times)
}

fn first_failed(done: Vec<Done>) -> Option<Done> {
    done.into_iter().find(Done::failed)
}
