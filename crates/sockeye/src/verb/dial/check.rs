//! `dial --check`: whether somebody listens, as a value and not as a crash.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sockeye_net::{Endpoint, Net, NetError, OptionKey, PortRange, Scheme, connect};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::catalogue as say;
use crate::context::Context;
use crate::exit::{self, Exit, usage};
use crate::trust;
use crate::ui::write_stdout;
use crate::words;

/// Connections that are tried at once.
const AT_ONCE: usize = 64;

/// Tries each port and prints a line for it, in the order of ports.
///
/// One endpoint decides by its own outcome; of a range one port that answers is enough. A try ends
/// after `limit`, unless the endpoint has a `connect-timeout` of its own.
pub(super) async fn run(
    words: &[String],
    limit: Duration,
    context: &Context,
) -> anyhow::Result<Exit> {
    let endpoints = endpoints(words)?;
    let mut waiting = endpoints.iter().cloned().enumerate();
    let (mut tries, mut done) = (JoinSet::new(), BTreeMap::new());
    let (mut next, mut exit) = (0, None);
    loop {
        while tries.len() < AT_ONCE
            && let Some((at, endpoint)) = waiting.next()
        {
            let net = context.net.clone();
            tries.spawn(async move {
                let began = Instant::now();
                let outcome = attempt(&net, &endpoint, limit).await;
                (at, outcome, began.elapsed())
            });
        }
        let Some(tried) = tries.join_next().await else {
            break;
        };
        let (at, outcome, took) = tried?;
        done.insert(at, (outcome, took));
        while let Some((outcome, took)) = done.remove(&next) {
            let endpoint = &endpoints[next];
            if !context.global.quiet {
                let line = line(endpoint, &outcome, took, context);
                write_stdout(format!("{line}\n").as_bytes())?;
            }
            exit = match (exit, outcome) {
                (_, Ok(())) | (Some(Exit::Done), _) => Some(Exit::Done),
                (_, Err(error)) => Some(exit::of(&error.into())),
            };
            next += 1;
        }
    }
    trust::tell_pinned(context);
    Ok(exit.unwrap_or(Exit::Usage))
}

async fn attempt(net: &Net, endpoint: &Endpoint, limit: Duration) -> Result<(), NetError> {
    let connected = connect(net, endpoint);
    if endpoint.settings.has(OptionKey::ConnectTimeout) {
        return connected.await.map(drop);
    }
    let late = |_| {
        let endpoint = endpoint.to_string();
        Err(NetError::Timeout {
            endpoint,
            after: limit,
        })
    };
    timeout(limit, connected)
        .await
        .unwrap_or_else(late)
        .map(drop)
}

fn endpoints(words: &[String]) -> anyhow::Result<Vec<Endpoint>> {
    let refused =
        |rest: &[String]| usage!("--check sends nothing; '{}' is too much", rest.join(" "));
    let range = words.first().filter(|word| is_range(word));
    if let Some(range) = range {
        return match &words[1..] {
            [] => Ok(range.parse::<PortRange>()?.endpoints().collect()),
            rest => Err(refused(rest)),
        };
    }
    if let [host, ports] = words
        && is_range(&format!("{host}:{ports}"))
    {
        return Ok(format!("{host}:{ports}")
            .parse::<PortRange>()?
            .endpoints()
            .collect());
    }
    let (endpoint, taken) = words::first(words)?.ok_or_else(|| usage!("nobody to check"))?;
    match &words[taken..] {
        [] => Ok(vec![endpoint]),
        rest => Err(refused(rest)),
    }
}

/// Whether it ends in a range of ports, `:20-25`, possibly with options behind it.
fn is_range(word: &str) -> bool {
    let place = word.split_once('?').map_or(word, |(place, _)| place);
    place
        .rsplit_once(':')
        .and_then(|(_, ports)| ports.split_once('-'))
        .is_some_and(|(first, last)| first.parse::<u16>().is_ok() && last.parse::<u16>().is_ok())
}

/// `connect_ex`'s value, then what it means.
fn line(
    endpoint: &Endpoint,
    outcome: &Result<(), NetError>,
    took: Duration,
    context: &Context,
) -> String {
    let lang = context.lang();
    let ms = format!("{:.2}", took.as_secs_f64() * 1e3);
    match outcome {
        Ok(()) if endpoint.place.scheme() == Scheme::Udp => {
            format!("{endpoint} 0 {}", say::CHECK_UDP.get(lang))
        }
        Ok(()) => format!(
            "{endpoint} 0 {}",
            say::CHECK_OPEN.fill(lang, &[("ms", &ms)])
        ),
        Err(error) => match error.errno() {
            Some(errno) => {
                let text = errno.to_string();
                let text = text.split(" (").next().unwrap_or(&text);
                format!("{endpoint} {} {} {text}", errno.number(), errno.name())
            }
            None => format!("{endpoint} - {error}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_from_ports() {
        let check = |line: &str, expected: &[&str]| {
            let words: Vec<String> = line.split(' ').map(Into::into).collect();
            let read: Vec<_> = endpoints(&words)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(read, expected, "{line}");
        };
        check("host:20-21", &["tcp://host:20", "tcp://host:21"]);
        check("host 20-21", &["tcp://host:20", "tcp://host:21"]);
        check("[::1]:7", &["tcp://[::1]:7"]);
        check("host 7", &["tcp://host:7"]);
        check("unix:/a-1:2", &["unix:/a-1:2"]);
        let words = ["host:7".to_owned(), "hello".to_owned()];
        assert_eq!(
            endpoints(&words).unwrap_err().to_string(),
            "--check sends nothing; 'hello' is too much"
        );
    }
}
