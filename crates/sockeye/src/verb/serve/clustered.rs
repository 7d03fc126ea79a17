//! `serve chat --cluster`: one of several servers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_chat::cluster::{ClusterOptions, Credentials, LEASE};
use sockeye_chat::service::{Chat, ChatOptions};
use sockeye_chat::world::Settings;

use super::chat::{Switch, unopened};
use super::{Entry, Service};
use crate::exit::usage;
use crate::values::Wait;

/// Servers of NATS that can keep a stream together at most.
const MOST_REPLICAS: usize = 5;

/// Where NATS is, without a user or a password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        sockeye_chat::cluster::check_place(text).map_err(|error| error.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

/// Servers of NATS that keep what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas(usize);

impl FromStr for Replicas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse().ok();
        let count = count.filter(|count| (1..=MOST_REPLICAS).contains(count));
        count
            .map(Self)
            .ok_or_else(|| format!("1 to {MOST_REPLICAS} servers of NATS keep it, not '{text}'"))
    }
}

/// How long a silent server is thought to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease(Duration);

impl Lease {
    /// It is renewed three times in it, over a network.
    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_mins(10);
}

impl FromStr for Lease {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Wait(time) = text.parse()?;
        if (Self::LEAST..=Self::MOST).contains(&time) {
            return Ok(Self(time));
        }
        Err(format!("a lease lasts 1s to 10m, not '{text}'"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses flags that make no sense without a cluster, or with one.
pub(super) fn check(entry: &Entry) -> anyhow::Result<()> {
    debug_assert_eq!(entry.service, Some(Service::Chat));
    if entry.cluster.is_none() {
        for (given, flag) in [
            (entry.cluster_credentials.is_some(), "cluster-credentials"),
            (entry.cluster_replicas.is_some(), "cluster-replicas"),
            (entry.cluster_lease.is_some(), "cluster-lease"),
        ] {
            if given {
                return Err(usage!(
                    "{flag} is for several servers: --cluster says where"
                ));
            }
        }
        return Ok(());
    }
    if entry.history == Some(Switch::Off) {
        return Err(usage!(
            "several servers share what is kept, and history is off"
        ));
    }
    if entry.server_name.is_none() {
        return Err(usage!(
            "each of several servers needs a name of its own: --server-name"
        ));
    }
    Ok(())
}

/// What the entry says of the other servers, if there are any.
pub(super) fn options(
    entry: &Entry,
    settings: &Settings,
    retention: Option<Duration>,
) -> anyhow::Result<Option<ClusterOptions>> {
    let Some(place) = &entry.cluster else {
        return Ok(None);
    };
    let credentials = match &entry.cluster_credentials {
        Some(path) => Credentials::from_file(path),
        None => Credentials::from_environment(),
    };
    let credentials = credentials.map_err(|error| usage!("chat: {error}"))?;
    Ok(Some(ClusterOptions {
        credentials,
        retention,
        replicas: entry.cluster_replicas.map_or(1, |Replicas(count)| count),
        lease: entry.cluster_lease.map_or(LEASE, |Lease(time)| time),
        ..ClusterOptions::new(&place.0, &settings.network, &settings.server_name)
    }))
}

/// Opens the chat once it knows what the others know; nobody is let in before.
pub(super) async fn start(
    options: ChatOptions,
    cluster: ClusterOptions,
) -> anyhow::Result<Arc<Chat>> {
    let opened = Box::pin(Chat::start_united(options, cluster)).await;
    opened.map_err(|error| unopened(&error))
}

#[cfg(test)]
mod tests {
    use super::super::door::check_entry;
    use super::*;

    #[track_caller]
    fn check_line(expected: Result<(), &str>, change: impl FnOnce(&mut Entry)) {
        let entry = Entry {
            service: Some(Service::Chat),
            ..Entry::default()
        };
        check_entry(entry, "tcp://:0", expected, change);
    }

    #[test]
    fn flags_of_a_cluster_make_sense_together_only() {
        let place = || "nats://127.0.0.1:4222".parse().ok();
        check_line(Err("is for several servers"), |entry| {
            entry.cluster_lease = "3s".parse().ok();
        });
        check_line(Err("needs a name of its own"), |entry| {
            entry.cluster = place();
        });
        check_line(Ok(()), |entry| {
            (entry.cluster, entry.server_name) = (place(), "a.example".parse().ok());
        });
        check_line(Err("history is off"), |entry| {
            (entry.cluster, entry.history) = (place(), Some(Switch::Off));
        });
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        assert!(
            "nats://me:secret@host"
                .parse::<Place>()
                .unwrap_err()
                .contains("secrets never")
        );
        assert!("host:4222".parse::<Place>().is_err());
        assert_eq!("3".parse(), Ok(Replicas(3)));
        assert!("0".parse::<Replicas>().is_err() && "6".parse::<Replicas>().is_err());
        assert_eq!("3s".parse(), Ok(Lease(Duration::from_secs(3))));
        assert!("10ms".parse::<Lease>().is_err() && "1h".parse::<Lease>().is_err());
    }
}
