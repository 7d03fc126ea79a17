//! Lines of IRC, as a guest gets them: only what is said to him, in plain text.

use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake};

use encoding_rs::Encoding;
use sockeye_service::{Mailbox, Posted};
use tokio::runtime::Handle;

use super::text::{encode, uncoloured};
use crate::irc::Message;
use crate::outbox::Wire;
use crate::service::Chat;

/// Where what is said to one guest goes.
pub(super) struct GuestWire {
    pub(super) nick: Box<str>,
    pub(super) desk: Box<str>,
    pub(super) encoding: &'static Encoding,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) told: Told,
}

/// What the desk was told of a guest, each once.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) chat: Weak<Chat>,
    /// Whoever speaks holds the world, and may be no thread of the runtime.
    pub(super) runtime: Handle,
    pub(super) replaced: bool,
    pub(super) lost: bool,
}

impl Told {
    fn tell(&self, text: String) {
        let chat = Weak::clone(&self.chat);
        self.runtime.spawn(async move {
            if let Some(chat) = chat.upgrade() {
                chat.with_world(|world| world.tell_desk(&text));
            }
        });
    }
}

impl GuestWire {
    /// What a line says to the guest, if it does.
    fn said_to_him<'a>(&self, line: &'a [u8]) -> Option<&'a str> {
        let message = Message::parse(line).ok()?;
        if !message.is("PRIVMSG") && !message.is("NOTICE") {
            return None;
        }
        let (to, text) = (message.param(0)?, message.param(1)?);
        if to.eq_ignore_ascii_case(&self.nick) {
            return Some(text);
        }
        if !to.eq_ignore_ascii_case(&self.desk) {
            return None;
        }
        let name = text.get(..self.nick.len())?;
        let rest = text[self.nick.len()..].strip_prefix([':', ','])?;
        name.eq_ignore_ascii_case(&self.nick)
            .then(|| rest.strip_prefix(' ').unwrap_or(rest))
    }

    fn hear(&mut self, line: &[u8]) {
        let Some(text) = self.said_to_him(line) else {
            return;
        };
        let text = match text.strip_prefix('\u{1}') {
            None => uncoloured(text),
            // What clients ask each other is not for people; what somebody does is.
            Some(asked) => match asked.strip_prefix("ACTION ") {
                Some(action) => format!("* {}", uncoloured(action)),
                None => return,
            },
        };
        let (bytes, is_whole) = encode(self.encoding, &text);
        let nick = &self.nick;
        if !is_whole && !std::mem::replace(&mut self.told.replaced, true) {
            let name = self.encoding.name();
            let text = format!(
                "{nick} reads {name}, which lacks some of these characters: he got ? for them"
            );
            self.told.tell(text);
        }
        let posted = self.mailbox.post(&bytes);
        if matches!(posted, Posted::Lost | Posted::Unencodable(_))
            && !std::mem::replace(&mut self.told.lost, true)
        {
            let text = format!(
                "{nick} reads too slowly, or not at all: he lost some of what was said to him"
            );
            self.told.tell(text);
        }
    }
}

impl Wire for GuestWire {
    fn poll_write(&mut self, _cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            self.hear(line.strip_suffix(b"\r").unwrap_or(line));
        }
        Poll::Ready(Ok(lines.len()))
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// Ends a guest's session when nothing more will be said to him.
pub(super) struct Ender(pub(super) Arc<Mailbox>);

impl Wake for Ender {
    fn wake(self: Arc<Self>) {
        // Nothing ever waits in the outbox of a guest: what wakes is its end.
        self.0.finish();
    }
}
