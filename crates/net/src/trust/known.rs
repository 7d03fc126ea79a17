//! `known_peers`: which key we expect of whom we dial.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::{LineError, TrustError};
use super::fingerprint::Fingerprint;
use super::list::{List, Table};

/// What a line looks like.
const FORM: &str = "HOST:PORT SHA256:…";

/// The file `known_peers`: lines `HOST:PORT SHA256:…`, where HOST:PORT is what was typed.
///
/// A question looks whether the file has changed. Letters' case makes no difference in a host.
#[derive(Debug)]
pub struct KnownPeers {
    list: List<Known>,
}

/// The key that is expected of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// `HOST:PORT` as it stands in the file.
    pub place: String,
    /// The key.
    pub fingerprint: Fingerprint,
    /// The line of `known_peers`, counted from 1.
    pub line: usize,
}

/// A key that was pinned on first use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// `HOST:PORT` as typed.
    pub place: String,
    /// The key.
    pub fingerprint: Fingerprint,
}

#[derive(Debug, Default)]
struct Known {
    pins: Vec<Pin>,
    /// By the place in small letters.
    by_place: HashMap<String, Found>,
    refused: Vec<(usize, LineError)>,
}

/// What the first line about a place came to.
#[derive(Clone, Debug)]
enum Found {
    Pin(usize),
    Bad(usize, LineError),
}

impl Table for Known {
    fn add(&mut self, line: usize, words: &[&str]) -> Result<(), LineError> {
        let [place, key] = words else {
            return Err(LineError::Words { expected: FORM });
        };
        let key = key.parse()?;
        check_place(place)?;
        match self.by_place.get(&place.to_ascii_lowercase()) {
            None => {}
            Some(Found::Pin(index)) => {
                return Err(LineError::Twice {
                    first: self.pins[*index].line,
                    what: (*place).to_owned(),
                });
            }
            Some(Found::Bad(first, _)) => {
                return Err(LineError::Twice {
                    first: *first,
                    what: (*place).to_owned(),
                });
            }
        }
        let found = Found::Pin(self.pins.len());
        self.by_place.insert(place.to_ascii_lowercase(), found);
        self.pins.push(Pin {
            place: (*place).to_owned(),
            fingerprint: key,
            line,
        });
        Ok(())
    }

    fn refuse(&mut self, line: usize, words: &[&str], why: LineError) {
        // A line that cannot be read still says that its place has a pin: it must not be pinned anew.
        if let Some(place) = words.first() {
            self.by_place
                .entry(place.to_ascii_lowercase())
                .or_insert_with(|| Found::Bad(line, why.clone()));
        }
        self.refused.push((line, why));
    }
}

/// Whether it can stand in the file as one word with a port behind it.
fn check_place(place: &str) -> Result<(), LineError> {
    let parts = place.rsplit_once(':');
    let is_port = parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_word = !place.starts_with('#')
        && !place
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\u{fffd}');
    if is_port && is_word {
        return Ok(());
    }
    Err(LineError::Place(place.chars().take(80).collect()))
}

