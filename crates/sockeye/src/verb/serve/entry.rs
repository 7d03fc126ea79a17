//! One service as it was asked for: the flags of `serve`, or a `[[service]]` table of the config.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use encoding_rs::Encoding;
use serde::Deserialize;
use sockeye_frame::Framing;
use sockeye_net::{Endpoint, Moment, OptionError};

use sockeye_service::exec::server::Pattern;
use sockeye_service::{Cidr, Options};

use super::chat::{Flood, HostLike, Replay, Retention, SendQ, Switch};
use super::clustered::{Lease, Place, Replicas};
use super::guests::RoomName;
use super::{chat, commands, guests, shared_folder};
use crate::exit::{Usage, usage};
use crate::values::{Charset, Count, Pause, ReadSize, Wait, from_text, from_texts};

/// The services that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    Echo,
    Upper,
    Reply,
    Discard,
    Print,
    Chargen,
    Daytime,
    Hub,
    Relay,
    Exec,
    Files,
    Chat,
}

impl Service {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no service is hidden");
        value.get_name().to_owned()
    }
}

/// What one service does and allows. One struct serves both places where it can be written, so that
/// a flag and a key of the same name cannot drift apart.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Entry {
    #[arg(skip)]
    pub(crate) name: Option<String>,
    #[arg(skip)]
    pub(crate) service: Option<Service>,
    #[arg(skip)]
    #[serde(deserialize_with = "from_texts")]
    pub(crate) endpoints: Vec<Endpoint>,

    /// What `reply` answers; {} stands for the message
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Where `relay` passes everything on to
    #[arg(long, value_name = "ENDPOINT")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) to: Option<Endpoint>,
    /// How streams are cut into messages: raw, line, u32be, … (default: raw)
    #[arg(long, value_name = "FRAMING")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) frame: Option<Framing>,
    /// How the peers' bytes are text: utf-8, gbk, … (default: utf-8)
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) encoding: Option<Charset>,
    /// This message is answered with itself and ends the conversation
    #[arg(long, value_name = "TEXT")]
    pub(crate) quit_on: Option<String>,
    /// Set a socket option, as in an endpoint's query; `-o help` lists them
    #[arg(short, long = "option", value_name = "NAME[=VALUE]")]
    #[serde(rename = "options")]
    pub(crate) option: Vec<String>,
    /// Connections the kernel may queue before we accept them
    #[arg(long, value_name = "COUNT")]
    pub(crate) backlog: Option<u32>,

    /// `exec` runs only this command, or with … at its end any that begins so; may be repeated
    #[arg(long, value_name = "COMMAND", help_heading = "Commands")]
    #[serde(deserialize_with = "from_texts")]
    pub(crate) allow: Vec<Pattern>,
    /// `exec` takes only this name for a command's environment; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Commands")]
    pub(crate) allow_env: Vec<String>,
    /// `exec` also runs command lines of a shell
    #[arg(long, help_heading = "Commands")]
    pub(crate) shell: bool,
    /// The folder below which `files` stores and finds everything
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub(crate) root: Option<PathBuf>,
    /// Nobody may store anything in `files`
    #[arg(long, help_heading = "Files")]
    pub(crate) read_only: bool,
    /// Everybody may read `files`
    #[arg(long, help_heading = "Files")]
    pub(crate) public: bool,
    /// `exec`, `files`: serve any program of this machine, over plain sockets on loopback
    #[arg(long, help_heading = "Who may")]
    pub(crate) insecure_anyone: bool,

    /// The folder where `chat` keeps what is said (default: ~/.local/share/sockeye/chat)
    #[arg(long, value_name = "DIR", help_heading = "Chat")]
    pub(crate) store: Option<PathBuf>,
    /// Messages of a room that `chat` shows to whoever joins it (default: 20)
    #[arg(long, value_name = "COUNT", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) replay: Option<Replay>,
    /// How long `chat` keeps a message: 12h, 30d, 52w (default: for ever)
    #[arg(long, value_name = "TIME", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) retain: Option<Retention>,
    /// Messages that `chat` keeps of each conversation: the last ones (default: all)
    #[arg(long, value_name = "COUNT", help_heading = "Chat")]
    pub(crate) retain_messages: Option<Count>,
    /// Whether `chat` keeps what is said: on, off (default: on)
    #[arg(
        long,
        value_name = "SWITCH",
        help_heading = "Chat",
        hide_possible_values = true
    )]
    pub(crate) history: Option<Switch>,
    /// What `chat` calls this server (default: sockeye.local)
    #[arg(long, value_name = "NAME", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) server_name: Option<HostLike>,
    /// What `chat` calls all its servers together (default: sockeye)
    #[arg(long, value_name = "NAME", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) network: Option<HostLike>,
    /// The text that `chat` shows to whoever comes
    #[arg(long, value_name = "FILE", help_heading = "Chat")]
    pub(crate) motd: Option<PathBuf>,
    /// Lines a second that a member of `chat` may go on saying, or off (default: 4, 32 at once)
    #[arg(long, value_name = "LINES", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) flood: Option<Flood>,
    /// What may wait in `chat` for a member who reads slowly, before he is dropped (default: 1MiB)
    #[arg(long, value_name = "SIZE", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) sendq: Option<SendQ>,
    /// Rooms that a member of `chat` may be in (default: 50)
    #[arg(long, value_name = "COUNT", help_heading = "Chat")]
    pub(crate) rooms_per_member: Option<Count>,
    /// The room of `chat` where guests in plain text appear (default: #desk)
    #[arg(long, value_name = "ROOM", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) desk: Option<RoomName>,
    /// What guests of `chat` read and write: utf-8, gbk, … (default: utf-8)
    #[arg(long, value_name = "NAME", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) guest_encoding: Option<Charset>,
    /// A guest of `chat` is gone when nothing passes for so long (default: 10m)
    #[arg(long, value_name = "TIME", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) guest_idle: Option<Wait>,
    /// `chat` is one of several servers, which share all through this NATS: nats://HOST:4222
    #[arg(long, value_name = "PLACE", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) cluster: Option<Place>,
    /// The file with what NATS wants to see: user and password, or token
    #[arg(long, value_name = "FILE", help_heading = "Chat")]
    pub(crate) cluster_credentials: Option<PathBuf>,
    /// Servers of NATS that keep what is said, 1 to 5 (default: 1)
    #[arg(long, value_name = "COUNT", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) cluster_replicas: Option<Replicas>,
    /// How long a silent server of `chat` is still thought to live (default: 10s)
    #[arg(long, value_name = "DURATION", help_heading = "Chat")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) cluster_lease: Option<Lease>,

    /// Serve one peer, then end
    #[arg(long, help_heading = "Limits")]
    #[serde(skip)]
    pub(crate) once: bool,
    /// Close a connection after so many answers, and go on accepting
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub(crate) requests: Option<Count>,
    /// Connections, and peers of a datagram socket, at once
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_connections: Option<Count>,
    /// Close a connection on which nothing passes for so long: 500ms, 2s, 1m
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) idle_timeout: Option<Wait>,
    /// Only peers from this range may connect: 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    #[serde(deserialize_with = "from_texts")]
    pub(crate) allow_from: Vec<Cidr>,
    #[allow(rustdoc::bare_urls, reason = "this is help text, read in a terminal")]
    /// Let browsers in from pages of this origin: https://example.org; may be repeated
    #[arg(long, value_name = "ORIGIN", help_heading = "Limits")]
    pub(crate) origin: Vec<String>,
    /// Read at most so much at once: 512, 64KiB
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) read_size: Option<ReadSize>,
    /// Wait before each read, for a fixed or a random time: 200ms, 0..1s
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) read_pause: Option<Pause>,
    /// Let datagram services send more than they got: forged senders can abuse that
    #[arg(long, help_heading = "Limits")]
    pub(crate) amplify: bool,
}

