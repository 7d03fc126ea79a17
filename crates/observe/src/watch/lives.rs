//! Processes and threads come, become other programs, and go.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;

use nix::sys::signal::Signal;
use rustix::process::WaitStatus;
use sockeye_trace::{ConnId, Kind};

use super::entry::Work;
use super::ptrace;
use super::task::{Process, Task};
use super::view::{EXIT, Stop, describe, now};
use super::{Exit, Notice, Sink, Tracer};

/// Of a command line, this many bytes are told.
const COMMAND_MAX: u64 = 64 << 10;

impl Tracer {
    /// A task has made another.
    pub(super) fn on_new(&mut self, parent: i32, event: i32, sink: Sink<'_>) {
        let Ok(child) = ptrace::event_message(parent) else {
            return;
        };
        let child = child as i32;
        let of = self
            .tasks
            .get(&parent)
            .and_then(|task| self.processes.get(&task.process));
        let Some(of) = of.cloned() else {
            return;
        };
        let thread = event == libc::PTRACE_EVENT_CLONE
            && Path::new(&format!("/proc/{}/task/{child}", of.pid)).exists();
        let process = if thread {
            of
        } else {
            self.new_process(&of, child, sink)
        };
        self.tasks.insert(child, Task::of(&process));
        if self.early.remove(&child) {
            self.resume(child, 0);
        }
    }

    fn new_process(&mut self, parent: &Process, pid: i32, sink: Sink<'_>) -> Rc<Process> {
        let about = sockeye_trace::Process {
            pid: pid.cast_unsigned(),
            parent: parent.pid.cast_unsigned(),
            ended: String::new(),
            ..parent.about.borrow().clone()
        };
        describe(Kind::Process, ConnId::default(), &about, sink);
        let process = Process::new(pid, parent.started, false, about);
        let table = parent.table.borrow().clone();
        if ptrace::share_files(parent.pid, pid) {
            process.table.replace(table);
        } else {
            let copy = table.borrow().inherited();
            self.view.hold_all(copy.sockets());
            process.table.replace(Rc::new(copy.into()));
        }
        let process = Rc::new(process);
        self.processes.insert(pid, Rc::clone(&process));
        process
    }

    /// A process has become another program. Whichever thread called, it is the only one now, and has
    /// the process's number.
    pub(super) fn on_exec(&mut self, pid: i32, sink: Sink<'_>) {
        if let Ok(former) = ptrace::event_message(pid)
            && former as i32 != pid
        {
            self.tasks.remove(&(former as i32));
        }
        let Some(process) = self.processes.get(&pid).cloned() else {
            return;
        };
        let mut users = 0;
        for (tid, task) in self
            .tasks
            .iter_mut()
            .filter(|(_, task)| task.process == pid)
        {
            task.pending = None;
            users += usize::from(!task.exiting);
            // Of the others nothing more than their end will be heard, if that.
            task.exiting = *tid != pid;
        }
        process.unshare(&mut self.view, users);
        let table = process.table.borrow().clone();
        table.borrow_mut().tasks = 1;

        let left = descriptors(pid);
        let mut stop = Stop {
            view: &mut self.view,
            process: &process,
            tid: pid,
            sink,
        };
        let held = table.borrow().range(0, u32::MAX);
        for fd in held.into_iter().filter(|fd| !left.contains(fd)) {
            let removed = table.borrow_mut().remove(fd);
            if let Some(mut removed) = removed {
                stop.closed_by_exec(&mut removed);
            }
        }
        self.now_runs(pid, sink);
    }

    /// Tells what a process runs now, and what of it will not be seen.
    pub(super) fn now_runs(&mut self, pid: i32, sink: Sink<'_>) {
        let Some(process) = self.processes.get(&pid).cloned() else {
            return;
        };
        {
            let mut about = process.about.borrow_mut();
            about.name = name_of(pid);
            about.command = command_of(pid);
            describe(Kind::Process, ConnId::default(), &*about, sink);
        }
        let mut stop = Stop {
            view: &mut self.view,
            process: &process,
            tid: pid,
            sink,
        };
        let program = format!("/proc/{pid}/exe");
        if is_foreign(&program) {
            stop.gap("foreign-architecture", "its calls are not seen");
        }
        if process.started && gains_privileges(&program) {
            stop.gap(
                "setuid",
                "it runs without the privileges of its file, as every watched program",
            );
        }
    }

