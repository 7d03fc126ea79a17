//! What stands around the flows: who recorded it, what no flow claims, what could not be seen, what it cost.

use std::collections::HashSet;
use std::io::{self, Write};

use super::calls;
use super::lanes::{Picture, is_told_apart};
use super::paint::{Line, Span, Style, wrap};
use super::payload::escape;
use super::quantity::{counted, duration, millis, moment};
use crate::{Kind, Lang, Process, Side, WireSource};

/// Lines about sockets that no flow claims.
const APART: usize = 40;

impl Picture<'_, '_> {
    /// The command, when, where, and where the wire comes from; with `gaps` also what could not be seen.
    pub(super) fn head(&self, gaps: bool, out: &mut dyn Write) -> io::Result<()> {
        let head = self.timeline.head();
        let command = if head.command.is_empty() {
            format!("sockeye {}", head.verb)
        } else {
            head.command.join(" ")
        };
        let mut line = Line::default();
        line.push(Span::new(escape(&command), Style::Bold));
        line.cut(self.options.width);
        if line.width() > 0 {
            self.write(line, out)?;
        }
        let lang = self.options.lang;
        let mut parts = vec![moment(self.start)];
        if !head.host.is_empty() {
            parts.push(format!(
                "{} {}",
                self.pick("on", "主机"),
                escape(&head.host)
            ));
        }
        if let Some(span) = self.timeline.session.span() {
            parts.push(duration(span.end.since(span.start).as_nanos() as u64));
        }
        let flows = self.timeline.flows.len() as u64;
        parts.push(counted(
            flows,
            "conversation",
            "conversations",
            "个会话",
            lang,
        ));
        self.paragraph(&parts.join(" · "), Style::Dim, out)?;
        let wire = match head.wire {
            WireSource::Captured => self.pick("wire: packets as captured", "线路：抓到的包"),
            WireSource::Inferred => self.pick(
                "wire: inferred from the kernel's counters (dashed), not captured",
                "线路：由内核计数推断（虚线），并非抓包",
            ),
            WireSource::None => self.pick("wire: not seen", "线路：未看到"),
        };
        let note = match &*head.wire_note {
            "" => wire.to_owned(),
            note if head.wire == WireSource::Captured => {
                format!("{wire}{}{}", self.pick("; ", "；"), escape(note))
            }
            note => format!("{wire}{}{}", self.pick(": ", "："), escape(note)),
        };
        self.paragraph(&note, Style::Dim, out)?;
        for gap in self.timeline.gaps.iter().filter(|_| gaps) {
            let count = match gap.count {
                0 => String::new(),
                count => format!(" × {count}"),
            };
            let who = self.program(gap.pid);
            let parts = [
                &*escape(&gap.what),
                &count,
                " ",
                &who,
                " ",
                &escape(&gap.detail),
            ]
            .concat();
            let text = format!(
                "{}{}",
                self.pick("not seen: ", "未能看到："),
                parts.trim_end()
            );
            self.paragraph(&text, Style::Bad, out)?;
        }
        if self.timeline.session.is_cut() {
            let text = self.pick(
                "the recording ends in the middle of a fact: whoever wrote it was cut short",
                "记录在一条事实中间结束：写入者被中断",
            );
            self.paragraph(text, Style::Bad, out)?;
        }
        if self.timeline.session.lost() > 0 {
            let lost = self.timeline.session.lost();
            let text = match lang {
                Lang::En => format!("not seen: {lost} facts did not fit into memory"),
                Lang::Zh => format!("未能看到：{lost} 条事实内存放不下"),
            };
            self.paragraph(&text, Style::Bad, out)?;
        }
        out.write_all(b"\n")
    }

    /// What bars, labels and signs mean.
    pub(super) fn legend(&self, out: &mut dyn Write) -> io::Result<()> {
        let text = self.pick(
            "m1 a message, d1 a datagram, [0..17) bytes of that direction; bars: how long a call lasted",
            "m1 消息，d1 数据报，[0..17) 该方向的字节范围；竖线：调用持续的时间",
        );
        self.paragraph(text, Style::Dim, out)?;
        out.write_all(b"\n")
    }

