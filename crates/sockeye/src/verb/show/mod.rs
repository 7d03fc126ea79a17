//! `sockeye show`: draws a recorded session.

mod input;
mod output;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sockeye_frame::{ByteSize, Framing};
use sockeye_trace::{Session, Timeline, finding, merge, pcapng, render};

use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::ui::{colours, columns};
use crate::values::Wait;
use crate::verb::capture::Listing;
use output::Output;
pub(crate) use output::Target;

/// Draw a recorded session: what was written, what the wire carried, what was read
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A session that watch, capture or --trace wrote, or a pcap or pcapng file; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    file: PathBuf,
    /// What the other machine recorded of the same conversations
    #[arg(value_name = "FILE2")]
    other: Option<PathBuf>,

    /// Write one page that draws itself in any browser
    #[arg(long, value_name = "OUT", help_heading = FORM)]
    html: Option<Target>,
    /// Write JSON Lines (docs/events.md)
    #[arg(long, help_heading = FORM)]
    json: bool,
    /// Write the packets, and beside them the calls, as pcapng for Wireshark
    #[arg(long, value_name = "OUT", help_heading = FORM)]
    pcapng: Option<Target>,
    /// Write the session, joined and in order, as a file for `show`
    #[arg(long, value_name = "OUT", help_heading = FORM)]
    save: Option<Target>,
    /// Write the packets as a table
    #[arg(long, help_heading = FORM, conflicts_with_all = ["json", "findings"])]
    packets: bool,
    /// Write the packets with the layers of each: OSI's beside TCP/IP's
    #[arg(long, help_heading = FORM, conflicts_with_all = ["json", "findings"])]
    layers: bool,
    /// Write what was found, and no lanes
    #[arg(long, help_heading = FORM)]
    findings: bool,

    /// Only the conversation with this number
    #[arg(long, value_name = "N", help_heading = PART)]
    flow: Option<u32>,
    /// Only what happened so long after the start, or later: 200ms, 1.5s
    #[arg(long, value_name = "TIME", help_heading = PART)]
    from: Option<Wait>,
    /// Only what happened so long after the start, or before
    #[arg(long, value_name = "TIME", help_heading = PART)]
    to: Option<Wait>,
    /// Draw at most so much of each conversation; 0 draws all
    #[arg(long, value_name = "COUNT", default_value_t = 500, help_heading = PART)]
    limit: usize,
    /// Draw at most so many conversations; 0 draws all
    #[arg(long, value_name = "COUNT", default_value_t = 30, help_heading = PART)]
    flows: usize,

    /// How the streams are cut into messages: line, u32be, … (docs/framings.md)
    #[arg(long, value_name = "FRAMING", help_heading = LOOK)]
    frame: Option<Framing>,
    /// How much of each payload is shown
    #[arg(long, value_name = "SIZE", default_value = "48", help_heading = LOOK)]
    bytes: ByteSize,
    /// Payloads as hexadecimal numbers
    #[arg(long, help_heading = LOOK)]
    hex: bool,
    /// Columns of the picture (default: the terminal's, else 100)
    #[arg(long, value_name = "COLUMNS", help_heading = LOOK)]
    width: Option<usize>,
    /// Colour the messages even where standard output is no terminal
    #[arg(long, help_heading = LOOK)]
    colour: bool,
}

const FORM: &str = "What to write";
const PART: &str = "Which part";
const LOOK: &str = "How it looks";

