//! Servers as processes: started on a core, ended when dropped.

use std::io::{self, BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::row::{Contender, Peer, Place};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the programs lie.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) sockeye: PathBuf,
    pub(crate) limit: PathBuf,
    pub(crate) rings: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: String,
    /// A Unix socket's file, which is ours to remove.
    file: Option<PathBuf>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Server {
    /// Its process, for `--pid`: a command under taskset becomes the program itself.
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Starts a server on the first core and waits until it listens.
    pub(crate) fn start(
        programs: &Programs,
        contender: Contender,
        place: Place,
    ) -> io::Result<Self> {
        match contender {
            Contender::Limit(args) => Self::that_says_where(&programs.limit, args, place),
            Contender::Rings(args) => Self::that_says_where(&programs.rings, args, place),
            Contender::Peer(peer) => Self::peer(programs, peer),
            Contender::Sockeye(args) => Self::sockeye(&programs.sockeye, args, place),
        }
    }

    fn peer(programs: &Programs, peer: Peer) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = match peer {
            Peer::PlainTokio => {
                let program = programs.limit.with_file_name("plain-tokio");
                return Self::that_says_where(&program, &[], Place::Tcp);
            }
            Peer::Asyncio => {
                let script = include_str!("asyncio_echo.py");
                return Self::that_says_where(Path::new("python3"), &["-c", script], Place::Tcp);
            }
            Peer::Socat => {
                let mut command = pinned(0, Path::new("socat"));
                let listen = format!("TCP4-LISTEN:{port},bind=127.0.0.1,fork,backlog=1024,nodelay");
                command.arg(listen).arg("PIPE");
                command
            }
            Peer::Ncat => {
                let mut command = pinned(0, Path::new("ncat"));
                command.args(["-l", "-k", "-e", "/bin/cat", "127.0.0.1", &port]);
                command
            }
        };
        let child = command.stderr(Stdio::null()).spawn()?;
        let mut server = Self {
            child,
            endpoint: format!("tcp://{address}"),
            file: None,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// A program that prints its endpoint as its first line.
    fn that_says_where(program: &Path, args: &[&str], place: Place) -> io::Result<Self> {
        let mut command = pinned(0, program);
        command.args(args).stdout(Stdio::piped());
        let file = (place == Place::Unix).then(|| socket_file("limit"));
        if let Some(file) = &file {
            command.arg("--unix").arg(file);
        }
        let mut child = command.spawn()?;
        let mut endpoint = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut endpoint)?;
        }
        Ok(Self {
            child,
            endpoint: endpoint.trim().to_owned(),
            file,
        })
    }

    /// sockeye would print its port only to an observer, so it is given a free one.
    fn sockeye(program: &Path, args: &[&str], place: Place) -> io::Result<Self> {
        let file = (place == Place::Unix).then(|| socket_file("sockeye"));
        let endpoint = match place {
            Place::Tcp => format!("tcp://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?),
            Place::Udp => format!("udp://{}", UdpSocket::bind("127.0.0.1:0")?.local_addr()?),
            Place::Unix => format!(
                "unix:{}",
                file.as_deref().unwrap_or(Path::new("")).display()
            ),
        };
        let child = pinned(0, program)
            .arg("serve")
            .args(args)
            .arg(&endpoint)
            .arg("-q")
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            endpoint,
            file,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        while !listens(&self.endpoint) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "{} ended: {status}",
                    self.endpoint
                )));
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!(
                    "{} does not listen",
                    self.endpoint
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn listens(endpoint: &str) -> bool {
    if let Some(address) = endpoint.strip_prefix("tcp://") {
        return TcpStream::connect(address).is_ok();
    }
    if let Some(path) = endpoint.strip_prefix("unix:") {
        return UnixStream::connect(path).is_ok();
    }
    // A bound UDP port cannot be bound again.
    let address = endpoint.strip_prefix("udp://").unwrap_or(endpoint);
    UdpSocket::bind(address).is_err()
}

fn socket_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{}.sock", std::process::id()))
}

/// A command that runs on one core only.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}
