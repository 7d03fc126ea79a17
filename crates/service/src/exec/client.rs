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
use std::time::Duration;

pub use ended::{End, Ended};
pub use error::ExecError;
pub use incoming::{Incoming, Said};
pub use outgoing::{Order, Outgoing};

use sockeye_net::Link;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Exec;
use crate::link_stream::{LinkReader, LinkWriter, as_stream};
use crate::wire::WireError;

/// How long a server has to start a command. Starting one takes it a millisecond.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Asks for a command and waits until it runs, as which process.
///
/// # Errors
/// When the server refuses it, does not answer within [`START_TIMEOUT`], or is gone.
pub async fn start<R, W>(
    incoming: &mut Incoming<R>,
    outgoing: &mut Outgoing<W>,
    command: Exec,
) -> Result<u32, ExecError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let started = async {
        // A server that refuses us may have closed already; what it said before is still to be read.
        let asked = outgoing.start(command).await;
        match (incoming.next().await, asked) {
            (Ok(Said::Started { pid }), _) => Ok(pid),
            (Ok(_), _) => unreachable!("nothing is heard of a command before it was started"),
            (Err(ExecError::Lost), Err(error)) => Err(WireError::from(error).into()),
            (Err(error), _) => Err(error),
        }
    };
    let after = START_TIMEOUT;
    let started = timeout(after, started).await;
    started.unwrap_or(Err(ExecError::Silent { after }))
}
