//! What people use otherwise: ssh with a key, and ncat.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running program, ended when dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program that ends when this is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Waits for its own end, which must be a good one.
    ///
    /// # Errors
    /// When it was not.
    pub fn end(&mut self) -> io::Result<()> {
        let status = self.0.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("a peer ended with {status}")))
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running sshd of ours, on a port and with keys of its own.
#[derive(Debug)]
pub struct Ssh {
    _sshd: Running,
    port: u16,
    key: PathBuf,
}

impl Ssh {
    /// Makes keys and starts it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("ssh");
        let (host, key) = (folder.join("host"), folder.join("key"));
        if !folder.exists() {
            fs::create_dir(&folder)?;
            for key in [&host, &key] {
                let mut keygen = Command::new("ssh-keygen");
                let keygen = keygen
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(key);
                done(keygen)?;
            }
            fs::copy(key.with_extension("pub"), folder.join("authorized_keys"))?;
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             Subsystem sftp internal-sftp\n\
             PidFile none\n",
            host.display(),
            folder.join("authorized_keys").display(),
        );
        fs::write(folder.join("config"), config)?;
        // sshd(8) wants to be called by its whole path, and to find this folder.
        let _ = fs::create_dir("/run/sshd");
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-q", "-f"]).arg(folder.join("config"));
        let sshd = Running::start(&mut sshd)?;
        until(|| TcpStream::connect(address).is_ok())?;
        Ok(Self {
            _sshd: sshd,
            port: address.port(),
            key,
        })
    }

    /// A client that was not running before, and that asks nobody.
    #[must_use]
    pub fn exec(&self, words: &[String]) -> Command {
        let mut command = self.client("ssh", "-p");
        command.arg("127.0.0.1").args(words);
        command
    }

    /// A copy of a file by scp(1) over the same server.
    #[must_use]
    pub fn copy(&self, from: &Path, to: &Path) -> Command {
        let mut command = self.client("scp", "-P");
        command.arg(from).arg(format!("127.0.0.1:{}", to.display()));
        command
    }

    fn client(&self, program: &str, port: &str) -> Command {
        let mut command = Command::new(program);
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ];
        command.args(["-q", "-F", "none", port, &self.port.to_string(), "-i"]);
        command.arg(&self.key);
        for option in options {
            command.args(["-o", option]);
        }
        command
    }
}

/// A running `ncat -c`, which gives each client a command's output.
#[derive(Debug)]
pub struct Ncat {
    _ncat: Running,
    socket: PathBuf,
}

impl Ncat {
    /// Starts it with the command that every client gets the output of.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(folder: &Path, words: &[String]) -> io::Result<Self> {
        let socket = folder.join("ncat.sock");
        let mut ncat = Command::new("ncat");
        ncat.args(["-l", "-k", "-U"]).arg(&socket);
        ncat.args(["-c", &words.join(" ")]).stderr(Stdio::null());
        let ncat = Running::start(&mut ncat)?;
        until(|| UnixStream::connect(&socket).is_ok())?;
        Ok(Self {
            _ncat: ncat,
            socket,
        })
    }

    /// A client.
    #[must_use]
    pub fn read(&self) -> Command {
        let mut command = Command::new("ncat");
        command.args(["--recv-only", "-U"]).arg(&self.socket);
        command
    }
}

/// Runs a program to its good end.
///
/// # Errors
/// When that is not how it ends.
pub fn done(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?} ended with {status}")))
}

/// Waits until a server takes connections.
///
/// # Errors
/// When it takes too long.
pub fn until(mut is: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
