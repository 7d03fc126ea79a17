//! `serve files`: which folder, to whom, and where that may be served at all.

use std::error::Error as _;
use std::sync::Arc;

use sockeye_net::trust::Right;
use sockeye_net::{Endpoint, Place, Scheme, UnixKind};
use sockeye_service::files::{Files, Root};
use sockeye_service::{Access, Conversation, Service as Answers};

use super::commands::is_loopback;
use super::{Entry, Service};
use crate::context::Context;
use crate::exit::usage;
use crate::trust;

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

fn check_place(endpoint: &Endpoint, entry: &Entry) -> anyhow::Result<()> {
    let plain = match &endpoint.place {
        Place::Tcp(at)
        | Place::Ws {
            at, secure: false, ..
        } => Some(is_loopback(at)),
        _ => None,
    };
    match plain {
        Some(_) if entry.public => return Ok(()),
        Some(true) if entry.insecure_anyone => return Ok(()),
        Some(true) => {
            return Err(usage!(
                "{endpoint}: any program of this machine could store files there; use unix: or \
                 tls://, or say --insecure-anyone"
            ));
        }
        Some(false) => {
            return Err(usage!(
                "{endpoint}: whoever reaches it could store files there; use tls://, quic:// or \
                 wss:// (--insecure-anyone opens loopback alone, --public reading alone)"
            ));
        }
        None => {}
    }
    let ours = matches!(
        endpoint.place,
        Place::Unix {
            kind: UnixKind::Stream | UnixKind::Seqpacket,
            ..
        }
    );
    match endpoint.place.scheme() {
        Scheme::Udp | Scheme::UnixDgram => {
            Err(usage!("{endpoint}: datagrams may get lost, use quic://"))
        }
        // Who is behind an inherited socket is asked when somebody comes.
        Scheme::Fd => Ok(()),
        scheme if scheme.is_secure() || ours => Ok(()),
        _ => Err(usage!(
            "{endpoint}: it does not show who is at the other end; files are served on unix:, \
             unix-seqpacket:, tls://, quic:// and wss://"
        )),
    }
}

/// What stores and sends the files.
pub(super) fn make(context: &Context, entry: &Entry) -> anyhow::Result<Answers> {
    let path = entry.root.as_deref();
    let path = path.ok_or_else(|| usage!("files needs a folder to serve"))?;
    let root = Root::open(path).map_err(|error| {
        let source = error.source().map(|source| format!(": {source}"));
        usage!("{}: {error}{}", path.display(), source.unwrap_or_default())
    })?;
    let mut access = Access::new(Right::Files);
    let secure = |endpoint: &Endpoint| endpoint.place.scheme().is_secure();
    if entry.endpoints.is_empty() || entry.endpoints.iter().any(secure) {
        access = access.with_keys(trust::authorized(context)?);
    }
    if entry.insecure_anyone {
        access = access.with_anyone_on_loopback();
    }
    if entry.public {
        access = access.with_public_reading();
    }
    let files: Arc<dyn Conversation> =
        Arc::new(Files::new(root, access).read_only(entry.read_only));
    Ok(files.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(endpoint: &str, expected: Result<(), &str>, change: impl FnOnce(&mut Entry)) {
        let mut entry = Entry {
            service: Some(Service::Files),
            root: Some(".".into()),
            endpoints: vec![endpoint.parse().unwrap()],
            ..Entry::default()
        };
        change(&mut entry);
        match (entry.check(), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part) && !error.contains('\n'), "{error}");
            }
            (found, _) => panic!("{endpoint}: {found:?}"),
        }
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
        check("stdio:", Err("it does not show who"));
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
