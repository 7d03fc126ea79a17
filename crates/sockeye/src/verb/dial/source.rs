//! Where the messages come from that are sent.

use std::collections::VecDeque;

use sockeye_frame::{DEFAULT_MAX, Framing};
use sockeye_net::{Arrival, Endpoint, Framed, Incoming, Link, Net};
use sockeye_trace::Recorder;
use tokio::io::AsyncReadExt as _;

use super::editor::Editor;
use super::printer::Above;
use super::text::Typed;
use crate::exit::usage;

/// What is to be sent next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Message(Vec<u8>),
    /// Nothing more will come.
    End,
    /// The text was typed that ends the conversation.
    Exit,
}

/// Messages to send, one after another.
pub(super) struct Source {
    from: From,
    typed: Typed,
    exit_on: Option<Vec<u8>>,
}

enum From {
    Given(VecDeque<Vec<u8>>),
    Lines(Box<Incoming>),
    Editor(Editor),
    /// Nothing ever, not even an end.
    Never,
}

impl Source {
    /// These messages.
    pub(super) fn given(messages: Vec<Vec<u8>>) -> Self {
        Self {
            from: From::Given(messages.into()),
            typed: Typed::new(None, false),
            exit_on: None,
        }
    }

    /// What a person types.
    pub(super) fn editor(editor: Editor, typed: Typed, exit_on: Option<Vec<u8>>) -> Self {
        Self {
            from: From::Editor(editor),
            typed,
            exit_on,
        }
    }

    /// Prints above the line that is being edited, where one is.
    pub(super) fn prints_above(&self) -> Option<Above> {
        match &self.from {
            From::Editor(editor) => Some(editor.printer()),
            _ => None,
        }
    }

    /// Standard input: its lines, or all of it as one message.
    pub(super) async fn stdin(
        whole: bool,
        never: bool,
        typed: Typed,
        exit_on: Option<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let from = if never {
            From::Never
        } else if whole {
            From::Given([typed.message(&whole_stdin().await?)?].into())
        } else {
            From::Lines(Box::new(lines_of_stdin().await?))
        };
        Ok(Self {
            from,
            typed,
            exit_on,
        })
    }

    /// Waits for the next one. Giving up the wait loses nothing.
    pub(super) async fn next(&mut self) -> anyhow::Result<Next> {
        let message = match &mut self.from {
            From::Never => std::future::pending().await,
            From::Given(messages) => {
                return Ok(messages.pop_front().map_or(Next::End, Next::Message));
            }
            From::Editor(editor) => editor.line().await?,
            From::Lines(lines) => line(lines).await?,
        };
        let Some(message) = message else {
            return Ok(Next::End);
        };
        let message = self.typed.message(&message)?;
        Ok(if self.exit_on.as_ref() == Some(&message) {
            Next::Exit
        } else {
            Next::Message(message)
        })
    }
}

async fn line(lines: &mut Incoming) -> anyhow::Result<Option<Vec<u8>>> {
    match lines.next().await? {
        None => Ok(None),
        Some(Arrival::Oversized(error)) => Err(usage!("standard input: {error}")),
        Some(line) => Ok(line.bytes().map(<[u8]>::to_vec)),
    }
}

/// The lines of standard input, which nobody else hears of.
async fn lines_of_stdin() -> anyhow::Result<Incoming> {
    let (lines, _) = Framed::new(stdio().await?, &Framing::line()).split();
    Ok(lines)
}

/// Standard input and output, as a link that no observer hears of.
pub(in crate::verb) async fn stdio() -> anyhow::Result<Link> {
    let stdio: Endpoint = "stdio:".parse()?;
    Ok(sockeye_net::connect(&Net::new(Recorder::new()), &stdio).await?)
}

/// Standard input to its end.
async fn whole_stdin() -> anyhow::Result<Vec<u8>> {
    let Link::Bytes(stdin) = stdio().await? else {
        return Ok(vec![]);
    };
    let limit = DEFAULT_MAX;
    let mut all = vec![];
    stdin.take(limit + 1).read_to_end(&mut all).await?;
    if all.len() as u64 > limit {
        return Err(usage!(
            "standard input is more than one message can hold, {limit} bytes"
        ));
    }
    Ok(all)
}
