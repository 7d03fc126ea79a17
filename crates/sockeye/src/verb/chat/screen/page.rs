//! A conversation as rows: who said what when, days, what was missed, comings and goings.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::look::Look;
use super::traffic::{Traffic, is_traffic};
use super::wrap;
use crate::catalogue::{Text, chat_screen as say};
use crate::ui::escape;
use crate::verb::chat::model::{Conversation, Delivery, Kind, Message, Model, Place, Scrollback};

/// Columns from which on nicks have a column of their own.
const WIDE: usize = 56;

/// A conversation in so many columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) columns: usize,
    pub(super) look: Look,
    pub(super) model: &'a Model,
    pub(super) zone: &'a TimeZone,
    pub(super) traffic: Traffic,
}

impl Page<'_> {
    /// How many messages there are; row 0 of an empty conversation says that it is.
    pub(super) fn len(&self) -> usize {
        self.conversation.messages.len()
    }

    /// The rows of the message at `index`, with what stands above it.
    pub(super) fn rows(&self, index: usize) -> Vec<Line<'static>> {
        let message = &self.conversation.messages[index];
        let mut rows = vec![];
        if index == 0 {
            rows.push(self.beginning());
        }
        let date = self.date(message);
        let before = index
            .checked_sub(1)
            .map(|at| &self.conversation.messages[at]);
        if before.is_none_or(|before| self.date(before) != date) {
            rows.push(self.ruled(&date.to_string(), Look::dim()));
        }
        if let Some(text) = self.news_above(message, before) {
            rows.push(self.ruled(text.get(self.model.lang), self.look.unread()));
        }
        if is_traffic(message.kind) && self.traffic != Traffic::Each {
            rows.extend(self.together(index));
        } else {
            rows.extend(self.message(message));
        }
        rows
    }

    /// What a line above the message says, if it is the first of what is new.
    fn news_above(&self, message: &Message, before: Option<&Message>) -> Option<Text> {
        let is_first_missed = message.missed && before.is_some_and(|before| !before.missed);
        let is_first_new = self.conversation.first_new == Some(message.seq);
        match (message.missed, is_first_new) {
            (true, true) => Some(say::MISSED),
            (true, false) => is_first_missed.then_some(say::MISSED),
            (false, is_new) => is_new.then_some(say::NEW),
        }
    }

    /// What stands above all messages.
    pub(super) fn beginning(&self) -> Line<'static> {
        let text = match self.conversation.scrollback {
            Scrollback::Complete => say::FIRST,
            Scrollback::More => say::OLDER,
            Scrollback::Asked => say::FETCHING,
            Scrollback::Unknown => say::NOTHING_KEPT,
        };
        self.ruled(text.get(self.model.lang), Look::dim())
    }

    /// `─── text ───` over the whole width.
    fn ruled(&self, text: &str, style: Style) -> Line<'static> {
        let text = wrap::shortened(text, self.columns.saturating_sub(4));
        let spare = self.columns.saturating_sub(wrap::width(&text) + 2);
        let (left, right) = ("─".repeat(spare / 2), "─".repeat(spare - spare / 2));
        Line::styled(format!("{left} {text} {right}"), style)
    }

    pub(super) fn date(&self, message: &Message) -> Date {
        self.moment(message).date()
    }

    fn moment(&self, message: &Message) -> jiff::Zoned {
        let at = i64::try_from(message.time_ms).ok();
        let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        at.unwrap_or_default().to_zoned(self.zone.clone())
    }

    pub(super) fn message(&self, message: &Message) -> Vec<Line<'static>> {
        let nick = message.from.as_deref().map(escape).unwrap_or_default();
        let style = if message.mine {
            Look::bold()
        } else {
            self.look.nick(&nick)
        };
        if matches!(self.conversation.place, Place::Contact(_))
            && message.kind == Kind::Said
            && !message.mine
        {
            return self.answer(message, &nick);
        }
        match message.kind {
            Kind::Said => self.laid_out(message, (&nick, style), &message.text, Style::new()),
            Kind::Action => {
                let text = format!("{nick} {}", message.text);
                self.laid_out(message, ("*", style), &text, style)
            }
            Kind::Notice => {
                let nick = format!("-{nick}-");
                self.laid_out(message, (&nick, style), &message.text, Style::new())
            }
            Kind::Status => self.laid_out(message, ("--", Look::dim()), &message.text, Look::dim()),
            Kind::Error => {
                let wrong = self.look.wrong();
                self.laid_out(message, ("!!", wrong), &message.text, wrong)
            }
            kind => {
                let sign = match kind {
                    Kind::Join => "→",
                    Kind::Part | Kind::Quit | Kind::Kick => "←",
                    _ => "--",
                };
                let text = message.phrase(self.model.lang);
                self.laid_out(message, (sign, Look::dim()), &text, Look::dim())
            }
        }
    }

    /// What a plain peer said, as the tutorial's programs show it.
    fn answer(&self, message: &Message, from: &str) -> Vec<Line<'static>> {
        let head = self.model.headline(from);
        let mut rows = self.laid_out(message, ("", Style::new()), &head, self.look.answer());
        for line in message
            .text
            .lines()
            .chain(message.text.is_empty().then_some(""))
        {
            rows.extend(self.hanging(line, Style::new()));
        }
        rows
    }

    /// A text that came from somewhere, under the text of what stands above it.
    fn hanging(&self, text: &str, style: Style) -> Vec<Line<'static>> {
        let indent = self.indent();
        let text = escape(text);
        let room = self.columns.saturating_sub(indent);
        let rows = wrap::rows(&text, room, room).into_iter();
        let blank = self.blank();
        rows.map(|row| {
            let words = Span::styled(text[row].to_owned(), style);
            Line::from(vec![Span::styled(blank.clone(), Look::dim()), words])
        })
        .collect()
    }

    /// A message: time, nick, text.
    pub(super) fn laid_out(
        &self,
        message: &Message,
        (nick, nick_style): (&str, Style),
        text: &str,
        style: Style,
    ) -> Vec<Line<'static>> {
        let (style, mark) = match message.delivery {
            Delivery::Done => (style, None),
            Delivery::Pending => (
                style.patch(Look::dim()),
                Some((" …".to_owned(), Look::dim())),
            ),
            Delivery::Failed => {
                let mark = format!(" ✗ {}", say::NOT_SENT.get(self.model.lang));
                (style, Some((mark, self.look.wrong())))
            }
        };
        let nick_style = if message.mention {
            self.look.mention()
        } else {
            nick_style
        };
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let first = escape(lines.next().unwrap_or_default()).into_owned();
        let head = self.head(message, nick, nick_style);
        let used: usize = head.iter().map(|span| wrap::width(&span.content)).sum();
        let others = self.columns.saturating_sub(self.indent());
        let cut = wrap::rows(&first, self.columns.saturating_sub(used), others);
        let mut rows: Vec<Line<'static>> = vec![];
        for row in cut {
            let before = if rows.is_empty() {
                head.clone()
            } else {
                vec![Span::styled(self.blank(), Look::dim())]
            };
            let words = Span::styled(first[row].to_owned(), style);
            rows.push(before.into_iter().chain([words]).collect());
        }
        for line in lines {
            rows.extend(self.hanging(line, style));
        }
        if let (Some((mark, style)), Some(last)) = (mark, rows.last_mut()) {
            if last.width() + wrap::width(&mark) > self.columns {
                rows.extend(self.hanging(mark.trim_start(), style));
            } else {
                last.push_span(Span::styled(mark, style));
            }
        }
        rows
    }

    /// Where text begins in all rows but a message's first.
    fn indent(&self) -> usize {
        if self.columns >= WIDE {
            6 + self.nicks() + 3
        } else {
            2
        }
    }

    /// The columns that nicks have.
    fn nicks(&self) -> usize {
        // A guest has eleven, and whoever answers him has to write all of them.
        (self.columns / 6).clamp(11, 16)
    }

    fn blank(&self) -> String {
        if self.columns >= WIDE {
            format!("{}│ ", " ".repeat(self.indent() - 2))
        } else {
            "  ".to_owned()
        }
    }

    fn head(&self, message: &Message, nick: &str, style: Style) -> Vec<Span<'static>> {
        let moment = self.moment(message);
        let time = format!("{:02}:{:02} ", moment.hour(), moment.minute());
        let time = Span::styled(time, Look::dim());
        if self.columns < WIDE {
            let talks = matches!(message.kind, Kind::Said) && !nick.is_empty();
            let after = if talks {
                ": "
            } else if nick.is_empty() {
                ""
            } else {
                " "
            };
            let nick = wrap::shortened(nick, self.columns / 3);
            return vec![time, Span::styled(nick, style), Span::raw(after)];
        }
        let nick = wrap::shortened(nick, self.nicks());
        let spare = " ".repeat(self.nicks().saturating_sub(wrap::width(&nick)));
        let bar = if message.mention {
            Span::styled(" » ", style)
        } else {
            Span::styled(" │ ", Look::dim())
        };
        vec![time, Span::raw(spare), Span::styled(nick, style), bar]
    }
}
