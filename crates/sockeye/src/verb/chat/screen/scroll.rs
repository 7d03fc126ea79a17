//! Which part of a conversation is looked at. Only what is visible is laid out, however much was said.

use ratatui::text::Line;

use super::page::Page;
use crate::verb::chat::model::Conversation;

/// Where the lower edge of the picture lies.
#[derive(Debug, Default)]
pub(super) struct Scroll {
    /// None: below the newest message, and what comes is followed.
    held: Option<Held>,
}

/// An edge that stays with what was said, whatever comes before it or behind.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// The message that the edge goes through, and how many of its rows are above it.
    seq: u64,
    rows: usize,
    /// Where that message stood when it was looked for last.
    index: usize,
    /// The newest message when the edge left the end.
    newest: u64,
}

/// An edge as a place among the messages that are there now: the message that it goes through, and
/// how many of its rows are above it.
type Edge = (usize, usize);

impl Scroll {
    /// Whether what comes is followed.
    pub(super) fn follows(&self) -> bool {
        self.held.is_none()
    }

    /// Follows what comes.
    pub(super) fn follow(&mut self) {
        self.held = None;
    }

    /// How much was said since the end was left.
    pub(super) fn new_below(&self, conversation: &Conversation) -> usize {
        let Some(held) = self.held else { return 0 };
        let newer = conversation.messages.iter().rev();
        let newer = newer.take_while(|message| message.seq != held.newest);
        newer
            .filter(|message| message.kind.is_talk() && !message.mine)
            .count()
    }

    /// The rows of a picture of this height, the lowest last.
    pub(super) fn picture(&mut self, page: &Page<'_>, height: usize) -> Vec<Line<'static>> {
        if page.len() == 0 {
            return vec![page.beginning()];
        }
        let edge = self.edge(page);
        let (mut rows, is_top) = above(page, edge, height);
        if is_top && rows.len() < height && self.held.is_some() {
            // There is nothing above, so the picture begins with the first row.
            let edge = down(page, (0, 0), height);
            self.hold(page, edge);
            rows = above(page, self.edge(page), height).0;
        }
        rows
    }

    /// Goes up by so many rows, but not beyond the first.
    pub(super) fn up(&mut self, page: &Page<'_>, by: usize, height: usize) {
        let edge = self.edge(page);
        let has_more = above(page, edge, height + 1).0.len() > height;
        if has_more {
            let edge = up(page, edge, by);
            // Never higher than that the first row stands on top.
            let edge = edge.max(down(page, (0, 0), height));
            self.hold(page, edge);
        }
    }

    /// Whether the first row is in the picture.
    pub(super) fn is_at_top(&mut self, page: &Page<'_>, height: usize) -> bool {
        above(page, self.edge(page), height).1
    }

    /// Goes down by so many rows; at the end what comes is followed again.
    pub(super) fn down(&mut self, page: &Page<'_>, by: usize) {
        if !self.follows() {
            let edge = down(page, self.edge(page), by);
            self.hold(page, edge);
        }
    }

    /// Goes to the first message that is here.
    pub(super) fn go_to_top(&mut self, page: &Page<'_>, height: usize) {
        let edge = down(page, (0, 0), height);
        self.hold(page, edge);
    }

    /// Where the edge lies among the messages that there are now.
    fn edge(&mut self, page: &Page<'_>) -> Edge {
        let messages = &page.conversation.messages;
        let Some(held) = &mut self.held else {
            return (messages.len(), 0);
        };
        let stands = |index: usize| messages.get(index).is_some_and(|one| one.seq == held.seq);
        if !stands(held.index) {
            // Others came before it, or it was too old to be kept.
            let found = messages.iter().position(|one| one.seq == held.seq);
            held.index = found.unwrap_or(0);
        }
        (held.index, held.rows.min(page.rows(held.index).len()))
    }

    fn hold(&mut self, page: &Page<'_>, (index, rows): Edge) {
        let messages = &page.conversation.messages;
        let newest = self.held.map(|held| held.newest);
        let newest = newest.or_else(|| messages.back().map(|last| last.seq));
        self.held = messages.get(index).map(|message| Held {
            seq: message.seq,
            rows,
            index,
            newest: newest.unwrap_or_default(),
        });
    }
}

/// At most `count` rows above the edge, and whether there are no more.
fn above(page: &Page<'_>, (index, part): Edge, count: usize) -> (Vec<Line<'static>>, bool) {
    let mut rows = vec![];
    if part > 0 {
        rows.extend(page.rows(index).into_iter().take(part).rev());
    }
    let mut at = index.min(page.len());
    while rows.len() < count && at > 0 {
        at -= 1;
        rows.extend(page.rows(at).into_iter().rev());
    }
    let is_top = at == 0 && rows.len() <= count;
    rows.truncate(count);
    rows.reverse();
    (rows, is_top)
}

fn up(page: &Page<'_>, (mut index, mut part): Edge, by: usize) -> Edge {
    let mut left = by;
    while part < left {
        left -= part;
        if index == 0 {
            return (0, 0);
        }
        index -= 1;
        part = page.rows(index).len();
    }
    (index, part - left)
}

fn down(page: &Page<'_>, (mut index, part): Edge, by: usize) -> Edge {
    let mut left = by + part;
    while index < page.len() {
        let rows = page.rows(index).len();
        if left < rows {
            return (index, left);
        }
        left -= rows;
        index += 1;
    }
    (index, 0)
}
