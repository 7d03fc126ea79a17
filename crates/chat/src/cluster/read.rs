//! What is in the stream, in its order: into the history here first, then to the world.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::page::{self, place_of};
use super::streams::Reader;
use super::{Cache, ClusterError, Shared, Town};
use crate::log::Entry;

/// Entries that are kept in one go.
const TOGETHER: usize = 1024;

/// Pages that were read and wait to be kept.
const AHEAD: usize = 64;

/// How long before something is tried again that went wrong.
const PAUSE: Duration = Duration::from_millis(200);

/// How far the stream was read.
#[derive(Debug)]
pub(super) struct Reading {
    /// The place of the last page.
    place: u64,
    /// When it got there: times never go back, whatever the clock of NATS does.
    time_ms: u64,
}

/// Why reading stopped.
enum Stop {
    /// It may go on.
    Pause,
    /// The stream is another one than before.
    Reset(u64),
}

impl Reading {
    /// From where the cache ends.
    pub(super) fn after(cache: &dyn Cache) -> Self {
        let (seq, time_ms) = cache.last();
        Self {
            place: place_of(seq),
            time_ms,
        }
    }

    /// Reads what was said while this server was away, but for what is not kept any more.
    pub(super) async fn catch_up(
        &mut self,
        shared: &Shared,
        cache: &Arc<dyn Cache>,
    ) -> Result<(), ClusterError> {
        let failed = |why: String| ClusterError::Streams {
            network: shared.options.network.clone(),
            why,
        };
        let info = shared.streams.chat.get_info().await;
        let state = info.map_err(|error| failed(error.to_string()))?.state;
        if state.last_sequence < self.place {
            return Err(ClusterError::Reset {
                stream: shared.streams.chat.cached_info().config.name.clone(),
                ours: self.place,
                theirs: state.last_sequence,
            });
        }
        let opened = Reader::begin(&shared.link, &shared.streams.chat, self.from()).await;
        let mut reader = opened.map_err(failed)?;
        while let Some(message) = reader.next_there().await.map_err(failed)? {
            let mut entries = self.take(shared, &message);
            while entries.len() < TOGETHER
                && let Some(message) = reader.next().now_or_never()
            {
                entries.extend(self.take(shared, &message.map_err(failed)?));
            }
            let cache = Arc::clone(cache);
            let kept = tokio::task::spawn_blocking(move || cache.keep(&entries)).await;
            kept.map_err(|error| error.to_string())
                .and_then(|kept| kept)
                .map_err(ClusterError::Cache)?;
        }
        Ok(())
    }

    /// Reads for as long as this server lives; what is read goes to `keeper`.
    pub(super) async fn run(mut self, shared: Arc<Shared>, keeper: mpsc::Sender<Vec<Entry>>) {
        while !keeper.is_closed() {
            let epoch = shared.link.up().await;
            let stop = tokio::select! {
                stop = self.session(&shared, &keeper) => stop,
                () = shared.link.left(epoch) => Stop::Pause,
            };
            if let Stop::Reset(theirs) = stop {
                let ours = self.place;
                shared.publisher.trouble(Some(format!(
                    "the stream was read up to {ours} and ends at {theirs} now"
                )));
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn session(&mut self, shared: &Shared, keeper: &mpsc::Sender<Vec<Entry>>) -> Stop {
        let Ok(info) = shared.streams.chat.get_info().await else {
            return Stop::Pause;
        };
        if info.state.last_sequence < self.place {
            return Stop::Reset(info.state.last_sequence);
        }
        let opened = Reader::begin(&shared.link, &shared.streams.chat, self.from()).await;
        let Ok(mut reader) = opened else {
            return Stop::Pause;
        };
        while let Ok(message) = reader.next().await {
            let entries = self.take(shared, &message);
            if !entries.is_empty() && keeper.send(entries).await.is_err() {
                return Stop::Pause;
            }
        }
        Stop::Pause
    }

    fn from(&self) -> DeliverPolicy {
        DeliverPolicy::ByStartSequence {
            start_sequence: self.place + 1,
        }
    }

    /// The entries of a message that was not read yet.
    fn take(&mut self, shared: &Shared, message: &Message) -> Vec<Entry> {
        let Ok(info) = message.info() else {
            return vec![];
        };
        if info.stream_sequence <= self.place {
            return vec![];
        }
        self.place = info.stream_sequence;
        let time_ms = info.published.unix_timestamp_nanos() / 1_000_000;
        self.time_ms = self.time_ms.max(u64::try_from(time_ms).unwrap_or(0));
        let entries = page::entries(&message.payload, self.place, self.time_ms);
        if message.subject.as_str() == shared.streams.subject
            && let Some(name) = message
                .headers
                .as_ref()
                .and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID))
        {
            shared.publisher.saw(name.as_str(), self.place);
        }
        entries
    }
}

/// Keeps what is read and then tells it, on a thread of its own: both may take a while, and whoever
/// writes to many at once is not to be held up by the turns that tasks take.
pub(super) fn keep(
    shared: &Shared,
    cache: &dyn Cache,
    town: &Weak<dyn Town>,
    mut read: mpsc::Receiver<Vec<Entry>>,
) {
    while let Some(mut entries) = read.blocking_recv() {
        while entries.len() < TOGETHER
            && let Ok(more) = read.try_recv()
        {
            entries.extend(more);
        }
        let mut was_told = false;
        while let Err(why) = cache.keep(&entries) {
            // The order stays: nothing later is told before this is kept.
            was_told = true;
            shared
                .publisher
                .trouble(Some(format!("the history here cannot be written: {why}")));
            if town.strong_count() == 0 {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        if was_told {
            shared.publisher.trouble(None);
        }
        let Some(town) = town.upgrade() else {
            return;
        };
        town.committed(&entries);
    }
}

/// What lies between reading and keeping.
pub(super) fn channel() -> (mpsc::Sender<Vec<Entry>>, mpsc::Receiver<Vec<Entry>>) {
    mpsc::channel(AHEAD)
}
