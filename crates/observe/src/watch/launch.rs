//! From fork to exec: a program that is traced before its first instruction.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::{env, ptr};

use super::filter::Filter;
use super::ptrace::{self, Until};
use super::{Program, WatchError};

/// Starts `program` under `filter` and returns its process id; it is stopped right after its exec.
pub(super) fn launch(program: &Program, filter: &Filter) -> Result<i32, WatchError> {
    let prepared = Prepared::new(program)?;
    let (go_rx, mut go_tx) = io::pipe().map_err(prepare("make a pipe"))?;
    let (mut news_rx, news_tx) = io::pipe().map_err(prepare("make a pipe"))?;
    // SAFETY: the child makes only async-signal-safe calls (see `Prepared::become_program`) and never
    // returns; everything that it touches was allocated before.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(prepare("fork")(io::Error::last_os_error())),
        0 => unsafe {
            // Ours alone: a copy here would keep the child from seeing our end.
            libc::close(go_tx.as_raw_fd());
            prepared.become_program(go_rx.as_raw_fd(), news_tx.as_raw_fd(), filter)
        },
        child => child,
    };
    drop((go_rx, news_tx));
    if let Err(error) = ptrace::seize(child, ptrace::OPTIONS | ptrace::STARTED) {
        // The child reads the end of its pipe and leaves.
        drop(go_tx);
        let _ = wait(child);
        return Err(prepare("trace a program of our own")(error.into()));
    }
    let released = go_tx.write_all(b"!").map_err(prepare("release a program"));
    drop(go_tx);
    released?;
    if reached_exec(child)? {
        return Ok(child);
    }
    Err(failure(program, &mut news_rx))
}

/// Passes everything by until the program has replaced our copy (true), or is gone (false).
fn reached_exec(child: i32) -> Result<bool, WatchError> {
    loop {
        let status = wait(child).map_err(WatchError::Wait)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(false);
        }
        let event = status >> 16;
        if event == libc::PTRACE_EVENT_EXEC {
            return Ok(true);
        }
        let signal = if event == 0 {
            libc::WSTOPSIG(status)
        } else {
            0
        };
        // Gone meanwhile: the next wait tells.
        let _ = ptrace::resume(child, Until::Stopped, signal);
    }
}

/// Waits for one task, and again after a signal to us.
pub(super) fn wait(task: i32) -> io::Result<i32> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes one int to `status`.
        if unsafe { libc::waitpid(task, &raw mut status, libc::__WALL) } == task {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn prepare(step: &'static str) -> impl FnOnce(io::Error) -> WatchError {
    move |source| WatchError::Prepare { step, source }
}

/// The steps of the child that can fail, as one byte of its news.
const STEPS: [&str; 5] = [
    "",
    "enter the folder",
    "set up the standard streams",
    "load the filter",
    "enter its network",
];

fn failure(program: &Program, news: &mut io::PipeReader) -> WatchError {
    let mut told = [0; 5];
    let source = match news.read_exact(&mut told) {
        Ok(()) => {
            let [_, errno @ ..] = told;
            io::Error::from_raw_os_error(i32::from_ne_bytes(errno))
        }
        // A signal ended it first.
        Err(_) => io::ErrorKind::Interrupted.into(),
    };
    match STEPS.get(usize::from(told[0])) {
        Some(&step) if !step.is_empty() => WatchError::Prepare { step, source },
        _ => WatchError::Exec {
            program: program.argv[0].to_string_lossy().into_owned(),
            source,
        },
    }
}

/// All that the child needs between fork and exec, where nothing may be allocated.
struct Prepared {
    /// Where to try the program, in order.
    paths: Vec<CString>,
    /// Both with a null pointer at the end.
    argv: Strings,
    envp: Strings,
    folder: Option<CString>,
    streams: [Option<RawFd>; 3],
    network: Option<RawFd>,
}

/// C strings and the pointers to them.
struct Strings {
    _owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        let pointers = owned
            .iter()
            .map(|text| text.as_ptr())
            .chain([ptr::null()])
            .collect();
        Self {
            _owned: owned,
            pointers,
        }
    }
}

