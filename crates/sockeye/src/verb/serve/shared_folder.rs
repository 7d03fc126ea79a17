//! `serve files`: which folder, to whom, and where that may be served at all.

use std::error::Error as _;
use std::sync::Arc;

use sockeye_net::trust::Right;
use sockeye_net::{Endpoint, Errno, Place};
use sockeye_service::files::{Files, Root};
use sockeye_service::{Conversation, Service as Answers};

use super::door::{Door, access};
use super::{Entry, Service};
use crate::context::Context;
use crate::exit::usage;

/// Refuses what would serve strangers, and flags that make no sense together.
pub(super) fn check(entry: &Entry) -> anyhow::Result<()> {
    if entry.service != Some(Service::Files) {
        for (given, flag) in [
            (entry.root.is_some(), "root"),
            (entry.read_only, "read-only"),
            (entry.public, "public"),
        ] {
            if given {
                return Err(usage!("{flag} is for files"));
            }
        }
        return Ok(());
    }
    if entry.root.is_none() {
        return Err(usage!(
            "files needs a folder to serve: --root DIR, in a config root = \"DIR\""
        ));
    }
    for (given, flag) in [
        (entry.frame.is_some(), "frame"),
        (entry.encoding.is_some(), "encoding"),
        (entry.quit_on.is_some(), "quit-on"),
        (entry.requests.is_some(), "requests"),
        (entry.read_size.is_some(), "read-size"),
        (entry.read_pause.is_some(), "read-pause"),
    ] {
        if given {
            return Err(usage!(
                "files takes no {flag}: its wire has frames of its own"
            ));
        }
    }
    let mut endpoints = entry.endpoints.iter();
    endpoints.try_for_each(|endpoint| check_place(endpoint, entry))
}

const DOOR: Door = Door {
    served: "files are",
    could: "store files",
    opens: "--insecure-anyone opens loopback alone, --public reading alone",
};

fn check_place(endpoint: &Endpoint, entry: &Entry) -> anyhow::Result<()> {
    match endpoint.place {
        Place::Tcp(_) | Place::Ws { secure: false, .. } if entry.public => Ok(()),
        _ => DOOR.check(endpoint, entry),
    }
}

/// What stores and sends the files.
pub(super) fn make(context: &Context, entry: &Entry) -> anyhow::Result<Answers> {
    let path = entry.root.as_deref();
    let path = path.ok_or_else(|| usage!("files needs a folder to serve"))?;
    let root = Root::open(path).map_err(|error| {
        let why = error.source().and_then(|why| why.downcast_ref());
        let why = why.map(|why| format!(": {}", Errno::of(why)));
        usage!("{}: {error}{}", path.display(), why.unwrap_or_default())
    })?;
    let mut access = access(context, entry, Right::Files)?;
    if entry.public {
        access = access.with_public_reading();
    }
    let files: Arc<dyn Conversation> =
        Arc::new(Files::new(root, access).read_only(entry.read_only));
    Ok(files.into())
}

#[cfg(test)]
mod tests {
    use super::super::door::check_entry;
    use super::*;

    #[track_caller]
    fn check_line(endpoint: &str, expected: Result<(), &str>, change: impl FnOnce(&mut Entry)) {
        let entry = Entry {
            service: Some(Service::Files),
            root: Some(".".into()),
            ..Entry::default()
        };
        check_entry(entry, endpoint, expected, change);
    }

    #[test]
    fn strangers_store_nothing() {
        let check = |endpoint: &str, expected| check_line(endpoint, expected, |_| {});
        for endpoint in [
            "unix:@files",
            "unix-seqpacket:/run/files",
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
        check("stdio:", Err("does not show who"));
        let anyone = |entry: &mut Entry| entry.insecure_anyone = true;
        check_line("tcp://[::1]:1", Ok(()), anyone);
        check_line("tcp://192.0.2.7:1", Err("opens loopback alone"), anyone);
        check_line("unix-dgram:@x", Err("use quic://"), anyone);
        let public = |entry: &mut Entry| entry.public = true;
        check_line("tcp://192.0.2.7:1", Ok(()), public);
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        check_line("unix:@x", Err("needs a folder"), |entry| entry.root = None);
        check_line("unix:@x", Err("root is for files"), |entry| {
            entry.service = Some(Service::Echo);
        });
        check_line("unix:@x", Err("files takes no frame"), |entry| {
            entry.frame = "line".parse().ok();
        });
    }
}
