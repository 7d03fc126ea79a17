//! What NATS keeps for all servers of a network: one stream with all that is said, and three
//! buckets of keys.
//!
//! The buckets are what NATS calls key-value stores, and its tools show them as such; but they are
//! made by hand and read from their leader. The client makes them only with an account's limits at
//! hand, which a server of version 2.9 does not tell as the client wants them.

use std::fmt::Write as _;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, StorageType, Stream,
};
use async_nats::jetstream::{self, Message};
use futures_util::StreamExt as _;

use super::link::Link;
use super::{ClusterError, ClusterOptions};

/// How long NATS knows that it has a message already: longer than any message is tried again.
const DUPLICATES_WITHIN: Duration = Duration::from_mins(2);

/// What NATS keeps.
#[derive(Debug)]
pub(super) struct Streams {
    /// All that is said.
    pub(super) chat: Stream,
    /// Where a run of this server says something: one subject each, so that NATS can refuse what
    /// does not follow on what this run has said before.
    pub(super) subject: String,
    /// Who is called what.
    pub(super) nicks: Bucket,
    /// How members look.
    pub(super) members: Bucket,
    /// Who is alive.
    pub(super) leases: Bucket,
}

impl Streams {
    /// Finds them, or makes them.
    pub(super) async fn prepare(
        link: &Link,
        options: &ClusterOptions,
        run: u64,
    ) -> Result<Self, ClusterError> {
        let token = token(&options.network);
        let base = Config {
            storage: StorageType::File,
            num_replicas: options.replicas,
            duplicate_window: DUPLICATES_WITHIN,
            ..Config::default()
        };
        let age = options.retention.unwrap_or_default();
        let chat = Config {
            name: format!("SOCKEYE_CHAT_{token}"),
            subjects: vec![format!("sockeye.{token}.chat.*")],
            max_age: age,
            duplicate_window: if age.is_zero() {
                DUPLICATES_WITHIN
            } else {
                DUPLICATES_WITHIN.min(age)
            },
            deny_delete: true,
            discard: DiscardPolicy::New,
            description: Some(format!("What is said in {}", options.network)),
            ..base.clone()
        };
        let bucket = |name: &str, max_age: Duration| {
            let name = format!("SOCKEYE_{token}_{name}");
            Config {
                subjects: vec![format!("$KV.{name}.>")],
                name: format!("KV_{name}"),
                max_messages_per_subject: 1,
                allow_rollup: true,
                deny_delete: true,
                allow_direct: true,
                discard: DiscardPolicy::New,
                max_age,
                duplicate_window: if max_age.is_zero() {
                    DUPLICATES_WITHIN
                } else {
                    max_age.min(DUPLICATES_WITHIN)
                },
                ..base.clone()
            }
        };
        let made = async |config| {
            make(&link.jetstream, config)
                .await
                .map_err(|why| ClusterError::Streams {
                    network: options.network.clone(),
                    why,
                })
        };
        Ok(Self {
            chat: made(chat).await?,
            subject: format!("sockeye.{token}.chat.{run:016x}"),
            nicks: Bucket::of(link, made(bucket("NICKS", Duration::ZERO)).await?),
            members: Bucket::of(link, made(bucket("MEMBERS", Duration::ZERO)).await?),
            leases: Bucket::of(link, made(bucket("LEASES", options.lease)).await?),
        })
    }
}

/// What the name of a network is in names of streams and in subjects, which take few characters.
fn token(network: &str) -> String {
    let mut token = String::new();
    for byte in network.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            token.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(token, "_{byte:02x}");
        }
    }
    token
}

/// Makes a stream, or gives the one that is there the ages and replicas that are wanted now.
async fn make(jetstream: &jetstream::Context, wanted: Config) -> Result<Stream, String> {
    let stream = jetstream
        .get_or_create_stream(wanted.clone())
        .await
        .map_err(|error| error.to_string())?;
    let there = &stream.cached_info().config;
    if there.max_age == wanted.max_age && there.num_replicas == wanted.num_replicas {
        return Ok(stream);
    }
    let changed = Config {
        max_age: wanted.max_age,
        num_replicas: wanted.num_replicas,
        duplicate_window: wanted.duplicate_window,
        ..there.clone()
    };
    let updated = jetstream.update_stream(&changed).await;
    updated.map_err(|error| error.to_string())?;
    let found = jetstream.get_stream(&wanted.name).await;
    found.map_err(|error| error.to_string())
}

/// How long a reading may be silent before what was there when it began counts as read.
const SILENCE: Duration = Duration::from_secs(1);

/// Reads a stream in its order.
pub(super) struct Reader {
    messages: Ordered,
    /// The last place when it began.
    last: u64,
    /// All that was there when it began was read.
    pub(super) is_whole: bool,
}

