//! Commands as the tutorials have them: text in, text out, no frames (rows M18 and M19).
//!
//! It has neither names nor keys, so it is for loopback alone, where somebody has asked for it.

use std::fmt::Write as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use sockeye_net::{Endpoint, Host, HostPort, Place};
use sockeye_trace::{ConnId, Recorder, Time};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::super::{Exec, Exit, Failure};
use super::events::{Witness, exit_of};
use super::group::Group;
use super::spawn::{Reading, Spawned, spawn};
use super::talk::not_started;
use super::{LETS_GO_WITHIN, OUTLIVES_BY, Policy};
use crate::wire::is_http;
use crate::{Arrival, Mailbox, Out, Peer, Responder, Responders};

/// Bytes of an answer on a stream; it leaves in one write and is therefore held. What is longer is
/// cut, and says so.
pub const RAW_ANSWER: usize = 16 * 1024 * 1024;

/// Bytes of an answer in a datagram: the most that UDP over IPv4 carries (65,535 without the two
/// headers, RFC 768, RFC 791).
pub const RAW_DATAGRAM: usize = 65_507;

/// Requests of one peer that may wait while its first one runs.
pub const RAW_WAITING: usize = 16;

/// How long a command may go on whose peer sends no more: whether it still listens cannot be seen.
pub const RAW_FAREWELL: Duration = Duration::from_mins(1);

/// What a read of a command's output takes.
const READ: usize = 64 * 1024;

/// Runs each message as a command line of a shell and answers with what it printed: its errors, then
/// its output, or `[exit N]` where there is neither.
#[derive(Clone, Debug)]
pub struct RawExec {
    policy: Arc<Policy>,
    recorder: Recorder,
}

impl RawExec {
    /// Runs command lines, if `policy` allows a shell.
    pub fn new(policy: Policy, recorder: Recorder) -> Self {
        Self {
            policy: Arc::new(policy),
            recorder,
        }
    }
}

impl Responders for RawExec {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let name = peer.name.to_string();
        let datagrams = peer.arrival == Arrival::Datagrams;
        let mailbox = Mailbox::new(peer.framing.filter(|_| !datagrams).cloned());
        let (requests, waiting) = mpsc::channel(RAW_WAITING);
        let (stays, left) = oneshot::channel();
        let worker = Worker {
            policy: Arc::clone(&self.policy),
            witness: Witness {
                recorder: self.recorder.clone(),
                conn: ConnId::default(),
                who: format!("anyone at {name}").into(),
            },
            mailbox: Arc::clone(&mailbox),
            limit: if datagrams { RAW_DATAGRAM } else { RAW_ANSWER },
        };
        let worker =
            is_loopback(&name).then(|| tokio::spawn(worker.work(waiting, left)).abort_handle());
        Box::new(Asker {
            requests: worker.is_some().then_some((requests, stays)),
            worker,
            mailbox,
        })
    }
}

/// Whether a peer of this name is on our own machine.
fn is_loopback(name: &str) -> bool {
    let place = name.parse().ok().map(|endpoint: Endpoint| endpoint.place);
    let Some(Place::Tcp(HostPort { host, .. }) | Place::Udp(HostPort { host, .. })) = place else {
        return false;
    };
    matches!(host, Host::V4(_) | Host::V6 { .. }) && host.ip().is_some_and(|ip| ip.is_loopback())
}

/// One peer that asks.
struct Asker {
    /// Gone when no more will come; the second of both tells the worker so while it works.
    requests: Option<(mpsc::Sender<Vec<u8>>, oneshot::Sender<()>)>,
    worker: Option<tokio::task::AbortHandle>,
    mailbox: Arc<Mailbox>,
}

impl Responder for Asker {
    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        if is_http(message) {
            out.refuse("this is an HTTP request, which no program of ours makes");
            return;
        }
        let Some((requests, _)) = &self.requests else {
            out.refuse("only this machine is answered here");
            return;
        };
        let why = if message.iter().any(|byte| b"\r\n\0".contains(byte)) {
            "a request is one line without its end"
        } else if requests.try_send(message.to_vec()).is_err() {
            "too many requests wait already"
        } else {
            return;
        };
        out.reply(format!("[refused: {why}]\n").as_bytes());
        out.close();
    }

    fn on_half_close(&mut self, _now: Time, _out: &mut Out<'_>) {
        // What was asked for is still answered; the worker ends behind it.
        self.requests = None;
        if self.worker.is_none() {
            self.mailbox.finish();
        }
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.mailbox))
    }

    fn needs_time(&self) -> bool {
        false
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.mailbox.close();
        if let Some(worker) = &self.worker {
            worker.abort();
        }
    }
}

/// Runs the commands of one peer, one after another.
struct Worker {
    policy: Arc<Policy>,
    witness: Witness,
    mailbox: Arc<Mailbox>,
    limit: usize,
}

