//! A file of lines that people may edit, kept in memory while it stays the same.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::error::{LineError, TrustError};
use super::file::{FILE_LIMIT, FolderLock, Guard, Stamp, own_folder, read, replace};

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
            all: text.lines().map(str::to_owned).collect(),
            changed: false,
            longest: 0,
        };
        let result = change(&parse(&text), &mut lines)?;
        // What could not be read back is not written.
        if lines.longest > LINE_LIMIT {
            let got = lines.longest;
            return Err(TrustError::Entry(LineError::TooLong { got }));
        }
        if lines.changed {
            let mut text = lines.all.join("\n");
            if !text.is_empty() {
                text.push('\n');
            }
            if text.len() as u64 > FILE_LIMIT {
                return Err(TrustError::TooLarge {
                    path: self.path.clone(),
                });
            }
            replace(&self.path, text.as_bytes(), 0o600)?;
        }
        Ok(result)
    }
}

/// The lines of a list while they are edited.
#[derive(Debug)]
pub(super) struct Lines {
    all: Vec<String>,
    changed: bool,
    /// Bytes of the longest line that was written.
    longest: usize,
}

impl Lines {
    /// Adds a line at the end and returns its number.
    pub(super) fn push(&mut self, line: String) -> usize {
        self.changed = true;
        self.longest = self.longest.max(line.len());
        self.all.push(line);
        self.all.len()
    }

    /// The numbers of the lines whose first word fits, whatever follows it.
    pub(super) fn about(&self, fits: impl Fn(&str) -> bool) -> Vec<usize> {
        let numbered = self.all.iter().zip(1..);
        let fitting =
            numbered.filter(|(line, _)| line.split_whitespace().next().is_some_and(&fits));
        fitting.map(|(_, number)| number).collect()
    }

    /// Writes line `number` anew; a comment behind it stays.
    pub(super) fn set(&mut self, number: usize, mut line: String) {
        self.changed = true;
        if let Some((_, comment)) = split_comment(&self.all[number - 1]) {
            line.extend([" ", comment]);
        }
        self.longest = self.longest.max(line.len());
        self.all[number - 1] = line;
    }

    /// Removes these lines.
    pub(super) fn remove(&mut self, numbers: &[usize]) {
        self.changed |= !numbers.is_empty();
        let mut number = 0;
        self.all.retain(|_| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keeps every line.
    #[derive(Debug, Default)]
    struct Words(Vec<(usize, String)>);

    impl Table for Words {
        fn add(&mut self, line: usize, words: &[&str]) -> Result<(), LineError> {
            self.0.push((line, words.join(" ")));
            Ok(())
        }

        fn refuse(&mut self, line: usize, _words: &[&str], why: LineError) {
            self.0.push((line, why.to_string()));
        }
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over_and_counted() {
        let Words(words) = parse("# one\n\n a  b # c\r\na#b\n\t#\nx\t# y");
        let expected = [(3, "a b"), (4, "a#b"), (6, "x")];
        let words: Vec<_> = words.iter().map(|(line, text)| (*line, &**text)).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn limits_hold_for_what_is_read_and_for_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let list = List::<Words>::at(dir.path().join("list"));
        let push = |line: String| list.edit(|_, lines| Ok(lines.push(line)));
        push("x".repeat(LINE_LIMIT)).unwrap();
        let error = push("x".repeat(LINE_LIMIT + 1)).unwrap_err().to_string();
        assert_eq!(error, "the line has 1025 bytes, the limit is 1024");
        assert_eq!(list.now().unwrap().0.len(), 1);

        let line = format!("{}\n", "x".repeat(LINE_LIMIT - 1));
        let full = line.repeat(FILE_LIMIT as usize / line.len());
        std::fs::write(list.path(), full).unwrap();
        let error = push("x".into()).unwrap_err().to_string();
        assert!(error.ends_with("is larger than 8388608 bytes"), "{error}");
        list.edit(|_, lines| {
            lines.remove(&[1]);
            Ok(lines.push("x".into()))
        })
        .unwrap();
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_over_and_never_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let list = List::<Words>::at(dir.path().join("list"));
        std::fs::write(list.path(), b"a\n\xff\nb\n").unwrap();
        assert_eq!(list.now().unwrap().0.len(), 3);
        let error = list
            .edit(|_, lines| Ok(lines.push("c".into())))
            .unwrap_err();
        assert!(error.to_string().contains("byte 2 is not UTF-8"), "{error}");
        assert_eq!(std::fs::read(list.path()).unwrap(), b"a\n\xff\nb\n");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(SHA256:|[a-z#:,\n \t]|\\PC){0,80}") {
            let _: Words = parse(&text);
        }
    }
}
