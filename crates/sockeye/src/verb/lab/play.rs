//! `sockeye lab NAME`: runs a scenario plain and with its cure, and says what came of it.

use std::fs::File;
use std::future::Future;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sockeye_net::Errno;
use sockeye_observe::lab::{Plan, Run, Scenario};
use sockeye_trace::render::html;
use sockeye_trace::{Session, pcapng};
use tokio::time::{Instant, sleep};

use super::outcome::Outcome;
use super::report::{Look, Report};
use super::wire::WireFlags;
use super::{choice, list, record};
use crate::catalogue::lab as say;
use crate::context::Context;
use crate::exit::{CheckFailed, Exit, Interrupted, unwritten, usage};
use crate::signals::{Asked, Signals};

/// How often the line of progress is written anew.
const TICK: Duration = Duration::from_millis(200);

const RUNS: &str = "Which run";
const SEE: &str = "What to see";

/// A scenario and how it is told.
#[derive(Args, Debug)]
pub(super) struct Play {
    /// A scenario by any of its names (`sockeye lab list`), or a file of one's own (docs/lab.md)
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Only the run that shows the phenomenon
    #[arg(long, help_heading = RUNS, conflicts_with = "cure")]
    plain: bool,
    /// Only the run with the cure
    #[arg(long, help_heading = RUNS)]
    cure: bool,

    #[command(flatten)]
    wire: WireFlags,

    /// Only whether what must be seen was seen
    #[arg(long, help_heading = SEE, conflicts_with = "json")]
    brief: bool,
    /// Write JSON Lines (docs/events.md)
    #[arg(long, help_heading = SEE)]
    json: bool,
    /// Draw at most so much of each conversation; 0 draws all
    #[arg(long, value_name = "COUNT", default_value_t = 60, help_heading = SEE)]
    limit: usize,
    /// Keep the run in a file, for `sockeye show`: the plain one, or that of --cure
    #[arg(long, value_name = "FILE", help_heading = SEE)]
    trace: Option<PathBuf>,
    /// Draw a page of the run for browsers as well
    #[arg(long, value_name = "FILE", help_heading = SEE)]
    html: Option<PathBuf>,
    /// Write the run's packets as a file for Wireshark as well
    #[arg(long, value_name = "FILE", help_heading = SEE)]
    pcapng: Option<PathBuf>,
}

/// The files that are written beside the report.
struct Files {
    session: Option<File>,
    html: Option<File>,
    pcapng: Option<File>,
}

impl Play {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Some(name) = &self.name else {
            return list::List { json: self.json }.run(context);
        };
        let scenario = choice::choose(name)?;
        let mut files = self.create()?;
        let runs: &[Run] = match (self.plain, self.cure) {
            (true, _) => &[Run::Plain],
            (_, true) => &[Run::Cure],
            _ => &[Run::Plain, Run::Cure],
        };
        let kept = files.session.take();
        let sessions = self.sessions(context, &scenario, runs, kept).await?;
        let look = |(run, session): (&Run, _)| Outcome::of(&scenario, *run, session);
        let outcomes: Vec<Outcome<'_>> = runs.iter().zip(&sessions).map(look).collect();
        files.write(context, &outcomes[0])?;
        let report = Report {
            scenario: &scenario,
            outcomes: &outcomes,
            changed: self.wire.is_some(),
            look: self.look(),
        };
        report.write(context)?;
        judge(&scenario, &outcomes)
    }

    fn look(&self) -> Look {
        match (self.json, self.brief) {
            (true, _) => Look::Json,
            (_, true) => Look::Brief,
            _ => Look::Whole { limit: self.limit },
        }
    }

    /// Runs what is to run, all at once; a signal ends it.
    async fn sessions(
        &self,
        context: &Context,
        scenario: &Scenario,
        runs: &[Run],
        mut kept: Option<File>,
    ) -> anyhow::Result<Vec<Session>> {
        let mut signals = Signals::listen()?;
        let mut running = vec![];
        for run in runs {
            let mut plan = Plan::of(scenario, *run);
            plan.setting = self.wire.apply(&plan.setting);
            let file = kept.take();
            running.push(Box::pin(async move { record(&plan, file).await }));
        }
        let all = async {
            let mut running = running.into_iter();
            match (running.next(), running.next()) {
                (Some(first), Some(second)) => {
                    let (first, second) = tokio::try_join!(first, second)?;
                    Ok(vec![first, second])
                }
                (Some(only), None) => Ok(vec![only.await?]),
                _ => Ok(vec![]),
            }
        };
        let ended = async {
            loop {
                if let Asked::End(signal) = signals.next().await {
                    return signal;
                }
            }
        };
        tokio::select! {
            sessions = with_progress(context, &scenario.name, all) => sessions,
            signal = ended => Err(Interrupted(signal).into()),
        }
    }

    /// Makes the files before anything is started: a name that cannot be written is told at once.
    fn create(&self) -> anyhow::Result<Files> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(create_file).transpose();
        Ok(Files {
            session: create(&self.trace)?,
            html: create(&self.html)?,
            pcapng: create(&self.pcapng)?,
        })
    }
}

