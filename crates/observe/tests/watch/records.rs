//! Watching programs to their end, and looking at what was told.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use sockeye_observe::watch::{Notice, Options, Outcome, Program, Tracer};
use sockeye_trace::{ConnId, Fact, Head, Kind, Process, Session, Side};

/// How long a watched program may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// What was told of some programs.
pub(crate) struct Record {
    pub(crate) session: Session,
    pub(crate) outcome: Outcome,
}

/// Watches `first`; when it listens, starts what `then` makes of the port.
pub(crate) fn watch(first: &Program, then: Vec<Box<dyn FnOnce(u16) -> Program>>) -> Record {
    watch_with(Options::default(), first, then)
}

/// As [`watch`], with options.
pub(crate) fn watch_with(
    options: Options,
    first: &Program,
    then: Vec<Box<dyn FnOnce(u16) -> Program>>,
) -> Record {
    let mut session = Session::new(Head::default());
    let mut tracer = Tracer::new(options).unwrap();
    let _alarm = Alarm::set(&tracer);
    let mut then = then.into_iter();
    tracer.start(first, &mut |fact| session.push(fact)).unwrap();
    loop {
        match tracer.run(&mut |fact| session.push(fact)).unwrap() {
            Notice::Listening { side, .. } => {
                let Some(make) = then.next() else { continue };
                let program = make(side.local.port().unwrap_or(0));
                tracer
                    .start(&program, &mut |fact| session.push(fact))
                    .unwrap();
            }
            Notice::Exited(_) => {}
            Notice::Done => break,
            other => panic!("the programs did not end: {other:?}"),
        }
    }
    let outcome = tracer.finish(Duration::ZERO, &mut |fact| session.push(fact));
    Record { session, outcome }
}

/// Wakes a tracer whose programs take too long.
pub(crate) struct Alarm(#[allow(dead_code)] mpsc::Sender<()>);

impl Alarm {
    pub(crate) fn set(tracer: &Tracer) -> Self {
        let (sender, receiver) = mpsc::channel();
        let waker = tracer.waker();
        thread::spawn(move || {
            if receiver.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                waker.wake();
            }
        });
        Self(sender)
    }
}

/// A python3 program; None where there is none.
pub(crate) fn python(role: &str, script: &str, args: &[&str]) -> Option<Program> {
    // What is on the path may be a script that finds the interpreter; its processes are not wanted here.
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let found = sockeye_testkit::tool("python3")?;
        let ask = Command::new(found)
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        Some(String::from_utf8(ask.ok()?.stdout).ok()?.trim().into())
    });
    let python = python.clone()?;
    let words = ["-u", "-c", script]
        .into_iter()
        .chain(args.iter().copied())
        .map(Into::into);
    let argv = std::iter::once(python.into_os_string()).chain(words);
    Some(Program::new(role, argv))
}

impl Record {
    pub(crate) fn facts(&self) -> impl Iterator<Item = Fact<'_>> {
        self.session.facts().map(|(_, fact)| fact)
    }

    pub(crate) fn of(&self, kind: Kind) -> Vec<Fact<'_>> {
        self.facts().filter(|fact| fact.kind() == kind).collect()
    }

    /// The last word about each side.
    pub(crate) fn sides(&self) -> HashMap<ConnId, Side> {
        let sides = self.of(Kind::Side);
        let sides = sides.iter().filter_map(Fact::describes::<Side>);
        sides.map(|side| (side.conn(), side)).collect()
    }

    /// The last word about each process.
    pub(crate) fn processes(&self) -> HashMap<u32, Process> {
        let told = self.of(Kind::Process);
        let told = told.iter().filter_map(Fact::describes::<Process>);
        told.map(|process| (process.pid, process)).collect()
    }

    /// `call text = result`, or what moved, for each call of the program itself, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let calls = self
            .facts()
            .filter(|fact| matches!(fact.kind(), Kind::Called | Kind::Read | Kind::Write));
        calls.map(|fact| line(&fact)).collect()
    }
}

fn line(fact: &Fact<'_>) -> String {
    let (name, result) = (fact.call().name(), fact.event.result);
    let what = match fact.kind() {
        Kind::Called => fact.text.to_owned(),
        _ => String::from_utf8_lossy(fact.data).into_owned(),
    };
    format!("{name} {what} = {result}")
}
