//! Our server, and the commands that send to it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use remote::theirs::{Running, until};

/// Our servers, ended when dropped.
#[derive(Debug)]
pub(crate) struct Sockeye {
    program: PathBuf,
    /// Takes what is sent.
    server: Running,
    config: PathBuf,
    /// Anybody on this machine may use it.
    pub(crate) tcp: String,
    /// Whoever has our key may.
    pub(crate) tls: String,
    /// Serves the folder that is sent from.
    _back: Running,
    back_tcp: String,
}

impl Sockeye {
    /// Makes a key, lets it in, and waits until both servers listen.
    pub(crate) fn start(program: &Path, folder: &Path, there: &Path) -> io::Result<Self> {
        let config = folder.join("config");
        let key = sockeye(program, &config).args(["key", "--json"]).output()?;
        let key = String::from_utf8_lossy(&key.stdout).into_owned();
        let key = text_of(&key, "\"key\":\"").ok_or_else(|| io::Error::other(key.clone()))?;
        let allow = ["key", "allow", &key, "bench", "files"];
        remote::theirs::done(sockeye(program, &config).args(allow))?;
        let (server, endpoints) = serve(program, &config, there)?;
        let (back, back_endpoints) = serve(program, &config, folder)?;
        let [tcp, tls] = endpoints;
        Ok(Self {
            program: program.to_owned(),
            server,
            config,
            tcp,
            tls,
            _back: back,
            back_tcp: back_endpoints[0].clone(),
        })
    }

    pub(crate) fn put(&self, endpoint: &str, flags: &[&str], from: &Path) -> Command {
        let mut command = sockeye(&self.program, &self.config);
        command
            .args(["put", "-q", "--trust-on-first-use"])
            .args(flags);
        command.arg(from).arg(endpoint);
        command
    }

    /// Fetches the file `from` of the other server to the folder of `to`.
    pub(crate) fn get(&self, from: &Path, to: &Path) -> Command {
        let mut command = sockeye(&self.program, &self.config);
        command.args(["get", "-q", &self.back_tcp]);
        command.arg(from.file_name().unwrap_or_default());
        command.arg("--output").arg(to);
        command
    }

    /// The most memory that the server ever had (`VmHWM`, proc_pid_status(5)).
    pub(crate) fn peak_kib(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        kib.ok_or_else(|| io::Error::other("no VmHWM"))
    }
}

/// Serves a folder over plain TCP and over TLS.
fn serve(program: &Path, config: &Path, root: &Path) -> io::Result<(Running, [String; 2])> {
    let mut command = sockeye(program, config);
    command.args([
        "serve",
        "files",
        "--insecure-anyone",
        "--json",
        "-q",
        "--root",
    ]);
    command.arg(root).args(["127.0.0.1:0", "tls://127.0.0.1:0"]);
    // A file, because a server whose events nobody reads any more ends.
    let events = config.with_file_name(format!("events-{}", root.as_os_str().len()));
    let server = Running::start(command.stdout(File::create(&events)?))?;
    let said = || fs::read_to_string(&events).unwrap_or_default();
    until(|| said().contains("\"ready\""))?;
    let said = said();
    let listening = said.lines().filter(|line| line.contains("\"listening\""));
    let endpoints: Vec<_> = listening
        .filter_map(|line| text_of(line, "\"endpoint\":\""))
        .collect();
    let endpoints = endpoints.try_into();
    Ok((server, endpoints.map_err(|_| io::Error::other(said))?))
}

/// What follows `name` in a line of JSON, up to the quote: endpoints and keys have none inside.
fn text_of(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(name)?;
    let (text, _) = rest.split_once('"')?;
    Some(text.to_owned())
}

/// The program with a folder of its own for keys.
fn sockeye(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("XDG_CONFIG_HOME", config)
        .env("LC_ALL", "C.UTF-8");
    command
}
