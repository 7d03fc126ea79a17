//! Bytes in, bytes out.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use sockeye_net::{ByteLink, Errno, Link, LinkError, ReadHalf, WriteHalf};
use sockeye_trace::Closing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::converse::quiet_for;
use super::printer::Printer;
use super::source::stdio;
use super::{Dial, OnEof};
use crate::context::Context;
use crate::exit::unwritten;

/// What one read moves at most: the size at which a bulk transfer is fastest (docs/performance.md).
const CHUNK: usize = 256 * 1024;
/// How long input is awaited that a peer may still want that has ended its own direction.
const LATE: Duration = Duration::from_secs(1);

/// Copies both ways until the peer has ended, or as the flags say.
pub(super) async fn run(
    link: ByteLink,
    dial: &Dial,
    mut printer: Printer,
    context: &Context,
    closing: &mut Closing,
) -> anyhow::Result<()> {
    let (mut from_peer, mut to_peer) = link.into_split();
    let ended = copy(&mut from_peer, &mut to_peer, dial, &mut printer).await;
    closing.read_bytes = from_peer.read_bytes();
    closing.written_bytes = to_peer.written_bytes();
    let shown = printer.finish(context);
    ended.and(shown)
}

async fn copy(
    from_peer: &mut ReadHalf,
    to_peer: &mut WriteHalf,
    dial: &Dial,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let Link::Bytes(stdio) = stdio().await? else {
        unreachable!("standard input and output are bytes");
    };
    let (mut stdin, mut stdout) = stdio.into_split();
    let size = dial.read_size.map_or(CHUNK, |size| size.0.get());
    let stirred = Cell::new(Instant::now());

    let down = download(from_peer, &mut stdout, printer, size, &stirred);
    tokio::pin!(down);
    let sent = {
        let up = upload(&mut stdin, to_peer, &stirred);
        tokio::pin!(up);
        tokio::select! {
            biased;
            ended = &mut down => {
                ended?;
                // The peer says no more, and may still listen: what is there is still sent.
                return tokio::select! {
                    biased;
                    sent = &mut up, if !dial.no_stdin => sent,
                    () = quiet_for(Some(LATE), &stirred), if !dial.no_stdin => Ok(()),
                    else => Ok(()),
                };
            }
            sent = &mut up, if !dial.no_stdin => sent,
        }
    };
    if sent.is_err() {
        // The peer takes no more, but what it said before is still there to read.
        down.await?;
        return sent;
    }
    let patience = match dial.on_eof {
        OnEof::HalfClose => {
            // A peer that is gone is found out by reading.
            let _ = to_peer.shutdown().await;
            None
        }
        OnEof::Close => Some(Duration::ZERO),
        OnEof::Wait(time) => Some(time),
    };
    stirred.set(Instant::now());
    tokio::select! {
        biased;
        ended = &mut down => ended,
        () = quiet_for(patience, &stirred) => Ok(()),
    }
}

async fn upload(
    stdin: &mut ReadHalf,
    to_peer: &mut WriteHalf,
    stirred: &Cell<Instant>,
) -> anyhow::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = stdin.read(&mut chunk).await?;
        stirred.set(Instant::now());
        if got == 0 {
            return Ok(());
        }
        let sent = async {
            to_peer.write_all(&chunk[..got]).await?;
            to_peer.flush().await
        };
        sent.await.map_err(|error| {
            let error = LinkError::writing(&error);
            anyhow::Error::new(error).context("not all of the input was sent")
        })?;
    }
}

async fn download(
    from_peer: &mut ReadHalf,
    stdout: &mut WriteHalf,
    printer: &mut Printer,
    size: usize,
    stirred: &Cell<Instant>,
) -> anyhow::Result<()> {
    let mut chunk = vec![0; size];
    loop {
        let got = match from_peer.read(&mut chunk).await {
            Ok(got) => got,
            Err(error) => {
                // What came before is ours to print, however it ended.
                stdout.flush().await.map_err(|error| on_stdout(&error))?;
                return Err(LinkError::reading(&error).into());
            }
        };
        stirred.set(Instant::now());
        if got == 0 {
            return stdout.flush().await.map_err(|error| on_stdout(&error));
        }
        if printer.is_exact() {
            printer.heard(&chunk[..got]);
            stdout
                .write_all(&chunk[..got])
                .await
                .map_err(|error| on_stdout(&error))?;
        } else {
            printer.message(&chunk[..got])?;
        }
    }
}

fn on_stdout(error: &io::Error) -> anyhow::Error {
    unwritten("to standard output", Errno::of(error))
}
