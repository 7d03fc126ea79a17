//! What members of this server say goes into the stream, in its order, once.
//!
//! A page of drafts is one message of NATS, so it is in the stream as a whole or not at all, and
//! only one page is on its way at a time. What NATS answers may be lost; then the same page is sent
//! again. Two things keep it from being there twice, or behind what was said later:
//!
//! - it has a name (`Nats-Msg-Id`, that of its first draft), by which NATS knows it again, and
//! - it says which message of this run it follows (`Nats-Expected-Last-Subject-Sequence`): NATS
//!   refuses one that follows on anything else, however late it comes and whatever it remembers.
//!
//! If nothing is known of a page when the patience is over, its authors are told just that, and
//! that it may still be heard. The next page then follows on the same message as the one that is
//! unknown: if that one is in the stream after all, the next is refused, finds it there, is told to
//! everybody as it would have been before, and follows on it. If it is not, it never will be.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::page::{PAGE_BYTES, PAGE_DRAFTS, Page};
use super::{Shared, Town};
use crate::log::{Draft, MsgId, Refusal};

/// Drafts that may wait. Members have a limit of their own far below it.
pub const QUEUE_DRAFTS: usize = 65_536;

/// Bytes of what was said that may wait.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// How long before a page is sent again that NATS did not want now.
const PAUSE: Duration = Duration::from_millis(50);

