//! Why a program cannot be watched.

use std::io;

use thiserror::Error;

/// Why a program cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There is nothing to run.
    #[error("no program was named")]
    NoProgram,
    /// A NUL byte where the kernel's strings end at one.
    #[error("a NUL byte in {0:?}")]
    Nul(std::ffi::OsString),
    /// The program could not be started.
    #[error("cannot run {program}")]
    Exec {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A step before the program ran failed.
    #[error("cannot {step}")]
    Prepare {
        /// The step, such as `fork`.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The kernel does not let us trace this process.
    #[error("may not watch process {pid}{}", scope_note(*scope))]
    Forbidden {
        /// The process.
        pid: u32,
        /// `kernel.yama.ptrace_scope`, where there is one: 1 only descendants, 2 only with
        /// CAP_SYS_PTRACE, 3 nobody.
        scope: Option<u8>,
        /// Who traces it already; a process has one tracer.
        tracer: Option<u32>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// There is no such process.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// Waiting for the watched programs failed.
    #[error("cannot wait for the watched programs")]
    Wait(#[source] io::Error),
}

fn scope_note(scope: Option<u8>) -> &'static str {
    match scope {
        Some(1) => " (kernel.yama.ptrace_scope is 1: only descendants, or root)",
        Some(2) => " (kernel.yama.ptrace_scope is 2: only with CAP_SYS_PTRACE)",
        Some(3..) => " (kernel.yama.ptrace_scope is 3: nobody, until the next boot)",
        _ => "",
    }
}
