//! A client of the wire, and a server for it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use sockeye_net::trust::Right;
use sockeye_service::exec::server::{ExecServer, Policy};
use sockeye_service::{Access, Conversation, Options, Service, WireReader, WireWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::place::{Place, within};

/// A server of commands on a Unix socket.
pub(crate) async fn place(policy: Policy) -> (tempfile::TempDir, Place) {
    place_with(policy, Options::default()).await
}

pub(crate) async fn place_with(policy: Policy, options: Options) -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", dir.path().join("socket").display());
    let server = service(Access::new(Right::Exec), policy);
    let place = Place::at(&[&endpoint], server, options).await;
    (dir, place)
}

pub(crate) fn service(access: Access, policy: Policy) -> Service {
    let server: Arc<dyn Conversation> = Arc::new(ExecServer::new(access, policy));
    server.into()
}

/// One connection to it.
pub(crate) struct Client {
    pub(crate) reader: WireReader<OwnedReadHalf>,
    pub(crate) writer: WireWriter<OwnedWriteHalf>,
}

/// What came of one command.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) pid: u32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// The `exit`, or the `error`.
    pub(crate) end: Value,
}

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Client {
    pub(crate) async fn of(place: &Place) -> Self {
        Self::at(place.path(0)).await
    }

    pub(crate) async fn at(path: PathBuf) -> Self {
        let (read, write) = UnixStream::connect(path).await.unwrap().into_split();
        Self {
            reader: WireReader::new(read),
            writer: WireWriter::new(write),
        }
    }

    pub(crate) async fn send(&mut self, header: impl Serialize, body: &[u8]) {
        within(self.writer.send(&header, body)).await.unwrap();
    }

    /// The next header; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let header = within(self.reader.next()).await.unwrap();
        header.map(|header| header.parse().unwrap())
    }

    /// The next header, which has to be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let header = self.next().await.expect("the connection goes on");
        assert_eq!(header["type"], kind, "{header}");
        header
    }

    pub(crate) async fn body(&mut self) -> Vec<u8> {
        let mut all = vec![];
        loop {
            let piece = within(self.reader.body()).await.unwrap();
            if piece.is_empty() {
                return all;
            }
            all.extend_from_slice(piece);
        }
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&mut self, request: Value) -> Ran {
        self.send(&request, b"").await;
        self.ran().await
    }

    /// Runs a command line of `sh`, given as its arguments.
    pub(crate) async fn sh(&mut self, script: &str) -> Ran {
        self.run(json!({"type": "exec", "argv": ["sh", "-c", script]}))
            .await
    }

    /// What comes until the command's end.
    pub(crate) async fn ran(&mut self) -> Ran {
        let mut ran = Ran::default();
        loop {
            let header = self.next().await.expect("a command has an end");
            match header["type"].as_str().unwrap() {
                "started" => ran.pid = header["pid"].as_u64().unwrap() as u32,
                "stdout" => ran.stdout.extend(self.body().await),
                "stderr" => ran.stderr.extend(self.body().await),
                "exit" | "error" => {
                    ran.end = header;
                    return ran;
                }
                "credit" => {}
                other => panic!("{other}"),
            }
        }
    }

    /// Waits until `text` was printed.
    pub(crate) async fn until_printed(&mut self, text: &str) {
        let mut printed = String::new();
        while !printed.contains(text) {
            let header = self.next().await.expect("the command prints it");
            if header["type"] == "stdout" {
                printed.push_str(&String::from_utf8_lossy(&self.body().await));
            }
        }
    }
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Waits until a process is gone.
pub(crate) async fn until_gone(pid: u32) {
    within(async {
        while is_alive(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}