impl Entry {
    /// How logs and events call it.
    pub(crate) fn label(&self) -> String {
        let service = || self.service.map(Service::name).unwrap_or_default();
        self.name.clone().unwrap_or_else(service)
    }

    /// Refuses what makes no sense together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Some(service) = self.service else {
            return Err(usage!("no service is given"));
        };
        let name = service.name();
        match (service, &self.text) {
            (Service::Reply, None) => {
                return Err(usage!(
                    "reply needs a text to answer with: --text TEXT, in a config text = \"TEXT\""
                ));
            }
            (Service::Reply, _) | (_, None) => {}
            (_, Some(_)) => return Err(usage!("{name} takes no text, only reply does")),
        }
        match (service, &self.to) {
            (Service::Relay, None) => {
                return Err(usage!(
                    "relay needs to know where to pass on to: --to ENDPOINT, in a config to = \"ENDPOINT\""
                ));
            }
            (Service::Relay, _) | (_, None) => {}
            (_, Some(_)) => return Err(usage!("{name} passes nothing on, only relay does")),
        }
        let places = self.endpoints.iter().chain(&self.to);
        let streams = places
            .into_iter()
            .map(|place| place.place.scheme())
            .any(|scheme| !scheme.is_messages() || scheme.is_websocket());
        let framed = self.frame.is_some() && service != Service::Exec;
        if framed && !streams && !self.endpoints.is_empty() {
            return Err(usage!(
                "datagrams are messages already; a framing is for streams"
            ));
        }
        commands::check(self)?;
        shared_folder::check(self)?;
        chat::check(self)?;
        self.with_options()?;
        self.encoded(self.quit_on.as_deref())?;
        self.encoded(self.text.as_deref())?;
        Ok(())
    }

    /// The endpoints with the options that were written for all of them.
    pub(crate) fn with_options(&self) -> anyhow::Result<Vec<Endpoint>> {
        let mut endpoints = self.endpoints.clone();
        let backlog = self.backlog.map(|count| format!("backlog={count}"));
        let origins = self.origin.iter().map(|origin| format!("origin={origin}"));
        let flags: Vec<String> = origins.chain(backlog).collect();
        for option in self.option.iter().chain(&flags) {
            set(&mut endpoints, option)?;
        }
        for endpoint in &mut endpoints {
            let is_chat = self.service == Some(Service::Chat);
            if is_chat && endpoint.place.scheme().is_websocket() {
                chat::speak_irc(endpoint)?;
            }
            // With a framing a WebSocket's messages are bytes laid end to end.
            if let Some(framing) = &self.frame
                && endpoint.place.scheme().is_websocket()
                && endpoint.settings.framing().is_none()
            {
                endpoint.settings.set_framing(framing.clone());
            }
        }
        for endpoint in &endpoints {
            let check = endpoint.settings.check(Moment::Listen);
            check.map_err(|error| Usage(format!("{endpoint}: {error}")))?;
        }
        Ok(endpoints)
    }

    /// How its peers are treated.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        let default = Options::default();
        Ok(Options {
            framing: self.frame.clone().unwrap_or(default.framing),
            max_connections: self
                .max_connections
                .map_or(default.max_connections, |Count(count)| count.get()),
            // Members are asked for a sign of life by the chat itself.
            idle_timeout: guests::idle(self).or(self.idle_timeout.map(|Wait(time)| time)),
            allow_from: self.allow_from.clone(),
            // What leaves for a guest is what a person says to him, a datagram for a line.
            amplify: self.amplify || self.service == Some(Service::Chat),
            once: self.once,
            requests: self.requests.map(|Count(count)| count.get() as u64),
            quit_on: self.encoded(self.quit_on.as_deref())?.map(Into::into),
            read_size: self.read_size.map(|ReadSize(size)| size),
            read_pause: self.read_pause.map(|pause| pause.least..=pause.most),
            seed: rand::random(),
            ..default
        })
    }

    /// What its bytes are as text.
    pub(crate) fn charset(&self) -> &'static Encoding {
        self.encoding.unwrap_or_default().0
    }

    /// A text in the bytes of its peers.
    pub(crate) fn encoded(&self, text: Option<&str>) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(text) = text else { return Ok(None) };
        let encoding = self.charset();
        if encoding.output_encoding() != encoding {
            return Err(usage!(
                "{} is for reading only; texts cannot be sent in it",
                encoding.name()
            ));
        }
        let (bytes, _, lossy) = encoding.encode(text);
        if lossy {
            return Err(usage!("{} cannot express \"{text}\"", encoding.name()));
        }
        Ok(Some(bytes.into_owned()))
    }

    /// Whether the same sockets and the same answers serve both, so that only limits differ.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        let of = |entry: &Self| {
            let Self {
                name,
                service,
                endpoints,
                text,
                to,
                encoding,
                option,
                backlog,
                allow,
                allow_env,
                shell,
                root,
                read_only,
                public,
                insecure_anyone,
                store,
                replay,
                retain,
                retain_messages,
                history,
                server_name,
                network,
                motd,
                flood,
                sendq,
                rooms_per_member,
                desk,
                guest_encoding,
                guest_idle,
                cluster,
                cluster_credentials,
                cluster_replicas,
                cluster_lease,
                ..
            } = entry.clone();
            Self {
                name,
                service,
                endpoints,
                text,
                to,
                encoding,
                option,
                backlog,
                allow,
                allow_env,
                shell,
                root,
                read_only,
                public,
                insecure_anyone,
                store,
                replay,
                retain,
                retain_messages,
                history,
                server_name,
                network,
                motd,
                flood,
                sendq,
                rooms_per_member,
                desk,
                guest_encoding,
                guest_idle,
                cluster,
                cluster_credentials,
                cluster_replicas,
                cluster_lease,
                ..Self::default()
            }
        };
        of(self) == of(other)
    }
}

