//! The chat without a screen: lines in, lines out, for scripts and for whoever likes it so.

use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::{Arrival, Framed, Incoming};
use tokio::time::{Instant, sleep_until};

use super::Chat;
use super::client::Client;
use super::model::{Conversation, Model, Place, ServerId, State};
use super::tell::Teller;
use crate::catalogue::chat as say;
use crate::context::Context;
use crate::exit::{Exit, Interrupted, TimedOut, usage};
use crate::journal::Journal;
use crate::signals::{Asked, Signals};
use crate::verb::dial::stdio;

/// Our messages that may be on their way before the next line is read.
const AHEAD: usize = 500;
/// How long a plain peer's answers are waited for.
const ANSWERS: Duration = Duration::from_secs(1);

/// Talks until the input has ended and everything has arrived.
pub(super) async fn run(
    chat: &Chat,
    context: &Context,
    client: &mut Client,
    journal: &Journal,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let mut talk = Talk {
        chat,
        teller: Teller::new(context, journal, chat.until.clone()),
        input: if chat.no_stdin {
            None
        } else {
            Some(lines_of_stdin().await?)
        },
        phase: Phase::Talking,
        stuck: None,
        heard: Instant::now(),
    };
    talk.teller.begin(&client.model);
    loop {
        if talk.step(client)? {
            return talk.end(&client.model);
        }
        let gate = talk.gate(&client.model)?;
        let deadline = talk.deadline(&client.model, gate);
        tokio::select! {
            biased;
            asked = signals.next() => return talk.on_signal(asked),
            why = journal.unread() => return Err(why),
            () = client.next() => talk.heard = Instant::now(),
            line = next_line(&mut talk.input), if gate == Gate::Open && talk.phase == Phase::Talking => {
                match line? {
                    Some(line) => client.typed(&line),
                    None => talk.phase = Phase::Settling,
                }
            }
            () = until(deadline) => talk.on_deadline()?,
        }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Lines are read.
    Talking,
    /// There are no more; it is not asked yet whether the server has read them all.
    Settling,
    /// It has been asked.
    Asked,
    /// Everything has arrived; somebody may still say something.
    Listening {
        until: Option<Instant>,
    },
    Over,
}

/// Whether the next line can be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
}

struct Talk<'a> {
    chat: &'a Chat,
    teller: Teller<'a>,
    input: Option<Incoming>,
    phase: Phase,
    /// What cannot go on, and since when: what is on its way, and how far it has come.
    stuck: Option<((Phase, usize), Instant)>,
    /// When something came last.
    heard: Instant,
}

