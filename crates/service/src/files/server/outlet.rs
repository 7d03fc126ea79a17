//! The direction us → peer: answers become frames.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::desk::{Desk, Reply};
use crate::{LinkWriter, WireWriter};

/// Bytes of small answers that are collected before they are written.
const COLLECTED: usize = 32 << 10;

/// Writes answers until there will be none any more; then says that nothing follows.
pub(super) async fn write(
    link: &mut LinkWriter,
    desk: &Arc<Desk>,
    stall: Duration,
    answers: &mut u64,
) -> io::Result<()> {
    let mut writer = WireWriter::new(link);
    loop {
        let Some(reply) = desk.try_next() else {
            within(stall, writer.flush()).await?;
            if desk.has_reply().await {
                continue;
            }
            return within(stall, writer.shutdown()).await;
        };
        *answers += 1;
        write_one(&mut writer, &reply, stall).await?;
        desk.written(reply);
    }
}

async fn write_one(
    writer: &mut WireWriter<&mut LinkWriter>,
    reply: &Reply,
    stall: Duration,
) -> io::Result<()> {
    let mut body = reply.body.as_ref().map_or(&[][..], |body| body.bytes());
    writer.begin(&reply.answer, body.len() as u64);
    while !body.is_empty() {
        let taken = within(stall, writer.push(body)).await?;
        body = &body[taken..];
    }
    if writer.staged() > COLLECTED {
        within(stall, writer.push(&[])).await?;
    }
    Ok(())
}

/// Waits for the peer to take something, but not for ever.
async fn within<T>(stall: Duration, write: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(stall, write).await.unwrap_or_else(|_| {
        let text = format!("the peer took nothing for {stall:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}