    fn paragraph(&self, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
        for line in wrap(text, self.options.width) {
            self.write(Line(vec![Span::new(line, style)]), out)?;
        }
        Ok(())
    }

    /// Listening sockets, and others that no flow claims.
    pub(super) fn apart(&self, out: &mut dyn Write) -> io::Result<()> {
        let session = self.timeline.session;
        let (mut drawn, mut hidden, mut packets) = (0, 0, 0);
        for &id in &self.timeline.apart {
            let fact = session.fact(id);
            if fact.kind() == Kind::Packet {
                packets += 1;
            }
            let inside = self.window.as_ref().is_none_or(|window| {
                window.start <= fact.event.time && fact.event.began() < window.end
            });
            if !is_told_apart(fact.kind()) || !inside {
                continue;
            }
            if drawn >= APART.min(self.options.limit) {
                hidden += 1;
                continue;
            }
            if drawn == 0 {
                let title = self.pick(
                    "apart: sockets without a conversation",
                    "其他：没有会话的套接字",
                );
                self.write(Line(vec![Span::new(title, Style::Bold)]), out)?;
            }
            drawn += 1;
            let time = millis(fact.event.began().since(self.start).as_nanos() as u64);
            let mut line = Line::default();
            line.push(Span::dim(format!("{time:>0$}  ", self.time)));
            line.push(Span::plain(self.whose(fact.event.conn().number())));
            let room = self.options.width.saturating_sub(line.width() + 2);
            let cell = calls::life(&fact, self.options).lines(room, self.options);
            for (number, mut content) in cell.into_iter().enumerate() {
                if number > 0 {
                    let before = self.options.width - room - 2;
                    line = Line(vec![Span::plain(" ".repeat(before))]);
                }
                line.push(Span::plain("  "));
                line.0.append(&mut content.0);
                self.write(std::mem::take(&mut line), out)?;
            }
        }
        if hidden > 0 {
            let text = match self.options.lang {
                Lang::En => format!("… {hidden} more calls on them"),
                Lang::Zh => format!("… 另有 {hidden} 次调用"),
            };
            self.paragraph(&text, Style::Mark, out)?;
        }
        if packets > 0 {
            let text = match self.options.lang {
                Lang::En => {
                    format!("{packets} packets of no conversation here (--packets lists them)")
                }
                Lang::Zh => format!("{packets} 个包不属于任何会话（--packets 可列出）"),
            };
            self.paragraph(&text, Style::Dim, out)?;
        }
        if drawn + hidden + packets > 0 {
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn whose(&self, conn: u64) -> String {
        let known = self.timeline.sides.iter().find(|side| side.id == conn);
        let Some(Side { pid, fd, local, .. }) = known else {
            return String::new();
        };
        let mut parts = vec![self.program(*pid)];
        if *fd >= 0 {
            parts.push(format!("fd {fd}"));
        }
        parts.push(calls::place(local));
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }

    /// What was watched, what was seen, what it cost.
    pub(super) fn summary(
        &self,
        hidden_flows: usize,
        silent: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let lang = self.options.lang;
        if silent > 0 {
            let silent = counted(
                silent as u64,
                "conversation",
                "conversations",
                "个会话",
                lang,
            );
            let text = match lang {
                Lang::En => format!("… {silent} in which nothing was sent (--flow N draws one)"),
                Lang::Zh => format!("… 另有 {silent} 没有任何收发（--flow N 画一个）"),
            };
            self.paragraph(&text, Style::Dim, out)?;
        }
        if hidden_flows > 0 {
            let text = match lang {
                Lang::En => format!(
                    "… {hidden_flows} more conversations (--flow N draws one, --flows 0 all)"
                ),
                Lang::Zh => {
                    format!("… 还有 {hidden_flows} 个会话（--flow N 画一个，--flows 0 全部）")
                }
            };
            self.paragraph(&text, Style::Mark, out)?;
        }
        self.programs(out)?;
        let (mut calls, mut packets, mut stops, mut spent) = (0, 0, 0u64, 0u64);
        for (_, fact) in self.timeline.session.facts() {
            match fact.kind() {
                Kind::Called | Kind::Read | Kind::Write => calls += 1,
                Kind::Packet => packets += 1,
                Kind::Cost => {
                    stops += fact.event.offset;
                    spent += fact.event.offset * u64::from(fact.event.asked);
                }
                _ => {}
            }
        }
        let sum = |of: fn(&crate::timeline::Way) -> u64| -> u64 {
            self.timeline
                .flows
                .iter()
                .flat_map(|flow| &flow.ways)
                .map(of)
                .sum()
        };
        let bytes = counted(sum(|way| way.written), "byte", "bytes", "字节", lang);
        let seen = [
            counted(calls, "call", "calls", "次调用", lang),
            counted(packets, "packet", "packets", "个包", lang),
            format!("{bytes} {}", self.pick("written", "写入")),
            format!(
                "{} {}",
                sum(|way| way.carried),
                self.pick("carried", "传输")
            ),
            format!("{} {}", sum(|way| way.read), self.pick("read", "读出")),
        ];
        self.item(
            self.pick("seen", "看到"),
            &seen.join(self.pick(", ", "，")),
            out,
        )?;
        if let Some(each) = spent.checked_div(stops) {
            let (each, all) = (duration(each), duration(spent));
            let text = match lang {
                Lang::En => format!("{stops} stops of the programs, about {each} each: {all}"),
                Lang::Zh => format!("程序被暂停 {stops} 次，每次约 {each}，共 {all}"),
            };
            self.item(self.pick("cost", "代价"), &text, out)?;
        }
        let dropped: u64 = self.timeline.interfaces.iter().map(|one| one.dropped).sum();
        if packets > 0 || dropped > 0 {
            let text = match lang {
                Lang::En => format!("{dropped} packets that the kernel could not hand over"),
                Lang::Zh => format!("内核未能交付 {dropped} 个包"),
            };
            self.item(self.pick("dropped", "丢失"), &text, out)?;
        }
        Ok(())
    }

    /// Who was watched: those that used a socket or were started by nobody who is watched too. What else
    /// they started, as shells do by the dozen, is counted.
    fn programs(&self, out: &mut dyn Write) -> io::Result<()> {
        let processes = &self.timeline.processes;
        let users: HashSet<u32> = self.timeline.sides.iter().map(|side| side.pid).collect();
        let watched: HashSet<u32> = processes.iter().map(|process| process.pid).collect();
        let counts =
            |process: &&Process| users.contains(&process.pid) || !watched.contains(&process.parent);
        let named: Vec<&Process> = processes.iter().filter(counts).collect();
        if named.is_empty() {
            return Ok(());
        }
        let name = |process: &&Process| {
            let (name, ended) = (self.program(process.pid), escape(&process.ended));
            [&*name, &*ended].join(" ").trim_end().to_owned()
        };
        let shown: Vec<String> = named.iter().take(APART).map(name).collect();
        let list = shown.join(self.pick(", ", "，"));
        let more = processes.len() - shown.len();
        let more = match (self.options.lang, named.len() > shown.len()) {
            _ if more == 0 => String::new(),
            (Lang::En, false) => format!(", and {more} that used no socket"),
            (Lang::Zh, false) => format!("，另有 {more} 个未使用套接字"),
            (_, true) => format!(" … +{more}"),
        };
        self.item(
            self.pick("watched", "观察对象"),
            &format!("{list}{more}"),
            out,
        )
    }

    fn item(&self, name: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let width = 10;
        for (number, text) in wrap(text, self.options.width - width)
            .into_iter()
            .enumerate()
        {
            let mut head = Line::default();
            head.push(Span::dim(if number == 0 { name } else { "" }));
            head.pad(width);
            head.push(Span::plain(text));
            self.write(head, out)?;
        }
        Ok(())
    }
}
