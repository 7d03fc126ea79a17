//! What the person at the terminal looks at, and what each key does.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sockeye_trace::Timeline;
use sockeye_trace::render::text::{Lanes, TextOptions};
use sockeye_trace::timeline::Flow;

use super::Theatre;
use super::picture::View;
use crate::catalogue::Lang;
use crate::ui::Shown;

/// Lines of the programs that are kept.
const SAID: usize = 1000;
/// Rows that a page key moves by where the pane's height is not known yet.
const PAGE: usize = 10;

/// What a key asks for beyond another look at the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    /// The same, drawn anew.
    Draw,
    /// Another connection, or the same drawn otherwise.
    Choose,
    /// The programs' end.
    End,
    /// Their end at once.
    Kill,
    /// Nothing more: all is over.
    Leave,
}

/// Which panes, which rows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lang: Lang,
    /// The number of the chosen connection; none: the newest that there is.
    pub(super) chosen: Option<u32>,
    /// The first row that is drawn, unless the last ones are followed.
    pub(super) first: usize,
    pub(super) following: bool,
    /// What comes is recorded, and not joined meanwhile.
    pub(super) paused: bool,
    pub(super) hex: bool,
    /// Whether what programs say is shown.
    pub(super) output: bool,
    /// Whether what was found is shown.
    pub(super) found: bool,
    /// There is more to be joined.
    pub(super) is_new: bool,
    /// Nothing more will be said.
    pub(super) silent: bool,
    /// The process that traces has ended.
    pub(super) ended: bool,
    /// Its end was asked for.
    pub(super) ending: bool,
    /// Why not all was told.
    pub(super) trouble: Option<String>,
    /// What the programs said: who, and the line.
    pub(super) said: VecDeque<(String, String)>,
    /// How many rows of lanes were drawn last.
    pub(super) height: usize,
    /// The row that was drawn last.
    pub(super) last: usize,
    only: Option<u32>,
}

impl State {
    pub(super) fn new(lang: Lang, only: Option<u32>) -> Self {
        Self {
            lang,
            chosen: only,
            first: 0,
            following: true,
            paused: false,
            hex: false,
            output: true,
            found: true,
            is_new: false,
            silent: false,
            ended: false,
            ending: false,
            trouble: None,
            said: VecDeque::new(),
            height: PAGE,
            last: 0,
            only,
        }
    }

    /// The connection to draw: the one that was chosen, else the one that something happened on last;
    /// one that carried anything, where there is one.
    pub(super) fn choose<'t>(&self, timeline: &'t Timeline<'_>) -> Option<&'t Flow> {
        let chosen = self.chosen.and_then(|number| find(timeline, number));
        chosen.or_else(|| {
            let moved = |flow: &Flow| {
                let ways = flow.ways.iter();
                ways.map(|way| way.written + way.carried + way.read)
                    .sum::<u64>()
            };
            let flows = timeline.flows.iter();
            flows.max_by_key(|flow| (moved(flow) > 0, flow.span.end, flow.number))
        })
    }

    /// How lanes are drawn.
    pub(super) fn options(&self, theatre: &Theatre<'_>, width: usize) -> TextOptions {
        TextOptions {
            width,
            hex: self.hex,
            ..theatre.face.sight.text_options(theatre.face.context)
        }
    }

    /// A program said a line.
    pub(super) fn hear(&mut self, who: Option<&String>, line: &[u8]) {
        let text = Shown::new(line, encoding_rs::UTF_8, false).text;
        self.said
            .push_back((who.cloned().unwrap_or_default(), text));
        if self.said.len() > SAID {
            self.said.pop_front();
        }
    }

    /// The process that traces has ended.
    pub(super) fn over(&mut self, told: &anyhow::Result<()>) {
        self.ended = true;
        self.is_new = true;
        self.trouble = told.as_ref().err().map(|why| format!("{why:#}"));
    }

    /// Whether the picture goes as soon as all is over: the person wanted the end, and nothing is wrong.
    pub(super) fn leaves_at_the_end(&self) -> bool {
        self.ending && self.trouble.is_none()
    }

    /// The programs' end is asked for. Says whether that was so before.
    pub(super) fn ask_to_end(&mut self) -> bool {
        std::mem::replace(&mut self.ending, true)
    }

    /// What a key does.
    pub(super) fn on_key(&mut self, key: KeyEvent, view: &View<'_, '_>) -> Asked {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let rows = view.lanes.map_or(0, Lanes::len);
        match key.code {
            KeyCode::Char('c') if control => self.end(),
            KeyCode::Char('q') | KeyCode::Esc => self.end(),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(rows, -1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(rows, 1),
            KeyCode::PageUp | KeyCode::Char('b') => self.scroll(rows, -(self.height as isize)),
            KeyCode::PageDown => self.scroll(rows, self.height as isize),
            KeyCode::Home | KeyCode::Char('g') => {
                (self.first, self.following) = (0, false);
                Asked::Draw
            }
            KeyCode::End | KeyCode::Char('G' | 'f') => {
                self.following = true;
                Asked::Draw
            }
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('n') => self.step(view, 1),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('p') => self.step(view, -1),
            KeyCode::Char(digit @ '1'..='9') => {
                let number = u32::from(digit) - u32::from('0');
                self.pick(find(view.timeline, number).map(|flow| flow.number))
            }
            KeyCode::Char(' ') => {
                self.paused = !self.paused;
                Asked::Draw
            }
            KeyCode::Char('x') => {
                self.hex = !self.hex;
                Asked::Choose
            }
            KeyCode::Char('o') => {
                self.output = !self.output;
                Asked::Draw
            }
            KeyCode::Char('w') => {
                self.found = !self.found;
                Asked::Draw
            }
            _ => Asked::Nothing,
        }
    }

    fn end(&mut self) -> Asked {
        if self.ended {
            return Asked::Leave;
        }
        if self.ask_to_end() {
            Asked::Kill
        } else {
            Asked::End
        }
    }

    fn scroll(&mut self, rows: usize, by: isize) -> Asked {
        if self.following && by < 0 {
            self.following = false;
        }
        if !self.following {
            self.first = self
                .first
                .saturating_add_signed(by)
                .min(rows.saturating_sub(1));
            // Back at the end, what comes is followed again.
            self.following = by > 0 && self.last + 1 >= rows;
        }
        Asked::Draw
    }

    /// The connection before or behind the one that is drawn.
    fn step(&mut self, view: &View<'_, '_>, by: isize) -> Asked {
        let numbers: Vec<u32> = view.timeline.flows.iter().map(|flow| flow.number).collect();
        let current = view.flow.map(|flow| flow.number);
        let place = numbers.iter().position(|number| Some(*number) == current);
        let next = place.map_or(0, |place| {
            place
                .saturating_add_signed(by)
                .min(numbers.len().saturating_sub(1))
        });
        self.pick(numbers.get(next).copied())
    }

    fn pick(&mut self, number: Option<u32>) -> Asked {
        if number.is_none() || self.only.is_some() {
            return Asked::Nothing;
        }
        self.chosen = number;
        self.following = true;
        Asked::Choose
    }
}

fn find<'t>(timeline: &'t Timeline<'_>, number: u32) -> Option<&'t Flow> {
    timeline.flows.iter().find(|flow| flow.number == number)
}
