//! One message, one answer.

use anyhow::anyhow;
use sockeye_net::Incoming;
use tokio::time::timeout;

use super::Talk;
use super::screen::Screen;
use super::source::Next;
use crate::exit::TimedOut;

/// Asks until the questions, the answers or the peer have ended.
pub(super) async fn run(talk: &mut Talk<'_>) -> anyhow::Result<()> {
    let Talk {
        incoming,
        outgoing,
        source,
        screen,
        rules,
    } = talk;
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
