//! How many there are, by kind and state.

use std::collections::BTreeMap;
use std::fmt::Display;

use sockeye_observe::sockets::Socket;
use sockeye_trace::TcpState;

use super::cells::{self, Column};
use super::snapshot::Snapshot;
use super::text;
use crate::catalogue::Lang;
use crate::ui::{Table, quantity};

/// How many of one kind are in one state.
pub(super) type Counts = BTreeMap<(&'static str, TcpState), (&'static str, u64)>;

/// Counts what is shown.
pub(super) fn counts(from: &Snapshot) -> Counts {
    let mut counts = Counts::new();
    let key = |socket: &Socket| (cells::kind(socket), socket.state);
    for socket in from.each() {
        let (_, count) = counts
            .entry(key(socket))
            .or_insert((socket.state_name(), 0));
        *count += 1;
    }
    counts
}

/// Writes a line for each kind and state, and says what many of one state mean.
pub(super) fn write(from: &Snapshot, lang: Lang, out: &mut String) {
    let counts = counts(from);
    let mut table = Table::default();
    let heads = [
        Column::Kind.head(lang),
        Column::State.head(lang),
        text::SOCKETS.get(lang),
    ];
    table.row(heads);
    for ((kind, _), (state, count)) in &counts {
        table.row([kind, state, &*quantity::count(*count)]);
    }
    table.row([
        "",
        text::TOTAL.get(lang),
        &*quantity::count(from.shown.len() as u64),
    ]);
    out.push_str(&table.render(""));
    let total = |state: TcpState| -> u64 {
        let of_state = counts.iter().filter(|((_, of), _)| *of == state);
        of_state.map(|(_, (_, count))| count).sum()
    };
    let mut remark = |text: crate::catalogue::Text, n: u64| {
        if n > 0 {
            let n = quantity::count(n);
            let values: [(&str, &dyn Display); 1] = [("n", &n)];
            out.push('\n');
            out.push_str(&text.fill(lang, &values));
            out.push('\n');
        }
    };
    remark(text::MANY_TIME_WAIT, total(TcpState::TimeWait));
    remark(text::MANY_CLOSE_WAIT, total(TcpState::CloseWait));
}
