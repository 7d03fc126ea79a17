//! The chat on a whole terminal: contacts, messages, members, and the line that one types.
//!
//! `state` knows what is looked at and what keys do, `picture` how it is laid out; `page` makes rows
//! of a conversation, `scroll` says which of them; both draw from the model and change nothing in it.

mod complete;
mod input;
mod look;
mod over;
mod page;
mod picture;
mod scroll;
mod side;
mod state;
#[cfg(test)]
mod tests;
mod top;
mod traffic;
mod wrap;

use std::future::pending;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep_until};

use super::client::{Client, now_ms};
use super::model::News;
use super::tell::Teller;
use crate::context::Context;
use crate::exit::Exit;
use crate::journal::Journal;
use crate::ui::colours;
use crate::ui::screen::{Input, Screen};
use look::Look;
use state::{Asked, State};

/// How soon after a picture the next one may follow where nobody pressed a key: many lines that
/// come at once are drawn once.
const PACE: Duration = Duration::from_millis(30);
/// Older messages that are fetched at once.
const OLDER: usize = 100;

/// Shows the chat until the person leaves or a signal asks for the end.
pub(super) async fn run(
    context: &Context,
    client: &mut Client,
    journal: &Journal,
) -> anyhow::Result<Exit> {
    // Questions about keys are asked where they can be read.
    client.make_acquaintances().await;
    let look = Look {
        colours: colours(&std::io::stdout()),
    };
    let mut sitting = Sitting {
        screen: Screen::enter()?,
        state: State::new(look, TimeZone::system()),
        teller: Teller::of_events(context, journal),
        drawn: None,
        is_stale: true,
    };
    while !client.is_over() {
        sitting.hear(client)?;
        let picture = sitting.due(client);
        tokio::select! {
            biased;
            input = sitting.screen.next() => {
                if sitting.on_input(input, client)? {
                    break;
                }
            }
            why = journal.unread() => return Err(why),
            () = until(picture) => sitting.draw(client)?,
            () = client.next() => sitting.is_stale = true,
        }
    }
    Ok(Exit::Done)
}

/// A person at the terminal.
struct Sitting<'a> {
    screen: Screen,
    state: State,
    teller: Teller<'a>,
    /// When the picture was drawn last.
    drawn: Option<Instant>,
    /// Whether it would look different now.
    is_stale: bool,
}

impl Sitting<'_> {
    /// Takes what is new.
    fn hear(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let news = client.take_news();
        self.teller.tell(&client.model, news.clone())?;
        self.is_stale |= !news.is_empty();
        let hints = news.into_iter().filter_map(|news| match news {
            News::Hint(hint) => Some(hint),
            News::Message(..) | News::Delivery(..) | News::Server(_) | News::Current(_) => None,
        });
        self.state.hear(hints.collect(), &client.model);
        if self.state.catch_up(&client.model) == Asked::Older {
            fetch_older(client);
        }
        Ok(())
    }

    /// When the next picture is to be drawn, if nothing else happens before.
    fn due(&self, client: &Client) -> Option<Instant> {
        let Some(drawn) = self.drawn else {
            return Some(Instant::now());
        };
        if self.is_stale {
            return Some(drawn + PACE);
        }
        let now = now_ms();
        let changes = top::next_change(&client.model, now);
        changes.map(|at| Instant::now() + Duration::from_millis(at - now))
    }

    fn draw(&mut self, client: &Client) -> anyhow::Result<()> {
        let (model, state, now) = (&client.model, &mut self.state, now_ms());
        self.screen
            .draw(|frame| picture::draw(frame, model, state, now))?;
        self.drawn = Some(Instant::now());
        self.is_stale = false;
        Ok(())
    }

    /// Does what the person asks for; true: to end.
    fn on_input(&mut self, input: Input, client: &mut Client) -> anyhow::Result<bool> {
        let asked = match input {
            Input::End(_) => return Ok(true),
            Input::Redraw => Asked::Draw,
            Input::Key(key) => self.state.on_key(key, &client.model),
            Input::Paste(text) => self.state.on_paste(&text, &client.model),
        };
        match asked {
            Asked::Nothing => return Ok(false),
            Asked::End => return Ok(true),
            Asked::Draw => {}
            Asked::Redraw => self.screen.clear()?,
            Asked::Say(lines) => lines.iter().for_each(|line| client.typed(line)),
            Asked::Choose(id) => client.with(|model| model.choose(id)),
            Asked::Older => fetch_older(client),
        }
        self.hear(client)?;
        if !client.is_over() {
            self.draw(client)?;
        }
        Ok(false)
    }
}

/// Asks for what was said before all that is here.
fn fetch_older(client: &mut Client) {
    client.with(|model| {
        if let Some(id) = model.current().map(|one| one.id) {
            model.older(id, OLDER);
        }
    });
}

/// Waits until then, where there is a then.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
