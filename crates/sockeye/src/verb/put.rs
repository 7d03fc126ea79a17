//! `sockeye put`: sends files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use sockeye_net::Endpoint;
use sockeye_service::files::client::{
    Confirmed, PLAIN_ANSWER, PlainError, PlainOptions, PutOptions, Source, Stop, TransferError,
    put, put_plain,
};
use sockeye_service::files::{Algorithm, BadName, FileName};

use super::transfer::{DigestName, Session, Telling, endpoint};
use crate::catalogue as say;
use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::journal::{Target, TraceFlags};
use crate::ui::Shown;
use crate::values::Wait;

/// Send files and folders to a server of files (`serve files`); what was interrupted goes on
#[derive(Args, Debug)]
pub(crate) struct Put {
    /// What to send, `-` for standard input; then the server
    #[arg(value_name = "FILE… ENDPOINT", required = true)]
    words: Vec<OsString>,
    /// The folder on the server that everything goes to
    #[arg(long, value_name = "DIR")]
    to: Option<String>,
    /// What the one FILE is called there
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    /// Keep permissions and times (setuid and setgid never)
    #[arg(long)]
    archive: bool,
    /// By what the server checks what came: blake3, sha256, md5, none [default: blake3; md5 with --plain]
    #[arg(long, value_name = "NAME")]
    digest: Option<DigestName>,
    /// Send it as the tutorials do, to any receiver: a length, {"file_name","file_size","md5"}, the content
    #[arg(long, conflicts_with_all = ["to", "overwrite", "archive"])]
    plain: bool,
    /// Give up when nothing moves for so long
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Wait,
    /// Write JSON Lines instead of text (docs/events.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    trace: TraceFlags,
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (sources, endpoint) = self.words()?;
        let rename = self.name.as_deref().map(|name| name_of("--name", name));
        let rename = rename.transpose()?;
        let takes_stdin = sources.contains(&Source::Stdin);
        if rename.is_some() && sources.len() > 1 {
            return Err(usage!(
                "--name is for one FILE, {} were given",
                sources.len()
            ));
        }
        if takes_stdin && rename.is_none() {
            return Err(usage!(
                "standard input has no name: give it one with --name"
            ));
        }
        if self.plain {
            return self.plainly(context, &endpoint, sources, rename).await;
        }
        let to = self.to.as_deref().map(|to| name_of("--to", to));
        let to = to.transpose()?.unwrap_or_default();
        let telling = self.telling(!takes_stdin);
        let (session, link) = Session::open(context, &endpoint, &telling).await?;
        let options = PutOptions {
            digest: self.digest.map_or(Algorithm::default(), |digest| digest.0),
            overwrite: self.overwrite,
            archive: self.archive,
            to,
            rename,
            measure: session.draws || session.has_events,
            patience: self.timeout.0,
        };
        let stop = Stop::default();
        let (progress, note) = (session.progress.clone(), session.report.listener());
        let work = Box::pin(put(link, sources, options, progress, note, &stop));
        let ended = session.watch(&stop, work).await?;
        session.finish(ended)
    }

    fn telling(&self, resumes: bool) -> Telling {
        Telling {
            json: self.json.then_some(Target::Stdout),
            is_report: true,
            resumes,
            trace: self.trace.plan("put", None),
        }
    }

    /// The sources, and where they go: the last word.
    fn words(&self) -> anyhow::Result<(Vec<Source>, Endpoint)> {
        let (last, files) = self.words.split_last().ok_or_else(nothing)?;
        let word = last
            .to_str()
            .ok_or_else(|| usage!("the last word is the server's endpoint"))?;
        let endpoint = endpoint(word)?;
        if files.is_empty() {
            return Err(nothing());
        }
        let source = |word: &OsString| match word.to_str() {
            Some("-") => Source::Stdin,
            _ => Source::Path(PathBuf::from(word)),
        };
        let sources: Vec<_> = files.iter().map(source).collect();
        if sources
            .iter()
            .filter(|source| **source == Source::Stdin)
            .count()
            > 1
        {
            return Err(usage!("standard input can be sent once"));
        }
        Ok((sources, endpoint))
    }

    /// Each file over a connection of its own, as the receivers of the tutorials take one.
    async fn plainly(
        &self,
        context: &Context,
        endpoint: &Endpoint,
        sources: Vec<Source>,
        rename: Option<FileName>,
    ) -> anyhow::Result<Exit> {
        if self.trace.is_asked() && sources.len() > 1 {
            return Err(usage!(
                "--plain makes a connection for each file: --trace is for one FILE"
            ));
        }
        let mut worst = Exit::Done;
        for source in sources {
            let Source::Path(path) = source else {
                return Err(usage!(
                    "--plain says the length first: standard input has none"
                ));
            };
            if !path.is_file() {
                return Err(usage!(
                    "{}: --plain sends regular files only",
                    path.display()
                ));
            }
            let name = match &rename {
                Some(name) => name.clone(),
                None => own_name(&path)?,
            };
            let exit = self.one_plainly(context, endpoint, path, name).await?;
            if worst == Exit::Done {
                worst = exit;
            }
        }
        Ok(worst)
    }

    async fn one_plainly(
        &self,
        context: &Context,
        endpoint: &Endpoint,
        path: PathBuf,
        name: FileName,
    ) -> anyhow::Result<Exit> {
        let (session, link) = Session::open(context, endpoint, &self.telling(false)).await?;
        let options = PlainOptions {
            name: name.clone(),
            digest: self.digest.map_or(Algorithm::Md5, |digest| digest.0),
            wait: PLAIN_ANSWER.min(self.timeout.0),
            patience: self.timeout.0,
        };
        let stop = Stop::default();
        let sending = Box::pin(put_plain(link, path, options, session.progress.clone()));
        let work = async {
            tokio::select! {
                sent = sending => sent,
                () = stop.asked() => {
                    Err(PlainError::Transfer(TransferError::Stopped))
                }
            }
        };
        let ended = session.watch(&stop, work).await?;
        let report = session.report.clone();
        let ended = match ended {
            Ok(confirmed) => {
                let bytes = session.progress.standing().done_bytes;
                report.done(name.as_str(), bytes, None);
                tell(&report, &name, &confirmed);
                Ok(())
            }
            Err(PlainError::File(failure)) => {
                report.failed(name.as_str(), &failure);
                Ok(())
            }
            Err(PlainError::Transfer(error)) => Err(error),
            Err(other) => return Err(other.into()),
        };
        drop(report);
        session.finish(ended)
    }
}

/// Says what the receiver of a plain upload said.
fn tell(report: &super::transfer::Report, name: &FileName, confirmed: &Confirmed) {
    match confirmed {
        Confirmed::Stored(stored) if stored == name.as_str() => {}
        Confirmed::Stored(stored) => {
            report.say(say::SENT_AS, &[("name", name), ("stored", stored)]);
        }
        Confirmed::Answered(bytes) => {
            let text = Shown::new(bytes, encoding_rs::UTF_8, false).text;
            report.say(say::SENT_ANSWERED, &[("name", name), ("text", &text)]);
        }
        _ => report.say(say::SENT_NOT_CONFIRMED, &[("name", name)]),
    }
}

fn nothing() -> anyhow::Error {
    usage!("nothing to send: write FILE… ENDPOINT")
}

fn own_name(path: &Path) -> anyhow::Result<FileName> {
    let name = FileName::from_os(path.file_name().unwrap_or_default());
    name.map_err(|why: BadName| usage!("{}: {why}", path.display()))
}

/// A name that a flag gives.
fn name_of(flag: &str, text: &str) -> anyhow::Result<FileName> {
    text.parse()
        .map_err(|why: BadName| usage!("{flag} {text}: {why}"))
}
