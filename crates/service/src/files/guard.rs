//! The guard for names that come from a peer: what they may look like. [`Root`](super::Root) holds
//! them below a folder when they are opened. Both sides use it: the server for what it is asked, the
//! client for what it is answered.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Bytes of one part of a name: NAME_MAX, limits.h(0p).
pub const MAX_PART: usize = 255;

/// Bytes of a name: PATH_MAX without the NUL that counts in it, limits.h(0p).
pub const MAX_NAME: usize = 4095;

/// What begins the name of a file that is not complete yet. Names that peers give never do.
pub(super) const PART_PREFIX: &str = ".sockeye-";

/// What ends it.
pub(super) const PART_SUFFIX: &str = ".part";

/// The name of a file or a folder below a root: parts with `/` between them, none of which leads out
/// of it. The empty name is the root itself; [`FileName::from_str`] does not read it.
///
/// A backslash is an ordinary character, as on any Linux (systemd's units have them in their names);
/// only [`FileName::last_of`] cuts there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadName {
    /// Nothing at all.
    #[error("a name is empty")]
    Empty,
    /// It starts at `/`.
    #[error("a name starts with /; names are below the folder that is served")]
    Absolute,
    /// `a//b`, `a/`.
    #[error("a part of a name is empty")]
    EmptyPart,
    /// `.` or `..`.
    #[error("a part of a name is . or ..")]
    Dots,
    /// C strings end there.
    #[error("a name has a NUL in it")]
    Nul,
    /// More than [`MAX_PART`].
    #[error("a part of a name has {bytes} bytes, {MAX_PART} are the limit")]
    LongPart {
        /// How many.
        bytes: usize,
    },
    /// More than [`MAX_NAME`].
    #[error("a name has {bytes} bytes, {MAX_NAME} are the limit")]
    Long {
        /// How many.
        bytes: usize,
    },
    /// JSON cannot say it.
    #[error("a name is not UTF-8")]
    NotUtf8,
    /// Files that are not complete yet are called so.
    #[error("names like {PART_PREFIX}…{PART_SUFFIX} are kept for files that are not complete yet")]
    Reserved,
}

impl FileName {
    /// The name of the root itself.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a name that may be the root's (`""`).
    ///
    /// # Errors
    /// As reading any name.
    pub fn or_root(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        text.parse()
    }

    /// The name of a file on this side, as a peer is told it.
    ///
    /// # Errors
    /// As reading any name, and where it is not UTF-8.
    pub fn from_os(name: &OsStr) -> Result<Self, BadName> {
        name.to_str().ok_or(BadName::NotUtf8)?.parse()
    }

    /// The last part of a name of whatever kind, of Windows or Unix: `a.jpg` of `C:\photos\a.jpg`.
    ///
    /// # Errors
    /// When that part is none that a file can have.
    pub fn last_of(text: &str) -> Result<Self, BadName> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        last.parse()
    }

    /// Its parts.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The folder it lies in, which may be the root, and its last part; none for the root itself.
    pub fn split(&self) -> Option<(Self, &str)> {
        let (folder, last) = match self.0.rsplit_once('/') {
            Some((folder, last)) => (folder, last),
            None if self.is_root() => return None,
            None => ("", self.as_str()),
        };
        Some((Self(folder.to_owned()), last))
    }

    /// Its last part; empty for the root itself.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The name of what lies in this folder under the name `part`.
    ///
    /// # Errors
    /// When `part` is no single part of a name, or the whole becomes too long.
    pub fn join(&self, part: &str) -> Result<Self, BadName> {
        check_part(part)?;
        if part.contains('/') {
            return Err(BadName::Absolute);
        }
        let name = if self.is_root() {
            part.to_owned()
        } else {
            format!("{self}/{part}")
        };
        check_length(&name)?;
        Ok(Self(name))
    }

    /// Whether it lies below this folder.
    pub fn is_below(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(&folder.0);
        rest.is_some_and(|rest| folder.is_root() || rest.starts_with('/'))
    }
}

impl FromStr for FileName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.starts_with('/') {
            return Err(BadName::Absolute);
        }
        check_length(text)?;
        text.split('/').try_for_each(check_part)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a file of this name is one that is not complete yet.
