//! A file of lines that people may edit, kept in memory while it stays the same.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::error::{LineError, TrustError};
use super::file::{FolderLock, Guard, Stamp, own_folder, read, replace};

/// The longest line, in bytes.
pub const LINE_LIMIT: usize = 1024;

/// What the lines of a list come to.
pub(super) trait Table: Default {
    /// Takes in one line; what is wrong with it counts for nothing else.
    fn add(&mut self, line: usize, words: &[&str]) -> Result<(), LineError>;

    /// Hears of a line that is not used.
    fn refuse(&mut self, line: usize, words: &[&str], why: LineError);
}

/// A list on disk. Each question rereads it if it has changed.
#[derive(Debug)]
pub(super) struct List<T> {
    path: PathBuf,
    kept: Mutex<Option<Kept<T>>>,
}

#[derive(Debug)]
struct Kept<T> {
    table: Arc<T>,
    stamp: Option<Stamp>,
    /// When it was read: see [`Stamp::is_settled`].
    read: SystemTime,
}

impl<T: Table> List<T> {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            kept: Mutex::new(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says now.
    pub(super) fn now(&self) -> Result<Arc<T>, TrustError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::now(&self.path);
        if let Some(kept) = &*kept
            && kept.stamp == stamp
            && stamp.is_none_or(|stamp| stamp.is_settled(kept.read))
        {
            return Ok(kept.table.clone());
        }
        // Forgotten first: a file that can no longer be read counts for nothing.
        *kept = None;
        let started = SystemTime::now();
        let found = read(&self.path, Guard::Integrity)?;
        let (table, stamp) = match &found {
            Some((bytes, stamp)) => (parse(&String::from_utf8_lossy(bytes)), Some(*stamp)),
            None => (T::default(), None),
        };
        let table = Arc::new(table);
        *kept = Some(Kept {
            table: table.clone(),
            stamp,
            read: started,
        });
        Ok(table)
    }

    /// Changes the lines under the lock of the folder; what is not touched stays as it was written.
    pub(super) fn edit<R>(
        &self,
        change: impl FnOnce(&T, &mut Lines) -> Result<R, TrustError>,
    ) -> Result<R, TrustError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        own_folder(dir)?;
        let _lock = FolderLock::take(dir)?;
        let bytes = read(&self.path, Guard::Integrity)?.map_or_else(Vec::new, |(bytes, _)| bytes);
        let text = String::from_utf8(bytes).map_err(|error| TrustError::Content {
            path: self.path.clone(),
            why: format!(
                "byte {} is not UTF-8: mend it with an editor",
                error.utf8_error().valid_up_to()
            ),
        })?;
        let mut lines = Lines {
            lines: text.lines().map(str::to_owned).collect(),
            changed: false,
        };
        let result = change(&parse(&text), &mut lines)?;
        if lines.changed {
            let mut text = lines.lines.join("\n");
            if !text.is_empty() {
                text.push('\n');
            }
            replace(&self.path, text.as_bytes(), 0o600)?;
        }
        Ok(result)
    }
}

/// The lines of a list while they are edited.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<String>,
    changed: bool,
}

impl Lines {
    /// Adds a line at the end and returns its number.
    pub(super) fn push(&mut self, line: String) -> usize {
        self.changed = true;
        self.lines.push(line);
        self.lines.len()
    }

    /// The numbers of the lines whose first word fits, whatever follows it.
    pub(super) fn about(&self, fits: impl Fn(&str) -> bool) -> Vec<usize> {
        let numbered = self.lines.iter().zip(1..);
        let fitting =
            numbered.filter(|(line, _)| line.split_whitespace().next().is_some_and(&fits));
        fitting.map(|(_, number)| number).collect()
    }

    /// Writes line `number` anew; a comment behind it stays.
    pub(super) fn set(&mut self, number: usize, mut line: String) {
        self.changed = true;
        if let Some((_, comment)) = split_comment(&self.lines[number - 1]) {
            line.extend([" ", comment]);
        }
        self.lines[number - 1] = line;
    }

    /// Removes these lines.
    pub(super) fn remove(&mut self, numbers: &[usize]) {
        self.changed |= !numbers.is_empty();
        let mut number = 0;
        self.lines.retain(|_| {
            number += 1;
            !numbers.contains(&number)
        });
    }
}

/// What stands before a `#` that begins a word, and the rest.
fn split_comment(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return Some(("", line));
    }
    let at = line.find(" #").or_else(|| line.find("\t#"))?;
    Some((&line[..at], &line[at + 1..]))
}

fn parse<T: Table>(text: &str) -> T {
    let mut table = T::default();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        let content = split_comment(line).map_or(line, |(before, _)| before);
        let words: Vec<&str> = content.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let added = match line.len() {
            got if got > LINE_LIMIT => Err(LineError::TooLong { got }),
            _ => table.add(number, &words),
        };
        if let Err(why) = added {
            table.refuse(number, &words, why);
        }
    }
    table
}
