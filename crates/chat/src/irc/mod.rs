//! IRC on the wire: pure, lent from the bytes that came. RFC 1459, RFC 2812, <https://modern.ircdocs.horse>,
//! IRCv3.

mod caps;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod line;
mod mask;
mod message;
mod name;
pub mod numeric;
mod tags;
mod time;
#[cfg(test)]
mod vectors;

pub use caps::Caps;
pub use line::Line;
pub use mask::Mask;
pub use message::{Message, ParseError, Who};
pub use name::{Folded, NICK_BYTES, ROOM_BYTES, is_nick, is_room, shown_text, user_name};
pub use tags::{Tags, escape, unescape};
pub use time::{TimeText, time_of, time_text};

/// Bytes of a line with CR and LF, without tags (RFC 2812, section 2.3).
pub const LINE_BYTES: usize = 512;

/// Bytes of the tags that a client may send, with `@` and the blank (IRCv3, message-tags).
pub const CLIENT_TAGS_BYTES: usize = 4096;

/// Bytes of the tags that a server may send, with `@` and the blank (IRCv3, message-tags).
pub const SERVER_TAGS_BYTES: usize = 8191;

/// Parameters of a message at most (RFC 2812, section 2.3).
pub const MAX_PARAMS: usize = 15;