pub fn is_reserved(part: &[u8]) -> bool {
    part.starts_with(PART_PREFIX.as_bytes()) && part.ends_with(PART_SUFFIX.as_bytes())
}

fn check_length(name: &str) -> Result<(), BadName> {
    let bytes = name.len();
    if bytes > MAX_NAME {
        return Err(BadName::Long { bytes });
    }
    Ok(())
}

fn check_part(part: &str) -> Result<(), BadName> {
    match part {
        "" => Err(BadName::EmptyPart),
        "." | ".." => Err(BadName::Dots),
        _ if part.contains('\0') => Err(BadName::Nul),
        _ if part.len() > MAX_PART => Err(BadName::LongPart { bytes: part.len() }),
        _ if is_reserved(part.as_bytes()) => Err(BadName::Reserved),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_lead_anywhere_else_are_refused() {
        let check = |text: &str, expected: BadName| {
            assert_eq!(text.parse::<FileName>(), Err(expected), "{text:?}");
        };
        check("", BadName::Empty);
        check("/etc/passwd", BadName::Absolute);
        check("//x", BadName::Absolute);
        for dots in ["..", ".", "../x", "a/..", "a/../b", "./a", "a/./b"] {
            check(dots, BadName::Dots);
        }
        for empty in ["a/", "a//b", "a/b//"] {
            check(empty, BadName::EmptyPart);
        }
        check("a\0b", BadName::Nul);
        check(&"x".repeat(256), BadName::LongPart { bytes: 256 });
        check(&"é".repeat(128), BadName::LongPart { bytes: 256 });
        check(&"ab/".repeat(1366)[..4096], BadName::Long { bytes: 4096 });
        for reserved in [".sockeye-1-0.part", "a/.sockeye-.part", ".sockeye-x.part/b"] {
            check(reserved, BadName::Reserved);
        }
        let not_text = OsStr::from_bytes(b"caf\xe9");
        assert_eq!(FileName::from_os(not_text), Err(BadName::NotUtf8));
    }

    #[test]
    fn ordinary_names_are_taken_up_to_the_limits() {
        let longest = "ab/".repeat(1365);
        let longest = &longest[..4094];
        let part = "x".repeat(255);
        for text in [
            "a",
            "a/b",
            "...",
            "..a",
            "a b",
            "图片/照片.jpg",
            "a\\b",
            ".sockeye-",
            "x.part",
            longest,
            &part,
        ] {
            let name: FileName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        let deep: FileName = "a/b/c".parse().unwrap();
        let (folder, last) = deep.split().unwrap();
        assert_eq!((folder.as_str(), last), ("a/b", "c"));
        assert_eq!(folder.join("c").unwrap(), deep);
        assert!(folder.join("c/d").is_err() && folder.join("..").is_err());
        assert_eq!(FileName::root().join("x").unwrap().as_str(), "x");
        assert!(FileName::root().split().is_none());
    }

    #[test]
    fn only_the_last_part_of_a_plain_name_counts() {
        for (text, last) in [
            ("a.jpg", "a.jpg"),
            ("/home/x/a.jpg", "a.jpg"),
            ("C:\\photos\\a.jpg", "a.jpg"),
            ("C:/photos\\b/a.jpg", "a.jpg"),
        ] {
            assert_eq!(FileName::last_of(text).unwrap().as_str(), last);
        }
        for text in ["", "/", "a/", "C:\\", "..", "/..", "a\\.."] {
            assert!(FileName::last_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn below_means_in_the_folder_and_not_beside_it() {
        let name = |text: &str| FileName::or_root(text).unwrap();
        assert!(name("a/b").is_below(&name("a")) && name("a").is_below(&name("")));
        assert!(!name("ab").is_below(&name("a")) && !name("a").is_below(&name("a")));
    }

    proptest! {
        /// Whatever is accepted stays below where it starts, by the rules of path resolution alone.
        #[test]
        fn no_name_that_is_taken_leads_out(text in "[a./\\\\\u{0}é-]{0,12}") {
            if let Ok(name) = text.parse::<FileName>() {
                let path = std::path::Path::new(name.as_str());
                let ordinary = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(ordinary));
                prop_assert_eq!(path.components().count(), name.parts().count());
            }
        }
    }
}
