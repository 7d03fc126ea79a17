//! `sockeye dial`: talks to one peer.

mod ask;
mod check;
mod converse;
mod editor;
mod open;
mod pipe;
mod printer;
mod screen;
mod source;
mod text;

use std::io::IsTerminal;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args};
use sockeye_frame::Framing;
use sockeye_net::{Endpoint, Framed, Incoming, Link, Outgoing};
use sockeye_trace::Closing;

use crate::context::Context;
use crate::exit::{Exit, Interrupted, Usage, usage};
use crate::journal::{Target, TraceFlags};
use crate::signals::{Asked, Signals};
use crate::ui::write_stdout;
use crate::values::{Charset, Pause, ReadSize, Wait};
use crate::verb::options;
use crate::words;
use editor::Editor;
use printer::{Printer, Style};
use screen::Screen;
use source::Source;
pub(in crate::verb) use source::stdio;
use text::Typed;

/// Talk to a peer: by hand on a terminal, as a pipe otherwise
#[derive(Args, Debug)]
pub(crate) struct Dial {
    /// Whom to dial, then what to say: each MESSAGE is sent and its answer awaited
    #[arg(value_name = "ENDPOINT [MESSAGE]…")]
    words: Vec<String>,
    /// Send one message, wait for one answer, print it on a line, go on
    #[arg(long)]
    ask: bool,
    /// Each line of input is one message
    #[arg(long)]
    lines: bool,
    /// All of the input is one message
    #[arg(long, conflicts_with_all = ["lines", "ask"])]
    whole: bool,
    /// Send nothing and never say that nothing will come
    #[arg(long, conflicts_with_all = ["lines", "ask", "whole"])]
    no_stdin: bool,
    /// Read and print bytes as hex, one message a line
    #[arg(long)]
    hex: bool,
    /// How the stream is cut into messages: raw, line, u32be, … (docs/framings.md)
    #[arg(long, value_name = "FRAMING")]
    frame: Option<Framing>,
    /// Encoding of typed and shown text: utf-8, gbk, big5, …
    #[arg(long, value_name = "NAME")]
    encoding: Option<Charset>,
    /// Read at most so much at once: 512, 64KiB
    #[arg(long, value_name = "SIZE")]
    read_size: Option<ReadSize>,

    /// How long to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "5s", help_heading = ENDS)]
    timeout: Wait,
    /// How long datagrams are awaited after the last one was sent or came
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = ENDS)]
    wait_reply: Wait,
    /// What the end of the input does: half-close, close, wait=2s
    #[arg(long, value_name = "WHAT", default_value = "half-close", help_heading = ENDS)]
    on_eof: OnEof,
    /// This typed text is not sent: it ends the conversation
    #[arg(long, value_name = "TEXT", help_heading = ENDS)]
    exit_on: Option<String>,
    /// The conversation ends after this answer
    #[arg(long, value_name = "TEXT", help_heading = ENDS)]
    until: Option<String>,
    /// Pause between messages: 200ms, or a random one: 0..1s
    #[arg(long, value_name = "TIME")]
    pause: Option<Pause>,

    /// Accept one peer instead of dialling
    #[arg(long)]
    listen: bool,
    /// Only connect, and say what came of it; ENDPOINT may be a range: host:20-25
    #[arg(long, conflicts_with = "listen")]
    check: bool,
    /// Options of the socket, as in an endpoint's query: -o nodelay=0; `-o help` lists them
    #[arg(short, long = "option", value_name = "NAME=VALUE", action = ArgAction::Append)]
    option: Vec<String>,

    /// Show each read and write on standard error: time, peer, size, text
    #[arg(long, help_heading = "What to see")]
    show: bool,
    /// Let control characters in the peer's text through to the terminal
    #[arg(long, help_heading = "What to see")]
    ansi: bool,
    /// Show the socket's options, as asked and as the kernel gave them
    #[arg(long, help_heading = "What to see")]
    show_socket: bool,
    /// Write events to a file, or to an open descriptor: fd:N (docs/events.md)
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    events: Option<Target>,
    #[command(flatten)]
    trace: TraceFlags,
}

const ENDS: &str = "What ends when";

