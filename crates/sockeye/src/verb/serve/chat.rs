//! `serve chat`: what it is called, what its members may, and where that may be served at all.

use std::error::Error as _;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use sockeye_chat::history::HistoryOptions;
use sockeye_chat::outbox::SENDQ_BYTES;
use sockeye_chat::service::{Chat, ChatError, ChatOptions, Keeping, LINES_PER_SECOND};
use sockeye_chat::world::limits::HISTORY_LINES;
use sockeye_chat::world::{DESK, Settings};
use sockeye_frame::ByteSize;
use sockeye_net::{Endpoint, Errno};
use sockeye_service::Service as Answers;

use super::{Entry, Service, clustered, guests};
use crate::context::Context;
use crate::exit::usage;
use crate::trust;

/// Bytes of a message of the day: some screens full.
const MOTD_LIMIT: u64 = 64 * 1024;

/// Bytes of the name of a server (RFC 2812, section 2.3.1) or of a network.
const NAME_LIMIT: usize = 63;

/// Something that is done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    On,
    Off,
}

/// Lines a second that a member may go on saying, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flood(Option<NonZeroU32>);

impl FromStr for Flood {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let lines = text
            .parse()
            .ok()
            .filter(|lines: &NonZeroU32| lines.get() <= 1_000_000);
        lines.map(|lines| Self(Some(lines))).ok_or_else(|| {
            format!("'{text}' is no rate; write lines a second (1 to 1000000), or off")
        })
    }
}

/// Messages that are shown to whoever joins a room, from none on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replay(usize);

impl FromStr for Replay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse().ok().filter(|count| *count <= HISTORY_LINES);
        count
            .map(Self)
            .ok_or_else(|| format!("0 to {HISTORY_LINES} messages are shown, not '{text}'"))
    }
}

/// How long a message is kept: `12h`, `30d`, `52w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention(Duration);

impl Retention {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * Self::MINUTE;
    const DAY: u64 = 24 * Self::HOUR;
    /// A hundred years: what is longer means for ever, which is said by saying nothing.
    const MOST: u64 = 36_525 * Self::DAY;
}

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [
            ('m', Self::MINUTE),
            ('h', Self::HOUR),
            ('d', Self::DAY),
            ('w', 7 * Self::DAY),
        ];
        let seconds = units.iter().find_map(|(unit, seconds)| {
            let count: u64 = text.strip_suffix(*unit)?.parse().ok()?;
            count.checked_mul(*seconds)
        });
        let seconds = seconds.filter(|seconds| (1..=Self::MOST).contains(seconds));
        let retention = seconds.map(|seconds| Self(Duration::from_secs(seconds)));
        retention.ok_or_else(|| format!("'{text}' is no such time; write 45m, 12h, 30d or 52w"))
    }
}

/// Bytes that may wait for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendQ(usize);

impl SendQ {
    /// The longest answer to a single line, with room.
    const LEAST: ByteSize = ByteSize(64 << 10);
    const MOST: ByteSize = ByteSize(1 << 30);
}

impl FromStr for SendQ {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
        let fits = usize::try_from(size.0).ok();
        let fits = fits.filter(|_| (Self::LEAST..=Self::MOST).contains(&size));
        fits.map(Self).ok_or_else(|| {
            let (least, most) = (Self::LEAST, Self::MOST);
            format!("{least} to {most} may wait for a member, not {text}")
        })
    }
}

/// What a server or a network is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostLike(String);

impl FromStr for HostLike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= NAME_LIMIT && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "'{text}' is no name; allowed are letters, digits, '.', '-' and '_', at most {NAME_LIMIT}"
        ))
    }
}

impl fmt::Display for HostLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets a WebSocket take the sub-protocols of IRC, unless its endpoint names others.
pub(super) fn speak_irc(endpoint: &mut Endpoint) -> anyhow::Result<()> {
    if endpoint.settings.subprotocols().next().is_none() {
        let both = "subprotocol=text.ircv3.net,binary.ircv3.net";
        let set = endpoint.settings.set(both, endpoint.place.scheme());
        set.map_err(|error| usage!("{error}"))?;
    }
    Ok(())
}

