//! Our server, and our clients for it.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sockeye_net::Net;
use sockeye_service::exec::Exec;
use sockeye_service::exec::client::{self, End, Incoming, Outgoing, Said};
use sockeye_service::{LinkReader, LinkWriter};
use sockeye_trace::Recorder;
use tokio::runtime::{Builder, Runtime};

/// A running `sockeye serve exec`, ended when dropped.
#[derive(Debug)]
pub(crate) struct Sockeye {
    program: PathBuf,
    server: Child,
    /// Where its clients have their key.
    client: PathBuf,
    pub(crate) unix: String,
    pub(crate) tls: String,
}

impl Drop for Sockeye {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Sockeye {
    /// Makes keys for both sides, lets the client's in, and waits until the server listens.
    pub(crate) fn start(program: &Path, folder: &Path) -> io::Result<Self> {
        let (server, client) = (folder.join("server"), folder.join("client"));
        let key = lines(sockeye(program, &client).args(["key", "--json"]))?;
        let key = field(&key, "identity", "key")?;
        let allow = ["key", "allow", &key, "bench", "exec"];
        lines(sockeye(program, &server).args(allow))?;
        let unix = format!("unix:{}", folder.join("exec.sock").display());
        let mut child = sockeye(program, &server)
            .args(["serve", "exec", &unix, "tls://127.0.0.1:0", "--json", "-q"])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().expect("it is a pipe");
        let mut said = String::new();
        let mut events = BufReader::new(stdout);
        while events.read_line(&mut said)? > 0 && !said.contains("\"ready\"") {}
        // A server whose events nobody reads would end.
        std::thread::spawn(move || io::copy(&mut events, &mut io::sink()));
        let mut started = Self {
            program: program.to_owned(),
            server: child,
            client,
            unix,
            tls: String::new(),
        };
        let listens = |line: &Value| line["endpoint"].as_str().map(str::to_owned);
        let endpoints = said
            .lines()
            .filter_map(|line| listens(&serde_json::from_str(line).ok()?));
        let mut tls = endpoints.filter(|endpoint| endpoint.starts_with("tls:"));
        started.tls = tls.next().ok_or_else(|| io::Error::other(said.clone()))?;
        Ok(started)
    }

    /// A client that was not running before.
    pub(crate) fn exec(&self, endpoint: &str, words: &[String]) -> Command {
        let mut command = sockeye(&self.program, &self.client);
        let flags = ["exec", "-q", "--trust-on-first-use", endpoint, "--"];
        command.args(flags).args(words);
        command
    }

    /// A connection for one command after another.
    pub(crate) fn standing(&self) -> io::Result<Standing> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let endpoint = self.unix.parse().map_err(io::Error::other)?;
        let net = Net::new(Recorder::new());
        let (incoming, outgoing) = runtime.block_on(async {
            let link = sockeye_net::connect(&net, &endpoint).await;
            client::open(link.map_err(io::Error::other)?)
        })?;
        Ok(Standing {
            runtime,
            incoming,
            outgoing,
        })
    }

    /// The most memory that the server ever had (`VmHWM`, proc_pid_status(5)).
    pub(crate) fn peak_kib(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        kib.ok_or_else(|| io::Error::other("no VmHWM"))
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Standing {
    runtime: Runtime,
    incoming: Incoming<LinkReader>,
    outgoing: Outgoing<LinkWriter>,
}

impl Standing {
    /// Runs `echo hi` so many times; how long one took.
    pub(crate) fn echo(&mut self, times: u32) -> io::Result<Duration> {
        let Self {
            runtime,
            incoming,
            outgoing,
        } = self;
        let begin = Instant::now();
        runtime.block_on(async {
            for _ in 0..times {
                echo(incoming, outgoing).await?;
            }
            io::Result::Ok(())
        })?;
        Ok(begin.elapsed() / times)
    }
}

async fn echo(
    incoming: &mut Incoming<LinkReader>,
    outgoing: &mut Outgoing<LinkWriter>,
) -> io::Result<()> {
    let command = Exec {
        argv: vec!["echo".into(), "hi".into()],
        ..Exec::default()
    };
    outgoing.start(command).await?;
    let (mut got, mut piece) = (vec![], [0; 64]);
    loop {
        match incoming.next().await.map_err(io::Error::other)? {
            Said::Started { .. } => {}
            Said::Output(_) => loop {
                match incoming.read(&mut piece).await.map_err(io::Error::other)? {
                    0 => break,
                    read => got.extend_from_slice(&piece[..read]),
                }
            },
            Said::Ended(ended) if ended.end == End::Status(0) && got == b"hi\n" => return Ok(()),
            Said::Ended(ended) => return Err(io::Error::other(format!("{ended:?}, {got:?}"))),
        }
    }
}

/// The program with a folder of its own for keys.
fn sockeye(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("XDG_CONFIG_HOME", config)
        .env("LC_ALL", "C.UTF-8");
    command
}

/// What a program prints, once it has ended well.
fn lines(command: &mut Command) -> io::Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!(
        "{command:?} ended with {}",
        output.status
    )))
}

/// A field of an event.
fn field(lines: &str, ev: &str, name: &str) -> io::Result<String> {
    let mut events = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let event = events.find(|event| event["ev"] == ev);
    let text = event.and_then(|event| Some(event[name].as_str()?.to_owned()));
    text.ok_or_else(|| io::Error::other(format!("no {name} of {ev} in {lines}")))
}
