//! Dialling somebody whose key may not be known yet: asking, pinning, saying so.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::Arc;

use sockeye_net::{Authorized, Endpoint, Fingerprint, KeyChange, Link, NetError, Pinned};
use tokio::sync::Mutex;

use crate::catalogue as say;
use crate::context::Context;

/// How often a person may answer with something that is neither yes nor no.
const TRIES: usize = 3;
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 256;

/// Dials, and makes the acquaintance of a peer whose key is not known: a person at the terminal is
/// asked, `--trust-on-first-use` pins, and a script is refused with what to do.
pub(crate) async fn connect(context: &Context, endpoint: &Endpoint) -> anyhow::Result<Link> {
    let mut linked = sockeye_net::connect(&context.net, endpoint).await;
    if let Err(NetError::Unknown {
        place, fingerprint, ..
    }) = &linked
        && acquaint(context, place, *fingerprint).await?
    {
        linked = sockeye_net::connect(&context.net, endpoint).await;
    }
    tell_pinned(context);
    Ok(linked?)
}

/// The keys that may use a service, and what is wrong with the list, on standard error.
pub(crate) fn authorized(context: &Context) -> anyhow::Result<Arc<Authorized>> {
    let authorized = context.net.trust.authorized()?;
    for problem in authorized.problems() {
        context.ui.error(&problem.into());
    }
    Ok(Arc::clone(authorized))
}

/// Says which keys first use has pinned since this was asked last.
pub(crate) fn tell_pinned(context: &Context) {
    while let Some(pinned) = context.net.trust.take_pinned() {
        if !context.global.quiet {
            context.ui.say(&pinned_text(context, &pinned));
        }
    }
}

/// The line about a key that first use has pinned.
pub(crate) fn pinned_text(context: &Context, pinned: &Pinned) -> String {
    let (place, key) = (&pinned.place, &pinned.fingerprint);
    say::PINNED.fill(context.lang(), &[("place", place), ("key", key)])
}

/// Asks whether the key is the right one and pins it. False where nobody can be asked.
async fn acquaint(
    context: &Context,
    place: &str,
    fingerprint: Fingerprint,
) -> anyhow::Result<bool> {
    /// One question at a time: several dials may meet unknown keys at once.
    static ASKING: Mutex<()> = Mutex::const_new(());
    let _turn = ASKING.lock().await;
    let known = context.net.trust.known_peers()?;
    // Answered while we waited for our turn: dialling again shows whether it is this key.
    if known.pin_of(place)?.is_some() {
        return Ok(true);
    }
    let Some(terminal) = Terminal::find() else {
        return Ok(false);
    };
    let lang = context.lang();
    let question = say::TRUST_IT.fill(lang, &[("place", &place), ("key", &fingerprint)]);
    let again = say::YES_OR_NO.get(lang);
    // A thread that waits for a person keeps no signal from ending us.
    let asked = tokio::task::spawn_blocking(move || terminal.ask(&question, again));
    if !asked.await?? {
        return Ok(false);
    }
    let (pin, is_new) = known.pin(place, fingerprint)?;
    if pin.fingerprint != fingerprint {
        return Err(NetError::KeyChanged(Box::new(KeyChange {
            place: place.to_owned(),
            pinned: pin.fingerprint,
            file: known.path().to_owned(),
            line: pin.line,
            got: fingerprint,
        }))
        .into());
    }
    if is_new && !context.global.quiet {
        let place = place.to_owned();
        context
            .ui
            .say(&pinned_text(context, &Pinned { place, fingerprint }));
    }
    Ok(true)
}

/// Where a person answers.
struct Terminal(Box<dyn Read + Send>);

impl Terminal {
    /// The terminal of this process, if a person can read the question there. In a pipeline standard
    /// input is something else, and the person is still at `/dev/tty` (tty(4)).
    fn find() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Some(Self(Box::new(stdin)));
        }
        let tty = File::open("/dev/tty").ok()?;
        Some(Self(Box::new(tty)))
    }

    /// Asks until the answer is yes or no; the end of the input is a no.
    fn ask(self, question: &str, again: &str) -> io::Result<bool> {
        let mut answers = BufReader::new(self.0);
        let mut asked = question.to_owned();
        for _ in 0..TRIES {
            write!(io::stderr().lock(), "{asked} ")?;
            let mut answer = vec![];
            let mut line = answers.by_ref().take(ANSWER_LIMIT);
            if line.read_until(b'\n', &mut answer)? == 0 {
                return Ok(false);
            }
            if let Some(answer) = meaning(&String::from_utf8_lossy(&answer)) {
                return Ok(answer);
            }
            again.clone_into(&mut asked);
        }
        Ok(false)
    }
}

/// Whether it is a yes or a no. A single letter is too easily a slip for a yes.
fn meaning(answer: &str) -> Option<bool> {
    match answer.trim().to_lowercase().as_str() {
        "yes" | "是" => Some(true),
        "no" | "n" | "否" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_is_one() {
        assert_eq!(meaning(" Yes\r\n"), Some(true));
        assert_eq!(meaning("是\n"), Some(true));
        assert_eq!(meaning("y\n"), None);
        assert_eq!(meaning("no\n"), Some(false));
        let ask = |typed: &'static str| {
            Terminal(Box::new(typed.as_bytes()))
                .ask("?", "yes/no")
                .unwrap()
        };
        assert!(ask("what\ny\nyes\n"));
        assert!(!ask("a\nb\nc\nyes\n"));
        assert!(!ask(""));
        assert!(!ask("ye"));
    }
}
