//! `authorized`: which keys may do what here.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::error::{LineError, TrustError};
use super::file::Stamp;
use super::fingerprint::Fingerprint;
use super::list::{List, Table};

/// The longest name of a key's owner, in bytes.
pub const NAME_LIMIT: usize = 64;
/// How a chat calls those who show no key.
const GUEST: &str = "guest-";
/// How often the file is looked at while somebody waits for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What a line looks like.
const FORM: &str = "SHA256:… NAME RIGHT,RIGHT";

/// Something that a key can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Running commands.
    Exec,
    /// Reading and writing files.
    Files,
    /// Talking.
    Chat,
    /// Ruling over rooms; talking too.
    ChatAdmin,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Exec, Self::Files, Self::Chat, Self::ChatAdmin];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Chat => "chat",
            Self::ChatAdmin => "chat-admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let found = Self::ALL.into_iter().find(|right| right.name() == text);
        found.ok_or_else(|| LineError::Right(text.chars().take(80).collect()))
    }
}

/// Whose a key is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The owner's name, for logs and rooms. Several keys may have one name.
    pub name: String,
    /// What the key may do, each right once, in the order of [`Right::ALL`].
    pub may: Vec<Right>,
}

impl Rights {
    /// Reads a name and rights with commas between them.
    pub fn new(name: &str, rights: &str) -> Result<Self, LineError> {
        check_name(name)?;
        let mut may = vec![];
        for right in rights.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            may.push(right.parse()?);
        }
        if may.is_empty() {
            return Err(LineError::Right(rights.to_owned()));
        }
        may.sort_unstable();
        may.dedup();
        Ok(Self {
            name: name.to_owned(),
            may,
        })
    }

    /// Whether the key may do this. Who rules over a chat may talk in it.
    pub fn allows(&self, right: Right) -> bool {
        self.may.contains(&right) || right == Right::Chat && self.allows_admin()
    }

    fn allows_admin(&self) -> bool {
        self.may.contains(&Right::ChatAdmin)
    }
}

impl fmt::Display for Rights {
    /// Prints `NAME RIGHT,RIGHT`, as it stands in the file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may: Vec<_> = self.may.iter().map(|right| right.name()).collect();
        write!(out, "{} {}", self.name, may.join(","))
    }
}

fn check_name(name: &str) -> Result<(), LineError> {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.chars().all(is_letter) {
        return Err(LineError::Name(name.chars().take(80).collect()));
    }
    if name.to_lowercase().starts_with(GUEST) {
        return Err(LineError::GuestName(name.to_owned()));
    }
    Ok(())
}

/// One line of `authorized`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub fingerprint: Fingerprint,
    /// Whose it is, and what it may do.
    pub rights: Rights,
    /// The line, counted from 1.
    pub line: usize,
}

/// What [`Authorized::allow`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The key is new.
    Added,
    /// The key had another name or other rights, and has these now.
    Changed,
    /// It stood there already.
    Unchanged,
}

/// The file `authorized`: lines `SHA256:… NAME exec,files`.
///
/// A question looks whether the file has changed. Whatever cannot be read allows nothing.
#[derive(Debug)]
pub struct Authorized {
    list: List<Keys>,
    changes: watch::Sender<u64>,
    /// Whether a task looks at the file.
    watched: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Keys {
    entries: Vec<Entry>,
    by_key: HashMap<Fingerprint, usize>,
    refused: Vec<(usize, LineError)>,
}

impl Table for Keys {
    fn add(&mut self, line: usize, words: &[&str]) -> Result<(), LineError> {
        let [key, name, rights] = words else {
            return Err(LineError::Words { expected: FORM });
        };
        let fingerprint = key.parse()?;
        let rights = Rights::new(name, rights)?;
        if let Some(index) = self.by_key.get(&fingerprint) {
            return Err(LineError::Twice {
                first: self.entries[*index].line,
                what: fingerprint.to_string(),
            });
        }
        self.by_key.insert(fingerprint, self.entries.len());
        self.entries.push(Entry {
            fingerprint,
            rights,
            line,
        });
        Ok(())
    }

    fn refuse(&mut self, line: usize, _words: &[&str], why: LineError) {
        self.refused.push((line, why));
    }
}

impl Authorized {
    /// The list in this file, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            list: List::at(path.into()),
            changes: watch::Sender::new(0),
            watched: Mutex::new(false),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.list.path()
    }

    /// What this key may do: nothing if it is not in the file, or if the file cannot be used (see
    /// [`Self::problems`]).
    pub fn rights_of(&self, key: &Fingerprint) -> Option<Rights> {
        let keys = self.list.now().ok()?;
        let entry = &keys.entries[*keys.by_key.get(key)?];
        Some(entry.rights.clone())
    }

    /// Ticks when the file has changed; it is looked at once a second while anybody waits.
    ///
    /// Has to be called in a runtime.
    pub fn changed(self: &Arc<Self>) -> watch::Receiver<u64> {
        let receiver = self.changes.subscribe();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !*watched {
            *watched = true;
            let seen = Seen::now(self.path());
            tokio::spawn(look(Arc::downgrade(self), seen));
        }
        receiver
    }

