//! The picture on a terminal while it happens: connections, the lanes of one of them, what was found,
//! what the programs say.

mod gauges;
mod picture;
mod state;

use std::future::pending;
use std::time::Duration;

use sockeye_trace::render::text::Lanes;
use sockeye_trace::{Session, Timeline, finding};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::ending::End;
use super::face::Face;
use super::live::Pace;
use super::seen::Seen;
use crate::recording::{News, Recording};
use crate::ui::screen::{Input, Screen};
use crate::values::Wait;
use picture::View;
use state::{Asked, State};

/// How long what changed may wait to be drawn.
const SOON: Duration = Duration::from_millis(50);

/// What the picture is made from, and whoever brings it.
pub(super) struct Theatre<'a> {
    pub(super) face: &'a Face<'a>,
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
    let mut sitting = Sitting::begin(theatre, news)?;
    let mut seen = Seen::default();
    loop {
        let began = Instant::now();
        let recording = sitting.theatre.recording;
        recording.take(session, |fact| seen.note(fact));
        let timeline = Timeline::build(session);
        let findings = finding::find(&timeline);
        sitting.state.is_new = false;
        sitting.pace.took(began.elapsed());
        loop {
            let chosen = sitting.state.choose(&timeline);
            let options = sitting.state.options(&sitting.theatre, screen_width());
            let lanes = chosen.map(|flow| Lanes::new(&timeline, flow, &options));
            let view = View {
                timeline: &timeline,
                findings: &findings,
                flow: chosen,
                lanes: lanes.as_ref(),
                seen: &seen,
                options: &options,
            };
            match sitting.one_picture(&view).await? {
                Turn::Join => break,
                Turn::Choose => {}
                Turn::Leave => return Ok(sitting.end),
            }
        }
    }
}

/// A person at the terminal: what lasts from one picture to the next.
struct Sitting<'a> {
    theatre: Theatre<'a>,
    screen: Screen,
    state: State,
    news: &'a mut Receiver<News>,
    end: End,
    /// When what is new is joined.
    pace: Pace,
    /// When the programs have had their time.
    deadline: Option<Instant>,
    /// When the picture is drawn next, if it changed.
    redraw: Option<Instant>,
}

impl<'a> Sitting<'a> {
    fn begin(theatre: Theatre<'a>, news: &'a mut Receiver<News>) -> anyhow::Result<Self> {
        let timeout = theatre.face.timeout;
        Ok(Self {
            screen: Screen::enter()?,
            state: State::new(theatre.face.context.lang(), theatre.face.sight.flow),
            news,
            end: End::default(),
            pace: Pace::new(),
            deadline: timeout.map(|Wait(after)| Instant::now() + after),
            redraw: None,
            theatre,
        })
    }

    /// Draws one joined session until there is reason to do something else.
    async fn one_picture(&mut self, view: &View<'_, '_>) -> anyhow::Result<Turn> {
        self.redraw = Some(Instant::now());
        loop {
            let join = (self.state.is_new && !self.state.paused).then(|| self.pace.next());
            let has_time = !self.state.ended && self.end.timed_out.is_none();
            let late = self.deadline.filter(|_| has_time);
            let turn = tokio::select! {
                biased;
                input = self.screen.next() => self.on_input(&input, view),
                () = due(self.redraw) => {
                    self.screen.draw(|frame| picture::draw(frame, view, &mut self.state))?;
                    self.redraw = None;
                    None
                }
                () = due(join) => Some(Turn::Join),
                () = due(late) => {
                    self.end.timed_out = self.theatre.face.timeout.map(|Wait(after)| after);
                    self.state.ask_to_end();
                    self.theatre.recording.stop();
                    None
                }
                news = self.news.recv(), if !self.state.silent => self.on_news(news, view),
            };
            if let Some(turn) = turn {
                return Ok(turn);
            }
        }
    }

    fn on_input(&mut self, input: &Input, view: &View<'_, '_>) -> Option<Turn> {
        match *input {
            Input::Paste(_) => None,
            Input::Redraw => Some(Turn::Choose),
            Input::End(_) if self.state.ended => Some(Turn::Leave),
            Input::End(signal) => {
                if self.state.ask_to_end() {
                    self.end.cut_short = Some(signal);
                    return Some(Turn::Leave);
                }
                self.theatre.recording.stop();
                self.redraw = Some(Instant::now());
                None
            }
            Input::Key(key) => match self.state.on_key(key, view) {
                Asked::Nothing => None,
                Asked::Draw => {
                    self.redraw = Some(Instant::now());
                    None
                }
                Asked::Choose => Some(Turn::Choose),
                Asked::End => {
                    self.theatre.recording.stop();
                    None
                }
                Asked::Kill => {
                    self.theatre.recording.stop();
                    self.end.cut_short = Some(libc::SIGINT);
                    Some(Turn::Leave)
                }
                Asked::Leave => Some(Turn::Leave),
            },
        }
    }

    /// Takes what the recording tells; none: it tells no more.
    fn on_news(&mut self, news: Option<News>, view: &View<'_, '_>) -> Option<Turn> {
        match news {
            Some(News::Facts) => self.state.is_new = true,
            Some(News::Said(place, line)) => {
                self.state.hear(self.theatre.names.get(place), &line);
                // Where much is said, the news of facts may have found no room.
                self.state.is_new = true;
                self.redraw.get_or_insert_with(|| Instant::now() + SOON);
            }
            Some(News::Ended(ending)) => {
                self.end.told = ending.check();
                self.state.over(&self.end.told);
                let is_empty = view.timeline.session.is_empty();
                if self.state.leaves_at_the_end() || (self.end.told.is_err() && is_empty) {
                    return Some(Turn::Leave);
                }
            }
            None => self.state.silent = true,
        }
        None
    }
}

/// Waits until then, where there is a then.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// How wide the terminal is.
fn screen_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(0, |size| usize::from(size.ws_col))
}
