//! Where the pieces of a command's output go: straight through, or line by line behind the host.

use std::sync::Arc;

use sockeye_service::LinkReader;
use sockeye_service::exec::Output;
use sockeye_service::exec::client::Incoming;
use tokio::sync::Mutex;

use super::output::{CHUNK, Outputs};
use crate::ui::Flow;

/// Takes the pieces of one command.
pub(super) enum Screen {
    /// As they come.
    Whole(Outputs),
    /// As lines of one of many hosts.
    Lines(Lines),
}

impl Screen {
    /// Passes on the piece that has begun, as fast as it is read at our other end.
    pub(super) async fn pass(
        &mut self,
        stream: Output,
        incoming: &mut Incoming<LinkReader>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Whole(output) => loop {
                let mut buffer = output.buffer().await?;
                let len = incoming.read(&mut buffer).await?;
                output.put(stream, buffer, len)?;
                if len == 0 {
                    return Ok(());
                }
            },
            Self::Lines(lines) => loop {
                let len = incoming.read(&mut lines.chunk).await?;
                if len == 0 {
                    return Ok(());
                }
                lines.take(stream, len).await?;
            },
        }
    }

    /// Writes what is left; says how many bytes did not decode.
    pub(super) async fn finish(self) -> anyhow::Result<usize> {
        match self {
            Self::Whole(output) => output.finish().await,
            Self::Lines(lines) => lines.finish().await,
        }
    }
}

/// A line that is longer is cut: what a host prints must not grow in our memory.
const MAX_LINE: usize = 64 * 1024;
/// What is read of a host at once.
const READ: usize = 16 * 1024;

/// One host's lines, each behind its name.
pub(super) struct Lines {
    /// The host's name, padded to the width of the widest.
    prefix: String,
    /// All hosts write through it, whole lines each.
    output: Arc<Mutex<Outputs>>,
    chunk: Vec<u8>,
    /// The beginning of a line, of each stream.
    begun: [Vec<u8>; 2],
    /// As text for a terminal, of each stream; else byte by byte.
    flows: [Option<Flow>; 2],
}

impl Lines {
    pub(super) fn new(
        prefix: String,
        output: Arc<Mutex<Outputs>>,
        flows: [Option<Flow>; 2],
    ) -> Self {
        Self {
            prefix,
            output,
            chunk: vec![0; READ],
            begun: [vec![], vec![]],
            flows,
        }
    }

    /// Writes the lines that are whole now.
    async fn take(&mut self, stream: Output, len: usize) -> anyhow::Result<()> {
        let mut out = vec![];
        let which = stream as usize;
        let chunk = std::mem::take(&mut self.chunk);
        for part in chunk[..len].split_inclusive(|byte| *byte == b'\n') {
            let begun = &mut self.begun[which];
            begun.extend_from_slice(part);
            let is_whole = part.ends_with(b"\n");
            if is_whole || begun.len() >= MAX_LINE {
                if !is_whole {
                    begun.push(b'\n');
                }
                self.line(which, &mut out);
            }
        }
        self.chunk = chunk;
        self.write(stream, &out).await
    }

    /// Appends the line that has been gathered to `out`.
    fn line(&mut self, which: usize, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.begun[which]);
        out.extend_from_slice(self.prefix.as_bytes());
        match &mut self.flows[which] {
            Some(flow) => out.extend_from_slice(flow.text(&line).as_bytes()),
            None => out.extend_from_slice(&line),
        }
        // Its room is used again.
        self.begun[which] = line;
        self.begun[which].clear();
    }

    /// The last line may have no end of its own; here it gets one.
    async fn finish(mut self) -> anyhow::Result<usize> {
        for (which, stream) in [Output::Stdout, Output::Stderr].into_iter().enumerate() {
            if self.begun[which].is_empty() {
                continue;
            }
            self.begun[which].push(b'\n');
            let mut out = vec![];
            self.line(which, &mut out);
            self.write(stream, &out).await?;
        }
        let flows = self.flows.iter().flatten();
        Ok(flows.map(|flow| flow.undecodable).sum())
    }

    /// Writes whole lines, so that no other host's get in between.
    async fn write(&self, stream: Output, mut bytes: &[u8]) -> anyhow::Result<()> {
        let mut output = self.output.lock().await;
        while !bytes.is_empty() {
            let mut buffer = output.buffer().await?;
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK));
            buffer[..now.len()].copy_from_slice(now);
            output.put(stream, buffer, now.len())?;
            bytes = later;
        }
        Ok(())
    }
}
