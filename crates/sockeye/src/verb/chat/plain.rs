//! A plain contact: each line is one datagram or one write, each answer a message.

use encoding_rs::Encoding;
use sockeye_frame::Framing;
use sockeye_net::{Arrival, Endpoint, Framed, Incoming, LinkError, Name, Outgoing};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use super::client::Told;
use super::model::{ContactId, Event, FromContact};
use crate::catalogue::chat as say;
use crate::context::Context;
use crate::trust;

/// Messages that wait to be sent.
const QUEUE: usize = 1_024;
/// What is said when there are more.
pub(super) const TOO_MUCH: &str = "too much waits to be sent";

/// A contact that has been talked to.
#[derive(Debug)]
pub(super) struct Plain {
    texts: Sender<String>,
}

impl Plain {
    /// Dials with the first message, and again with each that finds no connection.
    pub(super) fn start(
        id: ContactId,
        context: Context,
        endpoint: Endpoint,
        encoding: &'static Encoding,
        teller: Sender<Told>,
    ) -> Self {
        let (texts, queue) = mpsc::channel(QUEUE);
        let contact = One {
            id,
            context,
            endpoint,
            encoding,
            teller,
        };
        tokio::spawn(contact.run(queue));
        Self { texts }
    }

    /// False if too much waits.
    pub(super) fn send(&self, text: String) -> bool {
        !matches!(self.texts.try_send(text), Err(TrySendError::Full(_)))
    }
}

struct One {
    id: ContactId,
    context: Context,
    endpoint: Endpoint,
    encoding: &'static Encoding,
    teller: Sender<Told>,
}

impl One {
    async fn run(self, mut queue: Receiver<String>) {
        while let Some(text) = queue.recv().await {
            if self.talk(text, &mut queue).await.is_none() {
                return;
            }
        }
    }

    /// None once nobody listens.
    async fn tell(&self, event: FromContact) -> Option<()> {
        let told = Told::Contact(Event::Contact(self.id, event));
        self.teller.send(told).await.ok()
    }

    async fn failed(&self, why: String) -> Option<()> {
        self.tell(FromContact::Failed { why }).await
    }

    /// One connection, beginning with a message.
    async fn talk(&self, first: String, queue: &mut Receiver<String>) -> Option<()> {
        let link = match trust::connect(&self.context, &self.endpoint).await {
            Ok(link) => link,
            Err(error) => return self.failed(format!("{error:#}")).await,
        };
        let peer = address(link.peer_name());
        self.tell(FromContact::Open { peer }).await?;
        let framing = self.endpoint.settings.framing().cloned();
        let framing = framing.unwrap_or_else(Framing::raw);
        let (mut incoming, mut outgoing) = Framed::new(link, &framing).split();
        self.send(&mut outgoing, &first).await?;
        loop {
            tokio::select! {
                text = queue.recv() => self.send(&mut outgoing, &text?).await?,
                said = next(&mut incoming) => match said {
                    Ok(Some(said)) => self.said(&incoming, said).await?,
                    Ok(None) => {
                        let why = say::CONTACT_GONE.get(self.context.lang()).to_owned();
                        return self.tell(FromContact::Closed { why }).await;
                    }
                    Err(error) => {
                        let is_over = !self.endpoint.place.scheme().is_messages();
                        let why = format!("{:#}", anyhow::Error::new(error));
                        if is_over {
                            return self.tell(FromContact::Closed { why }).await;
                        }
                        // A datagram that met nobody: the next one may find somebody.
                        self.failed(why).await?;
                    }
                },
            }
        }
    }

    async fn said(&self, incoming: &Incoming, said: Vec<u8>) -> Option<()> {
        let text = crate::ui::Shown::new(&said, self.encoding, true).text;
        let from = match incoming.sender() {
            Some(sender) => sender.to_string(),
            None => address(incoming.peer_name()),
        };
        self.tell(FromContact::Said { from, text }).await
    }

    async fn send(&self, outgoing: &mut Outgoing, text: &str) -> Option<()> {
        let (bytes, _, lossy) = self.encoding.encode(text);
        if lossy {
            let name = self.encoding.name();
            return self.failed(format!("{name} has no such characters")).await;
        }
        match outgoing.send(&bytes).await {
            Ok(()) => self.tell(FromContact::Sent).await,
            Err(error) => {
                self.failed(format!("{:#}", anyhow::Error::new(error)))
                    .await
            }
        }
    }
}

/// The next message, whole or as much of it as came.
async fn next(incoming: &mut Incoming) -> Result<Option<Vec<u8>>, LinkError> {
    loop {
        match incoming.next().await? {
            None => return Ok(None),
            Some(Arrival::Oversized(_)) => {}
            Some(arrival) => {
                if let Some(bytes) = arrival.bytes() {
                    return Ok(Some(bytes.to_vec()));
                }
            }
        }
    }
}

/// `127.0.0.1:9999` for what has such an address, else the endpoint.
fn address(name: &Name) -> String {
    match name {
        Name::Tcp(address) | Name::Tls(address) | Name::Quic(address) | Name::Udp(address) => {
            address.to_string()
        }
        other => other.to_string(),
    }
}