/// Refuses flags that make no sense together.
pub(super) fn check(entry: &Entry) -> anyhow::Result<()> {
    if entry.service != Some(Service::Chat) {
        for (given, flag) in [
            (entry.store.is_some(), "store"),
            (entry.replay.is_some(), "replay"),
            (entry.retain.is_some(), "retain"),
            (entry.retain_messages.is_some(), "retain-messages"),
            (entry.history.is_some(), "history"),
            (entry.server_name.is_some(), "server-name"),
            (entry.network.is_some(), "network"),
            (entry.motd.is_some(), "motd"),
            (entry.flood.is_some(), "flood"),
            (entry.sendq.is_some(), "sendq"),
            (entry.rooms_per_member.is_some(), "rooms-per-member"),
            (entry.desk.is_some(), "desk"),
            (entry.guest_encoding.is_some(), "guest-encoding"),
            (entry.guest_idle.is_some(), "guest-idle"),
            (entry.cluster.is_some(), "cluster"),
            (entry.cluster_credentials.is_some(), "cluster-credentials"),
            (entry.cluster_replicas.is_some(), "cluster-replicas"),
            (entry.cluster_lease.is_some(), "cluster-lease"),
        ] {
            if given {
                return Err(usage!("{flag} is for chat"));
            }
        }
        return Ok(());
    }
    clustered::check(entry)?;
    guests::check(entry)?;
    if entry.history == Some(Switch::Off) {
        for (given, flag) in [
            (entry.store.is_some(), "store"),
            (entry.replay.is_some(), "replay"),
            (entry.retain.is_some(), "retain"),
            (entry.retain_messages.is_some(), "retain-messages"),
        ] {
            if given {
                return Err(usage!("{flag} is for what is kept, and history is off"));
            }
        }
    }
    if entry.frame.is_some() {
        return Err(usage!(
            "chat takes no frame: members speak IRC, in lines; an endpoint for guests says it itself: \
             tcp://:7000?frame=raw"
        ));
    }
    for (given, flag) in [
        (entry.encoding.is_some(), "encoding"),
        (entry.quit_on.is_some(), "quit-on"),
        (entry.requests.is_some(), "requests"),
        (entry.read_size.is_some(), "read-size"),
        (entry.read_pause.is_some(), "read-pause"),
        (entry.idle_timeout.is_some(), "idle-timeout"),
    ] {
        if given {
            return Err(usage!("chat takes no {flag}: members speak IRC"));
        }
    }
    Ok(())
}

/// Whether it could be made, without making it: only one may use a store.
pub(super) fn examine(entry: &Entry) -> anyhow::Result<()> {
    settings(entry)?;
    clustered::options(entry, &Settings::default(), None)?;
    keeping(entry).map(drop)
}

/// The chat, for nobody yet.
pub(super) async fn make(context: &Context, entry: &Entry) -> anyhow::Result<Answers> {
    let options = ChatOptions {
        settings: settings(entry)?,
        lines_per_second: entry
            .flood
            .map_or(Some(LINES_PER_SECOND), |Flood(rate)| rate),
        sendq_bytes: entry.sendq.map_or(SENDQ_BYTES, |SendQ(bytes)| bytes),
        authorized: authorized(context, entry)?,
        keeping: keeping(entry)?,
    };
    let retention = options.keeping.as_ref().and_then(Keeping::retention);
    let chat = match clustered::options(entry, &options.settings, retention)? {
        Some(cluster) => clustered::start(options, cluster).await?,
        None => Chat::start(options).map_err(|error| unopened(&error))?,
    };
    Ok(guests::with_members(chat, entry))
}

/// Why its store cannot be opened, and what kind of mistake that is.
pub(super) fn unopened(error: &ChatError) -> anyhow::Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let why = error
            .downcast_ref()
            .map(|error| Errno::of(error).to_string());
        text = format!("{text}: {}", why.unwrap_or_else(|| error.to_string()));
        source = error.source();
    }
    usage!("chat: {text}")
}

/// Where what is said is kept, if it is.
fn keeping(entry: &Entry) -> anyhow::Result<Option<Keeping>> {
    if entry.history == Some(Switch::Off) {
        return Ok(None);
    }
    let default = HistoryOptions::default();
    let options = HistoryOptions {
        max_age: entry.retain.map_or(default.max_age, |Retention(age)| age),
        max_messages: entry
            .retain_messages
            .map_or(default.max_messages, |count| count.0.get() as u64),
        ..default
    };
    let folder = store(entry.store.as_deref())?;
    Ok(Some(Keeping { folder, options }))
}

/// The folder where what is said is kept: the one that was asked for, else the user's own.
pub(crate) fn store(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    match asked {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(data_home()?.join("sockeye/chat")),
    }
}

/// Where this user's programs keep their data (XDG Base Directory Specification).
fn data_home() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .ok_or_else(|| {
            usage!("chat has no folder to keep what is said: --store DIR, or --history off")
        })
}

