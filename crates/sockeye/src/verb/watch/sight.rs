//! What of a recording is shown, and where.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use sockeye_trace::render::text::TextOptions;

use crate::context::Context;

/// The flags that say how a recording is shown.
#[derive(Args, Debug)]
pub(crate) struct Sight {
    /// Text at the end, although standard output is a terminal
    #[arg(long, help_heading = "What to see", group = "view")]
    pub(super) text: bool,
    /// Text, each call and packet on a line as it happens
    #[arg(short, long, help_heading = "What to see", group = "view")]
    pub(super) follow: bool,
    /// One JSON object a line, at the end
    #[arg(long, help_heading = "What to see", group = "view")]
    pub(super) json: bool,
    /// Draw only the connection with this number
    #[arg(long, value_name = "N", help_heading = "What to see")]
    pub(super) flow: Option<u32>,
    /// Keep the session in a file, for `sockeye show`
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    pub(super) trace: Option<PathBuf>,
    /// Draw a page for browsers as well
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    pub(super) html: Option<PathBuf>,
    /// Write the packets as a file for Wireshark as well
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    pub(super) pcapng: Option<PathBuf>,
}

impl Sight {
    /// Whether it is drawn on the terminal while it happens.
    pub(crate) fn is_drawn(&self) -> bool {
        let asked_for_text = self.text || self.follow || self.json;
        !asked_for_text && io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// How it is drawn for people.
    pub(super) fn text_options(&self, context: &Context) -> TextOptions {
        let stdout = io::stdout();
        let columns = rustix::termios::tcgetwinsize(&stdout).map(|size| usize::from(size.ws_col));
        TextOptions {
            width: columns.unwrap_or(0).max(TextOptions::default().width),
            lang: context.lang().into(),
            colour: crate::ui::colours(&stdout),
            flow: self.flow,
            // Lanes that were drawn while it happened are not drawn again.
            findings_only: self.follow || self.is_drawn(),
            ..TextOptions::default()
        }
    }
}
