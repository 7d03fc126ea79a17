//! The loop: a task stops, we look, it goes on.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};
use rustix::time::{ClockId, clock_gettime};
use sockeye_trace::Time;

use super::filter::{ARCH, Filter};
use super::launch::launch;
use super::place::Place;
use super::ptrace::{self, AtCall, Until};
use super::task::{Process, Task};
use super::view::{Stop, View, now};
use super::wake::Waker;
use super::{Notice, Options, Outcome, Program, Sink, Tracer, WatchError};

/// Every traced task, and of our children only those of this thread: other threads of this process may
/// have children of their own.
const EVERY_TASK: WaitOptions =
    WaitOptions::from_bits_retain(libc::__WALL as u32 | libc::__WNOTHREAD as u32);

impl Tracer {
    /// A tracer for the calling thread. Takes over `SIGURG`.
    pub fn new(options: Options) -> Result<Self, WatchError> {
        let waker = Waker::install().map_err(|source| WatchError::Prepare {
            step: "handle a signal",
            source,
        })?;
        Ok(Self {
            filter: Filter::new(options.uring),
            view: View::new(options),
            waker,
            tasks: HashMap::new(),
            processes: HashMap::new(),
            early: HashSet::new(),
            leaving: false,
            place: Place::new(),
            outcome: Outcome::default(),
            spent_before: spent(),
            _thread: std::marker::PhantomData,
        })
    }

    /// What makes [`Tracer::run`] come back, from another thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts a program; returns its process id.
    pub fn start(&mut self, program: &Program, sink: Sink<'_>) -> Result<u32, WatchError> {
        // The program shall not inherit where we are.
        self.place.leave();
        let pid = launch(program, &self.filter)?;
        let about = sockeye_trace::Process {
            pid: pid.cast_unsigned(),
            parent: std::process::id(),
            role: program.role.clone(),
            ..sockeye_trace::Process::default()
        };
        let process = Process::new(pid, true, true, about);
        self.tasks.insert(pid, Task::of(&process));
        self.processes.insert(pid, Rc::new(process));
        self.now_runs(pid, sink);
        self.resume(pid, 0);
        Ok(pid.cast_unsigned())
    }

    /// Watches until something happens that the caller may want to act upon.
    pub fn run(&mut self, sink: Sink<'_>) -> Result<Notice, WatchError> {
        let _waiting = self.waker.waiting();
        loop {
            if let Some(notice) = self.step(sink)? {
                return Ok(notice);
            }
        }
    }

    /// One notice, or one stop.
    pub(super) fn step(&mut self, sink: Sink<'_>) -> Result<Option<Notice>, WatchError> {
        if let Some(notice) = self.view.notices.pop_front() {
            return Ok(Some(notice));
        }
        if self.waker.take() {
            return Ok(Some(Notice::Woken));
        }
        if self.tasks.is_empty() {
            return Ok(Some(Notice::Done));
        }
        // Not waitpid(0), which leaves out what has a process group of its own.
        match wait(EVERY_TASK) {
            Ok(Some((task, status))) => self.on_status(task.as_raw_pid(), status, sink),
            Ok(None) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => self.tasks.clear(),
            Err(error) => return Err(WatchError::Wait(error.into())),
        }
        Ok(None)
    }

    fn on_status(&mut self, tid: i32, status: WaitStatus, sink: Sink<'_>) {
        let at = now();
        if !status.stopped() {
            return self.on_gone(tid, status, sink);
        }
        self.outcome.stops += 1;
        self.place.on_stop(tid);
        if !self.tasks.contains_key(&tid) {
            self.early.insert(tid);
            return;
        }
        let status = status.as_raw();
        let (event, signal) = (status >> 16, libc::WSTOPSIG(status));
        if self.leaving && !self.is_started(tid) {
            return self.let_go(tid, event, signal);
        }
        match event {
            0 if signal == libc::SIGTRAP | 0x80 => self.on_call(tid, at, sink),
            libc::PTRACE_EVENT_SECCOMP => self.on_call(tid, at, sink),
            0 => self.resume(tid, signal),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_new(tid, event, sink);
                self.resume(tid, 0);
            }
            libc::PTRACE_EVENT_EXEC => {
                self.on_exec(tid, sink);
                self.resume(tid, 0);
            }
            libc::PTRACE_EVENT_EXIT => {
                self.on_exiting(tid, sink);
                self.resume(tid, 0);
            }
            // A group stop: it stays stopped until SIGCONT, as it would without us.
            ptrace::EVENT_STOP if signal != libc::SIGTRAP => {
                let _ = ptrace::listen(tid);
            }
            _ => self.resume(tid, 0),
        }
    }

    fn on_call(&mut self, tid: i32, at: Time, sink: Sink<'_>) {
        let (Ok(call), Some(task)) = (ptrace::at_call(tid), self.tasks.get_mut(&tid)) else {
            return;
        };
        let Some(process) = self.processes.get(&task.process) else {
            return self.resume(tid, 0);
        };
        let mut stop = Stop {
            view: &mut self.view,
            process,
            tid,
            sink,
        };
        let mut until = process.until();
        match call {
            AtCall::Entry { arch, nr, args } if arch == ARCH => {
                task.pending = stop.enter(nr, args);
                if task.pending.is_some() {
                    until = Until::Call;
                }
            }
            AtCall::Entry { .. } => stop.gap("foreign-architecture", FOREIGN_CALL),
            AtCall::Exit(result) => {
                if let Some(pending) = task.pending.take() {
                    stop.leave(pending, result, at);
                }
            }
            AtCall::Elsewhere => {}
        }
        let _ = ptrace::resume(tid, until, 0);
    }

    fn is_started(&self, tid: i32) -> bool {
        let task = self.tasks.get(&tid);
        let process = task.and_then(|task| self.processes.get(&task.process));
        process.is_none_or(|process| process.started)
    }

    /// Lets a stopped task go on. One that is gone meanwhile is no error: its end is waited for.
    pub(super) fn resume(&self, tid: i32, signal: i32) {
        let task = self.tasks.get(&tid);
        let process = task.and_then(|task| self.processes.get(&task.process));
        let until = process.map_or(Until::Stopped, |process| process.until());
        let _ = ptrace::resume(tid, until, signal);
    }

    /// Processor time that a stop has cost on average.
    pub(super) fn ns_per_stop(&self) -> u32 {
        let spent = spent().saturating_sub(self.spent_before);
        let each = spent.checked_div(self.outcome.stops).unwrap_or(0);
        u32::try_from(each).unwrap_or(u32::MAX)
    }
}

const FOREIGN_CALL: &str = "a call of another architecture's convention";

/// Nanoseconds of processor time that the calling thread has used.
fn spent() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec * 1_000_000_000 + time.tv_nsec).unsigned_abs()
}
