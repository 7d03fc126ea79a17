//! Arguments of calls as text, the way strace writes them.

mod options;
mod sockaddr;
mod words;

pub(super) use options::option_text;
pub(super) use sockaddr::{NAME_MAX, Name};
pub(super) use words::{accept_flags, shutdown_how, socket_text, status_flags};
