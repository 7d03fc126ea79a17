//! Packets of a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use sockeye_net::Errno;
use sockeye_trace::pcapng::CaptureReader;
use sockeye_trace::{Event, Fact, Gap, Interface, Kind, Reader};

use super::Capture;
use super::view::Views;
use crate::exit::{CheckFailed, Exit, usage};
use crate::ui::Ui;

/// What our own sessions begin with.
const SESSION: &[u8] = b"sockeye";

/// Either kind of file, fact by fact.
enum Facts {
    Capture(Box<CaptureReader<BufReader<File>>>),
    Session(Box<Reader<BufReader<File>>>),
}

impl Facts {
    fn open(input: BufReader<File>, is_session: bool) -> anyhow::Result<Self> {
        Ok(if is_session {
            Self::Session(Box::new(Reader::new(input)?))
        } else {
            Self::Capture(Box::new(CaptureReader::new(input)?))
        })
    }

    fn next(&mut self) -> anyhow::Result<Option<Fact<'_>>> {
        Ok(match self {
            Self::Capture(reader) => reader.next_fact()?,
            Self::Session(reader) => reader.next_fact()?,
        })
    }
}

/// Where packets are read from.
struct Source {
    facts: Facts,
    /// Something that gives more as time passes, such as a pipe.
    live: Option<OwnedFd>,
    name: String,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let unread = |error: io::Error| usage!("cannot read {name}: {}", Errno::of(&error));
        let opened = if stdin {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::open(path)
        };
        let file = opened.map_err(unread)?;
        let stat = fstat(&file).map_err(|error| unread(error.into()))?;
        let live = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            _ => Some(file.as_fd().try_clone_to_owned().map_err(unread)?),
        };
        let mut input = BufReader::with_capacity(1 << 18, file);
        let is_session = input.fill_buf().map_err(unread)?.starts_with(SESSION);
        let facts = Facts::open(input, is_session);
        let facts = facts.map_err(|error| bad(&name, &error))?;
        Ok(Self { facts, live, name })
    }

    fn next(&mut self) -> anyhow::Result<Option<Fact<'_>>> {
        let name = &self.name;
        self.facts.next().map_err(|error| bad(name, &error))
    }

    /// Whether nothing more is there right now, so that whoever looks should see what has come.
    fn rests(&self) -> bool {
        let Some(live) = &self.live else {
            return false;
        };
        let mut fds = [PollFd::new(live, PollFlags::IN)];
        // Not waiting: a question only.
        poll(&mut fds, Some(&Timespec::default())) == Ok(0)
    }
}

/// A file that is not what it should be: a check that failed.
fn bad(name: &str, error: &anyhow::Error) -> anyhow::Error {
    CheckFailed(format!("{name}: {error:#}")).into()
}

/// Shows the packets of a file until its end, or until somebody asks to end.
pub(super) fn run(args: &Capture, path: &Path, ui: Ui, stop: &AtomicBool) -> anyhow::Result<Exit> {
    let mut source = Source::open(path)?;
    let mut playing = Playing::new(args, ui);
    // What is whole is shown, whatever comes behind it.
    let mut end = Ok(Exit::Done);
    while !stop.load(Ordering::Relaxed) && !playing.is_full() {
        match source.next() {
            Ok(Some(fact)) => playing.fact(&fact)?,
            Ok(None) => break,
            Err(error) => {
                end = Err(error);
                break;
            }
        }
        if source.rests() {
            playing.views()?.flush()?;
        }
    }
    playing.finish()?;
    if playing.cut && end.is_ok() {
        let what = format!("{} ends in the middle of a packet", source.name);
        return Err(CheckFailed(what).into());
    }
    end
}

/// The views of a file, which begin with its first packet.
struct Playing<'a> {
    args: &'a Capture,
    ui: Ui,
    views: Option<Views>,
    /// Interfaces ahead of the first packet: one that is alone needs no column.
    ahead: Vec<(Event, String)>,
    /// What each interface lost, as far as the file says.
    dropped: HashMap<u64, u64>,
    /// The file ends too early.
    cut: bool,
}

impl<'a> Playing<'a> {
    fn new(args: &'a Capture, ui: Ui) -> Self {
        Self {
            args,
            ui,
            views: None,
            ahead: vec![],
            dropped: HashMap::new(),
            cut: false,
        }
    }

    fn is_full(&self) -> bool {
        self.views.as_ref().is_some_and(Views::is_full)
    }

    fn fact(&mut self, fact: &Fact<'_>) -> anyhow::Result<()> {
        match fact.kind() {
            Kind::Gap => self.cut |= fact.describes::<Gap>().is_some_and(|gap| gap.what == "cut"),
            Kind::Interface => {
                if let Some(interface) = fact.describes::<Interface>() {
                    self.dropped.insert(interface.number, interface.dropped);
                }
                if self.views.is_none() {
                    self.ahead.push((fact.event, fact.text.to_owned()));
                    return Ok(());
                }
            }
            _ => {}
        }
        self.views()?.fact(fact)
    }

    fn views(&mut self) -> anyhow::Result<&mut Views> {
        let views = match self.views.take() {
            Some(views) => views,
            None => self.begin()?,
        };
        Ok(self.views.insert(views))
    }

    fn begin(&mut self) -> anyhow::Result<Views> {
        let several = self.ahead.len() > 1;
        let mut views = Views::new(self.args, &super::head(), several, self.ui.lang)?;
        views.set_filter(self.args.filter());
        for (event, text) in self.ahead.drain(..) {
            let mut fact = Fact::new(event);
            fact.text = &text;
            views.fact(&fact)?;
        }
        Ok(views)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let dropped = self.dropped.values().sum();
        self.views()?.finish(dropped)
    }
}
