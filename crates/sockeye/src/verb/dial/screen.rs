//! What one conversation shows and counts.

use sockeye_net::Arrival;

use super::Rules;
use super::printer::Printer;
use crate::catalogue as say;
use crate::context::Context;

/// Shows the peer's messages and knows the one that ends the conversation.
pub(super) struct Screen<'a> {
    printer: Printer,
    rules: &'a Rules,
    context: &'a Context,
}

impl<'a> Screen<'a> {
    pub(super) fn new(printer: Printer, rules: &'a Rules, context: &'a Context) -> Self {
        Self {
            printer,
            rules,
            context,
        }
    }

    /// Shows what came; true if it was the answer that ends the conversation.
    pub(super) fn show(&mut self, arrival: &Arrival<'_>) -> anyhow::Result<bool> {
        match arrival {
            Arrival::Head { header, .. } => self.printer.piece(header)?,
            Arrival::Body { chunk, left } => {
                self.printer.piece(chunk)?;
                if *left == 0 {
                    self.printer.piece(b"\n")?;
                }
            }
            Arrival::Oversized(error) => self.context.ui.complain(&error.to_string()),
            Arrival::Truncated { bytes, full_len } => {
                let counts: [(&str, &dyn std::fmt::Display); 2] =
                    [("got", &bytes.len()), ("of", full_len)];
                let text = say::TRUNCATED.fill(self.context.lang(), &counts);
                self.context.ui.complain(&text);
            }
            _ => {}
        }
        let Some(bytes) = arrival.bytes() else {
            return Ok(false);
        };
        self.printer.message(bytes)?;
        Ok(self.rules.until.as_deref() == Some(bytes))
    }

    /// The end: says what could not be shown.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.printer.finish(self.context)
    }
}
