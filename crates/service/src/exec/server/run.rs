//! One command, from its start to its exit.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::{Credit, Exec, Failure, Notice, Request, SignalName, Started};
use super::events::{Witness, exit_of};
use super::group::Group;
use super::outputs::{Ended, Outputs};
use super::spawn::{Input, Reading};
use super::stdin::Stdin;
use super::talk::{Ending, Talk};
use super::{KILLED_AFTER, LETS_GO_WITHIN, OUTLIVES_BY};
use crate::WireReader;
use crate::server::Timer;

/// A command that runs.
pub(super) struct Running {
    witness: Witness,
    group: Group,
    stdin: Stdin,
    outputs: Outputs,
    began: Instant,
    timed_out: bool,
    /// How long the command itself ran, once it has ended.
    took: Option<Duration>,
    /// What happens next by itself.
    due: Option<(Instant, Due)>,
    timer: Timer,
    /// The body that comes is for standard input.
    feeding: bool,
}

/// What happens at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The command's time is over: it is told to end.
    TimeUp,
    /// It had its time to end.
    Kill,
    /// What the command left in its group has had its time.
    Outlived,
    /// What was killed has let go of the outputs; who still holds them is in another session.
    LetGo,
}

/// What a client says while a command runs.
enum Heard<'a> {
    /// Something about the command, and the size of its body.
    Request(Request, u64),
    /// A piece of its input.
    Piece(&'a [u8]),
}

impl Running {
    pub(super) fn new(
        exec: &Exec,
        witness: Witness,
        group: Group,
        input: Option<Input>,
        stdout: Reading,
        stderr: Option<Reading>,
    ) -> Self {
        let began = Instant::now();
        let limit = exec.timeout_ms.map(Duration::from_millis);
        let limit = limit.map(|limit| crate::server::after(began, limit));
        Self {
            witness,
            group,
            stdin: Stdin::new(input, exec.stdin),
            outputs: Outputs::new(stdout, stderr),
            began,
            timed_out: false,
            took: None,
            due: limit.map(|limit| (limit, Due::TimeUp)),
            timer: Timer::default(),
            feeding: false,
        }
    }

    /// Runs it to its end. If the client leaves before, its process group is hung up by dropping
    /// this.
    pub(super) async fn run<R, W>(mut self, talk: &mut Talk<R, W>) -> Result<(), Ending>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Talk {
            reader,
            writer,
            grant,
            over,
            ..
        } = talk;
        self.group.started();
        let pid = self.group.id();
        self.say(Notice::Started(Started { pid }))?;
        while self.took.is_none() || self.outputs.ended().is_none() {
            if let Some(bytes) = self.stdin.new_credit() {
                self.say(Notice::Credit(Credit { bytes }))?;
            }
            let Self {
                group,
                stdin,
                outputs,
                due,
                timer,
                feeding,
                took,
                ..
            } = &mut self;
            tokio::select! {
                heard = hear(reader, *feeding) => match heard? {
                    Heard::Piece(bytes) => stdin.put(bytes),
                    Heard::Request(request, size) => self.obey(&request, size)?,
                },
                () = poll_fn(|cx| stdin.poll_feed(cx)) => {}
                moved = poll_fn(|cx| outputs.poll_move(cx, writer)) => {
                    moved.map_err(Ending::Broken)?;
                }
                exited = group.exited(), if took.is_none() => {
                    exited.map_err(Ending::Broken)?;
                    self.on_exit();
                }
                happens = poll_fn(|cx| poll_due(timer, *due, cx)) => self.on_due(happens),
                denied = grant.lost() => return Err(Ending::Denied(denied)),
                () = &mut *over => return Err(Ending::Drained),
            }
        }
        self.finish(talk).await
    }

    /// Says something to the client in its turn.
    fn say(&mut self, notice: Notice) -> Result<(), Ending> {
        if self.outputs.say(notice) {
            return Ok(());
        }
        Err(Ending::Unruly("the client asks and takes no answers"))
    }

    /// Does what the client says about the command.
    fn obey(&mut self, request: &Request, size: u64) -> Result<(), Ending> {
        self.feeding = matches!(request, Request::Stdin {});
        match *request {
            Request::Stdin {} => {
                if !self.stdin.expect(size) {
                    return Err(Ending::Unruly("more stdin came than there was credit for"));
                }
            }
            Request::StdinEnd {} => self.stdin.end(),
            // Whoever has ended hears nothing, and what it left behind is seen to anyway.
            Request::Signal { name } => self.group.signal(name),
            Request::Resize(size) => self.stdin.resize(size),
            Request::Exec(ref exec) => {
                let busy = Failure::new("busy", "a command runs on this connection already");
                self.witness.refused(exec, &busy);
                self.say(Notice::Error(busy))?;
            }
        }
        Ok(())
    }

    /// The command itself has ended; what it printed may still be on its way.
    fn on_exit(&mut self) {
        let now = Instant::now();
        self.took = Some(now - self.began);
        self.due = Some((now + OUTLIVES_BY, Due::Outlived));
    }

    fn on_due(&mut self, happens: Due) {
        let now = Instant::now();
        self.due = match happens {
            Due::TimeUp => {
                self.timed_out = true;
                self.group.signal(SignalName::Term);
                Some((now + KILLED_AFTER, Due::Kill))
            }
            Due::Kill => {
                self.group.kill();
                None
            }
            Due::Outlived => {
                self.group.kill();
                self.outputs.limit();
                Some((now + LETS_GO_WITHIN, Due::LetGo))
            }
            // On a busy machine even dying takes its time.
            Due::LetGo if self.group.has_living() => Some((now + LETS_GO_WITHIN, Due::LetGo)),
            Due::LetGo => {
                self.outputs.hurry();
                None
            }
        };
    }

    /// All was said and printed: tells how it ended.
    async fn finish<R, W>(self, talk: &mut Talk<R, W>) -> Result<(), Ending>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let took = self.took.unwrap_or_default();
        let (status, record) = self.group.finish().await.map_err(Ending::Broken)?;
        let exit = super::super::Exit {
            timed_out: self.timed_out,
            left_running: self.outputs.ended() == Some(Ended::Held),
            ..exit_of(status, took)
        };
        record.ended(&exit);
        let sent = talk.writer.send(&Notice::Exit(exit), &[]).await;
        sent.map_err(Ending::Broken)
    }
}

/// The next thing that the client says.
async fn hear<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
    feeding: bool,
) -> Result<Heard<'_>, Ending> {
    // Other bodies mean nothing and are passed over.
    if feeding && reader.left() > 0 {
        return Ok(Heard::Piece(reader.body().await?));
    }
    let Some(header) = reader.next().await? else {
        return Err(Ending::PeerClosed);
    };
    Ok(Heard::Request(header.parse()?, header.size))
}

fn poll_due(timer: &mut Timer, due: Option<(Instant, Due)>, cx: &mut Context<'_>) -> Poll<Due> {
    match due {
        Some((at, due)) => timer.poll(cx, at).map(|()| due),
        None => Poll::Pending,
    }
}