impl Prepared {
    fn new(program: &Program) -> Result<Self, WatchError> {
        let name = program.argv.first().ok_or(WatchError::NoProgram)?;
        let argv = program.argv.iter().map(|word| c_string(word));
        Ok(Self {
            paths: candidates(name)?,
            argv: Strings::new(argv.collect::<Result<_, _>>()?),
            envp: Strings::new(environment(&program.env)?),
            folder: program
                .folder
                .as_ref()
                .map(|path| c_string(path.as_os_str()))
                .transpose()?,
            streams: [&program.stdin, &program.stdout, &program.stderr]
                .map(|stream| stream.as_ref().map(OwnedFd::as_raw_fd)),
            network: program.network.as_ref().map(OwnedFd::as_raw_fd),
        })
    }

    /// The child's whole life before exec: makes only system calls.
    ///
    /// # Safety
    /// Only for the child of a fork.
    unsafe fn become_program(&self, go: RawFd, news: RawFd, filter: &Filter) -> ! {
        // SAFETY: every pointer comes from `self`, which the child has a copy of; nothing here
        // allocates or takes a lock.
        unsafe {
            let mut byte = 0_u8;
            if libc::read(go, (&raw mut byte).cast(), 1) != 1 {
                libc::_exit(127);
            }
            let step = self.prepare_child(filter);
            if step == 0 {
                for path in &self.paths {
                    libc::execve(
                        path.as_ptr(),
                        self.argv.pointers.as_ptr(),
                        self.envp.pointers.as_ptr(),
                    );
                    // As execvp(3): look on where the name is not there, stop where it is and cannot run.
                    if !matches!(*libc::__errno_location(), libc::ENOENT | libc::ENOTDIR) {
                        break;
                    }
                }
            }
            let errno = *libc::__errno_location();
            let mut told = [step; 5];
            told[1..].copy_from_slice(&errno.to_ne_bytes());
            libc::write(news, told.as_ptr().cast(), told.len());
            libc::_exit(127)
        }
    }

    /// Returns 0, or which of [`STEPS`] failed, with errno set.
    ///
    /// # Safety
    /// As [`Prepared::become_program`].
    unsafe fn prepare_child(&self, filter: &Filter) -> u8 {
        // SAFETY: as above.
        unsafe {
            // Before exec: what becomes of our privilege there is the program's affair.
            if let Some(network) = self.network
                && libc::setns(network, libc::CLONE_NEWNET) != 0
            {
                return 4;
            }
            if let Some(folder) = &self.folder
                && libc::chdir(folder.as_ptr()) != 0
            {
                return 1;
            }
            for (number, stream) in (0..).zip(self.streams) {
                if let Some(stream) = stream
                    && libc::dup2(stream, number) < 0
                {
                    return 2;
                }
            }
            // Rust ignores SIGPIPE, and ignored signals stay ignored over exec.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            if filter.load() { 0 } else { 3 }
        }
    }
}

fn c_string(text: &OsStr) -> Result<CString, WatchError> {
    CString::new(text.as_bytes()).map_err(|_| WatchError::Nul(text.to_owned()))
}

/// The places where execvp(3) would look.
fn candidates(name: &OsStr) -> Result<Vec<CString>, WatchError> {
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(name)?]);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    env::split_paths(&path)
        .map(|folder| c_string(folder.join(name).as_os_str()))
        .collect()
}

/// Our environment with `more` on top, as `NAME=value`.
fn environment(more: &[(OsString, OsString)]) -> Result<Vec<CString>, WatchError> {
    let ours = env::vars_os().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    ours.chain(more.iter().cloned())
        .map(|(mut line, value)| {
            line.push("=");
            line.push(value);
            c_string(&line)
        })
        .collect()
}
