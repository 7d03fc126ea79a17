//! Socket activation: sockets that the parent process opened for us (sd_listen_fds(3)).

#![allow(unsafe_code)]

use std::env;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::socket_type;
use rustix::net::{SocketAddrAny, SocketType, getsockname};

/// `SD_LISTEN_FDS_START` of sd_listen_fds(3).
const FIRST: RawFd = 3;
/// More descriptors than this are not taken: the number comes from the environment.
const MOST: RawFd = 1024;

/// Sockets that were handed over and wait for the endpoint that they belong to.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Mutex<Vec<Handed>>,
}

/// One socket that was handed over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: OwnedFd,
    /// Its name in `LISTEN_FDNAMES`, such as `echo.socket`.
    name: Option<String>,
}

impl Handed {
    /// What the parent process calls it.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl AsFd for Handed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Inherited {
    /// Takes what `LISTEN_FDS` announces, if `LISTEN_PID` says that it is for this process. From
    /// then on the descriptors are ours, and programs that we start do not get them.
    pub fn from_environment() -> Self {
        let read = |name: &str| env::var(name).ok();
        let announced = Announced::read(
            read("LISTEN_PID").as_deref(),
            read("LISTEN_FDS").as_deref(),
            read("LISTEN_FDNAMES").as_deref(),
            std::process::id(),
        );
        // SAFETY: the parent process says that these descriptors are open and meant for us, nothing
        // else in this process knows of them, and they are taken once: a second call finds them
        // marked close-on-exec, which the protocol never hands over, and leaves them alone.
        let sockets = announced
            .names
            .into_iter()
            .enumerate()
            .filter_map(|(place, name)| unsafe {
                let fd = FIRST + place as RawFd;
                let borrowed = BorrowedFd::borrow_raw(fd);
                let flags = rustix::io::fcntl_getfd(borrowed).ok()?;
                if flags.contains(FdFlags::CLOEXEC) {
                    return None;
                }
                fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).ok()?;
                Some(Handed {
                    socket: OwnedFd::from_raw_fd(fd),
                    name,
                })
            });
        Self {
            sockets: Mutex::new(sockets.collect()),
        }
    }

    /// Sockets that were made elsewhere in this process.
    pub fn of(sockets: impl IntoIterator<Item = OwnedFd>) -> Self {
        let sockets = sockets
            .into_iter()
            .map(|socket| Handed { socket, name: None });
        Self {
            sockets: Mutex::new(sockets.collect()),
        }
    }

    /// How many have not found their endpoint.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether every one has found its endpoint, or there never was one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all that are left.
    pub(crate) fn take_all(&self) -> Vec<Handed> {
        std::mem::take(&mut *self.lock())
    }

    /// Takes the socket of this type that is bound to this address, if there is one.
    pub(crate) fn take(&self, kind: SocketType, address: &SocketAddrAny) -> Option<OwnedFd> {
        let mut sockets = self.lock();
        let place = sockets.iter().position(|handed| {
            socket_type(&handed.socket) == Ok(kind)
                && getsockname(&handed.socket).is_ok_and(|local| local == *address)
        })?;
        Some(sockets.remove(place).socket)
    }

    /// Takes the socket with this number, if it was handed over.
    pub(crate) fn take_number(&self, number: RawFd) -> Option<OwnedFd> {
        let mut sockets = self.lock();
        let is_it = |handed: &Handed| handed.socket.as_raw_fd() == number;
        let place = sockets.iter().position(is_it)?;
        Some(sockets.remove(place).socket)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Handed>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the environment says, one name for each descriptor.
#[derive(Debug, Default, PartialEq, Eq)]
struct Announced {
    names: Vec<Option<String>>,
}

impl Announced {
    fn read(pid: Option<&str>, count: Option<&str>, names: Option<&str>, own_pid: u32) -> Self {
        let is_for_us = pid.and_then(|pid| pid.parse().ok()) == Some(own_pid);
        let count: RawFd = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        if !is_for_us {
            return Self::default();
        }
        let mut names = names.into_iter().flat_map(|names| names.split(':'));
        let name = |_| {
            names
                .next()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        Self {
            names: (0..count.clamp(0, MOST)).map(name).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::SocketAddr;

    fn names(pid: &str, count: &str, names: Option<&str>) -> Vec<Option<String>> {
        Announced::read(Some(pid), Some(count), names, 42).names
    }

    #[test]
    fn only_what_is_meant_for_this_process_is_taken() {
        assert_eq!(names("42", "2", None), [None, None]);
        assert_eq!(names("43", "2", None), []);
        assert_eq!(names("", "2", None), []);
        assert_eq!(
            Announced::read(None, Some("2"), None, 42),
            Announced::default()
        );
    }

    #[test]
    fn counts_from_the_environment_are_bounded() {
        assert_eq!(names("42", "-3", None), []);
        assert_eq!(names("42", "many", None), []);
        assert_eq!(names("42", "2000000000", None).len(), 1024);
    }

    #[test]
    fn names_may_be_fewer_or_empty() {
        let one = Some("a.socket".to_owned());
        assert_eq!(names("42", "3", Some("a.socket:")), [one, None, None]);
    }

    #[test]
    fn a_socket_is_taken_by_type_and_address() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let bound = socket.local_addr().unwrap().as_socket().unwrap();
        let inherited = Inherited::of([socket.into()]);
        let address = SocketAddrAny::from(bound);
        assert!(inherited.take(SocketType::DGRAM, &address).is_none());
        let other = SocketAddr::from(([127, 0, 0, 2], bound.port()));
        assert!(inherited.take(SocketType::STREAM, &other.into()).is_none());
        assert!(inherited.take(SocketType::STREAM, &address).is_some());
        assert!(inherited.is_empty());
    }
}
