//! The packets of a session that was recorded, as the table and with their layers: for `show`.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;

use sockeye_trace::packet::{Rows, dissect};
use sockeye_trace::{FactId, Kind, Time, Timeline};

use super::args::{Flags, Times};
use super::table::{Style, Table};
use super::{bytes, view};
use crate::catalogue::{Lang, capture as say};

/// Which packets, and what is told of them.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) lang: Lang,
    /// The layers of each below its row.
    pub(crate) layers: bool,
    /// Only these.
    pub(crate) only: Option<HashSet<FactId>>,
    /// Only of this time.
    pub(crate) window: Option<Range<Time>>,
    /// So many at most.
    pub(crate) limit: usize,
}

impl Listing {
    /// Writes the packets of a session. All of them count, so that a part has the numbers of the whole.
    pub(crate) fn write(&self, timeline: &Timeline<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(Style {
            lang: self.lang,
            flags: Flags::Position,
            time: Times::Start,
            fcs: false,
            interfaces: timeline.interfaces.len() > 1,
        });
        let mut text = vec![];
        table.titles(&mut text);
        let (mut rows, mut shown, mut hidden) = (Rows::new(), 0, 0);
        for (id, fact) in timeline.session.facts() {
            if fact.kind() != Kind::Packet {
                continue;
            }
            let number = fact.event.conn().number();
            let mut known = timeline.interfaces.iter();
            let interface = known.find(|known| known.number == number);
            let (name, link) = interface.map_or(("", 1), |one| (&*one.name, one.link_type));
            let packet = dissect(link, fact.data, fact.moved() as u32);
            let row = rows.row(&packet, fact.event.time);
            if !self.wants(id, fact.event.time) {
                continue;
            }
            if shown >= self.limit {
                hidden += 1;
                continue;
            }
            shown += 1;
            view::each_piece(&row, &packet, &fact, false, |row| {
                table.row(row, name, &mut text);
            });
            if self.layers {
                bytes::layers(&packet, self.lang, &mut text);
            }
            out.write_all(&text)?;
            text.clear();
        }
        out.write_all(&text)?;
        if hidden > 0 {
            let more = say::MORE_PACKETS.fill(self.lang, &[("count", &hidden)]);
            writeln!(out, "{more}")?;
        }
        Ok(())
    }

    fn wants(&self, id: FactId, time: Time) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
            && self
                .window
                .as_ref()
                .is_none_or(|window| window.contains(&time))
    }
}
