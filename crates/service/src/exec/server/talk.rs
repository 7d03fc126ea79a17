//! The conversation with one client: who it is, its requests one after another, and how it ends.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use sockeye_net::Link;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::{Argument, Exec, Failure, Notice, Request};
use super::Policy;
use super::events::Witness;
use super::group::Group;
use super::run::Running;
use super::spawn::{Spawned, spawn};
use crate::server::{LINGER_BYTES, LINGER_TIMEOUT, Options, after};
use crate::{
    Access, BoxFuture, Denied, Grant, Outcome, Session, WireError, WireReader, WireWriter,
    as_stream,
};

/// A client that says nothing is asked whether it is still there after this long, then every
/// [`KEEPALIVE_INTERVAL`], [`KEEPALIVE_PROBES`] times (tcp(7)): a command whose client's machine has
/// vanished is ended within half a minute. While output is on its way the kernel asks nothing and
/// sends again instead, until `tcp_retries2`: a limit of our own (`TCP_USER_TIMEOUT`) would also end
/// clients that are there and read slowly.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Why a conversation ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client has sent its last byte.
    PeerClosed,
    /// It may not, or not any more.
    Denied(Denied),
    /// What it sent is no request.
    Bad(WireError),
    /// It sent what it was not allowed to, or does not take what it is told.
    Unruly(&'static str),
    /// A frame was not complete in time.
    Slow(Duration),
    /// Nothing was asked for so long.
    Idle(Duration),
    /// The server ends.
    Drained,
    /// The connection broke.
    Broken(std::io::Error),
}

impl From<WireError> for Ending {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Io(error) => Self::Broken(error),
            error => Self::Bad(error),
        }
    }
}

impl Ending {
    /// What the client is told, where it can be.
    fn failure(&self) -> Option<Failure> {
        let (code, message) = match self {
            // What a browser is answered, a page can read.
            Self::PeerClosed
            | Self::Broken(_)
            | Self::Idle(_)
            | Self::Bad(WireError::Http { .. }) => return None,
            Self::Denied(denied) => ("denied", denied.to_string()),
            Self::Bad(error) => ("bad_request", error.to_string()),
            Self::Unruly(what) => ("bad_request", (*what).to_owned()),
            Self::Slow(_) => ("bad_request", self.reason().into_owned()),
            Self::Drained => ("ending", "this server ends".to_owned()),
        };
        Some(Failure::new(code, message))
    }

    /// What the log tells.
    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::PeerClosed => "".into(),
            Self::Denied(denied) => format!("denied: {denied}").into(),
            Self::Bad(error) => error.to_string().into(),
            Self::Unruly(what) => (*what).into(),
            Self::Slow(limit) => format!("a frame was not complete within {limit:?}").into(),
            Self::Idle(limit) => format!("idle for {limit:?}").into(),
            Self::Drained => "the server ends".into(),
            Self::Broken(error) => match error.kind() {
                std::io::ErrorKind::ConnectionReset => "reset by the peer".into(),
                std::io::ErrorKind::BrokenPipe => {
                    "the peer closed while it was being answered".into()
                }
                _ => error.to_string().into(),
            },
        }
    }
}

/// One client's conversation.
pub(super) struct Talk<R, W> {
    pub(super) reader: WireReader<R>,
    pub(super) writer: WireWriter<W>,
    pub(super) grant: Grant,
    pub(super) witness: Witness,
    /// The server's patience is over.
    pub(super) over: BoxFuture<()>,
    draining: BoxFuture<()>,
    policy: Arc<Policy>,
    options: Arc<Options>,
    /// When anything was last asked or answered.
    last_used: Instant,
    /// Requests, and answers to them.
    asked: u64,
    answered: u64,
}

/// Speaks with one client until the connection is over.
pub(super) async fn hold(
    link: Link,
    session: Session,
    access: Arc<Access>,
    policy: Arc<Policy>,
) -> Outcome {
    notice_vanished_peers(&link);
    let admitted = session.admit(&access);
    let (reader, writer) = match as_stream(link) {
        Ok((reader, writer)) => (WireReader::new(reader), WireWriter::new(writer)),
        Err(error) => return Outcome::new(error.to_string()),
    };
    match admitted {
        Err(denied) => {
            let (mut reader, mut writer) = (reader, writer);
            let ending = Ending::Denied(denied);
            farewell(&mut reader, &mut writer, &ending).await;
            outcome(&reader, &writer, &ending)
        }
        Ok(grant) => {
            let mut talk = Talk::new(reader, writer, grant, &session, policy);
            let ending = talk.go().await;
            farewell(&mut talk.reader, &mut talk.writer, &ending).await;
            Outcome {
                read_messages: talk.asked,
                written_messages: talk.answered,
                ..outcome(&talk.reader, &talk.writer, &ending)
            }
        }
    }
}

fn outcome(
    reader: &WireReader<crate::LinkReader>,
    writer: &WireWriter<crate::LinkWriter>,
    ending: &Ending,
) -> Outcome {
    Outcome {
        read_bytes: reader.get_ref().read_bytes(),
        written_bytes: writer.get_ref().written_bytes(),
        ..Outcome::new(ending.reason())
    }
}

