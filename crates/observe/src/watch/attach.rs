//! Watching a process that runs already, and letting go of it again.

use std::fs;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use sockeye_trace::{ConnId, Event, Fact, Kind};

use super::ptrace;
use super::task::{Process, Task};
use super::view::now;
use super::{Notice, Outcome, Sink, Tracer, WatchError};

/// How long programs that were killed, or tasks that were asked to stop, may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Tracer {
    /// Attaches to a running process with all of its threads. Every call of it stops twice, since no
    /// filter can be put under a process from outside.
    pub fn attach(&mut self, pid: u32, sink: Sink<'_>) -> Result<(), WatchError> {
        let number = i32::try_from(pid).map_err(|_| WatchError::NoProcess(pid))?;
        let about = sockeye_trace::Process {
            pid,
            parent: status_number(number, "PPid").unwrap_or(0),
            ..sockeye_trace::Process::default()
        };
        let process = Rc::new(Process::new(number, false, true, about));
        self.processes.insert(number, Rc::clone(&process));
        let seized = self.seize_all(&process);
        if seized.is_err() || !self.tasks.contains_key(&number) {
            self.let_all_go(&mut |_| {});
            self.processes.remove(&number);
            return seized.and(Err(WatchError::NoProcess(pid)));
        }
        self.now_runs(number, sink);
        Ok(())
    }

    /// Seizes every thread, and looks again until there are no new ones.
    fn seize_all(&mut self, process: &Process) -> Result<(), WatchError> {
        loop {
            let mut found = false;
            for tid in threads(process.pid)? {
                if self.tasks.contains_key(&tid) || self.early.contains(&tid) {
                    continue;
                }
                match ptrace::seize(tid, ptrace::OPTIONS) {
                    Ok(()) => {
                        found = true;
                        self.tasks.insert(tid, Task::of(process));
                        // It goes on until its next call when its stop is heard.
                        let _ = ptrace::interrupt(tid);
                    }
                    Err(Errno::SRCH) => {}
                    Err(error) => {
                        // A thread that one of ours has just made is ours already.
                        let own = nix::unistd::gettid().as_raw().cast_unsigned();
                        if status_number(tid, "TracerPid") != Some(own) {
                            return Err(forbidden(process.pid, tid, error));
                        }
                    }
                }
            }
            if !found {
                return Ok(());
            }
        }
    }

    /// Lets go of a stopped task that we did not start.
    pub(super) fn let_go(&mut self, tid: i32, event: i32, signal: i32) {
        // A signal on its way to the program is handed on; all other stops are ours.
        let signal = if event == 0 && signal & !0x80 != libc::SIGTRAP {
            signal
        } else {
            0
        };
        let _ = ptrace::detach(tid, signal);
        self.forget(tid);
    }

    fn forget(&mut self, tid: i32) {
        let Some(task) = self.tasks.remove(&tid) else {
            return;
        };
        if self
            .tasks
            .values()
            .all(|other| other.process != task.process)
        {
            self.processes.remove(&task.process);
        }
    }

    /// Ends the watch: lets go of what was attached to, asks what we started to end (`SIGTERM`), watches
    /// on for at most `grace`, and kills what is left.
    pub fn finish(mut self, grace: Duration, sink: Sink<'_>) -> Outcome {
        self.let_all_go(sink);
        if !grace.is_zero() {
            self.signal_started(Signal::TERM);
            self.run_until_empty(grace, sink);
        }
        self.kill_all(sink);
        let cost = Event::new(Kind::Cost, ConnId::default(), now())
            .with_offset(self.outcome.stops)
            .with_asked(self.ns_per_stop());
        sink(&Fact::new(cost));
        self.outcome.ns_per_stop = self.ns_per_stop();
        std::mem::take(&mut self.outcome)
    }

    /// Detaches from every process that we did not start, once its tasks have stopped.
    fn let_all_go(&mut self, sink: Sink<'_>) {
        self.leaving = true;
        let foreign = |tracer: &Self| -> Vec<i32> {
            let tasks = tracer.tasks.iter().filter(|(_, task)| {
                tracer
                    .processes
                    .get(&task.process)
                    .is_some_and(|process| !process.started)
            });
            tasks.map(|(tid, _)| *tid).collect()
        };
        let tasks = foreign(self);
        for &tid in &tasks {
            let _ = ptrace::interrupt(tid);
        }
        if !tasks.is_empty() {
            self.run_while(PATIENCE, sink, |tracer| !foreign(tracer).is_empty());
        }
        self.leaving = false;
    }

    fn signal_started(&self, signal: Signal) {
        for process in self.processes.values().filter(|process| process.started) {
            if let Some(pid) = Pid::from_raw(process.pid) {
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn kill_all(&mut self, sink: Sink<'_>) {
        self.signal_started(Signal::KILL);
        self.run_until_empty(PATIENCE, sink);
    }

    fn run_until_empty(&mut self, limit: Duration, sink: Sink<'_>) {
        self.run_while(limit, sink, |tracer| !tracer.tasks.is_empty());
    }

    /// Watches on, at most for `limit`, while there is a reason to.
    fn run_while(&mut self, limit: Duration, sink: Sink<'_>, reason: impl Fn(&Self) -> bool) {
        if !reason(self) {
            return;
        }
        // Who called before this began has been heard: the end is under way.
        let _ = self.waker.take();
        let (done, watch) = mpsc::channel::<()>();
        let waker = self.waker();
        let alarm = thread::spawn(move || {
            // Either the other end is dropped, or it is time.
            if watch.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                waker.wake();
            }
        });
        let waiting = self.waker.waiting();
        while reason(self) {
            match self.step(sink) {
                Ok(Some(Notice::Woken | Notice::Done)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        // In this order: whoever rings goes on until he was heard or nobody waits.
        drop(waiting);
        drop(done);
        let _ = alarm.join();
        // The alarm may have rung just now.
        self.waker.take();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let mut nowhere = |_: &Fact<'_>| {};
        self.let_all_go(&mut nowhere);
        self.kill_all(&mut nowhere);
    }
}

/// The threads of a process.
fn threads(pid: i32) -> Result<Vec<i32>, WatchError> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))
        .map_err(|_| WatchError::NoProcess(pid.cast_unsigned()))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

/// A number of /proc/PID/status.
fn status_number(pid: i32, name: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line?.trim().parse().ok()
}

fn forbidden(pid: i32, tid: i32, error: Errno) -> WatchError {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    WatchError::Forbidden {
        pid: pid.cast_unsigned(),
        scope: scope.ok().and_then(|scope| scope.trim().parse().ok()),
        tracer: status_number(tid, "TracerPid").filter(|tracer| *tracer != 0),
        source: error.into(),
    }
}
