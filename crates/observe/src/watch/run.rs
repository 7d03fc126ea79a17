//! The loop: a task stops, we look, it goes on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use super::filter::Filter;
use super::launch::launch;
use super::ptrace::{self, Until};
use super::task::{Process, Task};
use super::wake::Waker;
use super::{Exit, Notice, Options, Outcome, Program, Sink, Tracer, WatchError};

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
            options,
            waker,
            tasks: HashMap::default(),
            processes: HashMap::default(),
            early: HashSet::default(),
            notices: VecDeque::default(),
            outcome: Outcome::default(),
            _thread: std::marker::PhantomData,
        })
    }

    /// What makes [`Tracer::run`] come back, from another thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts a program; returns its process id.
    pub fn start(&mut self, program: &Program, sink: Sink<'_>) -> Result<u32, WatchError> {
        let pid = launch(program, &self.filter)?;
        let process = Process::new(program.role.clone(), true);
        self.processes.insert(pid, process);
        self.tasks.insert(pid, Task::new(pid));
        let _ = sink;
        self.resume(pid, 0);
        Ok(pid as u32)
    }

    /// Attaches to a running process with all of its threads.
    pub fn attach(&mut self, pid: u32, sink: Sink<'_>) -> Result<(), WatchError> {
        let _ = sink;
        Err(WatchError::NoProcess(pid))
    }

    /// Watches until something happens that the caller may want to act upon.
    pub fn run(&mut self, sink: Sink<'_>) -> Result<Notice, WatchError> {
        let waker = self.waker.clone();
        let _waiting = waker.waiting();
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            if waker.take() {
                return Ok(Notice::Woken);
            }
            if self.tasks.is_empty() {
                return Ok(Notice::Done);
            }
            match waitpid(None, EVERY_TASK) {
                Ok(Some((task, status))) => self.on_status(task.as_raw_pid(), status, sink),
                Ok(None) | Err(Errno::INTR) => {}
                Err(Errno::CHILD) => self.tasks.clear(),
                Err(error) => return Err(WatchError::Wait(error.into())),
            }
        }
    }

    /// Ends the watch: lets go of what was attached to, asks what we started to end (`SIGTERM`), watches
    /// on for at most `grace`, and kills what is left.
    pub fn finish(mut self, grace: Duration, sink: Sink<'_>) -> Outcome {
        let _ = (grace, sink);
        self.kill_started();
        std::mem::take(&mut self.outcome)
    }

    fn kill_started(&mut self) {
        for (pid, process) in &self.processes {
            if process.started
                && let Some(pid) = Pid::from_raw(*pid)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    fn on_status(&mut self, tid: i32, status: WaitStatus, sink: Sink<'_>) {
        if !status.stopped() {
            return self.on_gone(tid, status, sink);
        }
        self.outcome.stops += 1;
        if !self.tasks.contains_key(&tid) {
            self.early.insert(tid);
            return;
        }
        let status = status.as_raw();
        let (event, signal) = (status >> 16, libc::WSTOPSIG(status));
        match event {
            0 if signal == libc::SIGTRAP | 0x80 => self.resume(tid, 0),
            0 => self.resume(tid, signal),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_new(tid);
                self.resume(tid, 0);
            }
            ptrace::EVENT_STOP if signal != libc::SIGTRAP => {
                let _ = ptrace::listen(tid);
            }
            _ => self.resume(tid, 0),
        }
    }

    fn on_new(&mut self, parent: i32) {
        let Ok(message) = ptrace::event_message(parent) else {
            return;
        };
        let child = message as i32;
        let of = self.tasks[&parent].process;
        self.tasks.insert(child, Task::new(of));
        if self.early.remove(&child) {
            self.resume(child, 0);
        }
    }

    fn on_gone(&mut self, tid: i32, status: WaitStatus, _sink: Sink<'_>) {
        self.early.remove(&tid);
        self.tasks.remove(&tid);
        let Some(process) = self.processes.remove(&tid) else {
            return;
        };
        let exit = Exit {
            role: process.role,
            pid: tid as u32,
            code: status.exit_status(),
            signal: status.terminating_signal(),
        };
        self.outcome.exits.push(exit.clone());
        self.notices.push_back(Notice::Exited(exit));
    }

    /// Lets a stopped task go on. One that is gone meanwhile is no error: its end is waited for.
    #[allow(clippy::unused_self)]
    fn resume(&self, tid: i32, signal: i32) {
        let _ = ptrace::resume(tid, Until::Stopped, signal);
    }
}
