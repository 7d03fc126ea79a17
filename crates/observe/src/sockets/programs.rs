//! Who has a socket open.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

/// Room for entries of a folder; as much as glibc takes.
const ENTRIES: usize = 32 << 10;
/// Room for a link of /proc/PID/fd; that of a socket has at most 19 bytes.
const LINK: usize = 64;

/// Which processes have which sockets open, as of one look into every process.
///
/// - **Cost:** 1–3 µs for each open file of each process. Look once, and only when it is shown.
/// - **Privilege:** the descriptors of other users' processes are hidden without root.
#[derive(Debug, Default)]
pub struct Programs {
    /// Inode, process, descriptor; by inode.
    open: Vec<(u32, u32, u32)>,
    names: BTreeMap<u32, String>,
    hidden: usize,
}

/// One process that has a socket open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// Its name, as in ps(1): at most fifteen bytes, and it may hold anything.
    pub name: &'a str,
    /// Its process.
    pub pid: u32,
    /// The descriptor by which it knows the socket.
    pub fd: u32,
}

impl Programs {
    /// Looks into every process.
    pub fn scan() -> Self {
        let mut programs = Self::default();
        let Ok(proc) = open_folder(CWD, c"/proc") else {
            return programs;
        };
        let mut room = vec![MaybeUninit::uninit(); ENTRIES];
        let mut pids = vec![];
        each_number(proc.as_fd(), &mut room, |pid, _| pids.push(pid));
        let next = AtomicUsize::new(0);
        let look = |programs: &mut Self, room: &mut [MaybeUninit<u8>]| {
            while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
                programs.look(proc.as_fd(), *pid, room);
            }
        };
        // The kernel makes up the text of each link: nearly all of the time is its.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut programs = Self::default();
                look(&mut programs, &mut vec![MaybeUninit::uninit(); ENTRIES]);
                programs
            });
            look(&mut programs, &mut room);
            if let Ok(mut theirs) = other.join() {
                programs.open.append(&mut theirs.open);
                programs.names.append(&mut theirs.names);
                programs.hidden += theirs.hidden;
            }
        });
        programs.open.sort_unstable();
        programs
    }

    /// Looks into these processes only.
    pub fn scan_of(pids: &[u32]) -> Self {
        let mut programs = Self::default();
        let Ok(proc) = open_folder(CWD, c"/proc") else {
            return programs;
        };
        let mut room = vec![MaybeUninit::uninit(); ENTRIES];
        for pid in pids {
            programs.look(proc.as_fd(), *pid, &mut room);
        }
        programs.open.sort_unstable();
        programs
    }

    /// Who has the socket with this inode open: by process, then by descriptor.
    pub fn of(&self, inode: u32) -> impl Iterator<Item = Program<'_>> {
        let first = self.open.partition_point(|(of, ..)| *of < inode);
        let same = self.open[first..].iter();
        let same = same.take_while(move |(of, ..)| *of == inode && inode != 0);
        same.map(|(_, pid, fd)| Program {
            name: self.names.get(pid).map_or("", String::as_str),
            pid: *pid,
            fd: *fd,
        })
    }

    /// Processes whose descriptors we may not see.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    fn look(&mut self, proc: BorrowedFd<'_>, pid: u32, room: &mut [MaybeUninit<u8>]) {
        let folder = match open_folder(proc, format!("{pid}/fd")) {
            Ok(folder) => folder,
            // A process that has ended meanwhile hides nothing.
            Err(Errno::ACCESS | Errno::PERM) => {
                self.hidden += 1;
                return;
            }
            Err(_) => return,
        };
        let before = self.open.len();
        let mut link = [MaybeUninit::uninit(); LINK];
        let open = &mut self.open;
        each_number(folder.as_fd(), room, |fd, name| {
            if let Ok((target, _)) = readlinkat_raw(&folder, name, &mut link[..])
                && let Some(inode) = socket_inode(target)
            {
                open.push((inode, pid, fd));
            }
        });
        if self.open.len() > before {
            let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
            self.names.insert(pid, name);
        }
    }
}

fn open_folder(at: BorrowedFd<'_>, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

/// Every entry of a folder whose name is a number.
fn each_number(
    folder: BorrowedFd<'_>,
    room: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(u32, &CStr),
) {
    let mut entries = RawDir::new(folder, room);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        if let Some(number) = number(name.to_bytes()) {
            each(number, name);
        }
    }
}

/// The inode in `socket:[123]`.
fn socket_inode(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::linux::fs::MetadataExt;

    #[test]
    fn links_that_are_no_sockets_are_passed_over() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        for other in [
            &b"pipe:[1]"[..],
            b"socket:[]",
            b"socket:[1",
            b"socket:[4294967296]",
            b"/dev/null",
        ] {
            assert_eq!(socket_inode(other), None);
        }
    }

    #[test]
    fn a_socket_of_ours_is_found_in_this_process_by_its_descriptor() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.as_raw_fd();
        let file = std::fs::metadata(format!("/proc/self/fd/{fd}")).unwrap();
        let inode = u32::try_from(file.st_ino()).unwrap();
        for programs in [Programs::scan(), Programs::scan_of(&[std::process::id()])] {
            let holders: Vec<_> = programs.of(inode).map(|it| (it.pid, it.fd)).collect();
            assert_eq!(holders, [(std::process::id(), fd as u32)]);
            assert!(programs.of(inode).all(|it| !it.name.is_empty()));
        }
        assert_eq!(Programs::scan().of(0).count(), 0);
    }
}
