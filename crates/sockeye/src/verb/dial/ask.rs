//! One message, one answer.

use anyhow::anyhow;
use sockeye_net::{Framed, Incoming, Outgoing};
use sockeye_trace::Closing;
use tokio::time::timeout;

use super::Rules;
use super::converse::count;
use super::screen::Screen;
use super::source::{Next, Source};
use crate::exit::TimedOut;

/// Asks until the questions, the answers or the peer have ended.
pub(super) async fn run(
    framed: Framed,
    source: &mut Source,
    screen: &mut Screen<'_>,
    rules: &Rules,
    closing: &mut Closing,
) -> anyhow::Result<()> {
    let (mut incoming, mut outgoing) = framed.split();
    let ended = talk(&mut incoming, &mut outgoing, source, screen, rules).await;
    count(closing, &incoming, &outgoing);
    ended
}

async fn talk(
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
    source: &mut Source,
    screen: &mut Screen<'_>,
    rules: &Rules,
) -> anyhow::Result<()> {
    loop {
        let next = tokio::select! {
            biased;
            next = source.next() => next?,
            // What comes unasked is shown, and an end is not waited out with a question.
            over = overhear(incoming, screen) => return over,
        };
        let Next::Message(message) = next else { break };
        if message.is_empty() && rules.skips_empty {
            continue;
        }
        outgoing.send(&message).await?;
        let answer = timeout(rules.timeout, incoming.next()).await;
        let answer = answer.map_err(|_| TimedOut::answer(rules.timeout))??;
        let answer =
            answer.ok_or_else(|| anyhow!("the peer closed the connection without an answer"))?;
        if screen.show(&answer)? {
            break;
        }
        rules.pause().await;
    }
    // The peer may be gone by now, and every answer is here.
    let _ = outgoing.finish().await;
    Ok(())
}

/// Shows what comes until the peer has ended.
async fn overhear(incoming: &mut Incoming, screen: &mut Screen<'_>) -> anyhow::Result<()> {
    while let Some(arrival) = incoming.next().await? {
        if screen.show(&arrival)? {
            break;
        }
    }
    Ok(())
}
