//! Events as lines for people: time, peer, what happened.

use encoding_rs::Encoding;
use sockeye_net::Errno;
use sockeye_trace::{Closing, Event, Kind, Time};

use super::View;
use super::names::Names;
use super::{commands, files, members};
use crate::catalogue::{self as say, Lang, counted_bytes, counted_messages};
use crate::ui::{Colour, Shown, Ui, escape, paint};

/// Bytes of a read or write that a line shows, unless it is told to say more.
const A_LINE: usize = 512;

/// How log lines are drawn.
#[derive(Debug)]
pub(super) struct Log {
    lang: Lang,
    colour: bool,
    ansi: bool,
    verbose: bool,
    show: bool,
    encoding: &'static Encoding,
    zone: jiff::tz::TimeZone,
    /// The second that was shown last, since the epoch and as text: lines come in crowds.
    shown: (i64, String),
    /// The bad frame that was told last: its connection ends with the same words as the reason.
    bad_frame: (u64, String),
}

impl Log {
    pub(super) fn new(ui: Ui, view: &View) -> Self {
        Self {
            lang: ui.lang,
            colour: ui.colour,
            ansi: view.ansi,
            verbose: view.verbose,
            show: view.show,
            encoding: view.encoding,
            zone: jiff::tz::TimeZone::system(),
            shown: (-1, String::new()),
            bad_frame: (0, String::new()),
        }
    }

    /// The line for an event, if it deserves one.
    pub(super) fn event(&mut self, event: &Event, payload: &[u8], names: &Names) -> Option<String> {
        let what = self.what(event, payload, names)?;
        let ends = names.ends(event.conn());
        let number = event.conn().number();
        let peer = match (ends, event.kind()) {
            // A Unix peer rarely has a name: the number tells it from the next one.
            (Some(ends), _) if ends.peer.ends_with(':') => format!("{}#{number}", ends.peer),
            (Some(ends), _) => ends.peer.clone(),
            (None, Kind::Refused) => two_lines(payload).0,
            (None, _) if number == 0 => String::new(),
            (None, _) => format!("#{number}"),
        };
        Some(self.line(event.time, &peer, &what))
    }

    /// The line for something we say ourselves; a `page` has lines of its own and stays as it is.
    pub(super) fn notice(&mut self, time: Time, text: &str, page: bool) -> String {
        if page {
            format!("{text}\n")
        } else {
            self.line(time, "", text)
        }
    }

    fn line(&mut self, time: Time, peer: &str, what: &str) -> String {
        let time = paint(&self.clock(time), Colour::Dim, self.colour);
        if peer.is_empty() {
            return format!("{time}  {what}\n");
        }
        let peer = paint(&escape(peer), Colour::Cyan, self.colour);
        format!("{time}  {peer}  {what}\n")
    }

    /// The wall clock here, to the millisecond.
    fn clock(&mut self, time: Time) -> String {
        let second = (time.as_nanos() / 1_000_000_000).cast_signed();
        if self.shown.0 != second {
            let stamp = jiff::Timestamp::from_second(second).unwrap_or_default();
            let here = stamp.to_zoned(self.zone.clone());
            self.shown = (second, here.strftime("%Y-%m-%d %H:%M:%S").to_string());
        }
        let millis = time.as_nanos() / 1_000_000 % 1000;
        format!("{}.{millis:03}", self.shown.1)
    }