    /// Whether the task should go on looking.
    fn is_awaited(&self) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock that subscribing takes, so that nobody subscribes to a task that ends.
        *watched = self.changes.receiver_count() > 0;
        *watched
    }

    /// Allows this key to do this. A key has one line: what it said before is replaced.
    pub fn allow(&self, key: Fingerprint, rights: &Rights) -> Result<Allowed, TrustError> {
        self.list.edit(|keys, lines| {
            let line = format!("{key} {rights}");
            let Some(index) = keys.by_key.get(&key) else {
                lines.push(line);
                return Ok(Allowed::Added);
            };
            let entry = &keys.entries[*index];
            if entry.rights == *rights {
                return Ok(Allowed::Unchanged);
            }
            lines.set(entry.line, line);
            Ok(Allowed::Changed)
        })
    }

    /// Removes a key, or every key of a name; returns what was removed.
    pub fn deny(&self, who: &str) -> Result<Vec<Entry>, TrustError> {
        let key: Option<Fingerprint> = who.parse().ok();
        let fits = |entry: &&Entry| match key {
            Some(key) => entry.fingerprint == key,
            None => entry.rights.name == who,
        };
        // Nothing to remove where nothing is: no folder is made for it.
        if !self.entries()?.iter().any(|entry| fits(&entry)) {
            return Ok(vec![]);
        }
        self.list.edit(|keys, lines| {
            let denied: Vec<Entry> = keys.entries.iter().filter(fits).cloned().collect();
            let mut numbers: Vec<_> = denied.iter().map(|entry| entry.line).collect();
            // A second line about the key must not come to count when the first has gone.
            for entry in &denied {
                let key = entry.fingerprint;
                numbers.extend(lines.about(|first| first.parse() == Ok(key)));
            }
            lines.remove(&numbers);
            Ok(denied)
        })
    }

    /// Every key, in the order of the file.
    pub fn entries(&self) -> Result<Vec<Entry>, TrustError> {
        Ok(self.list.now()?.entries.clone())
    }

    /// What is wrong with the file, or with lines of it that allow nothing for that.
    pub fn problems(&self) -> Vec<TrustError> {
        let keys = match self.list.now() {
            Ok(keys) => keys,
            Err(error) => return vec![error],
        };
        let refused = keys.refused.iter();
        let problem = |(line, why): &(usize, LineError)| TrustError::Line {
            path: self.path().to_owned(),
            line: *line,
            source: why.clone(),
        };
        refused.map(problem).collect()
    }
}

/// How the file was when it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stamp: Option<Stamp>,
    /// Whether a change since then is sure to show in the stamp.
    is_settled: bool,
}

impl Seen {
    fn now(path: &Path) -> Self {
        let now = SystemTime::now();
        let stamp = Stamp::now(path);
        Self {
            stamp,
            is_settled: stamp.is_none_or(|stamp| stamp.is_settled(now)),
        }
    }
}

