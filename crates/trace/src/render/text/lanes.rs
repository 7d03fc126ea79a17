//! One flow: its header, its lanes, what was found in it.

use std::io::{self, Write};
use std::ops::Range;

use super::TextOptions;
use super::calls;
use super::layout::{APART, GUTTER, Layout};
use super::paint::{Line, Span, Style, wrap};
use super::payload::escape;
use super::quantity::{counted, duration, millis};
use super::rows::{Bars, Column, Part, Row, What, of_flow};
use super::wire::Wire;
use crate::timeline::{Flow, SegmentNote};
use crate::{Finding, Gauge, Kind, Lang, Time, Timeline, Weight, WireSource};

/// A pause that is longer than this gets a line of its own.
pub(super) const PAUSE_NS: u64 = 100_000_000;

/// What all flows of one picture share.
pub(super) struct Picture<'a, 's> {
    pub(super) timeline: &'a Timeline<'s>,
    pub(super) options: &'a TextOptions,
    /// When the first thing happened.
    pub(super) start: Time,
    /// Columns of the times.
    pub(super) time: usize,
    pub(super) window: Option<Range<Time>>,
}

impl<'s> Picture<'_, 's> {
    /// A word in the language that was asked for.
    pub(super) fn pick(&self, en: &'static str, zh: &'static str) -> &'static str {
        self.options.lang.pick(en, zh)
    }

    /// Whether something of the flow happened while we look.
    pub(super) fn touches(&self, flow: &Flow) -> bool {
        let touches =
            |window: &Range<Time>| window.start <= flow.span.end && flow.span.start < window.end;
        self.window.as_ref().is_none_or(touches)
    }

    /// Draws one flow with its findings.
    pub(super) fn flow(
        &self,
        flow: &Flow,
        findings: &[&Finding],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for line in self.title(flow) {
            self.write(line, out)?;
        }
        for (end, (en, zh)) in [(0, ("client", "客户端")), (1, ("server", "服务器"))] {
            if let Some(line) = self.fullest(flow, end, self.pick(en, zh)) {
                self.write(line, out)?;
            }
        }
        if !self.options.findings_only {
            self.lanes(flow, out)?;
        }
        for finding in findings {
            self.finding(finding, out)?;
        }
        out.write_all(b"\n")
    }

    /// Its number and its ends, then what each way carried.
    pub(super) fn title(&self, flow: &Flow) -> [Line; 3] {
        let [client, server] = &flow.ends;
        let mut line = Line::default();
        let name = format!("#{} {}", flow.number, flow.transport.name());
        line.push(Span::new(name, Style::Bold));
        let places = [client, server].map(|end| calls::place(&end.address));
        let known = |place: &str| {
            let unnamed = self.pick("unnamed", "无名");
            if place.is_empty() { unnamed } else { place }.to_owned()
        };
        line.push(Span::plain(format!(
            "  {} → {}",
            known(&places[0]),
            known(&places[1])
        )));
        line.cut(self.options.width);
        let [there, back] = [0, 1].map(|way| self.totals(&flow.ways[way], ["→", "←"][way]));
        [line, there, back]
    }

    /// How full the buffers of one end were at most.
    fn fullest(&self, flow: &Flow, end: u8, name: &str) -> Option<Line> {
        let samples = flow.gauges.iter().filter(|gauge| gauge.end == end);
        let samples = samples
            .filter_map(|gauge| Gauge::from_payload(self.timeline.session.fact(gauge.fact).data));
        let mut most = Gauge::default();
        for gauge in samples {
            most.unread = most.unread.max(gauge.unread);
            most.recv_limit = most.recv_limit.max(gauge.recv_limit);
            most.send_limit = most.send_limit.max(gauge.send_limit);
            // What waits to be sent, and what was sent and may be needed again.
            let waiting = gauge.unsent.saturating_add(gauge.unacked);
            most.unsent = most.unsent.max(waiting);
        }
        let mut parts = vec![];
        for (bytes, limit, en, zh) in [
            (most.unread, most.recv_limit, "unread", "未读"),
            (
                most.unsent,
                most.send_limit,
                "not yet acknowledged",
                "尚未确认",
            ),
        ] {
            if bytes > 0 {
                let what = self.pick(en, zh);
                parts.push(match self.options.lang {
                    Lang::En => format!("up to {bytes} bytes {what} (buffer {limit})"),
                    Lang::Zh => format!("最多 {bytes} 字节{what}（缓冲区 {limit}）"),
                });
            }
        }
        if parts.is_empty() {
            return None;
        }
        let separator = self.pick(": ", "：");
        let text = parts.join(self.pick(", ", "，"));
        let mut line = Line::default();
        line.push(Span::dim(format!("   {name}{separator}{text}")));
        line.cut(self.options.width);
        Some(line)
    }

    fn totals(&self, way: &crate::timeline::Way, arrow: &str) -> Line {
        let lang = self.options.lang;
        let of = |bytes, entries: String| {
            let bytes = counted(bytes, "byte", "bytes", "字节", lang);
            format!("{bytes} {} {entries}", self.pick("in", "共"))
        };
        let mut parts = vec![];
        if !way.writes.is_empty() {
            let calls = counted(way.writes.len() as u64, "write", "writes", "次写", lang);
            parts.push(of(way.written, calls));
        }
        if !way.wire.is_empty() {
            let segments = counted(way.wire.len() as u64, "segment", "segments", "段", lang);
            parts.push(of(way.carried, segments));
        }
        if !way.reads.is_empty() {
            let calls = counted(way.reads.len() as u64, "read", "reads", "次读", lang);
            parts.push(of(way.read, calls));
        }
        let mut line = Line::default();
        if parts.is_empty() {
            parts.push(self.pick("nothing", "无").to_owned());
        }
        line.push(Span::dim(format!("   {arrow} {}", parts.join(" ▸ "))));
        line.cut(self.options.width);
        line
    }

    fn lanes(&self, flow: &Flow, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = of_flow(flow, self.timeline.session, self.window.as_ref());
        let hidden = rows.len().saturating_sub(self.options.limit);
        rows.truncate(self.options.limit);
        let layout = self.layout(flow, &rows);
        for line in self.heads(flow, &layout) {
            self.write(line, out)?;
        }
        let mut wire = Wire::new(self.timeline, flow);
        let mut bars = [Column::Left, Column::Right].map(|column| Bars::new(&rows, column));
        for index in 0..rows.len() {
            for bars in &mut bars {
                bars.advance(index);
            }
            if index > 0 {
                let pause = rows[index].at.since(rows[index - 1].at).as_nanos() as u64;
                if pause >= PAUSE_NS {
                    let line = pause_line(&layout, &bars, index, pause);
                    self.write(line, out)?;
                }
            }
            for line in self.row(flow, &layout, &mut wire, &bars, index, &rows[index]) {
                self.write(line, out)?;
            }
        }
        if hidden > 0 {
            let text = match self.options.lang {
                Lang::En => {
                    format!("… {hidden} more (--limit 0 draws all, --from and --to a part)")
                }
                Lang::Zh => {
                    format!("… 还有 {hidden} 项（--limit 0 全部画出，--from、--to 选一段）")
                }
            };
            let mut line = Line::default();
            line.push(Span::plain(" ".repeat(self.time + 2)));
            line.push(Span::new(text, Style::Mark));
            self.write(line, out)?;
        }
        Ok(())
    }

    /// How the width is divided for these rows.
    pub(super) fn layout(&self, flow: &Flow, rows: &[Row]) -> Layout {
        let has = [Column::Left, Column::Wire, Column::Right]
            .map(|column| rows.iter().any(|row| row.column == column));
        let watched = [0, 1].map(|end: usize| !flow.ends[end].sides.is_empty());
        let has = [has[0] || watched[0], has[1], has[2] || watched[1]];
        Layout::new(self.options.width, self.time, has)
    }

    /// Whose lane is whose, and a rule.
    pub(super) fn heads(&self, flow: &Flow, layout: &Layout) -> [Line; 2] {
        let roles = [self.pick("client", "客户端"), self.pick("server", "服务器")];
        let [left, right] = [0, 1].map(|end: usize| {
            let who = self.who(flow, end);
            let separator = self.pick(": ", "：");
            format!("{}{separator}{who}", roles[end])
        });
        let inferred = |way: &crate::timeline::Way| {
            let first = way.wire.first();
            first.is_some_and(|segment| segment.note == SegmentNote::Inferred)
        };
        let is_inferred =
            self.timeline.head().wire == WireSource::Inferred || flow.ways.iter().any(inferred);
        let wire = if is_inferred {
            self.pick("wire (inferred)", "线路（推断）")
        } else {
            self.pick("wire", "线路")
        };
        let mut line = Line::default();
        let mut time = Line(vec![Span::dim("ms")]);
        let missing = layout.time.saturating_sub(time.width());
        time.0.insert(0, Span::plain(" ".repeat(missing)));
        line.0.append(&mut time.0);
        line.push(Span::plain("  "));
        line.0.append(&mut cell(vec![], left, layout.left));
        line.push(Span::plain(" ".repeat(APART)));
        if layout.wire > 0 {
            let before = layout.wire.saturating_sub(Span::plain(wire).width()) / 2;
            let wire = Span::new(wire, Style::Bold);
            let mut middle = Line(vec![Span::plain(" ".repeat(before)), wire]);
            middle.pad(layout.wire);
            line.0.append(&mut middle.0);
        }
        line.push(Span::plain(" ".repeat(APART)));
        line.0.append(&mut cell(vec![], right, layout.right));
        let rule = "─".repeat(layout.width());
        [line, Line(vec![Span::dim(rule)])]
    }

    /// The programs at one end, or its address where nobody watched it.
    fn who(&self, flow: &Flow, end: usize) -> String {
        let end = &flow.ends[end];
        let mut names: Vec<String> = vec![];
        for side in &end.sides {
            let Some(side) = self.timeline.sides.get(*side as usize) else {
                continue;
            };
            let name = self.program(side.pid);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        match &names[..] {
            [] => calls::place(&end.address),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} +{}", rest.len()),
        }
    }

    /// A process by its name and number.
    pub(super) fn program(&self, pid: u32) -> String {
        if pid == 0 {
            return String::new();
        }
        let mut known = self.timeline.processes.iter();
        match known.find(|process| process.pid == pid) {
            Some(process) if !process.name.is_empty() => {
                format!("{} ({pid})", escape(&process.name))
            }
            _ => format!("pid {pid}"),
        }
    }

    pub(super) fn row(
        &self,
        flow: &Flow,
        layout: &Layout,
        wire: &mut Wire<'_, 's>,
        bars: &[Bars; 2],
        index: usize,
        row: &Row,
    ) -> Vec<Line> {
        let own = match row.column {
            Column::Left => layout.left,
            Column::Wire => layout.wire,
            Column::Right => layout.right,
        };
        let inner = own.saturating_sub(GUTTER);
        let session = self.timeline.session;
        let cells = match row.what {
            What::Write(way, at) => {
                let entry = &flow.ways[usize::from(way)].writes[at as usize];
                calls::moved(self.timeline, flow, way, entry, self.options)
                    .lines(inner, self.options)
            }
            What::Read(way, at) => {
                let entry = &flow.ways[usize::from(way)].reads[at as usize];
                calls::moved(self.timeline, flow, way, entry, self.options)
                    .lines(inner, self.options)
            }
            What::Wire(way, at) => {
                let segment = &flow.ways[usize::from(way)].wire[at as usize];
                wire.segment(way, segment, own, self.options)
            }
            What::Pieces(way, at, count) => {
                let segment = &flow.ways[usize::from(way)].wire[at as usize];
                vec![super::wire::pieces(way, segment, count, own)]
            }
            What::Life(at) => {
                let life = flow.life[at as usize];
                let fact = session.fact(life.fact);
                match row.column {
                    Column::Wire => wire.bare(&fact, life.end, own, self.options),
                    _ => calls::life(&fact, self.options).lines(inner, self.options),
                }
            }
        };
        let lines = cells.into_iter().enumerate();
        let line = |(number, content): (usize, Line)| {
            let part = if number == 0 { Part::Row } else { Part::Below };
            self.line(layout, bars, index, row, part, content)
        };
        lines.map(line).collect()
    }

    /// One line of a row: its time, its own column's `content`, and the bars beside.
    fn line(
        &self,
        layout: &Layout,
        bars: &[Bars; 2],
        index: usize,
        row: &Row,
        part: Part,
        content: Line,
    ) -> Line {
        let time = if part == Part::Row {
            millis(row.at.since(self.start).as_nanos() as u64)
        } else {
            String::new()
        };
        let mut content = Some(content);
        let mut line = Line::default();
        line.push(Span::dim(format!("{time:>0$}", layout.time)));
        line.push(Span::plain("  "));
        let columns = [
            (Column::Left, layout.left),
            (Column::Wire, layout.wire),
            (Column::Right, layout.right),
        ];
        for (place, (column, width)) in columns.into_iter().enumerate() {
            if place > 0 {
                line.push(Span::plain(" ".repeat(APART)));
            }
            let mut whole = Line::default();
            match column {
                Column::Left => whole.0 = gutter(&bars[0], index, part),
                Column::Right => whole.0 = gutter(&bars[1], index, part),
                Column::Wire => {}
            }
            if column == row.column
                && let Some(mut content) = content.take()
            {
                whole.0.append(&mut content.0);
            }
            if width > 0 {
                whole.pad(width);
                line.0.append(&mut whole.0);
            }
        }
        line
    }

    /// A finding: a sign for its weight, then its sentence.
    pub(super) fn finding(&self, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
        for line in finding_lines(finding, self.options) {
            self.write(line, out)?;
        }
        Ok(())
    }

    pub(super) fn write(&self, line: Line, out: &mut dyn Write) -> io::Result<()> {
        line.write(self.options.colour, out)
    }
}

