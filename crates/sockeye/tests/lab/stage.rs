//! What a test of the lab starts with: two programs in a folder, and who runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_observe::namespace::{Isolation, probe};
use sockeye_testkit::{Exit, Process, not_run, tool};
use sockeye_trace::Session;
use tempfile::TempDir;

/// A plain server as tutorials have it: it listens at its port, answers in capitals, and goes home.
pub(crate) const SERVER: &str = "\
import socket
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('', 9000))
listener.listen(5)
conn, _ = listener.accept()
while data := conn.recv(1024):
    conn.sendall(data.upper())
conn.close()
";

/// The client to it.
pub(crate) const CLIENT: &str = "\
import socket
client = socket.create_connection(('server', 9000))
for word in (b'hello', b'world'):
    client.sendall(word)
    print('heard', client.recv(1024).decode())
client.close()
";

/// Who runs the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Ourselves,
    /// Uid 65534, without any capability. Only root can become that.
    Nobody,
}

/// A folder that everybody may look into, with sockeye in it.
pub(crate) struct Stage {
    folder: TempDir,
    python: PathBuf,
}

impl Stage {
    /// None where there is no Python, or where nobody may have networks of their own.
    pub(crate) fn new() -> Option<Self> {
        if let Err(why) = probe(&Isolation::default()) {
            not_run(&why.to_string());
            return None;
        }
        Self::anywhere()
    }

    /// The same where networks need not be had.
    pub(crate) fn anywhere() -> Option<Self> {
        // What is on the path may be a script in a folder of somebody's own.
        let usual = Path::new("/usr/bin/python3");
        let python = if usual.exists() {
            usual.to_owned()
        } else {
            tool("python3")?
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let program = folder.path().join("sockeye");
        fs::copy(env!("CARGO_BIN_EXE_sockeye"), &program).unwrap();
        Some(Self { folder, python })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The command line of a Python script.
    pub(crate) fn script(&self, name: &str, script: &str) -> String {
        let path = self.path(name);
        fs::write(&path, script).unwrap();
        format!("'{}' -u '{path}'", self.python.display())
    }

    /// The binary with nothing of the developer's environment in it; none where it cannot be run so.
    pub(crate) fn sockeye(&self, user: User) -> Option<Command> {
        let program = self.path("sockeye");
        let mut command = match user {
            User::Ourselves => Command::new(program),
            User::Nobody if !rustix::process::geteuid().is_root() => {
                eprintln!("NOT RUN: only root becomes nobody; this run is as an ordinary user");
                return None;
            }
            User::Nobody => {
                let mut command = Command::new(tool("setpriv")?);
                command
                    .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                    .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
                    .arg(program);
                command
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", "/nonexistent")
            .current_dir(self.folder.path());
        Some(command)
    }

    /// `sockeye lab run` with these two programs.
    pub(crate) fn run(&self, user: User, server: &str, client: &str) -> Option<Command> {
        let mut command = self.sockeye(user)?;
        let server = self.script("server.py", server);
        let client = self.script("client.py", client);
        command.args(["lab", "run", "--timeout", "50s", "--trace", "session"]);
        command.args(["--server", &server, "--client", &client]);
        Some(command)
    }

    /// How such a run ended, and what was seen.
    #[track_caller]
    pub(crate) fn seen(&self, command: &mut Command) -> (Exit, Session) {
        let exit = Process::run(command);
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(0), "{said}");
        let session = fs::read(self.path("session")).unwrap();
        let session = Session::load(&session[..]).unwrap_or_else(|why| panic!("{why}: {said}"));
        (exit, session)
    }
}

/// The same command at the end of a shell's script (`exec "$@"`), in user and mount namespaces where
/// that shell may do what root may.
pub(crate) fn within(command: &Command, script: &str) -> Option<Command> {
    let (unshare, sh) = (tool("unshare")?, tool("sh")?);
    let mut inner = Command::new(unshare);
    inner
        .args(["--user", "--map-root-user", "--mount"])
        .arg(sh)
        .args(["-c", script, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            inner.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        inner.current_dir(folder);
    }
    Some(inner)
}