    /// A task is about to end; its descriptors are still open.
    pub(super) fn on_exiting(&mut self, tid: i32, sink: Sink<'_>) {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return;
        };
        let pending = task.pending.take();
        if std::mem::replace(&mut task.exiting, true) {
            return;
        }
        let Some(process) = self.processes.get(&task.process).cloned() else {
            return;
        };
        let mut stop = Stop {
            view: &mut self.view,
            process: &process,
            tid,
            sink,
        };
        // Whatever else it was in the middle of has no result, but what was released is.
        if let Some(pending) = pending.filter(|it| matches!(it.work, Work::Close(_))) {
            stop.leave_close(pending, 0, now());
        }
        let table = process.table.borrow().clone();
        let holds = {
            let mut table = table.borrow_mut();
            table.tasks = table.tasks.saturating_sub(1);
            if table.tasks > 0 {
                return;
            }
            table.take_holds()
        };
        stop.all_over(holds, EXIT);
    }

    /// A task has ended.
    pub(super) fn on_gone(&mut self, tid: i32, status: WaitStatus, sink: Sink<'_>) {
        // A task that was killed may have left without a word.
        self.on_exiting(tid, sink);
        self.early.remove(&tid);
        self.tasks.remove(&tid);
        // The first thread's end is told when all others have gone.
        let Some(process) = self.processes.remove(&tid) else {
            return;
        };
        let (code, signal) = (status.exit_status(), status.terminating_signal());
        let mut about = process.about.borrow_mut();
        about.ended = match (code, signal) {
            (Some(code), _) => format!("exit {code}"),
            (_, Some(signal)) => format!("signal {}", signal_name(signal)),
            _ => "ended".to_owned(),
        };
        describe(Kind::Process, ConnId::default(), &*about, sink);
        if process.named {
            let role = about.role.clone();
            let exit = Exit {
                role,
                pid: about.pid,
                code,
                signal,
            };
            self.outcome.exits.push(exit.clone());
            self.view.notices.push_back(Notice::Exited(exit));
        }
    }
}

/// `KILL` for 9.
fn signal_name(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(known) => known.as_str().trim_start_matches("SIG").to_owned(),
        Err(_) => signal.to_string(),
    }
}

/// The numbers of the open descriptors of a process.
fn descriptors(pid: i32) -> HashSet<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return HashSet::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The name of the program that a process runs.
pub(super) fn name_of(pid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name)
        .trim_end_matches('\n')
        .to_owned()
}

/// The command line of a process.
pub(super) fn command_of(pid: i32) -> Vec<String> {
    let mut bytes = vec![];
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/cmdline")) {
        // What can be read is told; a process that is gone has none.
        let _ = file.take(COMMAND_MAX).read_to_end(&mut bytes);
    }
    let words = bytes
        .strip_suffix(b"\0")
        .unwrap_or(&bytes)
        .split(|byte| *byte == 0);
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Whether a program speaks another calling convention than ours: ELF's class and machine (elf(5)).
fn is_foreign(program: &str) -> bool {
    const CLASS_64: u8 = 2;
    #[cfg(target_arch = "x86_64")]
    const MACHINE: u16 = 62;
    #[cfg(target_arch = "aarch64")]
    const MACHINE: u16 = 183;
    let mut head = [0; 20];
    let read = fs::File::open(program).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && (head[4] != CLASS_64 || u16::from_le_bytes([head[18], head[19]]) != MACHINE)
}

/// Whether the file of a program would give it another user or capabilities.
fn gains_privileges(program: &str) -> bool {
    const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;
    let set_id = fs::metadata(program).is_ok_and(|file| {
        let uid = rustix::process::geteuid().as_raw();
        file.mode() & SET_ID != 0 && (file.uid() != uid || file.mode() & libc::S_ISGID != 0)
    });
    let capabilities = rustix::fs::getxattr(program, "security.capability", &mut [0_u8; 64]);
    set_id || capabilities.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_what_it_is() {
        let pid = std::process::id() as i32;
        assert!(!name_of(pid).is_empty());
        let ours: Vec<_> = std::env::args().collect();
        assert_eq!(command_of(pid), ours);
        assert!(descriptors(pid).contains(&1));
        assert!(!is_foreign("/proc/self/exe"));
        assert!(!gains_privileges("/proc/self/exe"));
    }

    #[test]
    fn a_32_bit_program_is_foreign() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("sockeye-foreign-{}", std::process::id()));
        let mut head = [0; 20];
        head[..5].copy_from_slice(b"\x7fELF\x01");
        head[18] = 3;
        fs::write(&path, head).unwrap();
        let foreign = is_foreign(&path.to_string_lossy());
        fs::remove_file(&path).unwrap();
        assert!(foreign);
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(signal_name(9), "KILL");
        assert_eq!(signal_name(40), "40");
    }
}
