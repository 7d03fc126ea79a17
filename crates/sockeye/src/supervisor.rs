//! What a service manager is told about us: sd_notify(3), without its library.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The manager that started us, if it wants to hear from us (`NOTIFY_SOCKET`).
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Supervisor {
    /// The manager that the environment names. One that cannot be reached is none: a service must not
    /// fail because nobody watches it.
    pub(crate) fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| open(&name).ok());
        Self { socket }
    }

    /// Every socket listens.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// The config is read again; [`Supervisor::ready`] says when that is done.
    pub(crate) fn reloading(&self) {
        // Type=notify-reload compares this with its own clock (sd_notify(3)).
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// We are about to end.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, state: &str) {
        if let Some((socket, manager)) = &self.socket {
            // A manager that went away or does not read is no reason to stop serving.
            let _ = socket.send_to_addr(state.as_bytes(), manager);
        }
    }
}

fn open(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let unique = format!("sockeye-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&unique).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (name, manager) in [
            (path.into_os_string(), by_path),
            (format!("@{unique}").into(), by_name),
        ] {
            let supervisor = Supervisor {
                socket: Some(open(&name).unwrap()),
            };
            supervisor.reloading();
            supervisor.ready();
            let mut buf = [0; 100];
            let got = manager.recv(&mut buf).unwrap();
            let text = std::str::from_utf8(&buf[..got]).unwrap();
            assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");
            let got = manager.recv(&mut buf).unwrap();
            assert_eq!(&buf[..got], b"READY=1");
        }
    }

    #[test]
    fn nobody_to_tell_is_no_failure() {
        Supervisor::default().ready();
        let gone = open(&"/nonexistent/notify".into()).unwrap();
        Supervisor { socket: Some(gone) }.stopping();
    }
}
