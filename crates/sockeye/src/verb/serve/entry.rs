//! One service as it was asked for: the flags of `serve`, or a `[[service]]` table of the config.

use std::num::{NonZeroU64, NonZeroUsize};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sockeye_frame::{ByteSize, Framing};
use sockeye_net::{Endpoint, Moment, OptionError};

use crate::exit::{Usage, usage};
use crate::values::{Charset, Pause, Wait, from_text, from_texts};

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

    /// Serve one peer, then end
    #[arg(long, help_heading = "Limits")]
    #[serde(skip)]
    pub(crate) once: bool,
    /// Close a connection after so many answers, and go on accepting
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub(crate) requests: Option<NonZeroU64>,
    /// Connections, and peers of a datagram socket, at once
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Close a connection on which nothing passes for so long: 500ms, 2s, 1m
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) idle_timeout: Option<Wait>,
    /// Only peers from this range may connect: 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    pub(crate) allow_from: Vec<String>,
    /// Read at most so much at once: 512, 64KiB
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) read_size: Option<ByteSize>,
    /// Wait before each read, for a fixed or a random time: 200ms, 0..1s
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    #[serde(deserialize_with = "from_text")]
    pub(crate) read_pause: Option<Pause>,
    /// Let datagram services send more than they got: forged senders can abuse that
    #[arg(long, help_heading = "Limits")]
    pub(crate) amplify: bool,
}

impl Entry {
    /// Refuses what makes no sense together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let service = self.service.map(Service::name).unwrap_or_default();
        match (self.service, &self.text, &self.to) {
            (Some(Service::Reply), None, _) => return Err(usage!("reply needs a text to answer")),
            (Some(Service::Relay), _, None) => {
                return Err(usage!("relay needs an endpoint to pass everything on to"));
            }
            (Some(Service::Reply), ..) | (_, None, _) => {}
            (_, Some(_), _) => return Err(usage!("{service} takes no text, only reply does")),
        }
        if self.to.is_some() && self.service != Some(Service::Relay) {
            return Err(usage!("{service} passes nothing on, only relay does"));
        }
        let streams = self
            .endpoints
            .iter()
            .any(|e| !e.place.scheme().is_messages());
        if self.frame.is_some() && !streams {
            return Err(usage!(
                "datagrams are messages already: a framing is for streams"
            ));
        }
        self.with_options().map(drop)
    }

    /// The endpoints with the options that were written for all of them.
    pub(crate) fn with_options(&self) -> anyhow::Result<Vec<Endpoint>> {
        let mut endpoints = self.endpoints.clone();
        let backlog = self.backlog.map(|count| format!("backlog={count}"));
        for option in self.option.iter().chain(&backlog) {
            set(&mut endpoints, option)?;
        }
        for endpoint in &endpoints {
            let check = endpoint.settings.check(Moment::Listen);
            check.map_err(|error| Usage(format!("{endpoint}: {error}")))?;
        }
        Ok(endpoints)
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
