//! `sockeye key pin`, `forget`, `known`: the keys of whom we dial.

use std::str::FromStr;

use clap::Args;
use sockeye_net::{Fingerprint, Host, HostPort};

use super::{Output, Teller};
use crate::catalogue::key as say;
use crate::exit::{Exit, usage};
use crate::ui::{Table, write_stdout};

/// Expect this key of a peer from now on
#[derive(Args, Debug)]
pub(super) struct Pin {
    /// The peer, as it is dialled
    #[arg(value_name = "HOST:PORT")]
    place: Place,
    /// Its key, as `sockeye key` shows it there
    #[arg(value_name = "SHA256:…")]
    key: Fingerprint,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Expect no key of a peer any more: the next one is asked about
#[derive(Args, Debug)]
pub(super) struct Forget {
    /// The peer, as it is dialled
    #[arg(value_name = "HOST:PORT")]
    place: Place,
    #[command(flatten)]
    pub(super) output: Output,
}

/// `HOST:PORT`; also an endpoint that has one, because that is what people have at hand.
#[derive(Clone, Debug)]
struct Place(String);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = text.split_once("://").map_or(text, |(_, rest)| rest);
        let end = place.find(['/', '?', '#']).unwrap_or(place.len());
        let place: HostPort = place[..end].parse().map_err(|error| format!("{error}"))?;
        // Without a host a dialler means this machine, and pins it by that name.
        Ok(Self(match place.host {
            Host::Unspecified => format!("localhost:{}", place.port),
            _ => place.to_string(),
        }))
    }
}

impl Pin {
    pub(super) fn run(&self, teller: &Teller<'_>) -> anyhow::Result<Exit> {
        let known = teller.context.net.trust.known_peers()?;
        let (place, lang) = (&self.place.0, teller.context.lang());
        let (pin, is_new) = known.pin(place, self.key)?;
        if pin.fingerprint != self.key {
            let values: [(&str, &dyn std::fmt::Display); 4] = [
                ("place", place),
                ("key", &pin.fingerprint),
                ("file", &known.path().display()),
                ("line", &pin.line),
            ];
            return Err(usage!("{}", say::PINNED_OTHERWISE.fill(lang, &values)));
        }
        let text = if is_new { say::PINNED } else { say::WAS_PINNED };
        let text = text.fill(lang, &[("place", place), ("key", &self.key)]);
        teller.tell(
            "pinned",
            |line| {
                line.put("place", place).put("key", &self.key.to_string());
            },
            &text,
        )?;
        Ok(Exit::Done)
    }
}

impl Forget {
    pub(super) fn run(&self, teller: &Teller<'_>) -> anyhow::Result<Exit> {
        let known = teller.context.net.trust.known_peers()?;
        let (place, lang) = (&self.place.0, teller.context.lang());
        if known.forget(place)? == 0 {
            return Err(usage!("{}", say::NOT_KNOWN.fill(lang, &[("place", place)])));
        }
        let text = say::FORGOTTEN.fill(lang, &[("place", place)]);
        let fields = |line: &mut crate::journal::Line| {
            line.put("place", place);
        };
        teller.tell("forgotten", fields, &text)?;
        Ok(Exit::Done)
    }
}

/// Lists whom we know.
pub(super) fn list(teller: &Teller<'_>) -> anyhow::Result<Exit> {
    let known = teller.context.net.trust.known_peers()?;
    let mut table = Table::default();
    for pin in known.entries()? {
        let key = pin.fingerprint.to_string();
        if teller.json {
            let fields = |line: &mut crate::journal::Line| {
                line.put("place", &pin.place)
                    .put("key", &key)
                    .number("line", pin.line as u64);
            };
            teller.tell("known", fields, "")?;
        } else {
            table.row([pin.place, key]);
        }
    }
    write_stdout(table.render("").as_bytes())?;
    Ok(teller.complain(known.problems()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_place_too() {
        let check = |text: &str, place: &str| {
            let read = text.parse::<Place>().map(|place| place.0);
            assert_eq!(read.as_deref(), Ok(place), "{text}");
        };
        check("host:7", "host:7");
        check("tls://host:7?pin=x", "host:7");
        check("wss://[0:0::1]:443/chat#origin=x", "[::1]:443");
        check(":7", "localhost:7");
        assert!("host".parse::<Place>().is_err());
        assert!("::1:7".parse::<Place>().unwrap_err().contains("[::1]:7"));
    }
}
