//! What `serve` says itself: where it listens, what a reload changed, what it came to.

use sockeye_net::Pinned;
use sockeye_service::Summary;

use super::Entry;
use super::opened::Socket;
use super::reload::Changes;
use crate::catalogue::{self as say, Lang, counted_bytes};
use crate::context::Context;
use crate::journal::{Journal, tell_socket};
use crate::trust;

/// A socket listens. Where a page tells people the same, `quiet` leaves the log line out.
pub(super) fn listening(
    journal: &Journal,
    lang: Lang,
    entry: &Entry,
    socket: &Socket,
    quiet: bool,
) {
    let (service, endpoint) = (entry.label(), socket.local.to_string());
    let text = say::LISTENING.fill(lang, &[("endpoint", &endpoint), ("service", &service)]);
    let framing = socket.entrance.framing.as_ref().or(entry.frame.as_ref());
    let framing = framing.map(ToString::to_string);
    journal.say(
        "listening",
        |line| {
            line.put("service", &service)
                .put("endpoint", &endpoint)
                .put("asked", &socket.asked.to_string())
                .put_some("frame", framing.as_deref());
        },
        (!quiet).then_some(text),
    );
}

/// Anybody on this machine may do as he likes through a socket.
pub(super) fn insecure(journal: &Journal, lang: Lang, entry: &Entry, socket: &Socket) {
    let (service, endpoint) = (entry.label(), socket.local.to_string());
    let text = say::INSECURE.fill(lang, &[("endpoint", &endpoint), ("service", &service)]);
    journal.say(
        "insecure",
        |line| {
            line.put("service", &service).put("endpoint", &endpoint);
        },
        Some(text),
    );
}

/// Everybody may read what is served there.
pub(super) fn public(journal: &Journal, lang: Lang, entry: &Entry, socket: &Socket) {
    let (service, endpoint) = (entry.label(), socket.local.to_string());
    let text = say::PUBLIC.fill(lang, &[("endpoint", &endpoint), ("service", &service)]);
    journal.say(
        "public",
        |line| {
            line.put("service", &service).put("endpoint", &endpoint);
        },
        Some(text),
    );
}

/// `--show-socket`: what the kernel made of a socket.
pub(super) fn socket(journal: &Journal, lang: Lang, socket: &Socket) {
    let Some(report) = socket.report() else {
        return;
    };
    tell_socket(journal, lang, &socket.local.to_string(), &report);
}

/// Every socket listens.
pub(super) fn ready(journal: &Journal, services: usize, config: Option<&str>) {
    journal.say(
        "ready",
        |line| {
            line.number("services", services as u64)
                .put_some("config", config);
        },
        None,
    );
}

/// The config was read again.
pub(super) fn reloaded(journal: &Journal, lang: Lang, changes: &Changes) {
    let list = |names: &[String]| match names {
        [] => "–".to_owned(),
        names => names.join(", "),
    };
    let text = say::RELOADED.fill(
        lang,
        &[
            ("added", &list(&changes.added)),
            ("removed", &list(&changes.removed)),
            ("changed", &list(&changes.changed)),
        ],
    );
    journal.say(
        "reloaded",
        |line| {
            line.list("added", &changes.added)
                .list("removed", &changes.removed)
                .list("changed", &changes.changed);
        },
        Some(text),
    );
}

/// The config could not be read again.
pub(super) fn reload_failed(journal: &Journal, lang: Lang, error: &anyhow::Error) {
    let error = format!("{error:#}");
    let text = say::RELOAD_FAILED.fill(lang, &[("error", &error)]);
    journal.say(
        "reload_failed",
        |line| {
            line.put("error", &error);
        },
        Some(text),
    );
}

/// A relay has met the other side for the first time.
pub(super) fn pinned(journal: &Journal, context: &Context, pinned: &Pinned) {
    let key = pinned.fingerprint.to_string();
    journal.say(
        "pinned",
        |line| {
            line.put("place", &pinned.place).put("key", &key);
        },
        Some(trust::pinned_text(context, pinned)),
    );
}

/// A signal asked for the end.
pub(super) fn draining(journal: &Journal, lang: Lang, open: usize) {
    let text = say::DRAINING.fill(lang, &[("open", &open)]);
    journal.say(
        "draining",
        |line| {
            line.number("open", open as u64);
        },
        (open > 0).then_some(text),
    );
}

/// Nobody is served any more.
pub(super) fn stopped(journal: &Journal, lang: Lang, total: &Summary) {
    let text = say::STOPPED.fill(
        lang,
        &[
            ("accepted", &total.accepted),
            ("read_bytes", &counted_bytes(total.read_bytes, lang)),
            ("written_bytes", &counted_bytes(total.written_bytes, lang)),
        ],
    );
    journal.say(
        "stopped",
        |line| {
            line.number("accepted", total.accepted)
                .number("refused", total.refused)
                .number("read_bytes", total.read_bytes)
                .number("written_bytes", total.written_bytes)
                .number("read_messages", total.read_messages)
                .number("written_messages", total.written_messages);
        },
        Some(text),
    );
}
