//! The model together with the world outside: sessions with servers, plain contacts, the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

use super::model::{ContactId, Event, FromServer, Model, News, Order, ServerId, State, Way};
use super::plain::{self, Plain};
use super::session::{self, Lines, Session};
use crate::context::Context;

/// Events that wait for the model; then their sockets wait.
const EVENTS: usize = 1_024;
/// Events that are taken at once, before somebody looks.
const TURN: usize = 256;
/// How long a server may take to hear our goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What sessions and contacts tell; the first number says which of several sessions with one server.
#[derive(Debug)]
pub(super) enum Told {
    Server(u64, ServerId, FromServer),
    /// There is a connection, and this is where its lines go.
    Connected {
        session: u64,
        server: ServerId,
        lines: Lines,
        is_private: bool,
        is_secure: bool,
    },
    /// A session could not begin.
    Failed(u64, ServerId, anyhow::Error),
    Contact(Event),
}

/// A chat that goes on.
pub(crate) struct Client {
    pub(crate) model: Model,
    context: Context,
    told: Receiver<Told>,
    teller: Sender<Told>,
    sessions: HashMap<ServerId, Session>,
    plain: HashMap<ContactId, Plain>,
    /// Whether a person may be asked about a key that is not known.
    asks: Arc<AtomicBool>,
    next_session: u64,
    is_over: bool,
    /// How the first server that could not be reached at all has failed.
    failed: Option<anyhow::Error>,
}

impl Client {
    /// Takes a model with its servers and contacts, and dials.
    pub(crate) fn new(context: &Context, model: Model) -> Self {
        let (teller, told) = mpsc::channel(EVENTS);
        let mut client = Self {
            model,
            context: context.clone(),
            told,
            teller,
            sessions: HashMap::new(),
            plain: HashMap::new(),
            asks: Arc::new(AtomicBool::new(true)),
            next_session: 0,
            is_over: false,
            failed: None,
        };
        client.perform();
        client
    }

    /// Waits until something has happened and the model knows of it. Giving up the wait loses
    /// nothing. What is new is in [`Model::take_news`].
    pub(crate) async fn next(&mut self) {
        let first = self.told.recv().await;
        self.model.at(now_ms());
        let mut next = first;
        for _ in 0..TURN {
            let Some(told) = next else { break };
            self.take(told);
            next = self.told.try_recv().ok();
        }
        if let Some(told) = next {
            self.take(told);
        }
        self.perform();
    }

    /// Lets the person do something with the model, and carries out what comes of it.
    pub(crate) fn with<T>(&mut self, does: impl FnOnce(&mut Model) -> T) -> T {
        self.model.at(now_ms());
        let done = does(&mut self.model);
        self.perform();
        done
    }

    /// A line was typed.
    pub(crate) fn typed(&mut self, text: &str) {
        self.with(|model| model.typed(text));
    }

    /// What is new since this was asked last.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        self.model.take_news()
    }

    /// Whether the person has asked for the end.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How the first server that could not be reached has failed; told once.
    pub(crate) fn take_failure(&mut self) -> Option<anyhow::Error> {
        self.failed.take()
    }

    /// Waits until every server whose key might be asked about has been dialled once; afterwards
    /// nobody is asked any more: the terminal belongs to the screen.
    pub(crate) async fn make_acquaintances(&mut self) {
        let asking = |client: &Self| {
            let mut servers = client.model.servers().iter();
            servers.any(|server| {
                server.setup.endpoint.place.scheme().is_secure()
                    && matches!(server.state, State::Off | State::Dialling)
                    && server.trouble.is_none()
            })
        };
        while asking(self) {
            self.next().await;
        }
        self.asks.store(false, Ordering::Relaxed);
    }

    /// Hangs up everywhere, after what was said last has left.
    pub(crate) async fn goodbye(mut self) {
        self.perform();
        let sessions = self.sessions.drain().map(|(_, session)| session.end());
        let ends: Vec<_> = sessions.collect();
        // Nobody takes what they still have to tell.
        self.told.close();
        let all = async {
            for end in ends {
                end.await;
            }
        };
        let _ = timeout(GOODBYE, all).await;
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Server(session, id, event) => {
                if self.is_current(session, id) {
                    if matches!(event, FromServer::Lost { .. })
                        && let Some(one) = self.sessions.get_mut(&id)
                    {
                        one.lines = None;
                    }
                    self.model.on(Event::Server(id, event));
                }
            }
            Told::Connected {
                session,
                server,
                lines,
                is_private,
                is_secure,
            } => {
                if let Some(one) = self.sessions.get_mut(&server)
                    && one.number == session
                {
                    one.lines = Some(lines);
                    let event = FromServer::Connected {
                        is_private,
                        is_secure,
                    };
                    self.model.on(Event::Server(server, event));
                }
            }
            Told::Failed(session, id, error) => {
                if self.is_current(session, id) {
                    self.failed.get_or_insert(error);
                }
            }
            Told::Contact(event) => self.model.on(event),
        }
        // In order: what the model says to this must leave before it hears of the next.
        self.perform();
    }

    fn is_current(&self, session: u64, id: ServerId) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|one| one.number == session)
    }

    /// Carries out what the model orders.
    fn perform(&mut self) {
        for order in self.model.take_orders() {
            match order {
                Order::Connect(id) => self.connect(id),
                Order::Send(id, line) => {
                    let lines = self.sessions.get(&id).and_then(|one| one.lines.as_ref());
                    // A server that reads nothing for so long is dead: its session finds out.
                    if let Some(lines) = lines {
                        let _ = lines.try_send(line);
                    }
                }
                Order::Disconnect(id) => self.disconnect(id),
                Order::Datagram(id, text) => self.datagram(id, text),
                Order::Quit => self.is_over = true,
            }
        }
    }

    fn connect(&mut self, id: ServerId) {
        self.next_session += 1;
        let dialler = session::Dialler {
            context: self.context.clone(),
            endpoint: self.model.server(id).setup.endpoint.clone(),
            asks: Arc::clone(&self.asks),
        };
        let session = Session::start(self.next_session, id, dialler, self.teller.clone());
        self.sessions.insert(id, session);
    }

    fn disconnect(&mut self, id: ServerId) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        tokio::spawn(async {
            let _ = timeout(GOODBYE, session.end()).await;
        });
        if self.model.server(id).state != State::Off {
            let why = crate::catalogue::chat::CONTACT_GONE;
            let why = why.get(self.context.lang()).to_owned();
            let lost = FromServer::Lost {
                why,
                again_in_ms: None,
            };
            self.model.on(Event::Server(id, lost));
        }
    }

    fn datagram(&mut self, id: ContactId, text: String) {
        let contact = self.model.contact(id);
        let Way::Plain { endpoint, encoding } = &contact.way else {
            return;
        };
        let (context, teller) = (&self.context, &self.teller);
        let plain = self.plain.entry(id).or_insert_with(|| {
            Plain::start(
                id,
                context.clone(),
                endpoint.clone(),
                encoding,
                teller.clone(),
            )
        });
        if !plain.send(text) {
            let why = plain::TOO_MUCH.to_owned();
            let failed = super::model::FromContact::Failed { why };
            self.model.on(Event::Contact(id, failed));
        }
    }
}

/// The time, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let now = jiff::Timestamp::now().as_millisecond();
    u64::try_from(now).unwrap_or_default()
}
