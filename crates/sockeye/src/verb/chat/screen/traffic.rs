//! Comings and goings: those that follow each other in one row, or each in its own, or none.

use ratatui::text::Line;

use super::look::Look;
use super::page::Page;
use crate::catalogue::chat_screen as say;
use crate::ui::escape;
use crate::verb::chat::model::Kind;

/// Names that are told where many come and go; the others are counted.
const TOLD: usize = 6;
/// Comings and goings that one row stands for at most.
const TOGETHER: usize = 500;

/// How comings and goings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Those that follow each other in one row.
    #[default]
    Together,
    /// Each in its own.
    Each,
    Hidden,
}

impl Traffic {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Together => Self::Each,
            Self::Each => Self::Hidden,
            Self::Hidden => Self::Together,
        }
    }
}

impl Page<'_> {
    /// One row for all who came and went without a word between: it stands with the last of them.
    pub(super) fn together(&self, index: usize) -> Vec<Line<'static>> {
        let messages = &self.conversation.messages;
        let goes_on = messages.get(index + 1).is_some_and(|next| {
            is_traffic(next.kind)
                && self.date(next) == self.date(&messages[index])
                && self.conversation.first_new != Some(next.seq)
        });
        // Every so often a row, so that nobody has to look at all of a thousand to draw one.
        if self.traffic == Traffic::Hidden || (goes_on && !(index + 1).is_multiple_of(TOGETHER)) {
            return vec![];
        }
        let first = self.first_of_run(index);
        if first == index {
            return self.message(&messages[index]);
        }
        let (mut came, mut left) = (vec![], vec![]);
        for message in messages.range(first..=index) {
            let nick = escape(message.from.as_deref().unwrap_or_default()).into_owned();
            if message.kind == Kind::Join {
                came.push(nick);
            } else {
                left.push(nick);
            }
        }
        let parts = [("→", came), ("←", left)]
            .into_iter()
            .filter(|(_, who)| !who.is_empty());
        let parts: Vec<_> = parts
            .map(|(sign, who)| format!("{sign} {}", self.listed(&who)))
            .collect();
        let text = parts.join("  ");
        self.laid_out(&messages[index], ("", Look::dim()), &text, Look::dim())
    }

    /// Where the comings and goings begin of which `index` is the last.
    fn first_of_run(&self, index: usize) -> usize {
        let messages = &self.conversation.messages;
        let mut first = index;
        while first > 0
            && !first.is_multiple_of(TOGETHER)
            && is_traffic(messages[first - 1].kind)
            && self.conversation.first_new != Some(messages[first].seq)
            && self.date(&messages[first - 1]) == self.date(&messages[index])
        {
            first -= 1;
        }
        first
    }

    fn listed(&self, who: &[String]) -> String {
        let told = who[..who.len().min(TOLD)].join(", ");
        match who.len().saturating_sub(TOLD) {
            0 => told,
            more => format!(
                "{told} {}",
                say::AND_MORE.fill(self.model.lang, &[("n", &more)])
            ),
        }
    }
}

/// Whether somebody only came or went.
pub(super) fn is_traffic(kind: Kind) -> bool {
    matches!(kind, Kind::Join | Kind::Part | Kind::Quit)
}
