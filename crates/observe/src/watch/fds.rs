//! What the descriptors of a process mean: one table for all tasks that share it.
//!
//! Only what is known for certain stands here. A descriptor changes its meaning by close, dup2, dup3,
//! close_range and exec, all of which are seen; what appears otherwise (open, SCM_RIGHTS, inherited) takes
//! a number that is not in the table, and is looked up at its first use.

use std::collections::HashMap;

/// Stands for a descriptor that is no socket; the kernel's cookies begin at 1.
const PLAIN: u64 = 0;

/// What one descriptor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody asked yet.
    Unknown,
    /// No socket.
    Plain,
    /// The socket with this cookie.
    Socket(u64),
}

/// A table of descriptors.
#[derive(Debug, Default)]
pub(super) struct Table {
    fds: HashMap<i32, u64>,
    holds: HashMap<u64, Hold>,
    /// How many tasks use it.
    pub(super) tasks: usize,
}

/// A process's hold on one socket, through one descriptor or more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    /// The number of the side that was told of it; none yet.
    pub(super) side: Option<u64>,
    /// Which version of the socket was told.
    pub(super) told: u32,
    /// A descriptor of it.
    pub(super) fd: i32,
    /// How many descriptors there are.
    fds: u32,
}

/// What the end of a descriptor took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    /// The socket.
    pub(super) cookie: u64,
    /// The hold, as it was.
    pub(super) hold: Hold,
    /// It was the table's last descriptor of that socket.
    pub(super) last: bool,
}

impl Table {
    /// What `fd` means.
    pub(super) fn meaning(&self, fd: i32) -> Meaning {
        match self.fds.get(&fd) {
            None => Meaning::Unknown,
            Some(&PLAIN) => Meaning::Plain,
            Some(&cookie) => Meaning::Socket(cookie),
        }
    }

    /// Says that `fd` is no socket.
    pub(super) fn put_plain(&mut self, fd: i32) -> Option<Removed> {
        let removed = self.remove(fd);
        self.fds.insert(fd, PLAIN);
        removed
    }

    /// Says that `fd` is the socket `cookie`; returns what it was before, and whether the table did not
    /// hold that socket yet.
    pub(super) fn put(&mut self, fd: i32, cookie: u64) -> (Option<Removed>, bool) {
        if self.meaning(fd) == Meaning::Socket(cookie) {
            return (None, false);
        }
        let removed = self.remove(fd);
        self.fds.insert(fd, cookie);
        let hold = self.holds.entry(cookie).or_default();
        hold.fds += 1;
        let first = hold.fds == 1;
        if first {
            hold.fd = fd;
        }
        (removed, first)
    }

    /// Forgets `fd`; returns the socket that it was.
    pub(super) fn remove(&mut self, fd: i32) -> Option<Removed> {
        let cookie = self.fds.remove(&fd).filter(|cookie| *cookie != PLAIN)?;
        let hold = self.holds.get_mut(&cookie)?;
        hold.fds -= 1;
        let last = hold.fds == 0;
        let hold = hold.clone();
        if last {
            self.holds.remove(&cookie);
        }
        Some(Removed { cookie, hold, last })
    }

    /// The hold on a socket.
    pub(super) fn hold(&mut self, cookie: u64) -> Option<&mut Hold> {
        self.holds.get_mut(&cookie)
    }

    /// The sockets that it holds.
    pub(super) fn sockets(&self) -> impl Iterator<Item = u64> {
        self.holds.keys().copied()
    }

    /// Descriptors from `first` to `last`, in order.
    pub(super) fn range(&self, first: u32, last: u32) -> Vec<i32> {
        let within = |fd: &i32| u32::try_from(*fd).is_ok_and(|fd| (first..=last).contains(&fd));
        let mut fds: Vec<_> = self.fds.keys().copied().filter(within).collect();
        fds.sort_unstable();
        fds
    }

    /// A copy for another process, which has told of none of them yet.
    pub(super) fn inherited(&self) -> Self {
        let mut copy = self.unshared();
        for hold in copy.holds.values_mut() {
            hold.side = None;
        }
        copy
    }

    /// A copy for the same process, used by no task yet.
    pub(super) fn unshared(&self) -> Self {
        Self {
            fds: self.fds.clone(),
            holds: self.holds.clone(),
            tasks: 0,
        }
    }

    /// Empties it; returns what it held, in the order of descriptors.
    pub(super) fn take_holds(&mut self) -> Vec<(u64, Hold)> {
        self.fds.clear();
        let mut holds: Vec<_> = self.holds.drain().collect();
        holds.sort_unstable_by_key(|(_, hold)| hold.fd);
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_socket_is_held_until_its_last_descriptor_goes() {
        let mut table = Table::default();
        assert_eq!(table.meaning(3), Meaning::Unknown);
        assert_eq!(table.put(3, 77), (None, true));
        assert_eq!(table.put(9, 77), (None, false));
        table.put_plain(4);
        assert_eq!(table.meaning(4), Meaning::Plain);
        assert!(!table.remove(3).unwrap().last);
        assert_eq!(table.meaning(9), Meaning::Socket(77));
        assert!(table.remove(9).unwrap().last);
        assert_eq!(table.remove(9), None);
        assert_eq!(table.remove(4), None);
        assert_eq!(table.sockets().count(), 0);
    }

    #[test]
    fn a_descriptor_that_is_taken_over_gives_up_what_it_was() {
        let mut table = Table::default();
        table.put(3, 77);
        let (removed, first) = table.put(3, 88);
        assert!(first);
        assert_eq!(
            removed.map(|removed| (removed.cookie, removed.last)),
            Some((77, true))
        );
        assert_eq!(table.put_plain(3).map(|removed| removed.cookie), Some(88));
    }

    #[test]
    fn a_child_tells_of_its_own() {
        let mut table = Table::default();
        table.put(3, 77);
        table.hold(77).unwrap().side = Some(1);
        table.tasks = 4;
        let mut child = table.inherited();
        assert_eq!((child.tasks, child.hold(77).unwrap().side), (0, None));
        assert_eq!(table.hold(77).unwrap().side, Some(1));
        assert_eq!(child.range(0, u32::MAX), [3]);
        assert_eq!(child.range(4, u32::MAX), [0; 0]);
        assert_eq!(child.take_holds().len(), 1);
        assert_eq!(child.meaning(3), Meaning::Unknown);
    }

    proptest! {
        /// Whatever happens to descriptors, a socket is held exactly while one means it.
        #[test]
        fn holds_are_what_descriptors_mean(
            steps in prop::collection::vec((0_i32..6, 0_u64..5), 0..60),
        ) {
            let mut table = Table::default();
            for (fd, cookie) in steps {
                match cookie {
                    0 => drop(table.remove(fd)),
                    1 => drop(table.put_plain(fd)),
                    cookie => drop(table.put(fd, cookie)),
                }
                let mut meant: Vec<_> = (0..6)
                    .filter_map(|fd| match table.meaning(fd) {
                        Meaning::Socket(cookie) => Some(cookie),
                        _ => None,
                    })
                    .collect();
                meant.sort_unstable();
                meant.dedup();
                let mut held: Vec<_> = table.sockets().collect();
                held.sort_unstable();
                prop_assert_eq!(meant, held);
            }
        }
    }
}
