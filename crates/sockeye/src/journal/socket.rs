//! `--show-socket`: what the kernel made of a socket.

use serde_json::{Map, Value};
use sockeye_net::SocketReport;

use super::Journal;
use crate::catalogue::{self as say, Lang};

/// Tells the facts of an open socket, to people and as the event `socket`.
pub(crate) fn tell_socket(journal: &Journal, lang: Lang, endpoint: &str, report: &SocketReport) {
    let facts = report.lines().iter().map(|line| {
        let mut fact = Map::new();
        fact.insert("name".into(), line.name.into());
        for (name, value) in [("asked", &line.asked), ("got", &line.got)] {
            if let Some(value) = value {
                fact.insert(name.into(), value.as_str().into());
            }
        }
        Value::Object(fact)
    });
    let facts = facts.collect();
    let title = say::SOCKET.fill(lang, &[("endpoint", &endpoint)]);
    let text = report.to_string().replace('\n', "\n  ");
    journal.say(
        "socket",
        |line| {
            line.put("endpoint", endpoint)
                .raw("facts", Value::Array(facts));
        },
        Some(format!("{title}\n  {text}")),
    );
}
