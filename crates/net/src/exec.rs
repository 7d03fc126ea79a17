//! `exec:COMMAND LINE`: a program's standard input and output as a stream.

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::context::Net;
use crate::endpoint::CommandLine;
use crate::error::NetError;
use crate::name::Name;
use crate::pair::{Pair, Sink, Source};
use crate::stream::{ByteLink, Raw};

/// A program that has closed its output is given this long to exit before the end of its output is
/// passed on, so that whoever reads the end can say how the program came out.
const EXITS_WITHIN: Duration = Duration::from_millis(200);

/// A program that nobody listens to any more is given this long to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A program that we started. It is always reaped; dropping this ends it if it still runs although
/// nobody waits for its output any more.
#[derive(Debug)]
pub(crate) struct Program {
    status: Arc<OnceLock<ExitStatus>>,
    /// The program's output was read to its end: what it still does is its own affair.
    read_to_end: AtomicBool,
    kill: AtomicBool,
    /// Ends the program.
    end: Option<oneshot::Sender<()>>,
    exit: Exit,
}

/// The wait between the end of the output and the exit.
enum Exit {
    Running(oneshot::Receiver<()>),
    Waiting(Pin<Box<dyn Future<Output = ()> + Send + Sync>>),
    Over,
}

impl std::fmt::Debug for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running(_) => "Running",
            Self::Waiting(_) => "Waiting",
            Self::Over => "Over",
        })
    }
}

/// Starts the program of an endpoint.
pub(crate) fn open(net: &Net, line: &CommandLine) -> Result<ByteLink, NetError> {
    let pair = start(line).map_err(|error| NetError::Program {
        program: line.program().to_owned(),
        source: error.into(),
    })?;
    let peer = Name::Exec(line.clone());
    Ok(ByteLink::new(
        Raw::Pair(Box::new(pair)),
        peer,
        &net.recorder,
    ))
}

/// Starts a program. Its input and output are pipes of ours, its errors go where ours go.
fn start(line: &CommandLine) -> io::Result<Pair> {
    let (input, theirs_in) = {
        let (theirs, ours) = io::pipe()?;
        (pipe::Sender::from_owned_fd(ours.into())?, theirs)
    };
    let (output, theirs_out) = {
        let (ours, theirs) = io::pipe()?;
        (pipe::Receiver::from_owned_fd(ours.into())?, theirs)
    };
    let child = Command::new(line.program())
        .args(line.args())
        .stdin(Stdio::from(theirs_in))
        .stdout(Stdio::from(theirs_out))
        .stderr(Stdio::inherit())
        .spawn()?;
    let program = Program::watch(child);
    Ok(Pair {
        source: Source::Program { output, program },
        sink: Sink::Program(input),
    })
}

impl Program {
    fn watch(child: Child) -> Self {
        let status = Arc::new(OnceLock::new());
        let (end, ended) = oneshot::channel();
        let (over, exit) = oneshot::channel();
        tokio::spawn(reap(child, ended, Arc::clone(&status), over));
        Self {
            status,
            read_to_end: AtomicBool::new(false),
            kill: AtomicBool::new(false),
            end: Some(end),
            exit: Exit::Running(exit),
        }
    }

    /// How it came out: `exited with status 3`, `was ended by SIGKILL`. Nothing while it runs.
    pub(crate) fn outcome(&self) -> Option<String> {
        let status = self.status.get()?;
        Some(match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("was ended by {}", signal_name(signal)),
            (None, None) => status.to_string(),
        })
    }

    pub(crate) fn kill_on_drop(&self, kill: bool) {
        self.kill.store(kill, Ordering::Relaxed);
    }

    /// The output has ended: waits a little for the exit.
    pub(crate) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.read_to_end.store(true, Ordering::Relaxed);
        if let Exit::Running(exit) = &mut self.exit {
            let (_, taken) = oneshot::channel();
            let exit = std::mem::replace(exit, taken);
            self.exit = Exit::Waiting(Box::pin(async move {
                let _ = tokio::time::timeout(EXITS_WITHIN, exit).await;
            }));
        }
        if let Exit::Waiting(wait) = &mut self.exit {
            ready!(wait.as_mut().poll(cx));
            self.exit = Exit::Over;
        }
        Poll::Ready(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let abandoned = !self.read_to_end.load(Ordering::Relaxed);
        if (abandoned || self.kill.load(Ordering::Relaxed))
            && let Some(end) = self.end.take()
        {
            // A program that has exited already hears nothing.
            let _ = end.send(());
        }
    }
}

/// Waits for the exit, so that no zombie stays, and ends the program when told to.
async fn reap(
    mut child: Child,
    mut ended: oneshot::Receiver<()>,
    status: Arc<OnceLock<ExitStatus>>,
    over: oneshot::Sender<()>,
) {
    let exited = tokio::select! {
        exited = child.wait() => Some(exited),
        Ok(()) = &mut ended => None,
        else => None,
    };
    let exited = if let Some(exited) = exited {
        exited
    } else {
        hang_up(&child);
        if tokio::time::timeout(ENDS_WITHIN, child.wait())
            .await
            .is_err()
        {
            // It fails only when it has exited meanwhile.
            let _ = child.start_kill();
        }
        child.wait().await
    };
    if let Ok(exited) = exited {
        let _ = status.set(exited);
    }
    let _ = over.send(());
}

/// What a terminal does to its programs when it is closed.
fn hang_up(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // The child is not reaped yet, so its number cannot be another's.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::HUP);
    }
}

/// The name of a signal, as in signal(7).
fn signal_name(number: i32) -> String {
    const NAMES: [&str; 32] = [
        "0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let name = usize::try_from(number)
        .ok()
        .and_then(|number| NAMES.get(number));
    name.map_or_else(|| format!("signal {number}"), |name| (*name).to_owned())
}
