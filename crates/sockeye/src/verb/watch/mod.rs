//! `sockeye watch`: three lanes of programs that know nothing of it.
//!
//! This process draws. Another one, started from the same program, traces ([`worker`]): what it sees
//! comes through a pipe, as the facts of a session ([`recording`]).

mod args;
mod ending;
mod plan;
mod recording;
mod voices;
pub(crate) mod worker;

use std::future::pending;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use sockeye_trace::Session;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use args::Watch;
use ending::{End, Files};
use recording::{News, Recording};
use voices::Voice;

use crate::context::Context;
use crate::exit::Exit;
use crate::signals::{Asked, Signals};
use crate::ui::{Colour, Shown, Ui, paint};
use crate::values::Wait;

/// News that wait at most: programs that say more have to wait.
const NEWS: usize = 256;
/// How long lines are waited for that programs said just before their end.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let drawn = self.is_drawn();
        let plan = self.plan(drawn)?;
        let mut files = Files::create(&self)?;
        let (sender, mut news) = channel(NEWS);
        let mut streams = vec![];
        for place in 0..plan.programs.len() {
            let sender = sender.clone();
            let tell = move |line: &[u8]| {
                // Whoever draws may be gone.
                let _ = sender.blocking_send(News::Said(place, line.to_vec()));
            };
            streams.push(Voice::new()?.listen(tell));
        }
        if plan.stdin {
            streams.push(io::stdin().as_fd().try_clone_to_owned()?);
        }
        let mut signals = Signals::listen()?;
        let recording = Recording::start(&plan, streams, files.session.take(), sender)?;
        let mut session = Session::default();
        let mut view = Lines {
            ui: context.ui,
            names: plan.programs.iter().map(ending::name).collect(),
        };
        let end = self
            .follow(&recording, &mut view, &mut session, &mut news, &mut signals)
            .await;
        recording.take(&mut session);
        self.tell(context, &session, files, end)
    }

    /// Until all is over, or somebody does not want to wait for that.
    async fn follow(
        &self,
        recording: &Recording,
        view: &mut Lines,
        session: &mut Session,
        news: &mut Receiver<News>,
        signals: &mut Signals,
    ) -> End {
        let mut end = End::default();
        let deadline = self.timeout.map(|Wait(after)| Instant::now() + after);
        let mut asked = false;
        loop {
            let late = async {
                match deadline {
                    Some(at) if end.timed_out.is_none() => sleep_until(at).await,
                    _ => pending().await,
                }
            };
            tokio::select! {
                next = news.recv() => match next {
                    Some(News::Ended(ending)) => {
                        end.told = ending.check();
                        // What programs said last may still be on its way.
                        while let Ok(Some(next)) = timeout(LAST_WORDS, news.recv()).await {
                            view.show(next);
                        }
                        return end;
                    }
                    Some(next) => {
                        view.show(next);
                        recording.take(session);
                    }
                    None => return end,
                },
                heard = signals.next() => {
                    let signal = match heard {
                        Asked::End(signal) => signal,
                        Asked::Reload => libc::SIGHUP,
                    };
                    recording.stop();
                    if asked {
                        end.cut_short = Some(signal);
                        return end;
                    }
                    asked = true;
                }
                () = late => {
                    end.timed_out = self.timeout.map(|Wait(after)| after);
                    recording.stop();
                }
            }
        }
    }
}

/// What programs say, on standard error: a line each, with who said it.
#[derive(Debug)]
struct Lines {
    ui: Ui,
    names: Vec<String>,
}

impl Lines {
    fn show(&mut self, news: News) {
        if let News::Said(place, line) = news {
            let said = Shown::new(&line, encoding_rs::UTF_8, false);
            let name = self.names.get(place).map(String::as_str);
            let name = paint(name.unwrap_or_default(), Colour::Cyan, self.ui.colour);
            // Nothing can be done when nobody reads it.
            let _ = writeln!(io::stderr().lock(), "{name} | {}", said.text);
        }
    }
}