impl Talk<'_> {
    /// Tells what is new and sees whether that changes anything. True at the end.
    fn step(&mut self, client: &mut Client) -> anyhow::Result<bool> {
        if let Some(error) = client.take_failure() {
            return Err(error);
        }
        let news = client.take_news();
        let enough = self.teller.tell(&client.model, news)?;
        if client.is_over() {
            self.phase = Phase::Over;
        } else if enough && self.phase == Phase::Talking {
            self.input = None;
            self.phase = Phase::Settling;
        }
        if self.phase == Phase::Settling && self.gate(&client.model)? == Gate::Open {
            client.with(Model::ask_whether_all_is_read);
            self.phase = Phase::Asked;
        }
        match self.phase {
            Phase::Asked if is_settled(&client.model) => {
                let until = (!enough && !self.teller.is_enough())
                    .then(|| self.listens_until(&client.model));
                self.phase = match until {
                    Some(until) => Phase::Listening { until },
                    None => Phase::Over,
                };
            }
            Phase::Listening { .. } if enough => self.phase = Phase::Over,
            _ => {}
        }
        Ok(self.phase == Phase::Over)
    }

    /// Until when whoever wants to say something is listened to; none: as long as answers may come.
    fn listens_until(&self, model: &Model) -> Option<Instant> {
        let talked_plain = model.contacts().iter().any(|one| one.peer.is_some());
        match self.chat.wait {
            Some(wait) => Some(Instant::now() + wait.0),
            None if talked_plain => None,
            None => Some(Instant::now()),
        }
    }

    /// Whether the next line can be said: where it goes must be there, and not too much on its way.
    fn gate(&self, model: &Model) -> anyhow::Result<Gate> {
        if self.phase == Phase::Talking && self.input.is_none() {
            return Ok(Gate::Shut);
        }
        let Some(current) = model.current() else {
            let mut servers = model.servers().iter();
            let is_coming =
                servers.any(|one| matches!(one.state, State::Dialling | State::Registering));
            return Ok(if is_coming { Gate::Shut } else { Gate::Open });
        };
        let is_there = match current.place.server() {
            Some(server) => is_there(model, server, current)?,
            None => true,
        };
        Ok(if is_there && model.unsettled() < AHEAD {
            Gate::Open
        } else {
            Gate::Shut
        })
    }

    /// When something is to be done if nothing else happens.
    fn deadline(&mut self, model: &Model, gate: Gate) -> Option<Instant> {
        if let Phase::Listening { until } = self.phase {
            return Some(until.unwrap_or(self.heard + ANSWERS));
        }
        let waits = match self.phase {
            Phase::Talking => self.input.is_some() && gate == Gate::Shut,
            _ => true,
        };
        if !waits {
            self.stuck = None;
            return None;
        }
        let at = (self.phase, model.unsettled());
        let since = match self.stuck {
            Some((before, since)) if before == at => since,
            _ => Instant::now(),
        };
        self.stuck = Some((at, since));
        Some(since + self.chat.timeout.0)
    }

    fn on_deadline(&mut self) -> anyhow::Result<()> {
        if matches!(self.phase, Phase::Listening { .. }) {
            self.phase = Phase::Over;
            return Ok(());
        }
        Err(TimedOut::answer(self.chat.timeout.0).into())
    }

    /// A signal ends listening, and cuts talking short.
    fn on_signal(&self, asked: Asked) -> anyhow::Result<Exit> {
        let is_work = self.input.is_some() && !matches!(self.phase, Phase::Listening { .. });
        match asked {
            Asked::End(_) if !is_work => Ok(Exit::Done),
            Asked::End(signal) => Err(Interrupted(signal).into()),
            Asked::Reload => Err(Interrupted(libc::SIGHUP).into()),
        }
    }

    fn end(&self, model: &Model) -> anyhow::Result<Exit> {
        match model.undelivered() {
            0 => Ok(Exit::Done),
            n => {
                let text = say::ALL_NOT_DELIVERED.fill(self.teller.lang(), &[("n", &n)]);
                Err(anyhow::anyhow!(text))
            }
        }
    }
}

/// Whether what is typed there is heard: the server has let us in, the room too.
fn is_there(model: &Model, server: ServerId, current: &Conversation) -> anyhow::Result<bool> {
    let server = model.server(server);
    if server.state == State::Off {
        let why = server.trouble.clone().unwrap_or_default();
        return Err(anyhow::anyhow!("{}: {why}", server.setup.name));
    }
    if server.state != State::Up {
        return Ok(false);
    }
    match (&current.place, &current.refused) {
        (Place::Room(_, name), Some(why)) if !current.joined => {
            Err(anyhow::anyhow!("{name}: {why}"))
        }
        (Place::Room(..), None) => Ok(current.joined),
        _ => Ok(true),
    }
}

/// Whether the server has read everything, and what is not known to have arrived will not be found
/// by waiting either.
fn is_settled(model: &Model) -> bool {
    let mut lost = model
        .conversations()
        .iter()
        .filter(|one| one.has_undelivered());
    let may_be_found = lost.any(|one| {
        let server = one.place.server().map(|id| model.server(id));
        server.is_some_and(|server| !matches!(server.state, State::Up | State::Off))
    });
    model.is_quiet() && !may_be_found
}

async fn lines_of_stdin() -> anyhow::Result<Incoming> {
    let (lines, _) = Framed::new(stdio().await?, &Framing::line()).split();
    Ok(lines)
}

/// The next line of the input; none at its end.
async fn next_line(input: &mut Option<Incoming>) -> anyhow::Result<Option<String>> {
    let Some(input) = input else {
        return std::future::pending().await;
    };
    match input.next().await? {
        None => Ok(None),
        Some(Arrival::Oversized(error)) => Err(usage!("standard input: {error}")),
        Some(line) => {
            let line = line.bytes().unwrap_or_default();
            let text = std::str::from_utf8(line);
            let text = text.map_err(|error| usage!("standard input is not UTF-8: {error}"))?;
            Ok(Some(text.to_owned()))
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