/// What the end of the input does to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnEof {
    /// The peer reads the end, and we read on until the peer has ended too.
    HalfClose,
    /// The connection ends.
    Close,
    /// The connection stays open until nothing has come for so long.
    Wait(Duration),
}

impl FromStr for OnEof {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "half-close" => Ok(Self::HalfClose),
            None if text == "close" => Ok(Self::Close),
            Some(("wait", time)) => time.parse().map(|Wait(time)| Self::Wait(time)),
            _ => Err(format!(
                "'{text}' is none of half-close, close, wait=TIME (wait=2s)"
            )),
        }
    }
}

/// How the conversation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Bytes in, bytes out.
    Pipe,
    /// Messages as they come, both ways.
    Free,
    /// One message, one answer.
    Ask,
}

/// When to send, and what ends the conversation.
#[derive(Clone, Debug)]
struct Rules {
    /// An empty message cannot be seen on the wire, so no answer to it would ever come.
    skips_empty: bool,
    timeout: Duration,
    /// How long silence lasts until the end, after the input has ended.
    quiet: Option<Duration>,
    on_eof: OnEof,
    until: Option<Vec<u8>>,
    pause: Option<Pause>,
}

/// What was given to say.
struct Script {
    typed: Typed,
    messages: Vec<Vec<u8>>,
    exit_on: Option<Vec<u8>>,
    until: Option<Vec<u8>>,
}

/// A conversation in messages.
struct Talk<'a> {
    incoming: Incoming,
    outgoing: Outgoing,
    source: Source,
    screen: Screen<'a>,
    rules: &'a Rules,
}

impl<'a> Talk<'a> {
    fn new(framed: Framed, source: Source, screen: Screen<'a>, rules: &'a Rules) -> Self {
        let (incoming, outgoing) = framed.split();
        Self {
            incoming,
            outgoing,
            source,
            screen,
            rules,
        }
    }

    /// Says what could not be shown, and what the conversation came to.
    fn finish(self, closing: &mut Closing) -> anyhow::Result<()> {
        closing.read_bytes = self.incoming.bytes();
        closing.read_messages = self.incoming.messages();
        closing.written_bytes = self.outgoing.bytes();
        closing.written_messages = self.outgoing.messages();
        self.screen.finish()
    }
}

impl Rules {
    /// Waits between two messages.
    async fn pause(&self) {
        if let Some(pause) = self.pause {
            tokio::time::sleep(rand::random_range(pause.least..=pause.most)).await;
        }
    }
}

