//! The connection to NATS, and whether it stands.

use std::time::Duration;

use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, Event, ServerAddr};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ClusterError, ClusterOptions};

/// How long NATS may take for one answer before it is asked again.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How often we look whether NATS is there while nothing is said; two without an answer end the
/// connection.
const PING_EVERY: Duration = Duration::from_secs(3);

/// Orders to NATS that wait inside of its client, above which whoever gives more waits.
const ORDERS: usize = 512;

/// Whether NATS is there.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) is_up: bool,
    /// Counts the connections.
    pub(super) epoch: u64,
    /// What was heard last when there was none.
    pub(super) why: String,
    since: Instant,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    state: watch::Receiver<State>,
}

impl Link {
    /// Connects, trying again for as long as the options allow.
    pub(super) async fn connect(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let place = place(&options.place)?;
        let (tell, state) = watch::channel(State {
            is_up: false,
            epoch: 0,
            why: "no connection yet".to_owned(),
            since: Instant::now(),
        });
        let until = Instant::now() + options.start_within;
        let client = loop {
            let tell = tell.clone();
            let connecting = options
                .credentials
                .options()
                .name(format!("sockeye {}", options.server_name))
                .connection_timeout(ANSWER_WITHIN)
                .request_timeout(Some(ANSWER_WITHIN))
                .ping_interval(PING_EVERY)
                .client_capacity(ORDERS)
                .reconnect_delay_callback(pause_before)
                .event_callback(move |event| {
                    heard(&tell, &event);
                    std::future::ready(())
                })
                .connect(place.clone());
            match connecting.await {
                Ok(client) => break client,
                Err(why) if Instant::now() >= until => {
                    return Err(ClusterError::Unreachable {
                        place: options.place.clone(),
                        within: options.start_within,
                        why: why.to_string(),
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        // The event of the first connection may come later than the connection itself.
        tell.send_if_modified(|state| {
            let is_first = state.epoch == 0;
            if is_first {
                connected(state);
            }
            is_first
        });
        let jetstream = ContextBuilder::new()
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            state,
        })
    }

    /// Whether it stands.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until it stands; says which connection it is.
    pub(super) async fn up(&self) -> u64 {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| state.is_up).await.map(|s| s.epoch);
        match up {
            Ok(epoch) => epoch,
            // The client is gone, and so will be whoever waits.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until this connection is not the one that stands.
    pub(super) async fn left(&self, epoch: u64) {
        let mut state = self.state.clone();
        let left = state.wait_for(|state| !state.is_up || state.epoch != epoch);
        if left.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it has been broken for so long; says why.
    pub(super) async fn down_for(&self, patience: Duration) -> String {
        let mut state = self.state.clone();
        loop {
            let now = state.borrow_and_update().clone();
            let due = async {
                if now.is_up {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep_until(now.since + patience).await;
            };
            tokio::select! {
                () = due => return now.why,
                changed = state.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
            }
        }
    }
}

/// Refuses what is no place of NATS, or has secrets in it.
pub fn check_place(text: &str) -> Result<(), ClusterError> {
    place(text).map(drop)
}

/// Takes `nats://HOST:PORT` or `tls://HOST:PORT`.
fn place(text: &str) -> Result<ServerAddr, ClusterError> {
    let wrong = |why| ClusterError::Place {
        given: text.rsplit('@').next().unwrap_or_default().to_owned(),
        why,
    };
    if text.contains('@') {
        return Err(wrong(
            "secrets never stand in arguments; use a file of credentials or the environment",
        ));
    }
    if !text.starts_with("nats://") && !text.starts_with("tls://") {
        return Err(wrong("it begins with nats:// or tls://"));
    }
    text.parse()
        .map_err(|_| wrong("it has a host and perhaps a port"))
}

/// Soon at first, since NATS may only be starting again, and once a second later.
fn pause_before(attempt: usize) -> Duration {
    Duration::from_millis(50 << attempt.min(5)).min(Duration::from_secs(1))
}

fn heard(tell: &watch::Sender<State>, event: &Event) {
    match event {
        Event::Connected => tell.send_modify(|state| {
            if !state.is_up {
                connected(state);
            }
        }),
        Event::Disconnected => tell.send_modify(|state| {
            if state.is_up {
                state.is_up = false;
                state.since = Instant::now();
                "NATS is gone".clone_into(&mut state.why);
            }
        }),
        Event::ClientError(error) => tell.send_modify(|state| state.why = error.to_string()),
        _ => {}
    }
}

fn connected(state: &mut State) {
    state.is_up = true;
    state.epoch += 1;
    state.since = Instant::now();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_never_has_a_secret_in_it() {
        for good in [
            "nats://127.0.0.1:4222",
            "tls://nats.example",
            "nats://[::1]:9",
        ] {
            assert!(place(good).is_ok(), "{good}");
        }
        let refused = place("nats://me:s3cret@host").unwrap_err().to_string();
        assert!(refused.contains("secrets never"), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
        assert!(place("http://host").is_err());
        assert!(place("host:4222").is_err());
    }
}
