//! `cargo xtask soak labs`: every scenario again and again, by whoever runs it, by nobody, and beside a
//! build that takes all processors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::step::{cargo, root, step, timed};

/// The user without privilege, of most systems.
const NOBODY: u32 = 65_534;

/// A scenario and its cure run for ten seconds each at most; what takes longer than both hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// Between two looks at whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);

/// After a build that did not start.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct Labs {
    /// How many times each
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// How many at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// Write the table of results here too
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Under what a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Under {
    Oneself,
    Nobody,
    /// As nobody where that is possible.
    Build,
}

impl Under {
    fn name(self) -> &'static str {
        match self {
            Self::Oneself => "as oneself",
            Self::Nobody => "as nobody",
            Self::Build => "beside a build",
        }
    }
}

/// How the runs of one scenario went.
#[derive(Debug, Default)]
struct Tally {
    took: Vec<Duration>,
    failed: u32,
}

/// Counted by scenario and circumstances.
type Tallies = BTreeMap<(String, Under), Tally>;

impl Labs {
    pub(super) fn run(&self) -> Result<()> {
        step("build", &mut cargo(["build", "-p", "sockeye"]))?;
        let place = Place::new()?;
        let names = self.names()?;
        let mut tallies = Tallies::new();
        let mut rounds = vec![Under::Oneself];
        if is_root() {
            rounds.push(Under::Nobody);
        }
        rounds.push(Under::Build);
        for under in rounds {
            let build = (under == Under::Build).then(|| Build::start(place.folder.join("build")));
            let title = format!(
                "{} scenarios {}, {} times",
                names.len(),
                under.name(),
                self.times
            );
            let counted = timed(&title, || Ok(self.round(&names, under, &place)))?;
            drop(build);
            tallies.extend(counted);
        }
        let table = table(&tallies);
        print!("{table}");
        if let Some(file) = &self.record {
            fs::write(file, &table).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let failed: u32 = tallies.values().map(|tally| tally.failed).sum();
        if failed > 0 {
            bail!(
                "{failed} runs failed; what they said is in {}",
                place.folder.display()
            );
        }
        fs::remove_dir_all(&place.folder).context("cannot remove the folder of the results")
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = vec![];
        for entry in fs::read_dir(root().join("labs")).context("cannot list labs/")? {
            let path = entry.context("cannot list labs/")?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let is_wanted = |stem: &&str| self.only.as_ref().is_none_or(|part| stem.contains(part));
            if path.extension().is_some_and(|end| end == "toml")
                && let Some(name) = stem.filter(is_wanted)
            {
                names.push(name.to_owned());
            }
        }
        if names.is_empty() {
            bail!("no scenario has such a name");
        }
        names.sort();
        Ok(names)
    }

    /// All scenarios, again and again, several at once.
    fn round(&self, names: &[String], under: Under, place: &Place) -> Tallies {
        let waiting = (1..=self.times).flat_map(|time| names.iter().map(move |name| (name, time)));
        let waiting = Mutex::new(waiting);
        let tallies = Mutex::new(Tallies::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let next = lock(&waiting).next();
                        let Some((name, time)) = next else {
                            return;
                        };
                        let (took, fine) = place.once(name, under, time);
                        let mut tallies = lock(&tallies);
                        let tally = tallies.entry((name.clone(), under)).or_default();
                        tally.took.push(took);
                        tally.failed += u32::from(!fine);
                    }
                });
            }
        });
        tallies.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the program lies, for everybody to run, and what failing runs said.
struct Place {
    folder: PathBuf,
    program: PathBuf,
}

impl Place {
    fn new() -> Result<Self> {
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let folder = env::temp_dir().join(format!("sockeye-soak-labs-{}", std::process::id()));
        fs::create_dir_all(&folder).context("cannot make a folder for the results")?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let program = folder.join("sockeye");
        fs::copy(target.join("debug/sockeye"), &program).context("cannot copy the program")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder, program })
    }

    /// One run: how long it took, and whether all was as expected. What was not stays in a file.
    fn once(&self, name: &str, under: Under, time: u32) -> (Duration, bool) {
        let begun = Instant::now();
        let file = self
            .folder
            .join(format!("{name}, {}, {time}.txt", under.name()));
        let outcome = self
            .start(name, under, &file)
            .and_then(|child| ended(child, begun + PATIENCE));
        let took = begun.elapsed();
        match outcome {
            Ok(true) => {
                let _ = fs::remove_file(&file);
                return (took, true);
            }
            Ok(false) => println!("    {name} {} failed", under.name()),
            Err(why) => println!("    {name} {}: {why}", under.name()),
        }
        (took, false)
    }

    fn start(&self, name: &str, under: Under, file: &Path) -> io::Result<Child> {
        let said = File::create(file)?;
        let mut command = Command::new(&self.program);
        command
            .args(["lab", name, "--lang", "en"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        if under != Under::Oneself && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn()
    }
}

/// Whether it ended well, and in time.
fn ended(mut child: Child, until: Instant) -> io::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("still ran after {PATIENCE:?}")));
        }
        thread::sleep(LOOK);
    }
}

/// Whether this is root: whose process it is, says its folder.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A build of the project from nothing, again and again, until it is dropped.
struct Build {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Build {
    fn start(folder: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                if let Err(why) = build(&folder, &stopped) {
                    eprintln!("the build beside it: {why}");
                    thread::sleep(PAUSE);
                }
                let _ = fs::remove_dir_all(&folder);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn build(folder: &Path, stop: &AtomicBool) -> io::Result<()> {
    let mut child = cargo([
        "check",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--target-dir",
    ])
    .arg(folder)
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()?;
    while child.try_wait()?.is_none() {
        if stop.load(Ordering::SeqCst) {
            child.kill()?;
            child.wait()?;
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// A line a scenario: how often, how often not as expected, and how long it took.
fn table(tallies: &Tallies) -> String {
    let mut text = String::from(
        "| scenario | circumstances | runs | failed | median ms | longest ms |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    let mut total = (0, 0);
    for ((name, under), tally) in tallies {
        let mut took = tally.took.clone();
        took.sort();
        let ms = |at: usize| took.get(at).map_or(0, Duration::as_millis);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            under.name(),
            took.len(),
            tally.failed,
            ms(took.len() / 2),
            ms(took.len().saturating_sub(1)),
        );
        total = (total.0 + took.len(), total.1 + tally.failed);
    }
    let _ = writeln!(text, "| all | | {} | {} | | |", total.0, total.1);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_failures_and_finds_the_middle() {
        let took = [30, 10, 20].map(Duration::from_millis).to_vec();
        let tally = Tally { took, failed: 1 };
        let tallies = Tallies::from([(("handshake".to_owned(), Under::Nobody), tally)]);
        let table = table(&tallies);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| handshake | as nobody | 3 | 1 | 20 | 30 |",
                "| all | | 3 | 1 | | |"
            ]
        );
    }
}