impl Worker {
    async fn work(self, mut requests: mpsc::Receiver<Vec<u8>>, mut left: oneshot::Receiver<()>) {
        let mut has_left = false;
        while let Some(request) = requests.recv().await {
            let exec = Exec {
                argv: vec![request.into()],
                shell: true,
                ..Exec::default()
            };
            let answer = self.answer(&exec);
            tokio::pin!(answer);
            let answer = tokio::select! {
                answer = &mut answer => Some(answer),
                _ = &mut left, if !has_left => {
                    has_left = true;
                    timeout(RAW_FAREWELL, answer).await.ok()
                }
                () = sleep(RAW_FAREWELL), if has_left => None,
            };
            if let Some(answer) = answer {
                // A peer that is gone misses it.
                let _ = self.mailbox.post_surely(&answer);
            }
        }
        self.mailbox.finish();
    }

    /// Runs a command; says what it printed, or why it was not run.
    async fn answer(&self, exec: &Exec) -> Vec<u8> {
        let outcome = match self.policy.permit(exec) {
            Ok(()) => self.run(exec).await,
            Err(failure) => Err(failure),
        };
        outcome.unwrap_or_else(|failure| {
            self.witness.refused(exec, &failure);
            format!("[refused: {}]\n", failure.message).into_bytes()
        })
    }

    async fn run(&self, exec: &Exec) -> Result<Vec<u8>, Failure> {
        let began = Instant::now();
        let record = self.witness.begins(exec);
        let failed = |error| not_started(exec, &error);
        let Spawned {
            child,
            stdout,
            stderr,
            ..
        } = spawn(exec).map_err(failed)?;
        let group = Group::new(child, record).map_err(failed)?;
        group.started();
        let mut printed = [(); 2].map(|()| Printed::new(self.limit));
        let left_running = {
            let [errors, output] = &mut printed;
            let both = async {
                tokio::join!(errors.read(stderr), output.read(Some(stdout)));
            };
            until_over(&group, both).await.map_err(failed)?
        };
        let took = began.elapsed();
        let (status, record) = group.finish().await.map_err(failed)?;
        let exit = Exit {
            left_running,
            ..exit_of(status, took)
        };
        record.ended(&exit);
        Ok(joined(&printed, status, self.limit))
    }
}

/// Waits until the command has ended and its outputs too, or were held open by others for too long;
/// says whether they still are.
async fn until_over(group: &Group, outputs: impl Future<Output = ()>) -> std::io::Result<bool> {
    tokio::pin!(outputs);
    let printed = tokio::select! {
        exited = group.exited() => {
            exited?;
            false
        }
        () = &mut outputs => true,
    };
    if printed {
        group.exited().await?;
        return Ok(false);
    }
    if timeout(OUTLIVES_BY, &mut outputs).await.is_ok() {
        return Ok(false);
    }
    group.kill();
    while timeout(LETS_GO_WITHIN, &mut outputs).await.is_err() {
        if !group.has_living() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What came out of one pipe.
struct Printed {
    bytes: Vec<u8>,
    /// Bytes that were too many to be kept.
    lost: u64,
    limit: usize,
}

impl Printed {
    fn new(limit: usize) -> Self {
        Self {
            bytes: vec![],
            lost: 0,
            limit,
        }
    }

    /// Reads to the end, and keeps the beginning.
    async fn read(&mut self, reading: Option<Reading>) {
        let Some(mut reading) = reading else { return };
        let mut buffer = Vec::with_capacity(READ);
        while let Ok(1..) = reading.read_buf(&mut buffer).await {
            let kept = buffer.len().min(self.limit - self.bytes.len());
            self.bytes.extend_from_slice(&buffer[..kept]);
            self.lost += (buffer.len() - kept) as u64;
            buffer.clear();
        }
    }
}

/// One answer: errors, output, and a visible mark where not all of it fits.
fn joined(printed: &[Printed; 2], status: ExitStatus, limit: usize) -> Vec<u8> {
    let mut answer: Vec<u8> = printed.iter().flat_map(|one| &one.bytes).copied().collect();
    let lost: u64 = printed.iter().map(|one| one.lost).sum();
    let all = answer.len() as u64 + lost;
    if all == 0 {
        return outcome(status).into_bytes();
    }
    if all > limit as u64 {
        let mut mark = String::new();
        let _ = write!(mark, "\n[cut: {all} bytes do not fit, {limit} do]\n");
        answer.truncate(limit - mark.len());
        answer.extend_from_slice(mark.as_bytes());
    }
    answer
}

/// How a command that printed nothing came out.
fn outcome(status: ExitStatus) -> String {
    let exit = exit_of(status, Duration::ZERO);
    match (exit.status, exit.signal) {
        (Some(status), _) => format!("[exit {status}]\n"),
        (None, signal) => format!("[signal {}]\n", signal.unwrap_or_default()),
    }
}