impl Show {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let targets = [&self.html, &self.pcapng, &self.save];
        let to_stdout = targets
            .into_iter()
            .flatten()
            .filter(|target| target.is_stdout());
        if to_stdout.count() + usize::from(self.json) > 1 {
            return Err(usage!(
                "standard output takes one of --json, --html -, --pcapng - and --save -"
            ));
        }
        let mut session = input::load(&self.file)?;
        if let Some(other) = &self.other {
            session = merge(&session, &input::load(other)?, context.lang().into()).session;
        }
        if let Some(framing) = &self.frame {
            session.head_mut().frame = framing.to_string();
        }
        let timeline = Timeline::build(&session);
        if let Some(number) = self.flow
            && !timeline.flows.iter().any(|flow| flow.number == number)
        {
            let count = timeline.flows.len();
            return Err(usage!(
                "there is no conversation {number}; there are {count}"
            ));
        }
        self.render(&session, &timeline, context)?;
        Ok(Exit::Done)
    }

    fn render(
        &self,
        session: &Session,
        timeline: &Timeline<'_>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let findings = finding::find(timeline);
        let lang = context.lang().into();
        if let Some(target) = &self.save {
            let mut output = Output::open(target)?;
            output.wrote(|out| session.save(out).map(drop))?;
        }
        if let Some(target) = &self.html {
            let mut output = Output::open(target)?;
            output.wrote(|out| render::html::write(timeline, &findings, lang, out))?;
        }
        if let Some(target) = &self.pcapng {
            let mut output = Output::open(target)?;
            output.wrote(|out| pcapng::write(timeline, &findings, lang, out))?;
        }
        if self.json {
            return Output::stdout().wrote(|out| render::json::write(timeline, &findings, out));
        }
        if self.packets || self.layers {
            let listing = self.listing(timeline, context)?;
            return Output::stdout().wrote(|out| listing.write(timeline, out));
        }
        if self.save.is_some() || self.html.is_some() || self.pcapng.is_some() {
            return Ok(());
        }
        let options = self.options(lang)?;
        Output::stdout().wrote(|out| render::text::write(timeline, &findings, &options, out))
    }

    /// Which packets are written: those of a conversation, of a time.
    fn listing(&self, timeline: &Timeline<'_>, context: &Context) -> anyhow::Result<Listing> {
        let mut flows = timeline.flows.iter();
        let flow = self
            .flow
            .and_then(|number| flows.find(|flow| flow.number == number));
        let only = flow.map(|flow| {
            let wire = flow.ways.iter().flat_map(|way| &way.wire);
            let wire = wire.map(|segment| segment.fact);
            wire.chain(flow.life.iter().map(|life| life.fact)).collect()
        });
        let start = timeline.session.span().unwrap_or_default().start;
        let window = self.window()?.map(|window| {
            let at = |nanos| start + Duration::from_nanos(nanos);
            at(window.start)..at(window.end)
        });
        Ok(Listing {
            lang: context.lang(),
            layers: self.layers,
            only,
            window,
            limit: all(self.limit),
        })
    }

    /// The part of the time that was asked for, in nanoseconds from the start.
    fn window(&self) -> anyhow::Result<Option<Range<u64>>> {
        let nanos = |wait: Wait| u64::try_from(wait.0.as_nanos()).unwrap_or(u64::MAX);
        match (self.from, self.to) {
            (None, None) => Ok(None),
            (from, to) => {
                let from = from.map_or(0, nanos);
                let to = to.map_or(u64::MAX, nanos);
                if from >= to {
                    return Err(usage!("--from lies behind --to: nothing is between them"));
                }
                Ok(Some(from..to))
            }
        }
    }

    fn options(&self, lang: sockeye_trace::Lang) -> anyhow::Result<render::text::TextOptions> {
        Ok(render::text::TextOptions {
            width: self.width.unwrap_or_else(columns),
            lang,
            colour: self.colour || colours(&std::io::stdout()),
            flow: self.flow,
            window: self.window()?,
            bytes: usize::try_from(self.bytes.0).unwrap_or(usize::MAX),
            hex: self.hex,
            limit: all(self.limit),
            flows: all(self.flows),
            findings_only: self.findings,
        })
    }
}

/// How many: 0 stands for all.
fn all(count: usize) -> usize {
    if count == 0 { usize::MAX } else { count }
}