/// A finding as lines of the width that is asked for: a sign for its weight, then its sentence.
pub fn finding_lines(finding: &Finding, options: &TextOptions) -> Vec<Line> {
    let (sign, style) = match finding.weight {
        Weight::Note => ("·", Style::Dim),
        Weight::Notice => ("!", Style::Mark),
        Weight::Trouble => ("✗", Style::Bad),
    };
    let [en, zh] = &finding.sentence;
    let text = escape(options.lang.pick(&**en, &**zh));
    let lines = wrap(&text, options.width.saturating_sub(4)).into_iter();
    let line = |(number, text): (usize, String)| {
        let head = if number == 0 {
            format!("  {sign} ")
        } else {
            "    ".to_owned()
        };
        Line(vec![Span::new(head, style), Span::plain(text)])
    };
    lines.enumerate().map(line).collect()
}

/// A line that says how long nothing happened before row `index`.
pub(super) fn pause_line(layout: &Layout, bars: &[Bars; 2], index: usize, nanos: u64) -> Line {
    let text = duration(nanos);
    let mut line = Line::default();
    line.push(Span::dim(format!("{:>1$}", "⋮", layout.time)));
    line.push(Span::plain("  "));
    let [left, right] = [&bars[0], &bars[1]].map(|bars| gutter(bars, index, Part::Before));
    line.0.append(&mut cell(left, String::new(), layout.left));
    line.push(Span::plain(" ".repeat(APART)));
    let shown = Span::dim(text);
    let mut middle = Line::default();
    let room = layout.wire.saturating_sub(shown.width()) / 2;
    middle.push(Span::plain(" ".repeat(room))).push(shown);
    if layout.wire > 0 {
        middle.pad(layout.wire);
        line.0.append(&mut middle.0);
    }
    line.push(Span::plain(" ".repeat(APART)));
    line.0.append(&mut cell(right, String::new(), layout.right));
    line
}

fn gutter(bars: &Bars, index: usize, part: Part) -> Vec<Span> {
    let [outer, inner] = bars.beside(index, part);
    vec![Span::dim(format!("{outer}{inner} "))]
}

/// A cell of a column of calls: what stands in its gutter, then a text.
fn cell(gutter: Vec<Span>, text: String, width: usize) -> Vec<Span> {
    let mut line = Line(gutter);
    if line.0.is_empty() {
        line.push(Span::plain(" ".repeat(GUTTER)));
    }
    line.push(Span::new(text, Style::Bold));
    line.pad(width);
    line.0
}

/// Whether an entry of a session is worth a line where no flow claims it.
pub(super) fn is_told_apart(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Called
            | Kind::Refused
            | Kind::AcceptPaused
            | Kind::AcceptResumed
            | Kind::Read
            | Kind::Write
    )
}
