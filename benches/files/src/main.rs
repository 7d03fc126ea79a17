//! Measures `sockeye put` beside what people use instead, in turns, and prints the table of
//! docs/performance.md: nc(1), scp(1), and rsync(1) with its daemon, all on loopback, from one folder
//! of a tmpfs to another.
//!
//! Each row runs A B A B …, A being sockeye; what is printed is the median of the ratios of
//! neighbouring rounds. A round is timed from the sender's start to the end of both, and what arrived
//! is looked at: all of it in the first round, its length in the others.

mod ours;
mod theirs;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ours::Sockeye;
use remote::beside::Row;
use remote::plan::Plan;
use remote::theirs::Ssh;
use theirs::{Rsync, netcat};

const USAGE: &str = "\
usage: files [--row NAME]… [--rounds N] [--bytes N] [--files N] [--sockeye PATH] [--folder DIR]

  --row NAME      only this row; again for more (none blake3 get tls many)
  --rounds N      pairs of rounds a row (5)
  --bytes N       length of the large file (4294967296)
  --files N       how many small files of 4 KiB (10000)
  --sockeye PATH  the program to measure (target/release/sockeye)
  --folder DIR    a folder on a tmpfs with room for three large files (/dev/shm)";

/// Bytes of a small file.
const SMALL: usize = 4096;

struct Options {
    plan: Plan,
    files: usize,
    folder: PathBuf,
}

impl Options {
    fn parse(words: impl Iterator<Item = String>) -> Option<Self> {
        let (mut files, mut folder) = (10_000, PathBuf::from("/dev/shm"));
        let plan = Plan::parse(5, 4 << 30, words, |flag, value| {
            match flag {
                "--files" => files = value.parse().ok()?,
                "--folder" => folder = value.into(),
                _ => return None,
            }
            Some(())
        })?;
        Some(Self {
            plan,
            files,
            folder,
        })
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    let folder = tempfile::tempdir_in(&options.folder)?;
    let there = folder.path().join("there");
    fs::create_dir(&there)?;
    let sockeye = Sockeye::start(&options.plan.sockeye, folder.path(), &there)?;
    options.plan.head();
    large(options, folder.path(), &there, &sockeye)?;
    if options.plan.wants("many") {
        many(options, folder.path(), &there, &sockeye)?;
    }
    println!(
        "\nThe server's memory at its peak: {} KiB.",
        sockeye.peak_kib()?
    );
    Ok(())
}

/// The rows of one large file.
fn large(options: &Options, folder: &Path, there: &Path, sockeye: &Sockeye) -> io::Result<()> {
    let (from, to) = (folder.join("large"), there.join("large"));
    let (bytes, rounds) = (options.plan.bytes, options.plan.rounds);
    fill(&from, bytes)?;
    let mut first = Whole::default();
    let mut bulk = |row: Row, mut ours: Command, theirs: &mut dyn FnMut() -> io::Result<()>| {
        let ours = || first.timed(&from, &to, || remote::theirs::done(&mut ours));
        let mut other = Whole::default();
        let theirs = || other.timed(&from, &to, &mut *theirs);
        row.bulk(rounds, bytes, ours, theirs)
    };
    let row = |job, beside, target| Row {
        job,
        beside,
        target,
    };
    if options.plan.wants("none") {
        bulk(
            row("`put` of 4 GiB without digest", "`nc`", "rate ≥ 1.0"),
            sockeye.put(&sockeye.tcp, &["--digest", "none"], &from),
            &mut || netcat(&from, &to),
        )?;
    }
    if options.plan.wants("blake3") {
        bulk(
            row("the same with BLAKE3", "`nc`", "rate ≥ 0.85"),
            sockeye.put(&sockeye.tcp, &[], &from),
            &mut || netcat(&from, &to),
        )?;
    }
    if options.plan.wants("get") {
        // It is served from where the sent ones come from.
        bulk(
            row("`get` of 4 GiB with BLAKE3", "`nc`", ""),
            sockeye.get(&from, &to),
            &mut || netcat(&from, &to),
        )?;
    }
    if options.plan.wants("tls") {
        let ssh = Ssh::start(folder)?;
        bulk(
            row("`put` of 4 GiB with BLAKE3 over TLS", "`scp`", "rate ≥ 1.5"),
            sockeye.put(&sockeye.tls, &[], &from),
            &mut || remote::theirs::done(&mut ssh.copy(&from, &to)),
        )?;
    }
    fs::remove_file(&from)
}

/// The row of many small files.
fn many(options: &Options, folder: &Path, there: &Path, sockeye: &Sockeye) -> io::Result<()> {
    let (from, to) = (folder.join("many"), there.join("many"));
    fs::create_dir(&from)?;
    let mut noise = Noise(1);
    for number in 0..options.files {
        let mut content = vec![0; SMALL];
        noise.fill(&mut content);
        fs::write(from.join(number.to_string()), content)?;
    }
    let rsync = Rsync::start(folder, there)?;
    let row = Row {
        job: "`put` of 10,000 files of 4 KiB with BLAKE3",
        beside: "`rsync` to its daemon",
        target: "time ≤ 1.0",
    };
    let arrived = || fs::read_dir(&to).map_or(0, Iterator::count);
    let timed = |send: &mut dyn FnMut() -> io::Result<()>| {
        let begin = Instant::now();
        send()?;
        let took = begin.elapsed();
        if arrived() != options.files {
            return Err(io::Error::other(format!("{} files arrived", arrived())));
        }
        fs::remove_dir_all(&to)?;
        Ok(took)
    };
    let mut ours = sockeye.put(&sockeye.tcp, &[], &from);
    row.measure(
        options.plan.rounds,
        1,
        || timed(&mut || remote::theirs::done(&mut ours)),
        || timed(&mut || rsync.send(&from)),
    )
}

/// Sees that what arrives is what was sent.
#[derive(Debug, Default)]
struct Whole {
    was_compared: bool,
}

impl Whole {
    fn timed(
        &mut self,
        from: &Path,
        to: &Path,
        send: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Duration> {
        let begin = Instant::now();
        send()?;
        let took = begin.elapsed();
        if !std::mem::replace(&mut self.was_compared, true) {
            let mut compare = Command::new("cmp");
            remote::theirs::done(compare.arg(from).arg(to).stdin(Stdio::null()))?;
        }
        let (all, arrived) = (fs::metadata(from)?.len(), fs::metadata(to)?.len());
        if all != arrived {
            let why = format!("{arrived} of {all} bytes arrived");
            return Err(io::Error::other(why));
        }
        fs::remove_file(to)?;
        Ok(took)
    }
}

/// Bytes that nothing can leave out: xorshift64 (Marsaglia 2003).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
    }
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let (mut file, mut noise, mut left) = (File::create(path)?, Noise(1), bytes);
    let mut piece = vec![0; 1 << 20];
    while left > 0 {
        noise.fill(&mut piece);
        let count = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        file.write_all(&piece[..count])?;
        left -= count as u64;
    }
    Ok(())
}
