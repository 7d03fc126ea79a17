//! What the screen shows and what each key does to it.

use std::collections::HashMap;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sockeye_observe::sockets::Socket;
use sockeye_trace::TcpState;

use super::super::cells::COLUMNS;
use super::super::order::{Key, Sort};
use super::super::snapshot::Snapshot;
use crate::catalogue::Lang;

/// By what a socket is known from one look to the next.
pub(super) type Id = (u64, u32);

pub(super) fn id(socket: &Socket) -> Id {
    (socket.cookie, socket.inode)
}

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    Stay,
    End,
}

/// What of a socket differs from the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) is_new: bool,
    pub(super) state: bool,
    pub(super) recv_queue: bool,
    pub(super) send_queue: bool,
}

/// The screen between two pictures.
#[derive(Debug)]
pub(super) struct View {
    pub(super) snapshot: Snapshot,
    /// State and queues of each socket at the look before; nothing at the first one.
    before: Option<HashMap<Id, (TcpState, u32, u32)>>,
    /// Indices of the sockets that pass the filter, in order.
    pub(super) rows: Vec<u32>,
    pub(super) sort: Option<Sort>,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    is_paused: bool,
    pub(super) is_following: bool,
    /// The row that keys act on, by its socket, so that it stays where others come and go.
    pub(super) selected: Option<Id>,
    /// The first row of the picture, and how many it had.
    pub(super) top: usize,
    pub(super) page: usize,
    /// How wide each column has been: columns that grow and shrink again are hard to read.
    pub(super) widths: [usize; COLUMNS.len()],
    /// The width of the picture before: another one begins anew.
    pub(super) width: u16,
    pub(super) lang: Lang,
    pub(super) every: Duration,
}

impl View {
    pub(super) fn new(snapshot: Snapshot, sort: Option<Sort>, lang: Lang, every: Duration) -> Self {
        let mut view = Self {
            snapshot,
            before: None,
            rows: vec![],
            sort,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            is_following: false,
            selected: None,
            top: 0,
            page: 1,
            widths: [0; COLUMNS.len()],
            width: 0,
            lang,
            every,
        };
        view.choose();
        view.selected = view.rows.first().map(|index| view.id_at(*index));
        view
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Takes the next look.
    pub(super) fn look(&mut self, snapshot: Snapshot) {
        let facts = |socket: &Socket| {
            let queues = (socket.state, socket.recv_queue, socket.send_queue);
            (id(socket), queues)
        };
        self.before = Some(self.snapshot.sockets.iter().map(facts).collect());
        self.snapshot = snapshot;
        self.snapshot.reorder(self.sort);
        self.choose();
    }

    /// What is different about a socket since the look before.
    pub(super) fn change(&self, socket: &Socket) -> Change {
        let Some(before) = &self.before else {
            return Change::default();
        };
        match before.get(&id(socket)) {
            None => Change {
                is_new: true,
                ..Change::default()
            },
            Some((state, recv, send)) => Change {
                is_new: false,
                state: *state != socket.state,
                recv_queue: *recv != socket.recv_queue,
                send_queue: *send != socket.send_queue,
            },
        }
    }

    /// The socket that keys act on, while it is there.
    pub(super) fn chosen(&self) -> Option<u32> {
        let selected = self.selected?;
        let all = 0..self.snapshot.sockets.len() as u32;
        all.into_iter().find(|index| self.id_at(*index) == selected)
    }

    /// Where the selected row stands; the first where it is gone.
    pub(super) fn place(&self) -> usize {
        let is_selected = |index: &u32| Some(self.id_at(*index)) == self.selected;
        self.rows.iter().position(is_selected).unwrap_or(0)
    }

    fn id_at(&self, index: u32) -> Id {
        id(&self.snapshot.sockets[index as usize])
    }

    /// Picks the rows that pass the filter.
    fn choose(&mut self) {
        let wanted = self.filter.to_lowercase();
        let mut row = String::new();
        let snapshot = &self.snapshot;
        let passes = |index: &u32| {
            if wanted.is_empty() {
                return true;
            }
            row.clear();
            for column in COLUMNS {
                column.write(*index, snapshot, &mut row);
                row.push(' ');
            }
            row.to_lowercase().contains(&wanted)
        };
        self.rows = snapshot.shown.iter().copied().filter(passes).collect();
    }

    /// Does what a key stands for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Reaction {
        let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_ctrl {
            return match key.code {
                KeyCode::Char('c') => Reaction::End,
                _ => Reaction::Stay,
            };
        }
        if self.is_typing {
            self.type_in(key.code);
            return Reaction::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Reaction::End,
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') if !self.is_following => self.is_typing = true,
            KeyCode::Char('s') => self.sort_by(1),
            KeyCode::Char('S') => self.sort_by(Key::ALL.len()),
            KeyCode::Char('r') => self.turn_round(),
            KeyCode::Enter | KeyCode::Esc if self.is_following => self.is_following = false,
            KeyCode::Enter => {
                // The filter may have hidden the row that was selected: the first is now.
                self.move_to(self.place());
                self.is_following = self.selected.is_some();
            }
            KeyCode::Esc => self.set_filter(String::new()),
            KeyCode::Up | KeyCode::Char('k') => self.move_to(self.place().saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.move_to(self.place() + 1),
            KeyCode::PageUp => self.move_to(self.place().saturating_sub(self.page)),
            KeyCode::PageDown => self.move_to(self.place() + self.page),
            KeyCode::Home => self.move_to(0),
            KeyCode::End => self.move_to(usize::MAX),
            _ => {}
        }
        Reaction::Stay
    }

    fn type_in(&mut self, key: KeyCode) {
        let mut filter = self.filter.clone();
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                filter.clear();
            }
            KeyCode::Backspace => {
                filter.pop();
            }
            KeyCode::Char(c) => filter.push(c),
            _ => {}
        }
        self.set_filter(filter);
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.choose();
    }

    fn move_to(&mut self, row: usize) {
        let row = row.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(row).map(|index| self.id_at(*index));
    }

    /// Orders by the key so many behind the present one; behind the last is the order of services.
    fn sort_by(&mut self, step: usize) {
        let all = Key::ALL.len() + 1;
        let now = self.sort.map_or(0, |sort| {
            let same = |(_, key): &(&str, Key)| *key == sort.key;
            1 + Key::ALL.iter().position(same).unwrap_or(0)
        });
        let next = (now + step) % all;
        self.sort = next.checked_sub(1).map(|at| Sort {
            key: Key::ALL[at].1,
            descending: false,
        });
        self.reorder();
    }

    fn turn_round(&mut self) {
        if let Some(sort) = &mut self.sort {
            sort.descending = !sort.descending;
        }
        self.reorder();
    }

    fn reorder(&mut self) {
        self.snapshot.reorder(self.sort);
        self.choose();
    }
}
