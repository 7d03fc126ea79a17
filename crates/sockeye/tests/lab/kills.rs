//! However a lab ends, also if any of its processes is killed at any moment: nothing of it stays.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sockeye_testkit::{DEADLINE, Process};

use super::stage::{Stage, User, within};

/// In the environment of everybody who belongs to the lab of a test.
const MARK: &str = "SOCKEYE_TEST_LAB";
/// Until then everything has been begun that a lab begins.
const WHILE_MS: u64 = 400;

/// A server that listens, and both programs with children in a session of their own.
const SERVER: &str = "\
import signal, socket, subprocess
listener = socket.create_server(('', 9000))
subprocess.Popen(['sleep', '600'], start_new_session=True)
conn, _ = listener.accept()
signal.pause()
";
const CLIENT: &str = "\
import signal, socket, subprocess
client = socket.create_connection(('server', 9000))
subprocess.Popen(['sleep', '600'], start_new_session=True)
signal.pause()
";

/// Where a lab is that somebody is killed of.
#[derive(Clone, Copy, Debug)]
enum Room {
    Of(User),
    /// Where a part of /proc is hidden, as in containers: such a lab has no processes of its own, and
    /// nothing but its own care ends them.
    Masked,
}

/// Hides a part of /proc for good: who has a user namespace below this one cannot take it away.
const MASKED: &str = "mount -t tmpfs none /proc/tty && \
    exec unshare --user --map-user=1000 --map-group=1000 --mount \"$@\"";

/// Numbers that are drawn, the same for the same seed (Knuth's constants).
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// Every process whose environment has the mark.
fn marked(mark: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let wanted = format!("{MARK}={mark}");
    let is_ours = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|line| line == wanted.as_bytes())
    };
    numbers.filter(is_ours).collect()
}

/// The namespaces that the threads of a process are in, and those that it holds a descriptor for.
fn namespaces(pid: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut folders = vec![format!("/proc/{pid}/fd")];
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        folders.push(task.path().join("ns").display().to_string());
    }
    for folder in folders {
        let entries = fs::read_dir(Path::new(&folder)).into_iter().flatten();
        for entry in entries.flatten() {
            if let Ok(target) = fs::read_link(entry.path()) {
                let name = String::from_utf8_lossy(target.as_os_str().as_bytes()).into_owned();
                if name.ends_with(']')
                    && ["net:", "pid:", "mnt:", "user:"]
                        .iter()
                        .any(|of| name.starts_with(of))
                {
                    found.insert(name);
                }
            }
        }
    }
    found
}

/// Kills somebody of a lab at a random moment of its beginning. Returns how many namespaces it had then.
fn one_kill(stage: &Stage, room: Room, number: u64, seed: &mut u64) -> Option<usize> {
    let mark = format!("{}-{room:?}-{number}", std::process::id());
    let mut command = match room {
        Room::Of(user) => stage.run(user, SERVER, CLIENT)?,
        Room::Masked => within(&stage.run(User::Ourselves, SERVER, CLIENT)?, MASKED)?,
    };
    let mut lab = Process::start(command.env(MARK, &mark));
    // Not waiting for anything: the moment is the test's input.
    thread::sleep(Duration::from_millis(draw(seed, WHILE_MS)));
    let own = namespaces("self");
    let members = marked(&mark);
    let theirs = members.iter().flat_map(|pid| namespaces(&pid.to_string()));
    let theirs: HashSet<String> = theirs.filter(|name| !own.contains(name)).collect();
    // The one that draws is among them; half of the time it is the one.
    let all = members.len() as u64;
    let victim = match draw(seed, 2) {
        1 if all > 0 => members[draw(seed, all) as usize],
        _ => lab.id() as i32,
    };
    let victim = Pid::from_raw(victim).unwrap();
    // It may be gone meanwhile.
    let _ = kill_process(victim, Signal::KILL);
    // A program's death is no end of the lab, nor is it of its watch.
    lab.signal(Signal::KILL);
    lab.exit();

    wait_for_none(&format!("processes of {mark}"), || marked(&mark));
    wait_for_none(&format!("holders of {theirs:?}"), || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let processes = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        processes
            .filter(|pid| !namespaces(pid).is_disjoint(&theirs))
            .collect()
    });
    Some(theirs.len())
}

#[track_caller]
fn wait_for_none<T: std::fmt::Debug>(what: &str, look: impl Fn() -> Vec<T>) {
    let until = Instant::now() + DEADLINE;
    loop {
        let left = look();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{what}: {left:?} are left");
        thread::yield_now();
    }
}

/// At how many points somebody is killed, and the seed from which these are drawn.
fn campaign() -> (u64, u64) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    (number("SOCKEYE_KILLS", 4), number("SOCKEYE_SEED", 1))
}

#[test]
fn nothing_is_left_of_a_lab_that_is_killed() {
    let (points, mut seed) = campaign();
    let mut most = 0;
    for room in [
        Room::Of(User::Ourselves),
        Room::Masked,
        Room::Of(User::Nobody),
    ] {
        let Some(stage) = Stage::new() else { return };
        for number in 0..points {
            let Some(namespaces) = one_kill(&stage, room, number, &mut seed) else {
                return;
            };
            most = most.max(namespaces);
        }
    }
    // The wire's own network and those of both hosts: some were killed late enough.
    assert!(most >= 3, "no lab had more than {most} namespaces");
}