impl Dial {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(list) = options::list(&self.option, context.lang()) {
            write_stdout(list.as_bytes())?;
            return Ok(Exit::Done);
        }
        if self.check {
            return check::run(&self.words, self.timeout.0, context).await;
        }
        let (mut endpoint, taken) = words::first(&self.words)?
            .ok_or_else(|| usage!("nobody to dial: write HOST:PORT, udp://HOST:PORT, unix:PATH"))?;
        for option in &self.option {
            let scheme = endpoint.place.scheme();
            endpoint.settings.set(option, scheme)?;
        }
        if let Some(framing) = self.framing(&endpoint)?
            && endpoint.place.scheme().is_websocket()
        {
            // With a framing its messages are bytes laid end to end.
            endpoint.settings.set_framing(framing);
        }
        let mut signals = Signals::listen()?;
        tokio::select! {
            biased;
            exit = self.talk(context, &endpoint, taken) => exit,
            asked = signals.next() => Err(Interrupted(match asked {
                Asked::End(signal) => signal,
                Asked::Reload => libc::SIGHUP,
            })
            .into()),
        }
    }

    async fn talk(
        &self,
        context: &Context,
        endpoint: &Endpoint,
        taken: usize,
    ) -> anyhow::Result<Exit> {
        let texts = &self.words[taken..];
        let framing = self.framing(endpoint)?;
        let script = self.script(texts)?;
        let by_hand = texts.is_empty() && std::io::stdin().is_terminal();
        let opened = open::open(self, context, endpoint, by_hand).await?;
        let is_stream = matches!(opened.link, Link::Bytes(_));
        if framing.is_some() && !is_stream {
            return Err(usage!(
                "{endpoint} carries messages already: --frame is for streams"
            ));
        }
        let is_raw = is_stream && framing.as_ref().is_none_or(Framing::is_raw);
        let mut closing = Closing::default();
        let ended = match (self.manner(!texts.is_empty(), by_hand, is_raw), opened.link) {
            (Manner::Pipe, Link::Bytes(link)) => {
                let printer = self.printer(false);
                pipe::run(link, self, printer, context, &mut closing).await
            }
            (manner, link) => {
                let typed_lines = if by_hand {
                    Framing::line()
                } else {
                    Framing::raw()
                };
                let framing = framing.unwrap_or(typed_lines);
                let mut framed = Framed::new(link, &framing);
                if let Some(ReadSize(size)) = self.read_size {
                    framed = framed.with_read_size(size.get());
                }
                let is_raw = is_stream && framing.is_raw();
                let rules = self.rules(&script, is_stream, is_raw);
                let mut printer = self.printer(manner == Manner::Ask || by_hand || !is_raw);
                let source = self.source(script, by_hand, context).await?;
                if let Some(above) = source.prints_above() {
                    printer.print_above(above, opened.report.peer());
                }
                let screen = Screen::new(printer, &rules, context);
                let mut talk = Talk::new(framed, source, screen, &rules);
                let ended = match manner {
                    Manner::Ask => ask::run(&mut talk).await,
                    _ => converse::run(&mut talk).await,
                };
                let shown = talk.finish(&mut closing);
                ended.and(shown)
            }
        };
        opened.report.finish(ended, closing)
    }

    /// What was given to say, in the peer's encoding.
    fn script(&self, texts: &[String]) -> anyhow::Result<Script> {
        let typed = Typed::new(self.encoding, self.hex);
        let text = |text: &Option<String>| text.as_deref().map(|text| typed.text(text)).transpose();
        let messages = texts.iter().map(|text| typed.message(text.as_bytes()));
        Ok(Script {
            typed,
            messages: messages.collect::<Result<_, _>>()?,
            exit_on: text(&self.exit_on)?,
            until: text(&self.until)?,
        })
    }

    async fn source(
        &self,
        script: Script,
        by_hand: bool,
        context: &Context,
    ) -> anyhow::Result<Source> {
        let Script {
            typed,
            messages,
            exit_on,
            ..
        } = script;
        if !messages.is_empty() {
            return Ok(Source::given(messages));
        }
        if by_hand && std::io::stdout().is_terminal() {
            return Ok(Source::editor(Editor::start(context)?, typed, exit_on));
        }
        Source::stdin(self.whole, self.no_stdin, typed, exit_on).await
    }

    fn rules(&self, script: &Script, is_stream: bool, is_raw: bool) -> Rules {
        Rules {
            skips_empty: is_raw,
            timeout: self.timeout.0,
            quiet: (!is_stream).then_some(self.wait_reply.0),
            on_eof: self.on_eof,
            until: script.until.clone(),
            pause: self.pause,
        }
    }

    /// The framing that was asked for; a flag beats the endpoint.
    fn framing(&self, endpoint: &Endpoint) -> anyhow::Result<Option<Framing>> {
        match (&self.frame, endpoint.settings.framing()) {
            (Some(flag), Some(query)) if flag != query => Err(Usage(format!(
                "--frame {flag} and ?frame={query} contradict each other; write one of them"
            ))
            .into()),
            (Some(framing), _) | (None, Some(framing)) => Ok(Some(framing.clone())),
            (None, None) => Ok(None),
        }
    }

    fn manner(&self, has_texts: bool, by_hand: bool, is_raw_stream: bool) -> Manner {
        if self.ask || has_texts {
            return Manner::Ask;
        }
        let messages = by_hand || self.lines || self.whole || self.hex || !is_raw_stream;
        if messages { Manner::Free } else { Manner::Pipe }
    }

    fn printer(&self, a_line_each: bool) -> Printer {
        let terminal = std::io::stdout().is_terminal();
        let style = match (self.hex, self.encoding) {
            (true, _) => Style::Hex,
            (false, Some(charset)) => Style::Text {
                charset,
                ansi: self.ansi || !terminal,
            },
            (false, None) if terminal => Style::Text {
                charset: Charset::default(),
                ansi: self.ansi,
            },
            (false, None) => Style::Exact,
        };
        Printer::new(style, a_line_each)
    }
}
