//! setsockopt(2) and getsockopt(2) by the names of docs/endpoints.md.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::io::Errno;

use super::held::{Failure, Held};
use super::{Cannot, Deeds, Done};
use crate::lab::script::Options;

/// How an option's value stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `int`
    Int,
    /// `struct linger`: seconds, -1 for off.
    Linger,
    /// `struct timeval`, as milliseconds.
    Timeval,
}

struct Known {
    name: &'static str,
    level: i32,
    number: i32,
    form: Form,
}

const fn int(name: &'static str, level: i32, number: i32) -> Known {
    Known {
        name,
        level,
        number,
        form: Form::Int,
    }
}

const SOCKET: i32 = libc::SOL_SOCKET;
const TCP: i32 = libc::IPPROTO_TCP;
const IP: i32 = libc::IPPROTO_IP;

/// socket(7), tcp(7), ip(7)
const OPTIONS: &[Known] = &[
    int("reuseaddr", SOCKET, libc::SO_REUSEADDR),
    int("reuseport", SOCKET, libc::SO_REUSEPORT),
    int("sndbuf", SOCKET, libc::SO_SNDBUF),
    int("rcvbuf", SOCKET, libc::SO_RCVBUF),
    int("rcvlowat", SOCKET, libc::SO_RCVLOWAT),
    int("keepalive", SOCKET, libc::SO_KEEPALIVE),
    int("broadcast", SOCKET, libc::SO_BROADCAST),
    int("error", SOCKET, libc::SO_ERROR),
    Known {
        name: "linger",
        level: SOCKET,
        number: libc::SO_LINGER,
        form: Form::Linger,
    },
    Known {
        name: "rcvtimeo",
        level: SOCKET,
        number: libc::SO_RCVTIMEO,
        form: Form::Timeval,
    },
    Known {
        name: "sndtimeo",
        level: SOCKET,
        number: libc::SO_SNDTIMEO,
        form: Form::Timeval,
    },
    int("nodelay", TCP, libc::TCP_NODELAY),
    int("quickack", TCP, libc::TCP_QUICKACK),
    int("cork", TCP, libc::TCP_CORK),
    int("maxseg", TCP, libc::TCP_MAXSEG),
    int("keepidle", TCP, libc::TCP_KEEPIDLE),
    int("keepintvl", TCP, libc::TCP_KEEPINTVL),
    int("keepcnt", TCP, libc::TCP_KEEPCNT),
    int("user-timeout", TCP, libc::TCP_USER_TIMEOUT),
    int("syncnt", TCP, libc::TCP_SYNCNT),
    int("linger2", TCP, libc::TCP_LINGER2),
    int("defer-accept", TCP, libc::TCP_DEFER_ACCEPT),
    int("fastopen", TCP, libc::TCP_FASTOPEN),
    int("fastopen-connect", TCP, libc::TCP_FASTOPEN_CONNECT),
    int("window-clamp", TCP, libc::TCP_WINDOW_CLAMP),
    int("notsent-lowat", TCP, libc::TCP_NOTSENT_LOWAT),
    int("ttl", IP, libc::IP_TTL),
    int("tos", IP, libc::IP_TOS),
    int("mtu", IP, libc::IP_MTU),
    int("mtu-discover", IP, libc::IP_MTU_DISCOVER),
    int("recverr", IP, libc::IP_RECVERR),
    int("bind-address-no-port", IP, libc::IP_BIND_ADDRESS_NO_PORT),
];

fn known(name: &str) -> Result<&'static Known, Cannot> {
    OPTIONS
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| {
            let all: Vec<&str> = OPTIONS.iter().map(|known| known.name).collect();
            Cannot(format!(
                "no option is called `{name}`; known are {}",
                all.join(", ")
            ))
        })
}

/// Sets them one after the other, all of them: the first that fails says what is wrong.
pub(super) fn set_all(held: &Held, options: &Options) -> Deeds {
    let set = |(name, value): (&String, &i64)| {
        let set = known(name)?.set(held, *value)?;
        Ok(Done::of("setsockopt", set.map(|()| 0)))
    };
    options.iter().map(set).collect()
}

/// The value of one.
pub(super) fn get(held: &Held, name: &str) -> Deeds {
    let mut done = Done::of("getsockopt", Ok(0));
    match known(name)?.get(held) {
        Ok(value) => {
            done.result = value;
            if name == "error" {
                value_of_error(value).clone_into(&mut done.data);
            }
        }
        Err(failure) => done = Done::of("getsockopt", Err(failure)),
    }
    Ok(vec![done])
}

/// The name of what went wrong; nothing did: no name.
fn value_of_error(value: i64) -> &'static str {
    match i32::try_from(value) {
        Ok(0) | Err(_) => "",
        Ok(number) => sockeye_trace::errno_name(number),
    }
}

impl Known {
    /// The outer error: the value is none of this option.
    fn set(&self, held: &Held, value: i64) -> Result<Result<(), Failure>, Cannot> {
        let words = self.words(value)?;
        let bytes: Vec<u8> = match words {
            Words::Ints(ref ints) => ints.iter().flat_map(|int| int.to_ne_bytes()).collect(),
            Words::Longs(longs) => longs.iter().flat_map(|long| long.to_ne_bytes()).collect(),
        };
        Ok(held.call(|fd| set(fd, self.level, self.number, &bytes)))
    }

    fn words(&self, value: i64) -> Result<Words, Cannot> {
        let small = |value: i64| {
            let name = self.name;
            i32::try_from(value).map_err(|_| Cannot(format!("{value} is too large for `{name}`")))
        };
        Ok(match self.form {
            Form::Int => Words::Ints(vec![small(value)?]),
            Form::Linger if value < 0 => Words::Ints(vec![0, 0]),
            Form::Linger => Words::Ints(vec![1, small(value)?]),
            Form::Timeval => Words::Longs([value / 1000, value % 1000 * 1000]),
        })
    }

    fn get(&self, held: &Held) -> Result<i64, Failure> {
        let (bytes, len) = held.call(|fd| get_bytes(fd, self.level, self.number))?;
        let int = |at: usize| {
            let word = bytes[at..].first_chunk().copied().unwrap_or_default();
            i64::from(i32::from_ne_bytes(word))
        };
        let long = |at: usize| {
            let word = bytes[at..].first_chunk().copied().unwrap_or_default();
            i64::from_ne_bytes(word)
        };
        Ok(match self.form {
            // ip(7): the kernel may answer with a single byte.
            Form::Int if len == 1 => i64::from(bytes[0]),
            Form::Int => int(0),
            Form::Linger if int(0) == 0 => -1,
            Form::Linger => int(4),
            Form::Timeval => long(0) * 1000 + long(8) / 1000,
        })
    }
}

enum Words {
    Ints(Vec<i32>),
    Longs([i64; 2]),
}

fn set(fd: BorrowedFd<'_>, level: i32, number: i32, value: &[u8]) -> Result<(), Errno> {
    let len = value.len() as libc::socklen_t;
    // SAFETY: pointer and length are those of one slice, which outlives the call.
    let done =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, number, value.as_ptr().cast(), len) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The value and how long the kernel says it is; what it leaves out is zero.
fn get_bytes(fd: BorrowedFd<'_>, level: i32, number: i32) -> Result<([u8; 16], usize), Errno> {
    let mut value = [0; 16];
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which is as long and outlives the call.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            number,
            value.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if done == 0 {
        Ok((value, len as usize))
    } else {
        Err(last_errno())
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