/// How often we look whether NATS keeps messages again.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What waits to be published.
#[derive(Debug)]
pub(super) struct Publisher {
    queue: Mutex<Queue>,
    wake: Notify,
    /// The last page of this run that was read from the stream, and its place there.
    seen: watch::Sender<(String, u64)>,
    /// Why nothing can be kept, whether or not NATS is there.
    trouble: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct Queue {
    drafts: VecDeque<Draft>,
    bytes: usize,
    /// What will not be published, and why.
    refused: Vec<(Vec<MsgId>, Refusal)>,
    /// Why nothing is taken.
    away: Option<String>,
}

/// What became of a page.
enum Fate {
    Kept,
    Refused(Refusal),
    /// The same, and NATS cannot be reached.
    Lost {
        refusal: Refusal,
        why: String,
    },
}

/// What one try came to.
enum Tried {
    /// It is in the stream, at this place.
    Kept(u64),
    /// Something else is in its place.
    NotNext,
    Again(String),
    TooLong,
}

impl Publisher {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            wake: Notify::new(),
            seen: watch::channel((String::new(), 0)).0,
            trouble: watch::channel(None).0,
        }
    }

    /// Takes drafts, and never waits.
    pub(super) fn submit(&self, drafts: Vec<Draft>) {
        let mut queue = self.lock();
        let bytes: usize = drafts.iter().map(Page::cost).sum();
        let refusal = match &queue.away {
            Some(why) => Some(Refusal::Away(why.clone())),
            None if queue.drafts.len() + drafts.len() > QUEUE_DRAFTS
                || queue.bytes + bytes > QUEUE_BYTES =>
            {
                Some(Refusal::Busy)
            }
            None => None,
        };
        if let Some(refusal) = refusal {
            let ids = drafts.into_iter().map(|draft| draft.id).collect();
            queue.refused.push((ids, refusal));
        } else {
            queue.bytes += bytes;
            queue.drafts.extend(drafts);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// A page of this run was read from the stream.
    pub(super) fn saw(&self, name: &str, place: u64) {
        self.seen.send_replace((name.to_owned(), place));
    }

    /// Nothing can be kept from now on, or it can again.
    pub(super) fn trouble(&self, why: Option<String>) {
        self.trouble.send_replace(why);
    }

    async fn in_trouble(&self) {
        let mut trouble = self.trouble.subscribe();
        // The sender is ours: it does not end before we do.
        let _ = trouble.wait_for(Option::is_some).await;
    }

    /// Whether nothing is taken.
    pub(super) fn is_away(&self) -> bool {
        self.lock().away.is_some()
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.drafts.is_empty() && queue.refused.is_empty()
    }

    /// Publishes what is submitted, for as long as there is somebody to tell.
    pub(super) async fn run(&self, shared: &Shared, town: &Weak<dyn Town>) {
        // The place of what this run said last.
        let mut last = 0;
        while town.strong_count() > 0 {
            self.tell_refusals(town);
            let trouble = self.trouble.borrow().clone();
            if let Some(why) = trouble {
                self.wait_until_back(shared, town, why).await;
                continue;
            }
            let Some(page) = self.next_page(shared) else {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.in_trouble() => {}
                    why = shared.link.down_for(shared.options.patience) => {
                        self.wait_until_back(shared, town, why).await;
                    }
                }
                continue;
            };
            match self.publish(shared, &page, &mut last).await {
                Fate::Kept => {}
                Fate::Refused(refusal) => self.refuse(page.ids, refusal),
                Fate::Lost { refusal, why } => {
                    self.refuse(page.ids, refusal);
                    self.wait_until_back(shared, town, why).await;
                }
            }
        }
    }

    fn next_page(&self, shared: &Shared) -> Option<Page> {
        let limit = shared.link.client.server_info().max_payload;
        let mut queue = self.lock();
        let mut page = Page::default();
        while let Some(draft) = queue.drafts.front() {
            let limit = if limit == 0 { PAGE_BYTES } else { limit / 2 };
            if !page.take(draft, PAGE_DRAFTS, limit.min(PAGE_BYTES)) {
                break;
            }
            if let Some(taken) = queue.drafts.pop_front() {
                queue.bytes -= Page::cost(&taken);
            }
        }
        (!page.ids.is_empty()).then_some(page)
    }

    async fn publish(&self, shared: &Shared, page: &Page, last: &mut u64) -> Fate {
        let until = Instant::now() + shared.options.patience;
        let name = page.name();
        let mut was_sent = false;
        let mut why = String::new();
        while Instant::now() < until {
            let Ok(epoch) = tokio::time::timeout_at(until, shared.link.up()).await else {
                why = shared.link.state().why;
                break;
            };
            was_sent = true;
            let mut seen = self.seen.subscribe();
            let tried = tokio::select! {
                tried = send(shared, page, *last) => tried,
                Ok(seen) = seen.wait_for(|(seen, _)| seen == name) => Tried::Kept(seen.1),
                () = shared.link.left(epoch) => Tried::Again("NATS is gone".to_owned()),
                () = tokio::time::sleep_until(until) => Tried::Again("no answer".to_owned()),
            };
            let tried = match tried {
                Tried::NotNext => match find_last(shared).await {
                    Ok((found, place)) if found == name => Tried::Kept(place),
                    Ok((_, place)) => {
                        *last = place;
                        continue;
                    }
                    Err(error) => Tried::Again(error),
                },
                other => other,
            };
            match tried {
                Tried::Kept(place) => {
                    *last = place;
                    return Fate::Kept;
                }
                Tried::TooLong => {
                    let why = "NATS takes no message that long".to_owned();
                    return Fate::Refused(Refusal::Broken(why));
                }
                Tried::Again(error) => why = error,
                Tried::NotNext => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        let refusal = if was_sent {
            Refusal::Unanswered(why.clone())
        } else {
            Refusal::Away(why.clone())
        };
        Fate::Lost { refusal, why }
    }

    /// NATS cannot be reached: what waits is refused, and so is what comes, until it can be again.
    async fn wait_until_back(&self, shared: &Shared, town: &Weak<dyn Town>, why: String) {
        let waiting: Vec<_> = {
            let mut queue = self.lock();
            queue.away = Some(why.clone());
            queue.bytes = 0;
            queue.drafts.drain(..).map(|draft| draft.id).collect()
        };
        self.refuse(waiting, Refusal::Away(why.clone()));
        if let Some(town) = town.upgrade() {
            town.reachable(Some(&why));
        }
        while town.strong_count() > 0 {
            self.tell_refusals(town);
            let back = async {
                tokio::time::sleep(LOOK_EVERY).await;
                let _epoch = shared.link.up().await;
                self.trouble.borrow().is_none() && shared.streams.chat.get_info().await.is_ok()
            };
            tokio::select! {
                () = self.wake.notified() => {}
                is_back = back => if is_back {
                    break;
                },
            }
        }
        self.lock().away = None;
        if let Some(town) = town.upgrade() {
            town.reachable(None);
        }
    }

    fn refuse(&self, ids: Vec<MsgId>, refusal: Refusal) {
        if !ids.is_empty() {
            self.lock().refused.push((ids, refusal));
        }
    }

    fn tell_refusals(&self, town: &Weak<dyn Town>) {
        let refused = std::mem::take(&mut self.lock().refused);
        if refused.is_empty() {
            return;
        }
        if let Some(town) = town.upgrade() {
            for (ids, refusal) in refused {
                town.refused(&ids, &refusal);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic leaves a queue that is still one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(shared: &Shared, page: &Page, last: u64) -> Tried {
    let message = PublishMessage::build()
        .payload(page.body().into())
        .message_id(page.name())
        .expected_last_subject_sequence(last);
    let subject = shared.streams.subject.clone();
    let sent = shared.link.jetstream.send_publish(subject, message);
    let answer = async { sent.await?.await };
    match answer.await {
        Ok(ack) => Tried::Kept(ack.sequence),
        Err(error) => match error.kind() {
            PublishErrorKind::WrongLastSequence => Tried::NotNext,
            PublishErrorKind::MaxPayloadExceeded => Tried::TooLong,
            _ => Tried::Again(error.to_string()),
        },
    }
}

/// The name and the place of what this run said last; nothing is at 0.
async fn find_last(shared: &Shared) -> Result<(String, u64), String> {
    let streams = &shared.streams;
    let found = streams
        .chat
        .get_last_raw_message_by_subject(&streams.subject);
    match found.await {
        Ok(message) => {
            let name = message.headers.get(async_nats::header::NATS_MESSAGE_ID);
            let name = name.map(|name| name.as_str().to_owned());
            Ok((name.unwrap_or_default(), message.sequence))
        }
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok((String::new(), 0)),
            _ => Err(error.to_string()),
        },
    }
}