/// Sets an option on every endpoint that it fits; one that fits nowhere is a mistake.
fn set(endpoints: &mut [Endpoint], option: &str) -> anyhow::Result<()> {
    let (mut refused, mut taken) = (None, endpoints.is_empty());
    for endpoint in endpoints {
        match endpoint.settings.set(option, endpoint.place.scheme()) {
            Ok(()) => taken = true,
            Err(error @ OptionError::DoesNotFit { .. }) => refused = Some(error),
            Err(error) => return Err(Usage(error.to_string()).into()),
        }
    }
    match refused {
        Some(error) if !taken => Err(Usage(error.to_string()).into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Charset;

    fn entry(service: Service, endpoints: &[&str]) -> Entry {
        let endpoints = endpoints.iter().map(|text| text.parse().unwrap()).collect();
        Entry {
            service: Some(service),
            endpoints,
            ..Entry::default()
        }
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        let check = |entry: Entry, expected: &str| {
            assert_eq!(entry.check().unwrap_err().to_string(), expected);
        };
        let echo = || entry(Service::Echo, &["udp://:0"]);
        check(
            entry(Service::Reply, &[":0"]),
            "reply needs a text to answer with: --text TEXT, in a config text = \"TEXT\"",
        );
        check(
            entry(Service::Relay, &[":0"]),
            "relay needs to know where to pass on to: --to ENDPOINT, in a config to = \"ENDPOINT\"",
        );
        check(
            Entry {
                text: Some("hi".into()),
                ..echo()
            },
            "echo takes no text, only reply does",
        );
        check(
            Entry {
                to: ":1".parse().ok(),
                ..echo()
            },
            "echo passes nothing on, only relay does",
        );
        check(
            Entry {
                frame: "line".parse().ok(),
                ..echo()
            },
            "datagrams are messages already; a framing is for streams",
        );
        check(
            Entry {
                quit_on: Some("再见👋".into()),
                encoding: "gbk".parse().ok(),
                ..echo()
            },
            "GBK cannot express \"再见👋\"",
        );
        let utf16: Charset = "utf-16le".parse().unwrap();
        check(
            Entry {
                quit_on: Some("exit".into()),
                encoding: Some(utf16),
                ..echo()
            },
            "UTF-16LE is for reading only; texts cannot be sent in it",
        );
    }

    #[test]
    fn an_option_goes_where_it_fits_and_nowhere_is_an_error() {
        let both = Entry {
            option: vec!["nodelay=0".into(), "rcvbuf=64KiB".into()],
            backlog: Some(8),
            ..entry(Service::Echo, &[":0", "udp://:0"])
        };
        let shown: Vec<_> = both
            .with_options()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "tcp://:0?backlog=8&nodelay=0&rcvbuf=64KiB",
                "udp://:0?rcvbuf=64KiB"
            ]
        );
        let wrong = Entry {
            backlog: Some(8),
            ..entry(Service::Echo, &["udp://:0"])
        };
        let error = wrong.with_options().unwrap_err().to_string();
        assert!(
            error.contains("backlog") && error.contains("tcp"),
            "{error}"
        );
        let page = Entry {
            origin: vec!["http://a".into(), "null".into()],
            frame: "line".parse().ok(),
            ..entry(Service::Hub, &[":0", "ws://:0/x", "wss://:0#frame=nul"])
        };
        let shown: Vec<_> = page.with_options().unwrap();
        let shown: Vec<_> = shown.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "tcp://:0",
                "ws://:0/x#origin=http://a&origin=null&frame=line",
                "wss://:0#origin=http://a&origin=null&frame=nul"
            ]
        );
    }

    #[test]
    fn texts_are_sent_in_the_encoding_of_the_peers() {
        let gbk = Entry {
            encoding: "gbk".parse().ok(),
            ..Entry::default()
        };
        assert_eq!(
            gbk.encoded(Some("你好")).unwrap().unwrap(),
            b"\xc4\xe3\xba\xc3"
        );
    }

    #[test]
    fn limits_change_without_a_restart_and_sockets_do_not() {
        let old = entry(Service::Echo, &[":7007"]);
        let limited = Entry {
            max_connections: "1".parse().ok(),
            ..old.clone()
        };
        assert!(old.serves_as(&limited));
        let moved = entry(Service::Echo, &[":7008"]);
        assert!(!old.serves_as(&moved));
    }
}
