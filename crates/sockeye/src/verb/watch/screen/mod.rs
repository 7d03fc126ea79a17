//! The picture on a terminal while it happens: connections, the lanes of one of them, what was found,
//! what the programs say.

mod gauges;
mod picture;
mod state;

use std::time::Duration;

use sockeye_trace::render::text::Lanes;
use sockeye_trace::{Session, Timeline, finding};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Watch;
use super::ending::End;
use super::live::Pace;
use super::recording::{News, Recording};
use super::seen::Seen;
use crate::context::Context;
use crate::ui::screen::{Input, Screen};
use crate::values::Wait;
use picture::View;
use state::{Asked, State};

/// How long what changed may wait to be drawn.
const SOON: Duration = Duration::from_millis(50);
/// No turn is ever due.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// What the picture is made from, and whoever brings it.
pub(super) struct Theatre<'a> {
    pub(super) context: &'a Context,
    pub(super) watch: &'a Watch,
    pub(super) recording: &'a Recording,
    pub(super) names: Vec<String>,
}

/// Why a picture of the session as it was is drawn no longer.
enum Turn {
    /// There is more to be joined.
    Join,
    /// Another connection was chosen, or shall be drawn otherwise.
    Choose,
    /// The person has seen enough.
    Leave,
}

/// Draws until the person leaves.
pub(super) async fn run(
    theatre: Theatre<'_>,
    session: &mut Session,
    news: &mut Receiver<News>,
) -> anyhow::Result<End> {
    let mut screen = Screen::enter()?;
    let mut state = State::new(theatre.context.lang(), theatre.watch.flow);
    let mut seen = Seen::default();
    let mut end = End::default();
    let mut pace = Pace::new();
    let deadline = theatre
        .watch
        .timeout
        .map(|Wait(after)| Instant::now() + after);
    loop {
        let began = Instant::now();
        theatre.recording.take(session, |fact| seen.note(fact));
        let timeline = Timeline::build(session);
        let findings = finding::find(&timeline);
        state.is_new = false;
        pace.took(began.elapsed());
        loop {
            let chosen = state.choose(&timeline);
            let options = state.options(&theatre, screen_width());
            let lanes = chosen.map(|flow| Lanes::new(&timeline, flow, &options));
            let view = View {
                timeline: &timeline,
                findings: &findings,
                flow: chosen,
                lanes: lanes.as_ref(),
                seen: &seen,
                options: &options,
            };
            let turn = one_picture(
                &theatre,
                &mut screen,
                &mut state,
                &view,
                news,
                &mut end,
                &pace,
                deadline,
            );
            match turn.await? {
                Turn::Join => break,
                Turn::Choose => {}
                Turn::Leave => return Ok(end),
            }
        }
    }
}

/// Draws one joined session until there is reason to do something else.
#[allow(clippy::too_many_arguments)]
async fn one_picture(
    theatre: &Theatre<'_>,
    screen: &mut Screen,
    state: &mut State,
    view: &View<'_, '_>,
    news: &mut Receiver<News>,
    end: &mut End,
    pace: &Pace,
    deadline: Option<Instant>,
) -> anyhow::Result<Turn> {
    let mut redraw = Some(Instant::now());
    loop {
        let join = if state.is_new && !state.paused {
            pace.next()
        } else {
            Instant::now() + NEVER
        };
        let late = deadline.filter(|_| !state.ended && end.timed_out.is_none());
        tokio::select! {
            biased;
            input = screen.next() => match input {
                Input::Redraw => return Ok(Turn::Choose),
                Input::End(signal) => {
                    if state.ended {
                        return Ok(Turn::Leave);
                    }
                    if state.ask_to_end() {
                        end.cut_short = Some(signal);
                        return Ok(Turn::Leave);
                    }
                    theatre.recording.stop();
                    redraw = Some(Instant::now());
                }
                Input::Key(key) => match state.on_key(key, view) {
                    Asked::Nothing => {}
                    Asked::Draw => redraw = Some(Instant::now()),
                    Asked::Choose => return Ok(Turn::Choose),
                    Asked::End => theatre.recording.stop(),
                    Asked::Kill => {
                        theatre.recording.stop();
                        end.cut_short = Some(libc::SIGINT);
                        return Ok(Turn::Leave);
                    }
                    Asked::Leave => return Ok(Turn::Leave),
                },
            },
            () = sleep_until(redraw.unwrap_or_else(|| Instant::now() + NEVER)) => {
                screen.draw(|frame| picture::draw(frame, view, state))?;
                redraw = None;
            }
            () = sleep_until(join) => return Ok(Turn::Join),
            () = sleep_until(late.unwrap_or_else(|| Instant::now() + NEVER)) => {
                end.timed_out = theatre.watch.timeout.map(|Wait(after)| after);
                state.ask_to_end();
                theatre.recording.stop();
            }
            next = news.recv(), if !state.silent => match next {
                Some(News::Facts) => state.is_new = true,
                Some(News::Said(place, line)) => {
                    state.hear(theatre.names.get(place), &line);
                    // Where much is said, the news of facts may have found no room.
                    state.is_new = true;
                    redraw.get_or_insert_with(|| Instant::now() + SOON);
                }
                Some(News::Ended(ending)) => {
                    end.told = ending.check();
                    state.over(&end.told);
                    if state.leaves_at_the_end() || (end.told.is_err() && view.timeline.session.is_empty()) {
                        return Ok(Turn::Leave);
                    }
                }
                None => state.silent = true,
            },
        }
    }
}

/// How wide the terminal is.
fn screen_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(0, |size| usize::from(size.ws_col))
}