fn settings(entry: &Entry) -> anyhow::Result<Settings> {
    let default = Settings::default();
    let name = |name: &Option<HostLike>| name.as_ref().map(ToString::to_string);
    Ok(Settings {
        server_name: name(&entry.server_name).unwrap_or(default.server_name),
        network: name(&entry.network).unwrap_or(default.network),
        motd: entry.motd.as_deref().map_or(Ok(String::new()), motd)?,
        replay: entry.replay.map_or(default.replay, |Replay(count)| count),
        zone: jiff::tz::TimeZone::system(),
        rooms_per_member: entry
            .rooms_per_member
            .map_or(default.rooms_per_member, |count| count.0.get()),
        desk: Some(
            entry
                .desk
                .as_ref()
                .map_or_else(|| DESK.to_owned(), ToString::to_string),
        ),
        ..default
    })
}

/// The message of the day, as it is now.
fn motd(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let unread = |error| usage!("the message of the day {shown}: {}", Errno::of(&error));
    let size = std::fs::metadata(path).map_err(unread)?.len();
    if size > MOTD_LIMIT {
        return Err(usage!(
            "the message of the day {shown} has {size} bytes, the limit is {MOTD_LIMIT}"
        ));
    }
    let text = std::fs::read(path).map_err(unread)?;
    String::from_utf8(text).map_err(|_| usage!("the message of the day {shown} is not UTF-8"))
}

/// The keys that log in by themselves, where any can be shown. A list that cannot be read lets
/// nobody in by his key, and says so; others talk all the same.
fn authorized(
    context: &Context,
    entry: &Entry,
) -> anyhow::Result<Option<Arc<sockeye_net::Authorized>>> {
    let secure = |endpoint: &sockeye_net::Endpoint| endpoint.place.scheme().is_secure();
    if entry.endpoints.is_empty() || entry.endpoints.iter().any(secure) {
        return trust::authorized(context).map(Some);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::door::check_entry;
    use super::*;

    #[track_caller]
    fn check_line(service: Service, expected: Result<(), &str>, change: impl FnOnce(&mut Entry)) {
        let entry = Entry {
            service: Some(service),
            ..Entry::default()
        };
        check_entry(entry, "tcp://:0", expected, change);
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        check_line(Service::Chat, Ok(()), |_| {});
        check_line(Service::Echo, Err("flood is for chat"), |entry| {
            entry.flood = "off".parse().ok();
        });
        check_line(Service::Chat, Err("members speak IRC"), |entry| {
            entry.frame = "line".parse().ok();
        });
        check_line(Service::Chat, Err("history is off"), |entry| {
            (entry.history, entry.store) = (Some(Switch::Off), Some("x".into()));
        });
        check_line(
            Service::Chat,
            Err("UTF-16LE is for reading only"),
            |entry| {
                entry.guest_encoding = "utf-16".parse().ok();
            },
        );
        check_line(Service::Chat, Err("chat takes no quit-on"), |entry| {
            entry.quit_on = Some("exit".into());
        });
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        assert_eq!("off".parse(), Ok(Flood(None)));
        assert_eq!("8".parse(), Ok(Flood(NonZeroU32::new(8))));
        for wrong in ["0", "-1", "on", "1000001"] {
            assert!(wrong.parse::<Flood>().unwrap_err().contains("is no rate"));
        }
        let days = |text: &str| text.parse().map(|Retention(time)| time.as_secs() / 86_400);
        assert_eq!(days("30d"), Ok(30));
        assert_eq!(days("52w"), Ok(364));
        assert_eq!(days("48h"), Ok(2));
        for wrong in ["0d", "30", "1y", "99999999999w", "-1d", "d"] {
            assert!(days(wrong).unwrap_err().contains("is no such time"));
        }
        assert_eq!("0".parse(), Ok(Replay(0)));
        let more = (HISTORY_LINES + 1).to_string();
        assert!(more.parse::<Replay>().is_err() && "-1".parse::<Replay>().is_err());
        assert_eq!("64KiB".parse(), Ok(SendQ(65_536)));
        assert!(
            "1KiB"
                .parse::<SendQ>()
                .unwrap_err()
                .contains("64KiB to 1GiB")
        );
        assert!("irc.example.org".parse::<HostLike>().is_ok());
        for wrong in ["", "-a", "a b", "一", &"a".repeat(64)] {
            assert!(wrong.parse::<HostLike>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_of_the_day_is_text_of_a_sane_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("motd");
        let check = |bytes: &[u8], expected: &str| {
            std::fs::write(&path, bytes).unwrap();
            let error = motd(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(b"\xff", "is not UTF-8");
        check(&vec![b'x'; MOTD_LIMIT as usize + 1], "the limit is 65536");
        std::fs::write(&path, "你好\n").unwrap();
        assert_eq!(motd(&path).unwrap(), "你好\n");
        assert!(
            motd(Path::new("/nonexistent"))
                .unwrap_err()
                .to_string()
                .contains("ENOENT")
        );
    }
}
