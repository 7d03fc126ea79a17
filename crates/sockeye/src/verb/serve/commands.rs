//! `serve exec`: who may run what, and where that may be served at all.

use std::sync::Arc;

use sockeye_net::trust::Right;
use sockeye_net::{Endpoint, Place};
use sockeye_service::exec::server::{ExecServer, Policy, RawExec};
use sockeye_service::{Conversation, Service as Answers};

use super::door::{Door, access};
use super::{Entry, Service};
use crate::context::Context;
use crate::exit::usage;

/// Refuses what would serve strangers, and flags that make no sense together.
pub(super) fn check(entry: &Entry) -> anyhow::Result<()> {
    let exec = entry.service == Some(Service::Exec);
    for (given, flag) in [
        (!entry.allow.is_empty(), "allow"),
        (!entry.allow_env.is_empty(), "allow-env"),
        (entry.shell, "shell"),
    ] {
        if given && !exec {
            return Err(usage!("{flag} is for exec"));
        }
    }
    if entry.insecure_anyone && !exec && entry.service != Some(Service::Files) {
        return Err(usage!("insecure-anyone is for exec and files"));
    }
    if !exec {
        return Ok(());
    }
    for (given, flag) in [
        (entry.encoding.is_some(), "encoding"),
        (entry.quit_on.is_some(), "quit-on"),
        (entry.requests.is_some() && !is_raw(entry), "requests"),
        (entry.read_size.is_some() && !is_raw(entry), "read-size"),
        (entry.read_pause.is_some() && !is_raw(entry), "read-pause"),
    ] {
        if given {
            return Err(usage!(
                "exec takes no {flag}: its wire has frames of its own"
            ));
        }
    }
    if entry.shell && !entry.allow.is_empty() {
        return Err(usage!(
            "shell runs anything, allow only what it lists: choose one of them"
        ));
    }
    if entry.frame.is_some() {
        check_raw(entry)?;
    }
    entry
        .endpoints
        .iter()
        .try_for_each(|endpoint| check_place(endpoint, entry))
}

/// Whether it is served as the tutorials have it: text in, text out.
fn is_raw(entry: &Entry) -> bool {
    entry.frame.is_some()
}

fn check_raw(entry: &Entry) -> anyhow::Result<()> {
    let raw = entry
        .frame
        .as_ref()
        .is_some_and(sockeye_frame::Framing::is_raw);
    if raw && entry.insecure_anyone && entry.shell {
        return Ok(());
    }
    Err(usage!(
        "exec has frames of its own (docs/wire.md); what the tutorials do is \
         --insecure-anyone --frame raw --shell, on loopback"
    ))
}

const DOOR: Door = Door {
    served: "exec is",
    could: "run commands",
    opens: "--insecure-anyone opens loopback alone",
};

fn check_place(endpoint: &Endpoint, entry: &Entry) -> anyhow::Result<()> {
    match &endpoint.place {
        Place::Tcp(at) | Place::Udp(at) if is_raw(entry) => DOOR.check_plain(endpoint, at, entry),
        Place::Udp(_) => Err(usage!(
            "{endpoint}: datagrams may get lost, use quic:// (what the tutorials do is \
             --insecure-anyone --frame raw --shell)"
        )),
        _ if is_raw(entry) => Err(usage!(
            "{endpoint}: with --frame raw exec is served on tcp:// and udp:// alone"
        )),
        _ => DOOR.check(endpoint, entry),
    }
}

/// What runs the commands.
pub(super) fn make(context: &Context, entry: &Entry) -> anyhow::Result<Answers> {
    let policy = Policy {
        allow: entry.allow.clone(),
        allow_env: entry.allow_env.clone(),
        shell: entry.shell,
    };
    if is_raw(entry) {
        return Ok(RawExec::new(policy, context.net.recorder.clone()).into());
    }
    let access = access(context, entry, Right::Exec)?;
    let server: Arc<dyn Conversation> = Arc::new(ExecServer::new(access, policy));
    Ok(server.into())
}

#[cfg(test)]
mod tests {
    use super::super::door::check_entry;
    use super::*;

    #[track_caller]
    fn check_line(endpoint: &str, expected: Result<(), &str>, change: impl FnOnce(&mut Entry)) {
        let entry = Entry {
            service: Some(Service::Exec),
            ..Entry::default()
        };
        check_entry(entry, endpoint, expected, change);
    }

    #[test]
    fn strangers_are_not_served() {
        let check = |endpoint: &str, expected| check_line(endpoint, expected, |_| {});
        for endpoint in [
            "unix:@exec",
            "unix-seqpacket:/run/exec",
            "tls://:7022",
            "tls://0.0.0.0:7022",
            "quic://:7022",
            "wss://:7022/",
            "fd:3",
        ] {
            check(endpoint, Ok(()));
        }
        check("tcp://127.0.0.1:1", Err("say --insecure-anyone"));
        check("tcp://0.0.0.0:1", Err("whoever reaches it"));
        check("ws://:1/", Err("say --insecure-anyone"));
        check("udp://:1", Err("use quic://"));
        check("unix-dgram:@x", Err("use quic:// or unix:"));
        for endpoint in ["stdio:", "exec:cat", "ip://127.0.0.1?proto=icmp"] {
            check(endpoint, Err("does not show who"));
        }
        let anyone = |entry: &mut Entry| entry.insecure_anyone = true;
        check_line("tcp://:1", Ok(()), anyone);
        check_line("tcp://[::1]:1", Ok(()), anyone);
        check_line("ws://localhost:1/", Ok(()), anyone);
        check_line("tcp://192.0.2.7:1", Err("opens loopback alone"), anyone);
        check_line("tcp://example.com:1", Err("opens loopback alone"), anyone);
        check_line("udp://:1", Err("use quic://"), anyone);
    }

    #[test]
    fn the_tutorials_form_has_to_be_asked_for_in_full() {
        let raw = |entry: &mut Entry| entry.frame = "raw".parse().ok();
        let full = |entry: &mut Entry| {
            raw(entry);
            (entry.insecure_anyone, entry.shell) = (true, true);
        };
        check_line(
            "tcp://:1",
            Err("--insecure-anyone --frame raw --shell"),
            raw,
        );
        check_line("tcp://:1", Ok(()), full);
        check_line("udp://127.0.0.1:1", Ok(()), full);
        check_line("udp://0.0.0.0:1", Err("opens loopback alone"), full);
        check_line("tls://:1", Err("tcp:// and udp:// alone"), full);
        check_line("tcp://:1", Err("frames of its own"), |entry| {
            full(entry);
            entry.frame = "line".parse().ok();
        });
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        check_line("unix:@x", Err("choose one of them"), |entry| {
            entry.shell = true;
            entry.allow = vec!["uptime".parse().unwrap()];
        });
        check_line("unix:@x", Err("exec takes no quit-on"), |entry| {
            entry.quit_on = Some("bye".to_owned());
        });
        check_line("unix:@x", Err("shell is for exec"), |entry| {
            (entry.service, entry.shell) = (Some(Service::Echo), true);
        });
    }
}
