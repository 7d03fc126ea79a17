//! Guests: people whose programs send datagrams, or bytes, and know nothing of IRC.
//!
//! ```text
//!  udp 62851 ── "hello" ──▶ Guest ── :guest-62851!guest@… PRIVMSG #desk :[127.0.0.1:62851] hello ──▶ World
//!      ▲                                                                                               │
//!      └── "hi" ── Mailbox ◀── GuestWire ◀── :tom!… PRIVMSG #desk :guest-62851: hi ── Outbox ◀─────────┘
//! ```

mod text;
mod wire;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use encoding_rs::Encoding;
use sockeye_service::{Arrival, Mailbox, Out, Peer, Responder, Responders};
use sockeye_trace::Time;
use tokio::runtime::Handle;

use self::text::Reader;
use self::wire::{Ender, GuestWire, Told};
use crate::outbox::Outbox;
use crate::service::Chat;
use crate::service::flood::Bucket;
use crate::world::{self, MemberId, Turned, Way};

/// Lines a second that a guest may go on saying; eight times as many come at once.
pub const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Lines of one message that are shown; what follows is counted.
pub const LINES_PER_MESSAGE: usize = 150;

/// Bytes that may wait for a guest's outbox; none ever does.
const OUTBOX_BYTES: usize = 1;

/// Guests in plain text: each datagram of an address is a message, and each frame of a stream.
#[derive(Debug)]
pub struct Guests {
    chat: Arc<Chat>,
    encoding: &'static Encoding,
    runtime: Handle,
    /// Counts those without a port.
    unnamed: AtomicU64,
}

impl Guests {
    /// Guests of this chat, who read and write this encoding. They appear at its
    /// [desk](crate::world::Settings::desk).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(chat: Arc<Chat>, encoding: &'static Encoding) -> Self {
        Self {
            chat,
            encoding,
            runtime: Handle::current(),
            unnamed: AtomicU64::new(1),
        }
    }

    /// How a guest comes, and what is written behind `guest-`: his port, or a number.
    fn way(&self, peer: &Peer<'_>) -> (Way, String) {
        let name = peer.name.to_string();
        let plain = name
            .split_once("://")
            .map_or(&*name, |(_, address)| address);
        let address: Option<SocketAddr> = plain.parse().ok();
        let tail = address.map_or_else(
            || self.unnamed.fetch_add(1, Ordering::Relaxed).to_string(),
            |address| address.port().to_string(),
        );
        let way = Way {
            // An address stands in a line of IRC.
            address: crate::irc::shown_text(plain, ADDRESS_BYTES),
            host: self.chat.host_of(address.map(|address| address.ip())),
            ..Way::default()
        };
        (way, tail)
    }
}

/// Bytes of an address that are shown: the longest path of a Unix socket fits.
const ADDRESS_BYTES: usize = 120;

impl Responders for Guests {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let is_datagram = peer.arrival == Arrival::Datagrams;
        let mailbox = Mailbox::new(peer.framing.filter(|_| !is_datagram).cloned());
        let (way, tail) = self.way(peer);
        let come = self.chat.with_world(|world| {
            let nick = world.guest_nick(&tail);
            let wire = GuestWire {
                nick: nick.clone().into(),
                desk: world.desk().into(),
                encoding: self.encoding,
                mailbox: Arc::clone(&mailbox),
                told: Told {
                    chat: Arc::downgrade(&self.chat),
                    runtime: self.runtime.clone(),
                    replaced: false,
                    lost: false,
                },
            };
            let outbox = Outbox::new(Box::new(wire), OUTBOX_BYTES);
            // Whoever ends it wakes the ender.
            let ender = Waker::from(Arc::new(Ender(Arc::clone(&mailbox))));
            let _ = outbox.poll_flush(&mut Context::from_waker(&ender));
            let arrival = world::Arrival {
                outbox: Arc::clone(&outbox),
                way,
            };
            let id = world.guest_comes(arrival, &nick)?;
            Ok((id, nick))
        });
        let rate = self
            .chat
            .options()
            .lines_per_second
            .map(|_| LINES_PER_SECOND);
        Box::new(Guest {
            chat: Arc::clone(&self.chat),
            come,
            mailbox,
            reader: Reader::new(self.encoding, peer.arrival == Arrival::Chunks),
            bucket: Bucket::new(rate, 0),
            unheard: 0,
            gone: if is_datagram {
                "Said nothing for a while"
            } else {
                "Connection closed"
            },
        })
    }
}

/// One guest.
struct Guest {
    chat: Arc<Chat>,
    /// Who he is, with his nick, or why he is nobody.
    come: Result<(MemberId, String), Turned>,
    mailbox: Arc<Mailbox>,
    reader: Reader,
    bucket: Bucket,
    /// Lines that nobody heard, because they were too many, since the desk was told.
    unheard: usize,
    /// Why he is gone when he is.
    gone: &'static str,
}

impl Guest {
    fn say(&mut self, now: Time, mut lines: Vec<String>) {
        let Ok((id, nick)) = &self.come else {
            return;
        };
        self.bucket.wait(now.as_nanos() / 1_000_000);
        let said = lines.iter().take(LINES_PER_MESSAGE);
        let heard = said.take_while(|line| self.bucket.take(line.len())).count();
        let newly_unheard = lines.len() - heard;
        lines.truncate(heard);
        // A flood is told of when it begins, and how large it was when it is over.
        let tells = match (self.unheard, newly_unheard) {
            (0, 1..) => Some(format!(
                "{nick} says too much at once: some of it is not shown"
            )),
            (1.., 0) => Some(format!(
                "{nick} said {} lines that are not shown",
                self.unheard
            )),
            _ => None,
        };
        self.unheard = if newly_unheard > 0 {
            self.unheard + newly_unheard
        } else {
            0
        };
        self.chat.with_world(|world| {
            if let Some(text) = tells {
                world.tell_desk(&text);
            }
            world.guest_says(*id, &lines)
        });
    }

    fn refuse(&self, out: &mut Out<'_>) {
        match self.come {
            Ok(_) => {}
            Err(Turned::Many) => out.refuse("there are too many guests"),
            Err(Turned::Banned) => out.refuse("the desk has banned this guest"),
        }
    }
}

impl Responder for Guest {
    fn on_open(&mut self, _now: Time, out: &mut Out<'_>) {
        self.refuse(out);
    }

    fn on_message(&mut self, now: Time, message: &[u8], _out: &mut Out<'_>) {
        let lines = if message.is_empty() {
            vec!["(an empty message)".to_owned()]
        } else {
            self.reader.lines(message)
        };
        self.say(now, lines);
    }

    fn on_broken(&mut self, _reason: &str) {
        self.gone = "Connection lost";
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.mailbox))
    }

    fn on_half_close(&mut self, now: Time, out: &mut Out<'_>) {
        let rest = self.reader.finish();
        if !rest.is_empty() {
            self.say(now, rest);
        }
        out.close();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Ok((id, _)) = &self.come {
            self.chat.with_world(|world| world.leave(*id, self.gone));
        }
    }
}
