//! Messages as they come, both ways.

use std::cell::Cell;
use std::time::Duration;

use sockeye_net::{Incoming, Outgoing};
use tokio::time::{Instant, sleep_until};

use super::screen::Screen;
use super::source::{Next, Source};
use super::{OnEof, Rules, Talk};

/// What ended a direction.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The peer said all it has to say, or the answer came that ends the conversation.
    Peer,
    /// The input ended.
    Input,
    /// The text was typed that ends the conversation.
    Exit,
}

/// Talks until one of the two has ended it.
pub(super) async fn run(talk: &mut Talk<'_>) -> anyhow::Result<()> {
    let Talk {
        incoming,
        outgoing,
        source,
        screen,
        rules,
    } = talk;
    // When the last message came or left.
    let stirred = Cell::new(Instant::now());
    let down = download(incoming, screen, &stirred);
    tokio::pin!(down);
    let ended = tokio::select! {
        biased;
        ended = &mut down => ended?,
        ended = upload(outgoing, source, rules, &stirred) => ended?,
    };
    if ended != Ended::Input {
        return Ok(());
    }
    let patience = match rules.on_eof {
        OnEof::Close => Some(Duration::ZERO),
        OnEof::Wait(time) => Some(time),
        OnEof::HalfClose => {
            outgoing.finish().await?;
            rules.quiet
        }
    };
    stirred.set(Instant::now());
    tokio::select! {
        biased;
        ended = &mut down => ended.map(drop),
        () = quiet_for(patience, &stirred) => Ok(()),
    }
}

async fn upload(
    outgoing: &mut Outgoing,
    source: &mut Source,
    rules: &Rules,
    stirred: &Cell<Instant>,
) -> anyhow::Result<Ended> {
    loop {
        let message = match source.next().await? {
            Next::Message(message) => message,
            Next::End => return Ok(Ended::Input),
            Next::Exit => return Ok(Ended::Exit),
        };
        if message.is_empty() && rules.skips_empty {
            continue;
        }
        outgoing.send(&message).await?;
        stirred.set(Instant::now());
        rules.pause().await;
    }
}

async fn download(
    incoming: &mut Incoming,
    screen: &mut Screen<'_>,
    stirred: &Cell<Instant>,
) -> anyhow::Result<Ended> {
    while let Some(arrival) = incoming.next().await? {
        stirred.set(Instant::now());
        if screen.show(&arrival)? {
            break;
        }
    }
    Ok(Ended::Peer)
}

/// Waits until nothing has stirred for so long; for ever without a limit.
pub(super) async fn quiet_for(patience: Option<Duration>, stirred: &Cell<Instant>) {
    let Some(patience) = patience else {
        return std::future::pending().await;
    };
    loop {
        let until = stirred.get() + patience;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
