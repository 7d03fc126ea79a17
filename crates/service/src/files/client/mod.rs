//! The client's half of files: what `put` and `get` do over a link to a server. Nothing is printed
//! here; progress and notes are for whoever draws.

mod error;
mod get;
mod list;
mod outbox;
mod place;
mod plain;
mod progress;
mod put;
mod send;
mod source;
mod stop;
mod target;
mod want;
mod window;

pub use error::{Failure, Skip, TransferError};
pub use get::{GetOptions, get};
pub use list::{Listed, MAX_ENTRIES, list};
pub use plain::{Confirmed, PLAIN_ANSWER, PlainError, PlainOptions, put_plain};
pub use progress::{Note, OnNote, Progress, Standing};
pub use put::{PutOptions, put};
pub use source::Source;
pub use stop::Stop;
pub use target::Target;
