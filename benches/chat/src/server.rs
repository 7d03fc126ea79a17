//! Servers as processes: started on a core, ended when dropped.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where our programs lie.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) sockeye: PathBuf,
    pub(crate) limit: PathBuf,
}

/// What lets one say to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// `serve chat` without limits for whoever speaks.
    Sockeye {
        /// Everything that is said is kept before anybody hears it.
        history: bool,
    },
    /// A bare loop that copies bytes.
    Limit,
    Ngircd,
    Redis,
    Nats,
    Asyncio,
}

impl Contender {
    /// Other people's servers.
    pub(crate) const PEERS: [Self; 4] = [Self::Asyncio, Self::Redis, Self::Nats, Self::Ngircd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sockeye { history: true } => "sockeye, history on",
            Self::Sockeye { history: false } => "sockeye, history off",
            Self::Limit => "limit",
            Self::Ngircd => "ngircd",
            Self::Redis => "redis pub/sub",
            Self::Nats => "nats-server",
            Self::Asyncio => "asyncio broadcast",
        }
    }

    /// How `bench --chat` speaks to it.
    pub(crate) fn dialect(self) -> &'static str {
        match self {
            Self::Sockeye { .. } | Self::Ngircd => "irc",
            Self::Limit | Self::Asyncio => "bare",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: String,
    /// What it keeps, which is ours to remove.
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// Its process, for `--pid`: a command under taskset becomes the program itself.
    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Starts a server on the first core, with `more` words, and waits until it listens.
    pub(crate) fn start(
        programs: &Programs,
        contender: Contender,
        more: &[&str],
    ) -> io::Result<Self> {
        let folder = folder()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (port, at) = (address.port().to_string(), address.to_string());
        let mut command = match contender {
            Contender::Sockeye { history } => {
                let history = if history { "on" } else { "off" };
                let mut command = pinned(0, &programs.sockeye);
                command
                    .args(["serve", "chat", &at, "-q", "--flood", "off"])
                    .args(["--history", history])
                    .env("XDG_DATA_HOME", &folder);
                command
            }
            Contender::Limit => {
                let mut command = pinned(0, &programs.limit);
                command.arg("fanout");
                return Self::that_says_where(command, folder);
            }
            Contender::Asyncio => {
                let mut command = pinned(0, Path::new("python3"));
                command.args(["-c", include_str!("asyncio_hub.py")]);
                return Self::that_says_where(command, folder);
            }
            Contender::Ngircd => {
                let config = folder.join("ngircd.conf");
                fs::write(&config, ngircd_config(&port))?;
                let mut command = pinned(0, Path::new("ngircd"));
                command.args(["-n", "-f"]).arg(config);
                command
            }
            Contender::Redis => {
                let mut command = pinned(0, Path::new("redis-server"));
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command
            }
            Contender::Nats => {
                let mut command = pinned(0, Path::new("nats-server"));
                command.args(["-a", "127.0.0.1", "-p", &port]);
                command
            }
        };
        command
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Self {
            child: command.spawn()?,
            endpoint: format!("tcp://{at}"),
            folder,
        };
        server.wait_until_it_listens(&at)?;
        Ok(server)
    }

    /// A program that prints its endpoint as its first line.
    fn that_says_where(mut command: Command, folder: PathBuf) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut endpoint = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut endpoint)?;
        }
        let endpoint = endpoint.trim().to_owned();
        Ok(Self {
            child,
            endpoint,
            folder,
        })
    }

    fn wait_until_it_listens(&mut self, at: &str) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(at).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{at} ended: {status}")));
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("{at} does not listen")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// As many members as come, who may say as much as they like.
fn ngircd_config(port: &str) -> String {
    format!(
        "[Global]\nName=irc.bench\nInfo=bench\nListen=127.0.0.1\nPorts={port}\n\
         [Limits]\nMaxConnections=0\nMaxConnectionsIP=0\nMaxJoins=0\nMaxPenaltyTime=0\n\
         PingTimeout=600\nPongTimeout=600\n[Options]\nDNS=no\nIdent=no\nPAM=no\n"
    )
}

fn folder() -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("sockeye-bench-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A command that runs on one core only.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}
