//! `put` and `get` with our own server: whole trips, and what is cut in the middle.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use sockeye_testkit::{DEADLINE, Exit, Process, Signal};
use tempfile::TempDir;

use super::{assert_says, names, noise};
use crate::ours::{Server, serve, sockeye};

/// Our server over a folder, and a folder of our own.
struct Ours {
    folder: TempDir,
    endpoint: String,
    server: Server,
}

impl Ours {
    fn start() -> Self {
        Self::start_on(|folder| format!("unix:{}", folder.join("socket").display()))
    }

    fn start_on(endpoint: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["there", "here"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let there = folder.path().join("there");
        let endpoint = endpoint(folder.path());
        let server = serve(&["files", "--root", there.to_str().unwrap(), &endpoint]);
        Self {
            folder,
            endpoint: server.endpoint(),
            server,
        }
    }

    fn there(&self, name: &str) -> PathBuf {
        self.folder.path().join("there").join(name)
    }

    fn here(&self, name: &str) -> PathBuf {
        self.folder.path().join("here").join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = sockeye(words);
        command.current_dir(self.here(""));
        command
    }

    fn put(&self, words: &[&str]) -> Exit {
        Process::run(&mut self.command(&[&["put", "-q"], words, &[&self.endpoint]].concat()))
    }

    fn get(&self, words: &[&str]) -> Exit {
        Process::run(&mut self.command(&[&["get", "-q", &self.endpoint], words].concat()))
    }
}

/// That two folders have the same in them.
#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let differs = Process::run(Command::new("diff").arg("-r").args([one, other]));
    assert_eq!((differs.code, &*differs.stdout_text()), (Some(0), ""));
}

/// A tree with everything that can be sent.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("照片/deep/empty")).unwrap();
    fs::write(root.join("照片/一.jpg"), noise(70_000)).unwrap();
    fs::write(root.join("照片/deep").join("x".repeat(255)), noise(65_536)).unwrap();
    fs::write(root.join("照片/none"), "").unwrap();
    fs::write(root.join("照片/big"), noise(3_000_000)).unwrap();
}

#[test]
fn m19_there_and_back_over_every_local_endpoint_and_by_every_digest() {
    let tails: [fn(&Path) -> String; 2] = [
        |folder| format!("unix:{}", folder.join("socket").display()),
        |folder| format!("unix-seqpacket:{}", folder.join("socket").display()),
    ];
    for (endpoint, digest) in tails
        .into_iter()
        .cycle()
        .zip(["blake3", "sha256", "md5", "none"])
    {
        let ours = Ours::start_on(endpoint);
        plant(&ours.here(""));
        assert_says(&ours.put(&["照片", "--digest", digest]), 0, &[]);
        assert_same(&ours.here("照片"), &ours.there("照片"));
        let back = ["照片", "--into", "back", "--digest", digest];
        assert_says(&ours.get(&back), 0, &[]);
        assert_same(&ours.here("back/照片"), &ours.there("照片"));
        assert_eq!(ours.server.stop().code, Some(0));
    }
}

#[test]
fn m19_permissions_and_times_are_kept_on_request_and_setuid_never() {
    let ours = Ours::start();
    fs::create_dir(ours.here("d")).unwrap();
    fs::write(ours.here("d/f"), "x").unwrap();
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let then = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        File::open(path).unwrap().set_modified(then).unwrap();
    };
    mode(&ours.here("d/f"), 0o6750);
    mode(&ours.here("d"), 0o1700);
    assert_says(&ours.put(&["--archive", "d"]), 0, &[]);
    assert_says(&ours.get(&["--archive", "d", "--into", "back"]), 0, &[]);
    let check = |path: PathBuf, mode: u32| {
        let meta = fs::metadata(&path).unwrap();
        let times = (meta.mtime(), meta.mtime_nsec());
        assert_eq!(meta.mode() & 0o7777, mode, "{}", path.display());
        assert_eq!(times, (1_000_000_000, 123_456_789), "{}", path.display());
    };
    check(ours.there("d/f"), 0o750);
    check(ours.there("d"), 0o700);
    check(ours.here("back/d/f"), 0o750);
    // Without being asked for, they are whatever is usual here.
    assert_says(&ours.put(&["d", "--to", "plain"]), 0, &[]);
    let meta = fs::metadata(ours.there("plain/d/f")).unwrap();
    assert_eq!(meta.mode() & 0o7111, 0);
    assert_ne!(meta.mtime(), 1_000_000_000);
}

/// Long enough to be killed in the middle on any machine.
const LENGTH: u64 = 200 << 20;

/// Five times in CI; `cargo xtask soak repeat --only killed_at_five_points --times 100` makes it 500.
///
/// Kills a transfer as soon as so much of it lies in `folder`, five times; then lets it end, and
/// returns the share that it found there, in percent.
#[track_caller]
fn killed_five_times(ours: &Ours, words: &[&str], folder: &Path) -> u64 {
    for round in 1..=5 {
        let point = LENGTH * round / 7 + u64::from(rand::random::<u32>()) % (LENGTH / 10);
        let mut process = Process::start(&mut ours.command(words));
        let until = Instant::now() + DEADLINE;
        while part_in(folder) < point {
            assert!(
                process.is_running() && Instant::now() < until,
                "{:?}",
                process.exit()
            );
        }
        process.signal(Signal::KILL);
        assert_eq!(process.end().signal, Some(9));
        // Until the server has seen that, the part is still in use.
        ours.server.closed(round as usize);
    }
    let exit = Process::run(&mut ours.command(words));
    assert_eq!(
        exit.code,
        Some(0),
        "{}{}",
        exit.stdout_text(),
        exit.stderr_text()
    );
    let said = exit.stderr_text();
    let percent = said
        .strip_prefix("f: resuming at ")
        .and_then(|rest| rest.split(' ').next());
    percent
        .and_then(|percent| percent.parse().ok())
        .unwrap_or_else(|| panic!("{said}"))
}

