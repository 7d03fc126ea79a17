//! When a thread's call waits.
//!
//! What comes after a background step is to find it waiting in its call, not on its way there. The kernel
//! tells: proc_pid_stat(5) says that a thread sleeps, proc_pid_syscall(5) in which call.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::gettid;

/// How long a step may take to reach a call in which it waits; one that computes all the while is let go on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks: a call's way into the kernel takes a few times longer under a tracer.
const PACE: Duration = Duration::from_micros(200);

/// Does `work` in a thread, and returns once that waits in a call or has ended.
pub(super) fn start(work: impl FnOnce() + Send + 'static) {
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        // The sender lives as long as the work: its end is the work's.
        if tell.send(gettid()).is_ok() {
            work();
        }
    });
    let Ok(task) = heard.recv() else {
        return;
    };
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match heard.recv_timeout(PACE) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) | Ok(_) => {}
        }
        if waits(task.as_raw_nonzero().get()) {
            return;
        }
    }
}

/// Whether a thread of this process sleeps in a call other than that for its own locks.
fn waits(task: i32) -> bool {
    let read = |file| fs::read_to_string(format!("/proc/self/task/{task}/{file}"));
    let Ok(stat) = read("stat") else {
        return false;
    };
    // The name in parentheses may hold anything: the state follows the last of them.
    let sleeps = stat
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'));
    if !sleeps {
        return false;
    }
    // Some kernels are built without this file: then to sleep is all that is known.
    let Ok(call) = read("syscall") else {
        return true;
    };
    let number = call.split(' ').next().and_then(|word| word.parse().ok());
    number.is_some_and(|number: i64| number != libc::SYS_futex)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_thread_that_waits_is_told_from_one_that_has_ended() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (tell, ended) = mpsc::channel();
        let begun = Instant::now();
        start(move || {
            let mut byte = [0];
            (&theirs).read_exact(&mut byte).unwrap();
            tell.send(byte).unwrap();
        });
        assert!(begun.elapsed() < PATIENCE, "it was not seen to wait");
        assert!(ended.try_recv().is_err());
        (&ours).write_all(b"!").unwrap();
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)), Ok(*b"!"));

        let begun = Instant::now();
        start(|| {});
        assert!(begun.elapsed() < PATIENCE, "its end was not seen");
    }
}