impl Reader {
    pub(super) async fn begin(
        link: &Link,
        stream: &Stream,
        from: DeliverPolicy,
    ) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let info = stream.get_info().await.map_err(|error| text(&error))?;
        let consumer = stream
            .create_consumer(OrderedConfig {
                deliver_subject: link.client.new_inbox(),
                deliver_policy: from,
                ..OrderedConfig::default()
            })
            .await
            .map_err(|error| text(&error))?;
        let is_whole = consumer.cached_info().num_pending == 0;
        let messages = consumer.messages().await.map_err(|error| text(&error))?;
        Ok(Self {
            messages,
            last: info.state.last_sequence,
            is_whole,
        })
    }

    /// The next message, however long it takes.
    pub(super) async fn next(&mut self) -> Result<Message, String> {
        let message = self.messages.next().await.ok_or("the reading ended")?;
        let message = message.map_err(|error| error.to_string())?;
        let info = message.info().map_err(|error| error.to_string())?;
        // A server of version 2.9 goes on counting as waiting what was replaced before it was read,
        // so its count alone would never end where values change.
        self.is_whole |= info.pending == 0 || info.stream_sequence >= self.last;
        Ok(message)
    }

    /// The next message of those that were there when it began.
    pub(super) async fn next_there(&mut self) -> Result<Option<Message>, String> {
        if self.is_whole {
            return Ok(None);
        }
        if let Ok(message) = tokio::time::timeout(SILENCE, self.next()).await {
            return message.map(Some);
        }
        // What was there last was taken away before it was read.
        self.is_whole = true;
        Ok(None)
    }
}

/// Keys with a value each.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    stream: Stream,
    jetstream: jetstream::Context,
    /// What stands before a key in its subject.
    prefix: String,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// Changes with every change of the value.
    pub(super) revision: u64,
}

/// Why a value was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// The value was another one already.
    Changed,
    /// No answer, or one that is no help.
    Failed(String),
}

impl Bucket {
    fn of(link: &Link, stream: Stream) -> Self {
        let name = stream.cached_info().config.name.clone();
        let name = name.strip_prefix("KV_").unwrap_or(&name);
        Self {
            prefix: format!("$KV.{name}."),
            jetstream: link.jetstream.clone(),
            stream,
        }
    }

    /// Writes a value, if it was not changed since this revision; 0 is that of a key without one.
    pub(super) async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        since: Option<u64>,
    ) -> Result<u64, Unwritten> {
        let mut message = PublishMessage::build().payload(value.into());
        if let Some(revision) = since {
            message = message.expected_last_subject_sequence(revision);
        }
        let subject = format!("{}{key}", self.prefix);
        let sent = self.jetstream.send_publish(subject, message);
        let answer = async { sent.await?.await };
        match answer.await {
            Ok(ack) => Ok(ack.sequence),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                Err(Unwritten::Changed)
            }
            Err(error) => Err(Unwritten::Failed(error.to_string())),
        }
    }

    /// The value of a key, as the leader knows it.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Pair>, String> {
        let subject = format!("{}{key}", self.prefix);
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(Pair {
                key: key.to_owned(),
                value: message.payload.to_vec(),
                revision: message.sequence,
            })),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(error.to_string()),
            },
        }
    }

    /// Takes a key away, unless it has another value than that of this revision.
    pub(super) async fn remove(&self, key: &str, revision: u64) -> Result<(), String> {
        let purge = self.stream.purge().sequence(revision + 1);
        let purged = purge.filter(format!("{}{key}", self.prefix)).await;
        purged.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Takes a key away, or with `.>` at its end all keys that begin so.
    pub(super) async fn remove_all(&self, keys: &str) -> Result<(), String> {
        let purge = self.stream.purge();
        let purged = purge.filter(format!("{}{keys}", self.prefix)).await;
        purged.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Reads the values of all keys, and then their changes.
    pub(super) async fn watch(&self, link: &Link) -> Result<Watch, String> {
        // Of each key only the last value is there.
        let reader = Reader::begin(link, &self.stream, DeliverPolicy::All).await?;
        Ok(Watch {
            reader,
            prefix: self.prefix.len(),
        })
    }

    /// The values of all keys.
    pub(super) async fn all(&self, link: &Link) -> Result<Vec<Pair>, String> {
        let mut watch = self.watch(link).await?;
        let mut all = vec![];
        while let Some(pair) = watch.next_there().await? {
            all.push(pair);
        }
        Ok(all)
    }
}

/// The values of keys, one after the other.
pub(super) struct Watch {
    reader: Reader,
    prefix: usize,
}

impl Watch {
    /// The next change, however long it takes.
    pub(super) async fn next(&mut self) -> Result<Pair, String> {
        let message = self.reader.next().await?;
        self.pair(&message)
    }

    /// The next of the values that were there when it began.
    pub(super) async fn next_there(&mut self) -> Result<Option<Pair>, String> {
        let message = self.reader.next_there().await?;
        message.map(|message| self.pair(&message)).transpose()
    }

    fn pair(&self, message: &Message) -> Result<Pair, String> {
        let info = message.info().map_err(|error| error.to_string())?;
        Ok(Pair {
            key: message.subject.get(self.prefix..).unwrap_or("").to_owned(),
            value: message.payload.to_vec(),
            revision: info.stream_sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_different_tokens() {
        assert_eq!(token("Home-1"), "Home-1");
        assert_eq!(token("a.b"), "a_2eb");
        assert_eq!(token("a_2eb"), "a_5f2eb");
        assert_eq!(token("树"), "_e6_a0_91");
    }
}
