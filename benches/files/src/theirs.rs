//! What people use otherwise: nc, and rsync with its daemon.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use remote::theirs::{Running, done, until};

/// Sends by nc(1) of OpenBSD at both ends, anew for each file.
pub(crate) fn netcat(from: &Path, to: &Path) -> io::Result<()> {
    let port = free_port()?;
    let mut receiver = Command::new("nc");
    receiver.args(["-l", "127.0.0.1", &port.to_string()]);
    let mut receiver = Running::start(receiver.stdin(Stdio::null()).stdout(File::create(to)?))?;
    // Looking by a connection would be the connection that it takes.
    until(|| listens(port))?;
    let mut sender = Command::new("nc");
    sender.args(["-N", "127.0.0.1", &port.to_string()]);
    done(sender.stdin(File::open(from)?))?;
    receiver.end()
}

/// A running rsync daemon.
#[derive(Debug)]
pub(crate) struct Rsync {
    _daemon: Running,
    port: u16,
}

impl Rsync {
    pub(crate) fn start(folder: &Path, there: &Path) -> io::Result<Self> {
        let (port, config) = (free_port()?, folder.join("rsyncd.conf"));
        let text = format!(
            "use chroot = no\n[there]\npath = {}\nread only = no\nuid = root\ngid = root\n",
            there.display()
        );
        fs::write(&config, text)?;
        let mut daemon = Command::new("rsync");
        let place = ["--address", "127.0.0.1", "--port", &port.to_string()];
        daemon.args(["--daemon", "--no-detach"]).args(place);
        daemon.arg("--config").arg(&config).stderr(Stdio::null());
        let daemon = Running::start(&mut daemon)?;
        until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self {
            _daemon: daemon,
            port,
        })
    }

    /// A folder, with what is in it.
    pub(crate) fn send(&self, from: &Path) -> io::Result<()> {
        let to = format!("rsync://127.0.0.1:{}/there/", self.port);
        done(Command::new("rsync").arg("-r").arg(from).arg(to))
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether somebody listens there (`/proc/net/tcp`: state `0A`, proc_net(5)).
fn listens(port: u16) -> bool {
    let local = format!("0100007F:{port:04X} 00000000:0000 0A");
    fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&local))
}
