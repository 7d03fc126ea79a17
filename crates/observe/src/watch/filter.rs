//! The seccomp filter that every program we start runs under: calls that may touch a socket stop, the
//! others cost some nanoseconds.
#![allow(unsafe_code)]

use libc::{c_long, sock_filter};

use super::Uring;

/// `AUDIT_ARCH_*` of <linux/audit.h>: the calling convention that we read.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const ARCH: u32 = 0xc000_00b7;
/// Set in the number of every call of the x32 convention (`__X32_SYSCALL_BIT`).
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Calls that stop whatever their arguments are.
const STOPPING: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_shutdown,
    libc::SYS_dup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_close_range,
    libc::SYS_unshare,
    libc::SYS_io_uring_enter,
];

/// `FIONBIO` of ioctl(2): makes a descriptor non-blocking.
pub(super) const FIONBIO: u32 = 0x5421;
/// What of fcntl(2) is of interest.
const FCNTL: [u32; 3] = [
    libc::F_DUPFD as u32,
    libc::F_DUPFD_CLOEXEC as u32,
    libc::F_SETFL as u32,
];

// Offsets in struct seccomp_data: number, architecture, then the instruction pointer and arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of the second argument on a little-endian machine.
const SECOND: u32 = 16 + 8;

/// A program for the kernel's packet filter machine.
#[derive(Debug)]
pub(super) struct Filter(Vec<sock_filter>);

impl Filter {
    /// The filter for `uring`.
    pub(super) fn new(uring: Uring) -> Self {
        let allow = give(libc::SECCOMP_RET_ALLOW);
        let trace = give(libc::SECCOMP_RET_TRACE);
        let mut code = vec![
            load(ARCHITECTURE),
            skip_if_equal(ARCH, 1, 0),
            allow,
            load(NUMBER),
        ];
        #[cfg(target_arch = "x86_64")]
        code.extend([statement(libc::BPF_JMP | libc::BPF_JGE, 0, 1, X32), allow]);
        for &nr in STOPPING {
            code.extend([skip_if_equal(nr as u32, 0, 1), trace]);
        }
        let setup = match uring {
            Uring::Follow => trace,
            Uring::Refuse => give(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        };
        code.extend([skip_if_equal(libc::SYS_io_uring_setup as u32, 0, 1), setup]);
        for (nr, commands) in [(libc::SYS_fcntl, &FCNTL[..]), (libc::SYS_ioctl, &[FIONBIO])] {
            let length = 2 * commands.len() as u8 + 2;
            code.extend([skip_if_equal(nr as u32, 0, length), load(SECOND)]);
            for &command in commands {
                code.extend([skip_if_equal(command, 0, 1), trace]);
            }
            code.push(allow);
        }
        code.push(allow);
        Self(code)
    }

    /// Puts the calling thread under this filter for good, and takes from it the right to gain
    /// privileges by exec, without which only root may do so. False: errno is set.
    pub(super) fn load(&self) -> bool {
        let program = libc::sock_fprog {
            len: self.0.len() as u16,
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel reads `program` and the instructions that it points to, which `self` owns.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) == 0
        }
    }
}

fn statement(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn give(verdict: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, 0, 0, verdict)
}

/// Jumps over `jt` instructions if the loaded word is `k`, else over `jf`.
fn skip_if_equal(k: u32, jt: u8, jf: u8) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's machine would answer.
    fn verdict(filter: &Filter, nr: u32, arch: u32, second: u32) -> u32 {
        let (mut at, mut word) = (0, 0);
        loop {
            let step = filter.0[at];
            let code = u32::from(step.code);
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            at += 1;
            if code == libc::BPF_RET | libc::BPF_K {
                return step.k;
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += jump(word == step.k);
            } else if code == libc::BPF_JMP | libc::BPF_JGE {
                at += jump(word >= step.k);
            } else {
                word = match step.k {
                    NUMBER => nr,
                    ARCHITECTURE => arch,
                    _ => second,
                };
            }
        }
    }

    #[test]
    fn only_calls_that_may_touch_a_socket_stop() {
        let filter = Filter::new(Uring::Follow);
        let of = |nr: c_long, second| verdict(&filter, nr as u32, ARCH, second);
        let (allow, trace) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_TRACE);
        for &nr in STOPPING {
            assert_eq!(of(nr, 0), trace, "call {nr}");
        }
        for nr in [
            libc::SYS_openat,
            libc::SYS_mmap,
            libc::SYS_futex,
            libc::SYS_clone3,
        ] {
            assert_eq!(of(nr, 0), allow, "call {nr}");
        }
        assert_eq!(of(libc::SYS_fcntl, libc::F_DUPFD_CLOEXEC as u32), trace);
        assert_eq!(of(libc::SYS_fcntl, libc::F_SETFL as u32), trace);
        assert_eq!(of(libc::SYS_fcntl, libc::F_GETFL as u32), allow);
        assert_eq!(of(libc::SYS_ioctl, FIONBIO), trace);
        assert_eq!(of(libc::SYS_ioctl, 0x5401), allow);
        assert_eq!(of(libc::SYS_io_uring_setup, 0), trace);
    }

    #[test]
    fn foreign_calls_pass() {
        let filter = Filter::new(Uring::Follow);
        let read = libc::SYS_read as u32;
        assert_eq!(
            verdict(&filter, read, 0x4000_0003, 0),
            libc::SECCOMP_RET_ALLOW
        );
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            verdict(&filter, read | X32, ARCH, 0),
            libc::SECCOMP_RET_ALLOW
        );
    }

    #[test]
    fn io_uring_can_be_refused() {
        let filter = Filter::new(Uring::Refuse);
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        assert_eq!(
            verdict(&filter, libc::SYS_io_uring_setup as u32, ARCH, 0),
            refused
        );
    }
}
