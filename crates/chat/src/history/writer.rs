//! The log of one server: a thread that commits whatever has queued since its last commit, and one
//! that tells of it, so that the next commit does not wait for those who hear.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use super::History;
use crate::log::{Act, Draft, Entry, Follower, Log, MsgId, Refusal};

/// Bytes of drafts that may wait to be committed and told; what comes above is refused.
pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Drafts in one commit at most: what comes after it waits no longer than that takes.
const BATCH: usize = 4096;

/// What a draft takes beside its texts.
const DRAFT_BYTES: usize = 256;

/// The queue ahead of the store.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// None once nothing more is taken.
    drafts: Mutex<Option<Sender<Vec<Draft>>>>,
    /// For what is refused at once: told by the same thread as all else, never by whoever submits.
    told: Mutex<Option<Sender<Told>>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    waiting_bytes: AtomicUsize,
    limit: usize,
}

/// What has become of drafts.
enum Told {
    Committed(Vec<Entry>, usize),
    Refused(Vec<MsgId>, Refusal, usize),
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(
        history: &Arc<History>,
        follower: Weak<dyn Follower>,
        limit: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting_bytes: AtomicUsize::new(0),
            limit,
        });
        let (drafts, queue) = channel();
        let (told, news) = channel();
        let (history, telling) = (Arc::clone(history), told.clone());
        let writes = thread::Builder::new()
            .name("history-write".into())
            .spawn(move || write(&history, &queue, &telling))?;
        let counting = Arc::clone(&shared);
        let tells = thread::Builder::new()
            .name("history-tell".into())
            .spawn(move || tell(&counting, &news, &follower))?;
        Ok(Self {
            shared,
            drafts: Mutex::new(Some(drafts)),
            told: Mutex::new(Some(told)),
            threads: vec![writes, tells],
        })
    }

    fn tell(&self, told: Told) {
        let sender = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // It is gone only where nobody is left who could be told.
            let _ = sender.send(told);
        }
    }
}

impl Log for Writer {
    fn submit(&self, drafts: Vec<Draft>) {
        let bytes: usize = drafts.iter().map(size).sum();
        let before = self
            .shared
            .waiting_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.shared.limit && before > 0 {
            let names = drafts.into_iter().map(|draft| draft.id).collect();
            self.tell(Told::Refused(names, Refusal::Busy, bytes));
            return;
        }
        let sender = self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = match &*sender {
            Some(sender) => sender.send(drafts).err().map(|unsent| unsent.0),
            None => Some(drafts),
        };
        drop(sender);
        if let Some(drafts) = rest {
            let names = drafts.into_iter().map(|draft| draft.id).collect();
            let why = Refusal::Broken("the history is closed".into());
            self.tell(Told::Refused(names, why, bytes));
        }
    }
}

impl Drop for Writer {
    /// What was submitted is still committed and told.
    fn drop(&mut self) {
        self.told
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.drafts
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for thread in self.threads.drain(..) {
            // The last one to hold the follower may be the thread that tells it.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn size(draft: &Draft) -> usize {
    let said = match &draft.act {
        Act::Say { text, tags, .. } => text.len() + tags.len(),
        Act::Topic { text, .. } => text.len(),
        _ => 0,
    };
    DRAFT_BYTES + said
}

/// Commits until nobody can submit any more.
fn write(history: &History, queue: &Receiver<Vec<Draft>>, told: &Sender<Told>) {
    while let Ok(mut batch) = queue.recv() {
        while batch.len() < BATCH
            && let Ok(more) = queue.try_recv()
        {
            batch.extend(more);
        }
        let bytes = batch.iter().map(size).sum();
        let news = match history.core.store().append(batch, super::now_ms()) {
            Ok(entries) => Told::Committed(entries, bytes),
            Err((drafts, error)) => {
                let why = Refusal::Broken(super::chain(&error));
                let names = drafts.into_iter().map(|draft| draft.id).collect();
                Told::Refused(names, why, bytes)
            }
        };
        history.core.keeper.wake();
        if told.send(news).is_err() {
            return;
        }
    }
}

/// Tells until there is nothing more to tell.
fn tell(shared: &Shared, news: &Receiver<Told>, follower: &Weak<dyn Follower>) {
    for told in news {
        let (Told::Committed(_, bytes) | Told::Refused(.., bytes)) = &told;
        shared.waiting_bytes.fetch_sub(*bytes, Ordering::Relaxed);
        let Some(follower) = follower.upgrade() else {
            continue;
        };
        match told {
            Told::Committed(entries, _) if entries.is_empty() => {}
            Told::Committed(entries, _) => follower.committed(&entries),
            Told::Refused(names, why, _) => follower.refused(&names, &why),
        }
    }
}
