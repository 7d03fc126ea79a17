//! exec's client half: asks for a command, feeds it, and hears what it prints and how it ends.
//!
//! Nothing here prints. The two directions are values of their own, because the command's output
//! must be read while its input waits for credit.

mod ended;
mod error;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use std::io;

pub use ended::{End, Ended};
pub use error::ExecError;
pub use incoming::{Incoming, Said};
pub use outgoing::{Order, Outgoing};

use sockeye_net::Link;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::link_stream::{LinkReader, LinkWriter, as_stream};

/// Both directions of a conversation with an exec server.
///
/// # Errors
/// When no stream of bytes can be made of the link.
pub fn open(link: Link) -> io::Result<(Incoming<LinkReader>, Outgoing<LinkWriter>)> {
    let (read, write) = as_stream(link)?;
    Ok(over(read, write))
}

/// The same over any two directions.
fn over<R, W>(read: R, write: W) -> (Incoming<R>, Outgoing<W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (grant, granted) = watch::channel(0);
    (Incoming::new(read, grant), Outgoing::new(write, granted))
}