/// Bytes of the file in this folder that is not complete.
fn part_in(folder: &Path) -> u64 {
    let parts = fs::read_dir(folder).unwrap().flatten();
    let parts = parts.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(b".sockeye-")
    });
    parts
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .max()
        .unwrap_or(0)
}

#[test]
fn m19_an_upload_that_is_killed_at_five_points_is_resumed_and_whole() {
    let ours = Ours::start();
    let content = noise(LENGTH as usize);
    fs::write(ours.here("f"), &content).unwrap();
    let percent = killed_five_times(&ours, &["put", "f", &ours.endpoint], &ours.there(""));
    assert!(percent >= 70, "only from {percent} % on");
    assert_eq!(names(&ours.there("")), ["f"]);
    assert!(fs::read(ours.there("f")).unwrap() == content);
}

#[test]
fn m19_a_download_that_is_killed_at_five_points_is_resumed_and_whole() {
    let ours = Ours::start();
    let content = noise(LENGTH as usize);
    fs::write(ours.there("f"), &content).unwrap();
    let percent = killed_five_times(&ours, &["get", &ours.endpoint, "f"], &ours.here(""));
    assert!(percent >= 70, "only from {percent} % on");
    assert_eq!(names(&ours.here("")), ["f"]);
    assert!(fs::read(ours.here("f")).unwrap() == content);
}

#[test]
fn m19_ctrl_c_keeps_what_came_and_the_next_get_says_where_it_goes_on() {
    let ours = Ours::start();
    let content = noise(LENGTH as usize);
    fs::write(ours.there("f"), &content).unwrap();
    let mut process = Process::start(&mut ours.command(&["get", &ours.endpoint, "f"]));
    let until = Instant::now() + DEADLINE;
    while part_in(&ours.here("")) < LENGTH / 4 {
        assert!(
            process.is_running() && Instant::now() < until,
            "{:?}",
            process.exit()
        );
    }
    process.signal(Signal::INT);
    let exit = process.end();
    assert_eq!(exit.code, Some(130), "{}", exit.stderr_text());
    let said = exit.stderr_text();
    assert!(said.contains("sockeye: interrupted at "), "{said}");
    assert!(
        said.contains("; the same command goes on from there\n"),
        "{said}"
    );
    let exit = Process::run(&mut ours.command(&["get", &ours.endpoint, "f"]));
    let said = exit.stderr_text();
    assert!(
        exit.code == Some(0) && said.starts_with("f: resuming at "),
        "{said}"
    );
    assert!(fs::read(ours.here("f")).unwrap() == content);
    assert_eq!(names(&ours.here("")), ["f"]);
}

#[test]
fn m19_over_tls_whoever_has_a_key_with_the_right_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("there")).unwrap();
    fs::write(path("f"), noise(3_000_000)).unwrap();
    let with_keys = |who: &str, words: &[&str]| {
        let mut command = sockeye(words);
        command
            .env("XDG_CONFIG_HOME", path(who))
            .current_dir(folder.path());
        command
    };
    let server = Process::start(&mut with_keys(
        "server",
        &[
            "serve",
            "files",
            "--root",
            "there",
            "tls://127.0.0.1:0",
            "--json",
        ],
    ));
    let endpoint = server.event("listening")["endpoint"]
        .as_str()
        .unwrap()
        .to_owned();
    let put = |words: &[&str]| {
        let words = [&["put", "-q", "f"], words, &[&endpoint]].concat();
        Process::run(&mut with_keys("client", &words))
    };
    // Nobody knows anybody yet; then the server is known, and we are not.
    assert_eq!(put(&[]).code, Some(5));
    let exit = put(&["--trust-on-first-use"]);
    assert_eq!(
        (exit.code, exit.stderr_text().lines().count()),
        (Some(5), 1),
        "{}",
        exit.stderr_text()
    );
    assert!(names(&path("there")).is_empty());
    let key = Process::run(&mut with_keys("client", &["key", "--json"])).stdout_text();
    let (_, key) = key.split_once("\"key\":\"").unwrap();
    let (key, _) = key.split_once('"').unwrap();
    let allowed = with_keys("server", &["key", "allow", key, "me", "files"])
        .output()
        .unwrap();
    assert!(allowed.status.success());
    // The server looks at its list once a second.
    let until = Instant::now() + DEADLINE;
    let mut exit = put(&[]);
    while exit.code == Some(5) && Instant::now() < until {
        exit = put(&[]);
    }
    assert_says(&exit, 0, &[]);
    let words = ["get", "-q", &endpoint, "f", "-o", "g"];
    assert_says(&Process::run(&mut with_keys("client", &words)), 0, &[]);
    assert!(fs::read(path("f")).unwrap() == fs::read(path("g")).unwrap());
}