fn create_file(path: &Path) -> anyhow::Result<File> {
    File::create(path).map_err(|why| usage!("cannot write {}: {}", path.display(), Errno::of(&why)))
}

impl Files {
    fn write(self, context: &Context, outcome: &Outcome<'_>) -> anyhow::Result<()> {
        let (timeline, findings) = (&outcome.timeline, &outcome.findings);
        let lang = context.lang().into();
        if let Some(file) = self.html {
            let mut out = BufWriter::new(file);
            let written = html::write(timeline, findings, lang, &mut out);
            let written = written.and_then(|()| out.flush());
            written.map_err(|why| unwritten("the page", Errno::of(&why)))?;
        }
        if let Some(file) = self.pcapng {
            let mut out = BufWriter::new(file);
            let written = pcapng::write(timeline, findings, lang, &mut out);
            let written = written.and_then(|()| out.flush());
            written.map_err(|why| unwritten("the packets", Errno::of(&why)))?;
        }
        Ok(())
    }
}

/// Says on a terminal what is waited for, as long as it is.
async fn with_progress<T>(context: &Context, name: &str, work: impl Future<Output = T>) -> T {
    if !context.ui.is_terminal() || context.global.quiet {
        return work.await;
    }
    let since = Instant::now();
    let _erased = Erased;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep(TICK) => {
                let seconds = format!("{:.1}", since.elapsed().as_secs_f64());
                let text = say::RUNNING.fill(context.lang(), &[("name", &name), ("seconds", &seconds)]);
                // ECMA-48 §8.3.41, Erase in Line. Nothing can be done when nobody reads it.
                let _ = write!(io::stderr().lock(), "\r{}\x1b[K", crate::ui::escape(&text));
            }
        }
    }
}

/// Takes the line of progress away, also when a signal ends the waiting.
struct Erased;

impl Drop for Erased {
    fn drop(&mut self) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}

/// Good, or which run was not and in how much.
fn judge(scenario: &Scenario, outcomes: &[Outcome<'_>]) -> anyhow::Result<Exit> {
    let bad = |outcome: &&Outcome<'_>| !outcome.is_good();
    let told: Vec<String> = outcomes
        .iter()
        .filter(bad)
        .map(|outcome| match &outcome.told.stuck {
            Some((index, why)) => {
                format!("{}: step {}: {why}", outcome.run.name(), index + 1)
            }
            None => format!(
                "{}: {} of {} expectations did not hold",
                outcome.run.name(),
                outcome.failed(),
                outcome.checked.len()
            ),
        })
        .collect();
    if told.is_empty() {
        return Ok(Exit::Done);
    }
    Err(CheckFailed(format!("{}: {}", scenario.name, told.join("; "))).into())
}
