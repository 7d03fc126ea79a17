//! What the person at the terminal looks at, and what each key does.

use std::collections::{HashMap, VecDeque};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;

use super::input::{Edited, Input};
use super::look::Look;
use super::over::{Content, Over};
use super::page::Page;
use super::scroll::Scroll;
use super::traffic::Traffic;
use super::wrap;
use crate::catalogue::chat_screen as say;
use crate::ui::escape;
use crate::verb::chat::model::{Conversation, ConversationId, Model, Place, Scrollback};

/// Names that were typed and can be had again.
const CHOSEN: usize = 100;

/// What a key asks for beyond another picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    /// A picture, because something changed.
    Draw,
    /// The whole picture anew, whatever stands there now.
    Redraw,
    /// These lines were typed.
    Say(Vec<String>),
    /// Another conversation, or the choice of one.
    Choose(Option<ConversationId>),
    /// What was said before all that is here.
    Older,
    /// The end.
    End,
}

/// The screen between two pictures.
#[derive(Debug)]
pub(super) struct State {
    pub(super) look: Look,
    pub(super) zone: TimeZone,
    pub(super) traffic: Traffic,
    pub(super) scrolls: HashMap<ConversationId, Scroll>,
    /// What stands over everything.
    pub(super) over: Option<Over>,
    /// A word about what was done last.
    pub(super) hint: Option<String>,
    /// The size of the messages' pane when it was drawn last.
    pub(super) height: usize,
    pub(super) columns: usize,
    /// What is being typed, in each conversation and where one is chosen.
    inputs: HashMap<Option<ConversationId>, Input>,
    /// What was typed where one is chosen.
    chosen: VecDeque<String>,
    /// Which one Enter opens where one is chosen.
    picked: Option<ConversationId>,
    /// An empty input, for where nothing was typed yet.
    blank: Input,
    /// Ctrl-C was pressed and would end the next time.
    is_ending: bool,
    /// A key that goes up, where nothing was above yet: it is followed once older messages are here.
    waiting: Option<KeyEvent>,
}

impl State {
    pub(super) fn new(look: Look, zone: TimeZone) -> Self {
        Self {
            look,
            zone,
            traffic: Traffic::default(),
            scrolls: HashMap::new(),
            over: None,
            hint: None,
            height: 1,
            columns: 1,
            inputs: HashMap::new(),
            chosen: VecDeque::new(),
            picked: None,
            blank: Input::default(),
            is_ending: false,
            waiting: None,
        }
    }

    /// What is typed where one is.
    pub(super) fn input(&self, model: &Model) -> &Input {
        let at = model.current().map(|one| one.id);
        self.inputs.get(&at).unwrap_or(&self.blank)
    }

    fn input_mut(&mut self, model: &Model) -> &mut Input {
        let at = model.current().map(|one| one.id);
        self.inputs.entry(at).or_default()
    }

    /// The conversation that Enter would open.
    pub(super) fn marked(&self, model: &Model) -> Option<ConversationId> {
        let first = || model.conversations().first().map(|one| one.id);
        self.picked.or_else(first)
    }

    /// What the client says about what was typed: below the messages, or in a box if it is more
    /// than a line.
    pub(super) fn hear(&mut self, mut hints: Vec<String>, model: &Model) {
        match &hints[..] {
            [] => {}
            // Where one chooses, there is room for a long one.
            [hint] if model.current().is_none() || wrap::width(&escape(hint)) < self.columns => {
                self.hint = hints.pop();
            }
            _ => self.over = Some(Over::new(Content::Said(hints))),
        }
    }

    /// Text from the clipboard.
    pub(super) fn on_paste(&mut self, text: &str, model: &Model) -> Asked {
        self.input_mut(model).paste(text);
        Asked::Draw
    }