    fn what(&mut self, event: &Event, payload: &[u8], names: &Names) -> Option<String> {
        let lang = self.lang;
        let local = || names.ends(event.conn()).map_or("", |ends| &ends.local);
        let error = || text_of(payload);
        let text = match event.kind() {
            Kind::Accepted => say::ACCEPTED.fill(lang, &[("local", &local())]),
            Kind::Connected => say::CONNECTED.fill(lang, &[("local", &local())]),
            Kind::SessionOpened => say::SESSION.fill(lang, &[("local", &local())]),
            Kind::Read if event.result == 0 && is_stream(local()) => return None,
            Kind::Read | Kind::Write => self.call(event, payload),
            Kind::PeerClosed if self.verbose || self.show => say::PEER_CLOSED.get(lang).to_owned(),
            Kind::Closed => {
                let mut closing = Closing::from_payload(payload);
                if self.bad_frame == (event.conn().number(), closing.reason.clone()) {
                    say::BAD_FRAME_TOLD
                        .get(lang)
                        .clone_into(&mut closing.reason);
                }
                self.closed(&closing)
            }
            Kind::Refused => {
                let limit = say::known(&two_lines(payload).1, lang);
                say::REFUSED.fill(lang, &[("limit", &limit)])
            }
            Kind::BadFrame => {
                let told = String::from_utf8_lossy(payload).into_owned();
                self.bad_frame = (event.conn().number(), told);
                say::BAD_FRAME.fill(lang, &[("error", &error())])
            }
            Kind::Truncated => {
                say::TRUNCATED.fill(lang, &[("got", &event.result), ("of", &event.asked)])
            }
            Kind::Dropped => say::DROPPED.fill(lang, &[("error", &error())]),
            Kind::AcceptPaused => say::ACCEPT_PAUSED.fill(lang, &[("error", &errno(event))]),
            Kind::AcceptResumed => say::ACCEPT_RESUMED.get(lang).to_owned(),
            Kind::Denied => {
                let error = say::known(&error(), lang);
                say::TURNED_AWAY.fill(lang, &[("error", &error)])
            }
            kind @ (Kind::CommandStarted | Kind::CommandEnded | Kind::CommandRefused) => {
                commands::line(kind, payload, lang)?
            }
            kind @ (Kind::FileStored
            | Kind::FileSent
            | Kind::FileRefused
            | Kind::FileInterrupted) => files::line(kind, payload, lang)?,
            kind @ (Kind::MemberIn | Kind::MemberOut) => members::line(kind, payload, lang)?,
            _ => return None,
        };
        Some(text)
    }

    /// A read or a write with its bytes, as `--show` wants them.
    fn call(&self, event: &Event, payload: &[u8]) -> String {
        let lang = self.lang;
        let read = event.kind() == Kind::Read;
        let Ok(bytes) = u32::try_from(event.result) else {
            let text = if read {
                say::READ_FAILED
            } else {
                say::WRITE_FAILED
            };
            return text.fill(lang, &[("error", &errno(event))]);
        };
        if bytes == 0 {
            return if read {
                say::READ_EMPTY
            } else {
                say::WROTE_EMPTY
            }
            .get(lang)
            .to_owned();
        }
        let size = counted_bytes(bytes.into(), lang);
        let text = self.shown(payload, bytes as usize);
        match event.kind() {
            Kind::Read => say::READ.fill(lang, &[("bytes", &size), ("text", &text)]),
            _ if bytes < event.asked => say::WROTE_PART.fill(
                lang,
                &[("bytes", &size), ("asked", &event.asked), ("text", &text)],
            ),
            _ => say::WROTE.fill(lang, &[("bytes", &size), ("text", &text)]),
        }
    }

    fn shown(&self, payload: &[u8], bytes: usize) -> String {
        let kept = if self.verbose {
            payload
        } else {
            &payload[..payload.len().min(A_LINE)]
        };
        let Shown {
            mut text,
            undecodable,
        } = Shown::new(kept, self.encoding, self.ansi);
        if kept.len() < bytes {
            text.push_str(&say::CUT.fill(self.lang, &[("more", &(bytes - kept.len()))]));
        }
        if undecodable > 0 {
            text.push_str(&say::UNDECODABLE.fill(self.lang, &[("count", &undecodable)]));
        }
        text
    }

    fn closed(&self, closing: &Closing) -> String {
        let bytes = |count| counted_bytes(count, self.lang);
        let messages = |count| counted_messages(count, self.lang);
        let reason = say::known(&escape(&closing.reason), self.lang);
        let text = if reason.is_empty() {
            say::CLOSED
        } else {
            say::CLOSED_WITH_REASON
        };
        text.fill(
            self.lang,
            &[
                ("reason", &reason),
                ("read_bytes", &bytes(closing.read_bytes)),
                ("read_messages", &messages(closing.read_messages)),
                ("written_bytes", &bytes(closing.written_bytes)),
                ("written_messages", &messages(closing.written_messages)),
            ],
        )
    }
}

/// Whether bytes come from there in order, so that an empty read is the end and no message.
fn is_stream(local: &str) -> bool {
    let messages = ["udp:", "ip:", "unix-dgram:", "unix-seqpacket:"];
    !messages.iter().any(|scheme| local.starts_with(scheme))
}

/// The kernel's error in an event that carries minus an errno.
fn errno(event: &Event) -> Errno {
    Errno::new(event.result.saturating_neg())
}

/// A payload that is text of ours about a peer: safe to print.
fn text_of(payload: &[u8]) -> String {
    escape(&String::from_utf8_lossy(payload)).into_owned()
}

/// A payload of two lines.
fn two_lines(payload: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(payload);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    (escape(first).into_owned(), escape(second).into_owned())
}
