//! Running all scenarios side by side.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockeye_observe::lab::{Run, builtin};
use sockeye_testkit::{Process, in_ci, not_run};
use sockeye_trace::Session;

/// How many run at once.
const AT_ONCE: usize = 4;
/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The overflow user, who owns nothing (`nobody` on every distribution).
const NOBODY: &str = "65534";

/// Who runs them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    Own,
    Nobody,
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) session: Session,
}

/// One run's name.
pub(crate) type Key = (&'static str, Run);

/// Runs every scenario once plain and once with its cure; all of them must be as they say. None where
/// there can be no lab here, which is a failure in CI.
pub(crate) fn run_all(
    account: Account,
    program: &Path,
    folder: &Path,
) -> Option<BTreeMap<Key, Ran>> {
    // Somebody else has to find the program and to leave files there.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let scenarios = builtin::all().iter().map(|scenario| scenario.name.as_str());
    let jobs: Vec<Key> = scenarios
        .flat_map(|name| [(name, Run::Plain), (name, Run::Cure)])
        .collect();
    let (next, ended) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = run_one(account, program, folder, *job);
                    ended.lock().unwrap().insert(*job, end);
                }
            });
        }
    });
    let (mut ran, mut wrong) = (BTreeMap::new(), vec![]);
    let mut without = None;
    for (job, end) in ended.into_inner().unwrap() {
        match end {
            End::Good(session) => {
                ran.insert(job, Ran { session });
            }
            End::NoPlace(why) => without = Some(why),
            End::Bad(why) => wrong.push(why),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    if let Some(why) = without {
        assert!(!in_ci(), "no namespaces here: {why}");
        not_run(&format!("labs in namespaces of their own: {why}"));
        return None;
    }
    Some(ran)
}

enum End {
    Good(Session),
    /// It was not in namespaces: why.
    NoPlace(String),
    Bad(String),
}

fn run_one(account: Account, program: &Path, folder: &Path, (name, run): Key) -> End {
    let trace: PathBuf = folder.join(format!("{name}-{}.sockeye", run.name()));
    let mut command = match account {
        Account::Own => Command::new(program),
        Account::Nobody => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]);
            command.arg(program);
            command
        }
    };
    let flag = format!("--{}", run.name());
    command.args(["lab", name, &flag, "--json", "--lang", "en", "--trace"]);
    command.arg(&trace).current_dir(folder).env_remove("LANG");
    let since = Instant::now();
    let exit = Process::run(&mut command);
    let took = since.elapsed();
    let said = exit.stdout_text();
    if exit.code != Some(0) {
        let wrong = said
            .lines()
            .filter(|line| line.contains("\"holds\":\"no\""));
        let wrong: Vec<_> = wrong.collect();
        let why = exit.stderr_text();
        return End::Bad(format!(
            "{name} {flag}: {}\n{}",
            why.trim_end(),
            wrong.join("\n")
        ));
    }
    if took > LIMIT {
        return End::Bad(format!("{name} {flag} took {took:?}"));
    }
    let begin = said.lines().next().unwrap_or_default();
    let begin: serde_json::Value = serde_json::from_str(begin).unwrap();
    if begin["place"] != "namespaces" {
        return End::NoPlace(begin["why"].to_string());
    }
    match Session::load(BufReader::new(File::open(&trace).unwrap())) {
        Ok(session) => End::Good(session),
        Err(why) => End::Bad(format!("{name} {flag}: {why}")),
    }
}
