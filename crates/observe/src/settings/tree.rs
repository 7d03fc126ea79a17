//! Where settings and facts are read: this machine, or a folder that looks like one.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What is read of one file; /proc/net/netstat, the longest, has some 10 KiB.
const LIMIT: u64 = 1 << 20;

/// The root of a file system with a `/proc`.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// This machine, as the calling thread sees it.
    pub fn machine() -> Self {
        Self::at("/")
    }

    /// A folder with a `proc` in it.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The text of a file, such as `proc/net/snmp`; nothing where it is absent or barred.
    pub fn text(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.root.join(path)).ok()?;
        file.take(LIMIT).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// A setting by its name, `net.core.somaxconn`, its parts with one space between.
    pub fn sysctl(&self, name: &str) -> Option<String> {
        let text = self.text(&format!("proc/sys/{}", name.replace('.', "/")))?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A setting that is one number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.sysctl(name)?.parse().ok()
    }
}