/// Says why the conversation ends, where anybody can hear it, and lets the answer arrive.
async fn farewell<R, W>(reader: &mut WireReader<R>, writer: &mut WireWriter<W>, ending: &Ending)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if matches!(ending, Ending::Broken(_)) {
        return;
    }
    let goodbye = async {
        // In the middle of a frame nothing can be said.
        if let Some(failure) = ending.failure().filter(|_| writer.owed() == 0) {
            writer.feed(&Notice::Error(failure), &[]);
        }
        if writer.owed() == 0 {
            writer.shutdown().await?;
        }
        if !matches!(ending, Ending::PeerClosed) {
            reader.discard(LINGER_BYTES).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    // Whoever does not take it goes without.
    let _ = timeout(LINGER_TIMEOUT, goodbye).await;
}

/// A peer whose machine is gone says nothing, and a command that prints nothing does not notice.
fn notice_vanished_peers(link: &impl AsFd) {
    let fd = link.as_fd();
    // What the endpoint asks for counts; on what is no TCP socket none of this exists.
    if sockopt::socket_keepalive(fd).unwrap_or(true) {
        return;
    }
    let _ = sockopt::set_tcp_keepidle(fd, KEEPALIVE_IDLE)
        .and_then(|()| sockopt::set_tcp_keepintvl(fd, KEEPALIVE_INTERVAL))
        .and_then(|()| sockopt::set_tcp_keepcnt(fd, KEEPALIVE_PROBES))
        .and_then(|()| sockopt::set_socket_keepalive(fd, true));
}

impl<R, W> Talk<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    fn new(
        reader: WireReader<R>,
        writer: WireWriter<W>,
        grant: Grant,
        session: &Session,
        policy: Arc<Policy>,
    ) -> Self {
        let witness = Witness {
            recorder: session.recorder.clone(),
            conn: session.conn,
            who: grant.who.as_str().into(),
        };
        Self {
            reader,
            writer,
            grant,
            witness,
            over: Box::pin(session.over()),
            draining: Box::pin(session.draining()),
            policy,
            options: Arc::clone(&session.options),
            last_used: Instant::now(),
            asked: 0,
            answered: 0,
        }
    }

    /// Answers requests until there are no more.
    async fn go(&mut self) -> Ending {
        loop {
            let exec = match self.request().await {
                Ok(Some(exec)) => exec,
                Ok(None) => continue,
                Err(ending) => return ending,
            };
            self.asked += 1;
            if let Err(ending) = self.answer(&exec).await {
                return ending;
            }
            self.answered += 1;
            self.last_used = Instant::now();
        }
    }

    /// Waits for the next command. What is said about one that has ended is passed over.
    async fn request(&mut self) -> Result<Option<Exec>, Ending> {
        let began = self.reader.offset();
        let idle = self.options.idle_timeout.unwrap_or(Duration::MAX);
        let idle_until = after(self.last_used, idle);
        let slow = self.options.frame_timeout;
        tokio::select! {
            biased;
            () = &mut self.draining => Err(Ending::Drained),
            denied = self.grant.lost() => Err(Ending::Denied(denied)),
            header = self.reader.next() => {
                let Some(header) = header? else {
                    return Err(Ending::PeerClosed);
                };
                match header.parse()? {
                    Request::Exec(exec) => Ok(Some(*exec)),
                    _ => Ok(None),
                }
            }
            () = sleep_until(idle_until) => Err(Ending::Idle(idle)),
            () = sleep(slow) => {
                if self.reader.is_inside() && self.reader.offset() == began {
                    return Err(Ending::Slow(slow));
                }
                Ok(None)
            }
        }
    }

    /// Runs a command, or says why not.
    async fn answer(&mut self, exec: &Exec) -> Result<(), Ending> {
        let running = self.policy.permit(exec).and_then(|()| self.start(exec));
        match running {
            Ok(running) => running.run(self).await,
            Err(failure) => {
                self.witness.refused(exec, &failure);
                let ends = failure.code == "bad_request";
                let sent = self.writer.send(&Notice::Error(failure), &[]).await;
                sent.map_err(Ending::Broken)?;
                if ends {
                    return Err(Ending::Unruly("the request makes no sense"));
                }
                Ok(())
            }
        }
    }

    fn start(&self, exec: &Exec) -> Result<Running, Failure> {
        let record = self.witness.begins(exec);
        let started = spawn(exec).and_then(|spawned| {
            let Spawned {
                child,
                input,
                stdout,
                stderr,
            } = spawned;
            let group = Group::new(child, record)?;
            Ok(Running::new(
                exec,
                self.witness.clone(),
                group,
                input,
                stdout,
                stderr,
            ))
        });
        started.map_err(|error| not_started(exec, &error))
    }
}

/// Why a command could not be started. The folder fails with the same numbers as the program.
pub(super) fn not_started(exec: &Exec, error: &std::io::Error) -> Failure {
    let folder = exec.cwd.as_ref().map(Argument::as_os_str);
    let what = match folder.filter(|folder| !std::path::Path::new(folder).is_dir()) {
        Some(folder) => format!("cannot enter {}", folder.display()),
        None if exec.shell => "cannot start /bin/sh".to_owned(),
        None => format!("cannot start {}", exec.argv[0].as_os_str().display()),
    };
    Failure {
        errno: error.raw_os_error(),
        ..Failure::new(
            "not_started",
            format!("{what}: {}", sockeye_net::Errno::of(error)),
        )
    }
}
