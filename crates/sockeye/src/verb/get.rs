//! `sockeye get`: fetches files, and lists them.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use sockeye_net::Endpoint;
use sockeye_service::files::client::{GetOptions, Stop, Target as Taken, TransferError, get, list};
use sockeye_service::files::message::{Entry, EntryKind};
use sockeye_service::files::{BadName, FileName};

use super::transfer::{DigestName, Session, Telling, endpoint};
use crate::catalogue as say;
use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::journal::{Target, TraceFlags};
use crate::ui::{Table, escape, write_stdout};
use crate::values::Wait;

/// Fetch files and folders from a server of files (`serve files`), or list what is there
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The server
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// What to fetch: files and folders; `.` is everything
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Where the one file goes to, `-` for standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "into")]
    output: Option<PathBuf>,
    /// The folder that everything goes to [default: the current one]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Replace files that are here
    #[arg(long)]
    overwrite: bool,
    /// Keep permissions and times (setuid and setgid never)
    #[arg(long)]
    archive: bool,
    /// By what is checked what came: blake3, sha256, md5, none
    #[arg(long, value_name = "NAME", default_value = "blake3")]
    digest: DigestName,
    /// List what is in NAME (default: everything) instead of fetching it
    #[arg(long, conflicts_with_all = ["output", "into", "overwrite", "archive"])]
    list: bool,
    /// List also what is in folders
    #[arg(long, requires = "list")]
    recursive: bool,
    /// List as JSON Lines instead of text (docs/events.md)
    #[arg(long, requires = "list")]
    json: bool,
    /// Give up when nothing moves for so long
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Wait,
    /// Write events to a file, or to an open descriptor: fd:N (docs/events.md)
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    events: Option<Target>,
    #[command(flatten)]
    trace: TraceFlags,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let endpoint = endpoint(&self.endpoint)?;
        let names: Vec<FileName> = self
            .names
            .iter()
            .map(|name| read(name))
            .collect::<Result<_, _>>()?;
        if self.list {
            return self.list(context, &endpoint, names).await;
        }
        if names.is_empty() {
            return Err(usage!(
                "nothing to fetch: write NAME…, or --list to see what is there"
            ));
        }
        let target = self.target(&names)?;
        let telling = Telling {
            json: self.events.clone(),
            is_report: false,
            resumes: !matches!(target, Taken::Stdout),
            trace: self.trace.plan("get", None),
        };
        let (mut session, link) = Session::open(context, &endpoint, &telling).await?;
        // A bar between the lines of what is printed would spoil both.
        session.draws &= target != Taken::Stdout || !std::io::stdout().is_terminal();
        let options = GetOptions {
            digest: self.digest.0,
            overwrite: self.overwrite,
            archive: self.archive,
            target,
            patience: self.timeout.0,
        };
        let stop = Stop::default();
        let (progress, note) = (session.progress.clone(), session.report.listener());
        let work = Box::pin(get(link, &names, options, progress, note, &stop));
        let ended = session.watch(&stop, work).await?;
        session.finish(ended)
    }

    fn target(&self, names: &[FileName]) -> anyhow::Result<Taken> {
        Ok(match &self.output {
            None => Taken::Folder(self.into.clone().unwrap_or_else(|| ".".into())),
            Some(path) if path.as_os_str() == "-" => Taken::Stdout,
            Some(path) if names.len() == 1 => Taken::File(path.clone()),
            Some(_) => return Err(usage!("--output is for one NAME; --into DIR takes several")),
        })
    }

    async fn list(
        &self,
        context: &Context,
        endpoint: &Endpoint,
        mut names: Vec<FileName>,
    ) -> anyhow::Result<Exit> {
        if names.is_empty() {
            names.push(FileName::root());
        }
        let telling = Telling {
            json: if self.json {
                Some(Target::Stdout)
            } else {
                self.events.clone()
            },
            is_report: true,
            resumes: false,
            trace: self.trace.plan("get", None),
        };
        let (session, link) = Session::open(context, endpoint, &telling).await?;
        let mut table = Table::default();
        let report = session.report.clone();
        let tells = session.has_events;
        let stop = Stop::default();
        let work = async {
            let entry = |entry: Entry| {
                if tells {
                    report.entry(&entry);
                }
                if !self.json {
                    table.row(row(&entry));
                }
            };
            let listing = list(link, &names, self.recursive, self.timeout.0, entry);
            tokio::select! {
                listed = listing => listed,
                () = stop.asked() => Err(TransferError::Stopped),
            }
        };
        let listed = session.watch_silently(&stop, work).await?;
        drop(report);
        let mut printed = Ok(());
        let ended = match listed {
            Ok(listed) => {
                printed = write_stdout(table.render("").as_bytes());
                if listed.left_out > 0 {
                    session
                        .report
                        .say(say::LEFT_OUT, &[("n", &listed.left_out)]);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        let exit = session.finish_listing(ended);
        printed.and(exit)
    }
}

/// A name as it is typed: `.` is the root, and a `/` at the end says nothing.
fn read(text: &str) -> anyhow::Result<FileName> {
    let bare = text.trim_end_matches('/');
    let bare = bare.strip_prefix("./").unwrap_or(bare);
    if bare == "." {
        return Ok(FileName::root());
    }
    bare.parse().map_err(|why: BadName| usage!("{text}: {why}"))
}

/// Permissions, length, time, name.
fn row(entry: &Entry) -> [String; 4] {
    let name = escape(&entry.file_name).into_owned();
    let (kind, bytes, name) = match entry.kind {
        EntryKind::Directory => ('d', String::new(), name + "/"),
        EntryKind::File => ('-', entry.bytes.to_string(), name),
    };
    let letters = "rwxrwxrwx".chars().enumerate();
    let mode = letters.map(|(at, letter)| match entry.mode >> (8 - at) & 1 {
        1 => letter,
        _ => '-',
    });
    let mode: String = std::iter::once(kind).chain(mode).collect();
    [mode, bytes, time(entry.mtime_ns), name]
}

/// Local time to the minute.
fn time(mtime_ns: i64) -> String {
    let stamp = jiff::Timestamp::from_nanosecond(mtime_ns.into());
    stamp.map_or_else(
        |_| "?".into(),
        |stamp| {
            let local = stamp.to_zoned(jiff::tz::TimeZone::system());
            local.strftime("%Y-%m-%d %H:%M").to_string()
        },
    )
}
