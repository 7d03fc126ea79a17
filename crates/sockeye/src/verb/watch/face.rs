//! The process that draws: a recording from its start to its report, on a screen or as text.

use std::future::pending;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use serde::Serialize;
use sockeye_trace::Session;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep_until, timeout};

use super::ending::{self, End, Files};
use super::live::Live;
use super::screen::{self, Theatre};
use super::sight::Sight;
use crate::catalogue::watch as say;
use crate::context::Context;
use crate::exit::Exit;
use crate::recording::{News, Planned, Recording, Voice};
use crate::signals::{Asked, Signals};
use crate::ui::{Colour, Shown, Ui, paint};
use crate::values::Wait;

/// News that wait at most: programs that say more have to wait.
const NEWS: usize = 256;
/// Who watches for so long is told how it ends.
const HINT: Duration = Duration::from_secs(3);
/// How long lines are waited for that programs said just before their end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is recorded, for whom, and how it is shown.
#[derive(Debug)]
pub(crate) struct Face<'a> {
    pub(crate) context: &'a Context,
    pub(crate) sight: &'a Sight,
    /// The programs that are started, in their order.
    pub(crate) programs: &'a [Planned],
    /// When they have had their time.
    pub(crate) timeout: Option<Wait>,
    /// The last program's status is ours.
    pub(crate) exit_status: bool,
    /// What there is to say about what was seen, beside the report.
    pub(crate) advice: fn(&Context, &Session),
}

impl Face<'_> {
    /// Starts the process of this word with its plan, and shows what it tells. `stdin`: the last program
    /// reads what we would.
    pub(crate) async fn record(
        &self,
        word: &str,
        plan: &impl Serialize,
        stdin: bool,
    ) -> anyhow::Result<Exit> {
        let mut files = Files::create(self.sight)?;
        let (sender, mut news) = channel(NEWS);
        let mut streams = vec![];
        for place in 0..self.programs.len() {
            let sender = sender.clone();
            let tell = move |line: &[u8]| {
                // Whoever draws may be gone.
                let _ = sender.blocking_send(News::Said(place, line.to_vec()));
            };
            streams.push(Voice::new()?.listen(tell));
        }
        if stdin {
            streams.push(io::stdin().as_fd().try_clone_to_owned()?);
        }
        let mut session = Session::default();
        let names: Vec<String> = self.programs.iter().map(ending::name).collect();
        // From here on a signal is an order, not our end.
        let mut signals = Signals::listen()?;
        let recording = Recording::start(word, plan, streams, files.session.take(), sender)?;
        let end = if self.sight.is_drawn() {
            let theatre = Theatre {
                face: self,
                recording: &recording,
                names,
            };
            screen::run(theatre, &mut session, &mut news).await?
        } else {
            let options = || self.sight.text_options(self.context);
            let mut view = Follow {
                ui: self.context.ui,
                names,
                live: self.sight.follow.then(|| Live::new(options())),
            };
            self.follow_along(&recording, &mut view, &mut session, &mut news, &mut signals)
                .await?
        };
        recording.take(&mut session, |_| ());
        let told = self.tell(&session, files, end);
        (self.advice)(self.context, &session);
        told
    }

    /// Whether somebody waits for the first program to listen.
    pub(super) fn has_client(&self) -> bool {
        self.programs.len() > 1
    }

    /// Until all is over, or somebody does not want to wait for that.
    async fn follow_along(
        &self,
        recording: &Recording,
        view: &mut Follow,
        session: &mut Session,
        news: &mut Receiver<News>,
        signals: &mut Signals,
    ) -> anyhow::Result<End> {
        let mut end = End::default();
        let deadline = self.timeout.map(|Wait(after)| Instant::now() + after);
        let hint = Instant::now() + HINT;
        let (mut hinted, mut asked) = (view.live.is_some() || !view.ui.is_terminal(), false);
        loop {
            let late = deadline.filter(|_| end.timed_out.is_none());
            let draw = view.live.as_ref().map(|live| live.pace.next());
            tokio::select! {
                next = news.recv() => match next {
                    Some(News::Ended(ending)) => {
                        end.told = ending.check();
                        // What programs said last may still be on its way.
                        while let Ok(Some(next)) = timeout(LAST_WORDS, news.recv()).await {
                            view.show(next);
                        }
                        recording.take(session, |_| ());
                        view.draw(session, true)?;
                        return Ok(end);
                    }
                    Some(next) => {
                        view.show(next);
                        recording.take(session, |_| ());
                    }
                    None => return Ok(end),
                },
                heard = signals.next() => {
                    let signal = match heard {
                        Asked::End(signal) => signal,
                        Asked::Reload => libc::SIGHUP,
                    };
                    recording.stop();
                    if asked {
                        end.cut_short = Some(signal);
                        return Ok(end);
                    }
                    asked = true;
                }
                () = until(late) => {
                    end.timed_out = self.timeout.map(|Wait(after)| after);
                    recording.stop();
                }
                () = until(draw) => {
                    recording.take(session, |_| ());
                    if let Err(why) = view.draw(session, false) {
                        recording.stop();
                        return Err(why);
                    }
                }
                () = sleep_until(hint), if !hinted => {
                    hinted = true;
                    view.ui.say(say::STILL_WATCHING.get(view.ui.lang));
                }
            }
        }
    }
}

/// Waits for a moment that may never come.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// The view without a screen: what programs say, on standard error with who said it, and lanes as they
/// happen where that is asked for.
#[derive(Debug)]
struct Follow {
    ui: Ui,
    names: Vec<String>,
    live: Option<Live>,
}

impl Follow {
    fn show(&mut self, news: News) {
        if let News::Said(place, line) = news {
            let said = Shown::new(&line, encoding_rs::UTF_8, false);
            let name = self.names.get(place).map(String::as_str);
            let name = paint(name.unwrap_or_default(), Colour::Cyan, self.ui.colour);
            // Nothing can be done when nobody reads it.
            let _ = writeln!(io::stderr().lock(), "{name} | {}", said.text);
        }
    }

    fn draw(&mut self, session: &Session, is_end: bool) -> anyhow::Result<()> {
        match &mut self.live {
            Some(live) => live.draw(session, is_end),
            None => Ok(()),
        }
    }
}
