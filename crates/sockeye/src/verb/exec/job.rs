//! One command on one host, from dialling to its end, and what is told of it.

use sockeye_net::Link;
use sockeye_service::exec::Exec as Request;
use sockeye_service::exec::client::{self, End, Ended, ExecError, Incoming, Order, Outgoing, Said};
use sockeye_service::{LinkReader, LinkWriter};
use sockeye_trace::{Closing, ConnId, Event, Kind};
use tokio::sync::mpsc;

use super::Host;
use super::input::Input;
use super::screen::Screen;
use crate::catalogue as say;
use crate::context::Context;
use crate::exit;
use crate::journal::{Journal, Line};
use crate::trust;

/// What is to be done on a host.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) context: &'a Context,
    pub(super) journal: &'a Journal,
    pub(super) host: &'a Host,
    pub(super) request: &'a Request,
}

impl Job<'_> {
    /// Runs the command to its end, and writes all that it printed. `on_start` is called once it
    /// runs. Whoever drops this closes the connection, which ends the command.
    pub(super) async fn run(
        &self,
        input: Option<Input>,
        mut orders: mpsc::Receiver<Order>,
        mut screen: Screen,
        on_start: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Ended> {
        let mut conn = None;
        let ended = async {
            let link = trust::connect(self.context, &self.host.endpoint).await?;
            conn = Some(link.conn());
            self.converse(link, input, &mut orders, &mut screen, on_start)
                .await
        };
        let ended = ended.await;
        // Also of a command whose end nobody knows, what it printed is written.
        let shown = screen.finish().await;
        let ended = match (ended, shown) {
            (Ok(ended), Ok(undecodable)) => {
                self.say_undecodable(undecodable);
                Ok(ended)
            }
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
        self.tell_ended(conn, &ended);
        ended
    }

    /// One command over a connection, with what the recorder hears of it.
    async fn converse(
        &self,
        link: Link,
        input: Option<Input>,
        orders: &mut mpsc::Receiver<Order>,
        screen: &mut Screen,
        on_start: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Ended> {
        let recorder = &self.context.net.recorder;
        let (conn, peer) = (link.conn(), link.peer_name().to_string());
        let event = Event::new(Kind::Connected, conn, recorder.now());
        recorder.record(event, format!("{peer}\n{}", link.local()).as_bytes());
        let (mut incoming, mut outgoing) = client::open(link)?;
        let ended = async {
            let asked = self.request.clone();
            let pid = client::start(&mut incoming, &mut outgoing, asked).await?;
            self.tell_started(conn, pid);
            on_start()?;
            work(&mut incoming, &mut outgoing, input, orders, screen).await
        };
        let ended = ended.await;
        let reason = ended.as_ref().err().map(|error| format!("{error:#}"));
        let closing = Closing {
            read_bytes: incoming.get_ref().read_bytes(),
            written_bytes: outgoing.get_ref().written_bytes(),
            reason: reason.unwrap_or_default(),
            ..Closing::default()
        };
        let event = Event::new(Kind::Closed, conn, recorder.now());
        recorder.record(event, &closing.to_payload());
        ended
    }

    fn tell_started(&self, conn: ConnId, pid: u32) {
        let (host, lang) = (&self.host.name, self.context.lang());
        let text = say::EXEC_STARTED.fill(lang, &[("host", host), ("pid", &pid)]);
        let fields = |line: &mut Line| {
            line.number("conn", conn.number())
                .put("endpoint", host)
                .number("pid", pid.into());
        };
        self.journal.say("exec_started", fields, Some(text));
    }

    fn tell_ended(&self, conn: Option<ConnId>, ended: &anyhow::Result<Ended>) {
        let host = &self.host.name;
        let fields = |line: &mut Line| {
            if let Some(conn) = conn {
                line.number("conn", conn.number());
            }
            line.put("endpoint", host);
            match ended {
                Ok(ended) => put_ended(line, ended),
                Err(error) => {
                    line.put("error", &format!("{error:#}"))
                        .number("exit", exit::of(error).code().into());
                }
            }
        };
        let what = outcome(ended, self.context);
        let text = say::EXEC_ENDED.fill(self.context.lang(), &[("host", host), ("what", &what)]);
        self.journal.say("exec_ended", fields, Some(text));
    }

    fn say_undecodable(&self, bytes: usize) {
        if bytes > 0 && !self.context.global.quiet {
            let lang = self.context.lang();
            let count = say::counted_bytes(bytes as u64, lang);
            let text = say::UNDECODABLE_TOTAL.fill(lang, &[("count", &count)]);
            self.context.ui.complain(&text);
        }
    }
}

fn put_ended(line: &mut Line, ended: &Ended) {
    match &ended.end {
        End::Status(status) => line.number("status", (*status).into()),
        End::Signal(name) => line.put("signal", name),
    };
    line.number("took_ms", ended.took.as_millis() as u64);
    if ended.timed_out {
        line.raw("timed_out", true);
    }
    if ended.left_running {
        line.raw("left_running", true);
    }
}

/// How it ended, in a few words.
pub(super) fn outcome(ended: &anyhow::Result<Ended>, context: &Context) -> String {
    let lang = context.lang();
    match ended {
        Err(error) => format!("{error:#}"),
        Ok(Ended {
            timed_out: true, ..
        }) => say::EXEC_TIMED_OUT.get(lang).to_owned(),
        Ok(Ended {
            end: End::Signal(name),
            ..
        }) => say::EXEC_SIGNAL.fill(lang, &[("name", name)]),
        Ok(Ended {
            end: End::Status(status),
            ..
        }) => say::EXEC_STATUS.fill(lang, &[("status", status)]),
    }
}

/// Feeds the command and passes on what it prints, until it ends.
async fn work(
    incoming: &mut Incoming<LinkReader>,
    outgoing: &mut Outgoing<LinkWriter>,
    input: Option<Input>,
    orders: &mut mpsc::Receiver<Order>,
    screen: &mut Screen,
) -> anyhow::Result<Ended> {
    let mut heard = Box::pin(hear(incoming, screen));
    tokio::select! {
        biased;
        ended = &mut heard => return ended,
        Err(error) = outgoing.feed(input, orders) => if matches!(error, ExecError::Input(_)) {
            return Err(error.into());
        },
    }
    // The server takes no more from us. Why, is in what it said before.
    heard.await
}

/// Passes on what the command prints until it ends.
async fn hear(incoming: &mut Incoming<LinkReader>, screen: &mut Screen) -> anyhow::Result<Ended> {
    loop {
        match incoming.next().await? {
            Said::Output(stream) => screen.pass(stream, incoming).await?,
            Said::Ended(ended) => return Ok(ended),
            Said::Started { .. } => unreachable!("a command is started once"),
        }
    }
}
