//! From the name of a service to what answers.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use sockeye_frame::Framing;
use sockeye_service::reply::{Chargen, Daytime, Discard, Echo, Reply, Upper};
use sockeye_service::{Hub, Print, Relay, Service as Answers};

use super::{Entry, Service, chat, commands, shared_folder};
use crate::context::Context;
use crate::exit::{Usage, unless_closed, unwritten, usage};
use crate::ui::Flow;

/// Makes what answers for each entry, and holds what they share.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    context: &'a Context,
    /// Let what steers a terminal through.
    ansi: bool,
    /// Standard output, once a service prints: there is only one.
    print: OnceCell<Print>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(context: &'a Context, ansi: bool) -> Self {
        Self {
            context,
            ansi,
            print: OnceCell::new(),
        }
    }

    /// Refuses an entry for which nothing could be made. What is kept by one alone is left alone:
    /// the one who has it may be running.
    pub(super) async fn check(&self, entry: &Entry) -> anyhow::Result<()> {
        match entry.service {
            Some(Service::Chat) => chat::examine(entry),
            _ => self.make(entry).await.map(drop),
        }
    }

    /// What answers for this entry.
    pub(super) async fn make(&self, entry: &Entry) -> anyhow::Result<Answers> {
        let Some(service) = entry.service else {
            return Err(usage!("no service is given"));
        };
        Ok(match service {
            Service::Echo => Echo.into(),
            Service::Upper => {
                let upper = Upper::new(entry.charset());
                upper.map_err(|error| Usage(error.to_string()))?.into()
            }
            Service::Reply => {
                let text = entry.encoded(entry.text.as_deref())?.unwrap_or_default();
                Reply::new(&text).into()
            }
            Service::Discard => Discard.into(),
            Service::Chargen => Chargen.into(),
            Service::Daytime => Daytime::default().into(),
            Service::Print => self.printing(entry)?.into(),
            Service::Hub => Hub::default().into(),
            Service::Relay => {
                let to = entry.to.clone();
                let to = to.ok_or_else(|| usage!("relay needs to know where to pass on to"))?;
                let framing = entry.frame.clone().unwrap_or_else(Framing::raw);
                Relay::new(self.context.net.clone(), to, framing).into()
            }
            Service::Exec => commands::make(self.context, entry)?,
            Service::Files => shared_folder::make(self.context, entry)?,
            Service::Chat => chat::make(self.context, entry).await?,
        })
    }

    fn printing(&self, entry: &Entry) -> anyhow::Result<Print> {
        if let Some(print) = self.print.get() {
            return Ok(print.clone());
        }
        let print = Print::to(Page::new(entry, self.ansi)?)?;
        Ok(self.print.get_or_init(|| print).clone())
    }

    /// Waits until what is printed finds no place any more; for ever if nothing is printed.
    pub(super) async fn unread(&self) -> anyhow::Error {
        match self.print.get() {
            Some(print) => unwritten(STDOUT, print.closed().await),
            None => std::future::pending().await,
        }
    }

    /// Waits until all that was printed has been written.
    ///
    /// # Errors
    /// When it cannot be.
    pub(super) async fn flush(&self) -> anyhow::Result<()> {
        let Some(print) = self.print.get().cloned() else {
            return Ok(());
        };
        let flushed = print.clone();
        // A reader that is slow must not keep a second signal from being seen.
        let _ = tokio::task::spawn_blocking(move || flushed.flush()).await;
        let why = print.failure().map(|why| unwritten(STDOUT, why));
        why.map_or(Ok(()), unless_closed)
    }
}

/// Where peers are printed, in an error.
const STDOUT: &str = "to standard output";

/// Standard output: what came as it came, or on a terminal as text that cannot steer it.
struct Page {
    /// A copy of the descriptor, without the line buffer that the standard library puts before it.
    stdout: File,
    flow: Option<Flow>,
}

impl Page {
    fn new(entry: &Entry, ansi: bool) -> anyhow::Result<Self> {
        let stdout = io::stdout();
        let text = stdout
            .is_terminal()
            .then(|| Flow::new(entry.charset(), ansi));
        Ok(Self {
            stdout: stdout.as_fd().try_clone_to_owned()?.into(),
            flow: text,
        })
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(flow) = &mut self.flow else {
            return self.stdout.write(bytes);
        };
        self.stdout.write_all(flow.text(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
