//! What is told at the end: the picture, the files, and how the programs ended.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sockeye_net::Errno;
use sockeye_service::exec::client::End as Ended;
use sockeye_trace::render::{html, json, text};
use sockeye_trace::{Finding, Kind, Process, Session, Timeline, finding, pcapng};

use super::face::Face;
use super::sight::Sight;
use crate::catalogue::watch as say;
use crate::context::Context;
use crate::exit::{Exit, Interrupted, TimedOut, unwritten, usage};
use crate::recording::{Planned, SERVER};

/// How watching ended.
#[derive(Debug)]
pub(super) struct End {
    /// Whether all that was seen came here.
    pub(super) told: anyhow::Result<()>,
    /// It lasted longer than allowed.
    pub(super) timed_out: Option<Duration>,
    /// A second signal, which nothing was waited for any more.
    pub(super) cut_short: Option<i32>,
}

impl Default for End {
    fn default() -> Self {
        Self {
            told: Ok(()),
            timed_out: None,
            cut_short: None,
        }
    }
}

/// The files that are written beside the report.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) session: Option<File>,
    html: Option<File>,
    pcapng: Option<File>,
}

impl Files {
    /// Makes them before anything is started: a name that cannot be written is told at once.
    pub(super) fn create(sight: &Sight) -> anyhow::Result<Self> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(create_file).transpose();
        Ok(Self {
            session: create(&sight.trace)?,
            html: create(&sight.html)?,
            pcapng: create(&sight.pcapng)?,
        })
    }

    /// Writes what was asked for.
    fn write(
        self,
        context: &Context,
        timeline: &Timeline<'_>,
        findings: &[Finding],
    ) -> anyhow::Result<()> {
        if let Some(file) = self.html {
            let mut out = BufWriter::new(file);
            let written = html::write(timeline, findings, context.lang().into(), &mut out);
            written
                .and_then(|()| out.flush())
                .map_err(|why| unwritten("the page", Errno::of(&why)))?;
        }
        if let Some(file) = self.pcapng {
            let mut out = BufWriter::new(file);
            let written = pcapng::write(timeline, findings, context.lang().into(), &mut out);
            written
                .and_then(|()| out.flush())
                .map_err(|why| unwritten("the packets", Errno::of(&why)))?;
        }
        Ok(())
    }
}

fn create_file(path: &Path) -> anyhow::Result<File> {
    File::create(path).map_err(|why| usage!("cannot write {}: {}", path.display(), Errno::of(&why)))
}

impl Face<'_> {
    /// Draws the session and decides how the run ends.
    pub(super) fn tell(&self, session: &Session, files: Files, end: End) -> anyhow::Result<Exit> {
        if is_of_programs(session) {
            let timeline = Timeline::build(session);
            let findings = finding::find(&timeline);
            files.write(self.context, &timeline, &findings)?;
            self.report(&timeline, &findings)?;
        }
        if let Some(signal) = end.cut_short {
            return Err(Interrupted(signal).into());
        }
        end.told?;
        if let Some(after) = end.timed_out {
            return Err(self.timed_out(session, after));
        }
        Ok(self.exit(session))
    }

    fn report(&self, timeline: &Timeline<'_>, findings: &[Finding]) -> anyhow::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = if self.sight.json {
            json::write(timeline, findings, &mut out)
        } else {
            text::write(
                timeline,
                findings,
                &self.sight.text_options(self.context),
                &mut out,
            )
        };
        written
            .and_then(|()| out.flush())
            .map_err(|why| unwritten("to standard output", Errno::of(&why)))
    }

    /// Why it was not over in time: the usual reason is a server that does not listen.
    fn timed_out(&self, session: &Session, after: Duration) -> anyhow::Error {
        let is_client = |process: &Process| process.role == "client";
        if self.has_client() && !processes(session).any(|process| is_client(&process)) {
            return TimedOut::listener(after).into();
        }
        TimedOut::watch(after).into()
    }

    /// The watch itself went well; what came of the programs is told, and passed on where that is asked
    /// for.
    fn exit(&self, session: &Session) -> Exit {
        let mut status = Exit::Done;
        for process in programs(session) {
            let code = code(&process.ended);
            if process.ended.is_empty() || code == Some(0) {
                continue;
            }
            if process.role != SERVER {
                status = Exit::Passed(code.unwrap_or(1));
            }
            let name = called(&process.role, &process.name);
            self.context.ui.say(&say::PROGRAM_ENDED.fill(
                self.context.lang(),
                &[("program", &name), ("how", &process.ended)],
            ));
        }
        if self.exit_status { status } else { Exit::Done }
    }
}

/// What is known of the processes, as it was told.
fn processes(session: &Session) -> impl Iterator<Item = Process> {
    let told = session
        .facts()
        .filter(|(_, fact)| fact.kind() == Kind::Process);
    told.filter_map(|(_, fact)| fact.describes())
}

/// Whether a program ran at all: else there is nothing to draw.
fn is_of_programs(session: &Session) -> bool {
    processes(session).next().is_some()
}

/// The programs that were started, or attached to, by what was told of them last: the first process of a
/// role, since what it starts has the same, or each where nobody has a role.
fn programs(session: &Session) -> Vec<Process> {
    let mut programs: Vec<Process> = vec![];
    for process in processes(session) {
        let same = |known: &&mut Process| known.pid == process.pid || known.role == process.role;
        match programs.iter_mut().find(same) {
            Some(known) if known.pid == process.pid => *known = process,
            Some(_) => {}
            None => programs.push(process),
        }
    }
    programs
}

/// What a shell reports for an end as [`Process::ended`] has it: `exit 3`, `signal KILL`.
fn code(ended: &str) -> Option<u8> {
    match ended.split_once(' ')? {
        ("exit", code) => code.parse().ok(),
        ("signal", name) => Ended::Signal(name.to_owned()).code(),
        _ => None,
    }
}

/// What a program is called where it speaks or ends.
pub(super) fn name(planned: &Planned) -> String {
    let program = planned
        .words
        .first()
        .map(Path::new)
        .and_then(Path::file_name);
    let program = program.unwrap_or_default().to_string_lossy();
    called(&planned.role, &program)
}

fn called(role: &str, name: &str) -> String {
    if role.is_empty() { name } else { role }.to_owned()
}

#[cfg(test)]
mod tests {
    use sockeye_trace::{ConnId, Event, Fact, Time};

    use super::*;

    #[test]
    fn what_a_program_starts_does_not_speak_for_it() {
        let mut session = Session::default();
        let mut told = |pid, role: &str, ended: &str| {
            let process = Process {
                pid,
                role: role.into(),
                ended: ended.into(),
                ..Process::default()
            };
            let text = serde_json::to_string(&process).unwrap();
            let mut fact = Fact::new(Event::new(
                Kind::Process,
                ConnId::default(),
                Time::default(),
            ));
            fact.text = &text;
            session.push(&fact);
        };
        told(4, "server", "");
        told(5, "server", "");
        told(5, "server", "exit 1");
        told(6, "client", "");
        told(4, "server", "signal TERM");
        told(6, "client", "exit 3");
        let ends = programs(&session)
            .into_iter()
            .map(|process| (process.pid, process.ended));
        let expected = [(4, "signal TERM".to_owned()), (6, "exit 3".to_owned())];
        assert_eq!(ends.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ends_are_what_a_shell_says() {
        assert_eq!(code("exit 3"), Some(3));
        assert_eq!(code("signal KILL"), Some(137));
        assert_eq!(code("signal NONSENSE"), None);
        assert_eq!(code("exit 256"), None);
        assert_eq!(code(""), None);
    }
}