impl KnownPeers {
    /// The list in this file, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            list: List::at(path.into()),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.list.path()
    }

    /// The key that is expected of `place`, if one is pinned. A line about it that cannot be read is
    /// an error: the place is not unknown.
    pub fn pin_of(&self, place: &str) -> Result<Option<Pin>, TrustError> {
        let known = self.list.now()?;
        self.found(&known, place)
    }

    fn found(&self, known: &Known, place: &str) -> Result<Option<Pin>, TrustError> {
        match known.by_place.get(&place.to_ascii_lowercase()) {
            None => Ok(None),
            Some(Found::Pin(index)) => Ok(Some(known.pins[*index].clone())),
            Some(Found::Bad(line, why)) => Err(self.bad(*line, why)),
        }
    }

    fn bad(&self, line: usize, why: &LineError) -> TrustError {
        TrustError::Line {
            path: self.path().to_owned(),
            line,
            source: why.clone(),
        }
    }

    /// Expects this key of `place` from now on; returns the pin and whether it is new. A pin that is
    /// there stays as it is and is returned, whatever its key.
    pub fn pin(&self, place: &str, fingerprint: Fingerprint) -> Result<(Pin, bool), TrustError> {
        check_place(place).map_err(TrustError::Entry)?;
        self.list.edit(|known, lines| {
            if let Some(pin) = self.found(known, place)? {
                return Ok((pin, false));
            }
            let line = lines.push(format!("{place} {fingerprint}"));
            let place = place.to_owned();
            Ok((
                Pin {
                    place,
                    fingerprint,
                    line,
                },
                true,
            ))
        })
    }

    /// Removes what is known about `place`; returns how many lines that were.
    pub fn forget(&self, place: &str) -> Result<usize, TrustError> {
        // Nothing to remove where nothing is: no folder is made for it.
        if self.list.now()?.by_place.is_empty() {
            return Ok(0);
        }
        self.list.edit(|_, lines| {
            let numbers = lines.about(|first| first.eq_ignore_ascii_case(place));
            lines.remove(&numbers);
            Ok(numbers.len())
        })
    }

    /// All that is pinned, in the order of the file.
    pub fn entries(&self) -> Result<Vec<Pin>, TrustError> {
        Ok(self.list.now()?.pins.clone())
    }

    /// The lines that are not used, each with what is wrong.
    pub fn problems(&self) -> Result<Vec<TrustError>, TrustError> {
        let known = self.list.now()?;
        let refused = known.refused.iter();
        Ok(refused.map(|(line, why)| self.bad(*line, why)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::of_spki(&[byte])
    }

    #[test]
    fn a_pin_is_found_kept_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownPeers::at(dir.path().join("new/known_peers"));
        assert_eq!(known.pin_of("a:1").unwrap(), None);
        let (pin, is_new) = known.pin("Alpha:1", key(1)).unwrap();
        assert_eq!((pin.line, is_new), (1, true));
        known.pin("[::1]:22", key(2)).unwrap();
        assert_eq!(
            known.pin_of("alpha:1").unwrap().unwrap().fingerprint,
            key(1)
        );
        assert_eq!(known.pin_of("[::1]:22").unwrap().unwrap().line, 2);
        let (pin, is_new) = known.pin("ALPHA:1", key(3)).unwrap();
        assert_eq!((pin.fingerprint, is_new), (key(1), false));
        assert_eq!(known.entries().unwrap().len(), 2);

        assert_eq!(known.forget("alpha:1").unwrap(), 1);
        assert_eq!(known.forget("alpha:1").unwrap(), 0);
        assert_eq!(known.pin_of("alpha:1").unwrap(), None);
        assert_eq!(known.pin_of("[::1]:22").unwrap().unwrap().line, 1);
    }

    #[test]
    fn what_people_wrote_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_peers");
        let text = format!("# mine\n\n  a:1\t{}  # by phone\r\n", key(1));
        fs::write(&path, &text).unwrap();
        let known = KnownPeers::at(&path);
        assert_eq!(known.pin_of("a:1").unwrap().unwrap().line, 3);
        known.pin("b:2", key(2)).unwrap();
        let expected = text.replace("\r\n", "\n") + &format!("b:2 {}\n", key(2));
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        known.forget("b:2").unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            text.replace("\r\n", "\n")
        );
    }

    /// A slip of an editor must not turn a known peer into an unknown one.
    #[test]
    fn a_line_that_cannot_be_read_is_no_unknown_peer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_peers");
        let text = format!(
            "a:1 SHA256:abc\na:1 {}\nb {}\nc:3 {}\nc:3 {}\n",
            key(1),
            key(2),
            key(3),
            key(4)
        );
        fs::write(&path, text).unwrap();
        let known = KnownPeers::at(&path);
        let error = known.pin_of("a:1").unwrap_err();
        assert!(error.to_string().ends_with("known_peers:1"), "{error}");
        assert!(known.pin("a:1", key(9)).is_err());
        // The first of two counts, and the rest of the file too.
        assert_eq!(known.pin_of("c:3").unwrap().unwrap().fingerprint, key(3));
        let problems: Vec<_> = known
            .problems()
            .unwrap()
            .iter()
            .map(|problem| {
                let source = std::error::Error::source(problem).unwrap();
                source.to_string()
            })
            .collect();
        assert_eq!(
            problems,
            [
                "'SHA256:abc' has 3 characters behind SHA256:, a key has 43",
                "line 1 is about a:1 too, and counts",
                "'b' is no HOST:PORT",
                "line 4 is about c:3 too, and counts",
            ]
        );
        assert_eq!(known.forget("A:1").unwrap(), 2);
        assert_eq!(known.pin_of("a:1").unwrap(), None);
    }

    #[test]
    fn another_processs_change_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_peers");
        let known = KnownPeers::at(&path);
        // Same length each time, and all within one tick of the file system's clock.
        for byte in 0..50 {
            fs::write(&path, format!("a:1 {}\n", key(byte))).unwrap();
            assert_eq!(known.pin_of("a:1").unwrap().unwrap().fingerprint, key(byte));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(known.pin_of("a:1").unwrap(), None);
    }

    #[test]
    fn pins_of_many_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_peers");
        std::thread::scope(|scope| {
            for byte in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let known = KnownPeers::at(path);
                    known.pin(&format!("h{byte}:1"), key(byte)).unwrap();
                    // All want this one, and one gets it.
                    known.pin("all:1", key(byte)).unwrap();
                });
            }
        });
        let known = KnownPeers::at(&path);
        assert_eq!(known.entries().unwrap().len(), 17);
        assert!(known.problems().unwrap().is_empty());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownPeers::at(dir.path().join("known_peers"));
        for place in ["a", "a b:1", "#a:1", "a:1\nb:2", "a:99999", ""] {
            assert!(known.pin(place, key(1)).is_err(), "{place:?}");
        }
        assert!(known.entries().unwrap().is_empty());
    }
}
