//! A million events as a page: how long `sockeye show --html` takes to join and write them, what it
//! needs for each, and how soon a browser shows and moves it.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use remote::beside::median;
use remote::plan::Plan;
use sockeye_testkit::Browser;
use sockeye_trace::Writer;
use sockeye_trace::sample::{CLIENT, SERVER, Script};

const EVENTS: u64 = 1_000_000;
const CONNECTIONS: usize = 20;
/// Bytes of each write, segment and read.
const PAYLOAD: u64 = 64;
/// Steps of zooming in and out that are timed.
const STEPS: u32 = 60;

pub(crate) fn measure(plan: &Plan) -> io::Result<()> {
    let folder = Folder::new()?;
    let (session, page) = (folder.0.join("session"), folder.0.join("page.html"));
    let events = record(&session)?;
    let rounds = (0..plan.rounds.min(5))
        .map(|_| show(&plan.sockeye, &session, &page))
        .collect::<io::Result<Vec<_>>>()?;
    let seconds = median(rounds.iter().map(|round| round.0.as_secs_f64()));
    let each = median(rounds.iter().map(|round| round.1 as f64)) / events as f64;
    let size = page.metadata()?.len() as f64 / events as f64;
    let job = "`show --html` of 1,000,000 events with 64 bytes each";
    println!("| {job} | | ≤ 3 s | {seconds:.2} s | {size:.0} B of page an event | |");
    println!("| memory of the same | | ≤ 300 B an event | {each:.0} B an event | | |");
    browse(&page);
    Ok(())
}

/// Opens the page, zooms in and out, and prints how long that took.
fn browse(page: &Path) {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let began = Instant::now();
    browser.open(page);
    let opened = began.elapsed().as_secs_f64();
    let zoom = format!(
        "(async () => {{
            const {{ act }} = sockeye;
            const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            await frame();
            act.frames.length = 0;
            for (let step = 0; step < {STEPS}; step++) {{ act.zoom(step < {STEPS} / 2 ? 0.7 : 1 / 0.7); await frame(); }}
            const sorted = act.frames.sort((a, b) => a - b);
            return [sorted[sorted.length >> 1], sorted.at(-1)];
        }})()"
    );
    let frames = browser.evaluate(&zoom);
    let (typical, slowest) = (frames[0].as_f64(), frames[1].as_f64());
    let (typical, slowest) = (typical.unwrap_or(f64::NAN), slowest.unwrap_or(f64::NAN));
    println!("| the page opens in Chromium | | opens | {opened:.2} s | | |");
    println!(
        "| a step of its zoom is drawn | | scrolls | {typical:.1} ms | slowest {slowest:.1} ms | |"
    );
}

/// Writes a session: connections that take turns, each write one segment and one read.
fn record(path: &Path) -> io::Result<u64> {
    let mut script = Script::new();
    let talks: Vec<_> = (0..CONNECTIONS).map(|_| script.connected_tcp()).collect();
    for round in 0..=EVENTS / 3 / CONNECTIONS as u64 {
        for (number, talk) in (0..).zip(&talks) {
            let bytes = payload(round * CONNECTIONS as u64 + number);
            script.write(*talk, CLIENT, &bytes);
            script.segment(*talk, CLIENT, round * PAYLOAD..(round + 1) * PAYLOAD);
            script.read(*talk, SERVER, 4096, PAYLOAD as usize);
        }
        if round % 1000 == 0 {
            script.wait(20_000);
        }
    }
    let session = script.session();
    let mut writer = Writer::new(BufWriter::new(File::create(path)?), session.head())?;
    for (_, fact) in session.facts() {
        writer.write(&fact)?;
    }
    writer.flush()?;
    Ok(session.len() as u64)
}

/// Bytes that differ from message to message.
fn payload(number: u64) -> Vec<u8> {
    (0..PAYLOAD)
        .map(|place| (number * 31 + place * (number % 7 + 1)) as u8)
        .collect()
}

/// How long it took from start to end, and the most memory that it had.
fn show(sockeye: &Path, session: &Path, page: &Path) -> io::Result<(Duration, u64)> {
    let began = Instant::now();
    let child = Command::new(sockeye)
        .args([
            "show".as_ref(),
            session.as_os_str(),
            "--html".as_ref(),
            page.as_os_str(),
        ])
        .stdin(Stdio::null())
        .spawn()?;
    // SAFETY: rusage is plain numbers; the child is ours and nobody else waits for it.
    let (status, usage) = unsafe {
        let (mut status, mut usage) = (0, std::mem::zeroed::<libc::rusage>());
        if libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) < 0 {
            return Err(io::Error::last_os_error());
        }
        (ExitStatus::from_raw(status), usage)
    };
    if !status.success() {
        return Err(io::Error::other(format!(
            "sockeye show ended with {status}"
        )));
    }
    // getrusage(2): in KiB.
    Ok((began.elapsed(), usage.ru_maxrss.unsigned_abs() * 1024))
}

/// A folder that goes with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("seeing-timeline-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