/// Looks at the file until nobody waits for its changes any more. Ticks once too often rather than
/// once too rarely: of a file that has just been written, a second change may not show.
async fn look(authorized: Weak<Authorized>, mut seen: Seen) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(authorized) = authorized.upgrade().filter(|it| it.is_awaited()) else {
            return;
        };
        let now = Seen::now(authorized.path());
        if now.stamp != seen.stamp || !seen.is_settled {
            authorized.changes.send_modify(|count| *count += 1);
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Instant;

    fn key(number: u32) -> Fingerprint {
        Fingerprint::of_spki(&number.to_be_bytes())
    }

    fn rights(name: &str, may: &str) -> Rights {
        Rights::new(name, may).unwrap()
    }

    #[test]
    fn a_key_may_what_its_line_says() {
        let dir = tempfile::tempdir().unwrap();
        let list = Authorized::at(dir.path().join("new/authorized"));
        assert_eq!(list.rights_of(&key(1)), None);
        let allow = |key, name, may| list.allow(key, &rights(name, may)).unwrap();
        assert_eq!(allow(key(1), "alice", "files,exec,exec"), Allowed::Added);
        assert_eq!(allow(key(2), "小红", "chat-admin"), Allowed::Added);
        let alice = list.rights_of(&key(1)).unwrap();
        assert_eq!(alice.to_string(), "alice exec,files");
        assert!(alice.allows(Right::Exec) && !alice.allows(Right::Chat));
        let admin = list.rights_of(&key(2)).unwrap();
        assert!(admin.allows(Right::Chat) && !admin.allows(Right::Files));

        assert_eq!(allow(key(1), "alice", "exec,files"), Allowed::Unchanged);
        assert_eq!(allow(key(1), "alice", "files"), Allowed::Changed);
        assert!(!list.rights_of(&key(1)).unwrap().allows(Right::Exec));
        assert_eq!(allow(key(3), "alice", "chat"), Allowed::Added);
        assert_eq!(list.deny("alice").unwrap().len(), 2);
        assert_eq!(
            list.deny(&key(2).to_string()).unwrap()[0].rights.name,
            "小红"
        );
        assert_eq!(list.deny("nobody").unwrap(), []);
        assert_eq!(list.entries().unwrap(), []);
    }

    #[test]
    fn a_broken_line_allows_nothing_and_the_rest_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authorized");
        let lines = [
            "# who may come in".to_owned(),
            format!("{} alice exec # by phone", key(1)),
            format!("{} bob", key(2)),
            format!("{} carol exec,root", key(3)),
            format!("{} guest-7 chat", key(4)),
            format!("{} a/b chat", key(5)),
            "SHA256:x dave chat".to_owned(),
            format!("{} alice2 exec,files", key(1)),
            format!("{} {} chat", key(6), "n".repeat(NAME_LIMIT + 1)),
            format!(
                "{} {} chat #{}",
                key(7),
                "n".repeat(NAME_LIMIT),
                "x".repeat(super::super::LINE_LIMIT)
            ),
            format!("{} {} chat", key(8), "n".repeat(NAME_LIMIT)),
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let list = Authorized::at(&path);
        assert_eq!(list.rights_of(&key(1)), Some(rights("alice", "exec")));
        for refused in 2..=7 {
            assert_eq!(list.rights_of(&key(refused)), None, "key {refused}");
        }
        assert!(list.rights_of(&key(8)).is_some());
        let problems: Vec<_> = list
            .problems()
            .into_iter()
            .map(|problem| match problem {
                TrustError::Line { line, source, .. } => format!("{line}: {source}"),
                other => other.to_string(),
            })
            .collect();
        assert_eq!(problems.len(), 8, "{problems:#?}");
        assert_eq!(problems[0], "3: expected SHA256:… NAME RIGHT,RIGHT");
        assert_eq!(
            problems[1],
            "4: 'root' is no right: there are exec, files, chat, chat-admin"
        );
        assert!(problems[2].contains("are for guests of the chat"));
        assert!(problems[5].starts_with("8: line 2 is about SHA256:"));

        // The comment stays when the line changes, and a doubled key goes with the first.
        list.allow(key(1), &rights("alice", "files")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("alice files # by phone"), "{text}");
        list.deny("alice").unwrap();
        assert_eq!(list.rights_of(&key(1)), None);
    }

    #[test]
    fn a_file_that_others_could_change_allows_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authorized");
        let list = Authorized::at(&path);
        list.allow(key(1), &rights("alice", "exec")).unwrap();
        assert!(list.rights_of(&key(1)).is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(list.rights_of(&key(1)), None);
        let problems = list.problems();
        assert!(
            problems[0].to_string().contains("try chmod 644"),
            "{problems:?}"
        );
        assert!(list.allow(key(2), &rights("bob", "exec")).is_err());
    }

    #[test]
    fn names_of_guests_and_signs_are_refused() {
        for name in [
            "guest-1",
            "Guest-x",
            "",
            "a b",
            "a\u{202e}b",
            "a#",
            "SHA256:x",
        ] {
            assert!(Rights::new(name, "chat").is_err(), "{name:?}");
        }
        for name in ["guest", "a.b@c-d_e", "王"] {
            assert!(Rights::new(name, "chat").is_ok(), "{name:?}");
        }
        assert!(Rights::new("a", ",").is_err());
    }

    #[test]
    fn thousands_of_keys_are_found_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authorized");
        let lines: Vec<_> = (0..20_000)
            .map(|number| format!("{} user{number} files", key(number)))
            .collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let list = Authorized::at(&path);
        assert_eq!(list.rights_of(&key(19_999)).unwrap().name, "user19999");
        // Long enough ago for the file not to be read again each time.
        let old = SystemTime::now() - Duration::from_mins(1);
        fs::File::open(&path).unwrap().set_modified(old).unwrap();
        let began = Instant::now();
        for number in 0..20_000 {
            assert!(list.rights_of(&key(number)).is_some());
            assert!(began.elapsed() < Duration::from_secs(20), "only {number}");
        }
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_change_and_of_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let list = Arc::new(Authorized::at(dir.path().join("authorized")));
        let mut first = list.changed();
        let mut second = list.changed();
        list.allow(key(1), &rights("alice", "exec")).unwrap();
        let within = Duration::from_secs(10);
        for changes in [&mut first, &mut second] {
            tokio::time::timeout(within, changes.changed())
                .await
                .unwrap()
                .unwrap();
        }
        list.deny("alice").unwrap();
        tokio::time::timeout(within, first.changed())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(list.rights_of(&key(1)), None);
        drop((first, second));
        assert!(!list.is_awaited());
        // The task has ended or will; who comes now is heard again.
        let mut third = list.changed();
        list.allow(key(2), &rights("bob", "exec")).unwrap();
        tokio::time::timeout(within, third.changed())
            .await
            .unwrap()
            .unwrap();
    }
}