    /// What a key does.
    pub(super) fn on_key(&mut self, key: KeyEvent, model: &Model) -> Asked {
        let was_ending = std::mem::take(&mut self.is_ending);
        self.hint = None;
        self.waiting = None;
        // Whoever goes back to the contacts finds the one marked that he comes from.
        if let Some(current) = model.current() {
            self.picked = Some(current.id);
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if control && key.code == KeyCode::Char('c') {
            return self.end(was_ending, model);
        }
        if let Some(mut over) = self.over.take() {
            if over.scrolls(key) {
                self.over = Some(over);
                return Asked::Draw;
            }
            // Any other key is one that was meant for what is behind.
            if matches!(key.code, KeyCode::Esc | KeyCode::F(1)) {
                return Asked::Draw;
            }
        }
        match key.code {
            KeyCode::F(1) => self.over = Some(Over::new(Content::Keys)),
            KeyCode::F(2) => return Asked::Say(vec!["/address".to_owned()]),
            KeyCode::Char('l') if control => return Asked::Redraw,
            KeyCode::Char('d') if control && self.input(model).is_empty() => {
                return match model.current() {
                    Some(_) => Asked::Choose(None),
                    None => self.end(was_ending, model),
                };
            }
            KeyCode::Char('a') if alt => return self.next_unread(model),
            KeyCode::Char('j') if alt => self.traffic = self.traffic.next(),
            KeyCode::Char(digit @ '1'..='9') if alt => {
                let place = digit as usize - '1' as usize;
                return to(model.conversations().get(place));
            }
            KeyCode::Char('n') if control => return neighbour(model, 1),
            KeyCode::Char('p') if control => return neighbour(model, -1),
            KeyCode::Down | KeyCode::Right if alt => return neighbour(model, 1),
            KeyCode::Up | KeyCode::Left if alt => return neighbour(model, -1),
            _ => {
                let scrolled = self.on_scroll_key(key, model);
                return scrolled.unwrap_or_else(|| self.on_typing(key, model));
            }
        }
        Asked::Draw
    }

    /// Ctrl-C: takes back what was typed, then asks, then ends.
    fn end(&mut self, was_ending: bool, model: &Model) -> Asked {
        if self.over.take().is_some() {
            return Asked::Draw;
        }
        if !self.input(model).is_empty() {
            self.input_mut(model).clear();
            return Asked::Draw;
        }
        if was_ending {
            return Asked::End;
        }
        self.is_ending = true;
        self.hint = Some(say::ONCE_MORE.get(model.lang).to_owned());
        Asked::Draw
    }

    /// Keys that move the picture. None: it is no such key.
    fn on_scroll_key(&mut self, key: KeyEvent, model: &Model) -> Option<Asked> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let is_empty = self.input(model).is_empty();
        let conversation = model.current()?;
        let (zone, height) = (self.zone.clone(), self.height);
        let page = Page {
            conversation,
            columns: self.columns,
            look: self.look,
            model,
            zone: &zone,
            traffic: self.traffic,
        };
        let scroll = self.scrolls.entry(conversation.id).or_default();
        let paged = height.saturating_sub(1).max(1);
        let was_at_top = scroll.is_at_top(&page, height);
        match key.code {
            KeyCode::PageUp => scroll.up(&page, paged, height),
            KeyCode::Up if shift => scroll.up(&page, 1, height),
            KeyCode::Home if control => scroll.go_to_top(&page, height),
            KeyCode::PageDown => scroll.down(&page, paged),
            KeyCode::Down if shift => scroll.down(&page, 1),
            KeyCode::End if control || is_empty => scroll.follow(),
            _ => return None,
        }
        let is_up = matches!(key.code, KeyCode::PageUp | KeyCode::Up | KeyCode::Home);
        if !is_up || !scroll.is_at_top(&page, height) {
            return Some(Asked::Draw);
        }
        if was_at_top && conversation.scrollback != Scrollback::Complete {
            self.waiting = Some(key);
        }
        // Also for whoever has only come to the top: the next page is here when it is wanted.
        Some(match conversation.scrollback {
            Scrollback::Unknown | Scrollback::More => Asked::Older,
            Scrollback::Asked | Scrollback::Complete => Asked::Draw,
        })
    }

    /// Follows a key that had to wait for older messages, if they have come.
    pub(super) fn catch_up(&mut self, model: &Model) -> Asked {
        let is_asked = |one: &Conversation| one.scrollback == Scrollback::Asked;
        if model.current().is_some_and(is_asked) {
            return Asked::Nothing;
        }
        let asked = self
            .waiting
            .take()
            .and_then(|key| self.on_scroll_key(key, model));
        // If there was nothing, there is nothing to wait for.
        self.waiting = None;
        asked.unwrap_or(Asked::Nothing)
    }

    /// Keys of the input, and of the list where one is chosen.
    fn on_typing(&mut self, key: KeyEvent, model: &Model) -> Asked {
        if model.current().is_none() && self.input(model).is_empty() {
            let marked = self.marked(model);
            match key.code {
                KeyCode::Enter => {
                    return marked.map_or(Asked::Nothing, |id| Asked::Choose(Some(id)));
                }
                KeyCode::Up => return self.pick(model, -1),
                KeyCode::Down => return self.pick(model, 1),
                _ => {}
            }
        }
        let typed = model.current().map_or(&self.chosen, |one| &one.typed.lines);
        let input = self
            .inputs
            .entry(model.current().map(|one| one.id))
            .or_default();
        match input.on_key(key, typed, |line| model.complete(line)) {
            Edited::No => Asked::Nothing,
            Edited::Yes => Asked::Draw,
            // To a plain peer an empty message is a message.
            Edited::Done(lines) if lines.is_empty() => {
                match model.current().map(|one| &one.place) {
                    Some(Place::Contact(_)) => Asked::Say(vec![String::new()]),
                    _ => Asked::Nothing,
                }
            }
            Edited::Done(lines) => {
                if model.current().is_none() {
                    self.chosen.extend(lines.iter().cloned());
                    let many = self.chosen.len().saturating_sub(CHOSEN);
                    self.chosen.drain(..many);
                }
                // Who says something looks at the end again.
                if let Some(scroll) = model
                    .current()
                    .and_then(|one| self.scrolls.get_mut(&one.id))
                {
                    scroll.follow();
                }
                Asked::Say(lines)
            }
        }
    }

    fn pick(&mut self, model: &Model, by: isize) -> Asked {
        let all = model.conversations();
        let marked = self.marked(model);
        let place = all
            .iter()
            .position(|one| Some(one.id) == marked)
            .unwrap_or(0);
        let next = place
            .saturating_add_signed(by)
            .min(all.len().saturating_sub(1));
        self.picked = all.get(next).map(|one| one.id);
        Asked::Draw
    }

    fn next_unread(&mut self, model: &Model) -> Asked {
        if let Some(id) = model.next_unread() {
            return Asked::Choose(Some(id));
        }
        self.hint = Some(say::NOTHING_UNREAD.get(model.lang).to_owned());
        Asked::Draw
    }
}

fn to(conversation: Option<&Conversation>) -> Asked {
    conversation.map_or(Asked::Nothing, |one| Asked::Choose(Some(one.id)))
}

/// The conversation before or behind the one that one is in, round about.
fn neighbour(model: &Model, by: isize) -> Asked {
    let all = model.conversations();
    let current = model.current().map(|one| one.id);
    let place = all.iter().position(|one| Some(one.id) == current);
    let next = match place {
        Some(place) => (place as isize + by).rem_euclid(all.len() as isize) as usize,
        None if by > 0 => 0,
        None => all.len().saturating_sub(1),
    };
    to(all.get(next))
}
