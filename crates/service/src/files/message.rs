//! What clients and servers of files say to each other: the headers of docs/wire.md, as both sides
//! write and read them. How many bytes of body follow is the frame's to say. Names are text here,
//! as they came; [`FileName`](super::FileName) says which are taken.

use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::digest::{Algorithm, BadDigest, Digest};

/// Permission bits: what a mode may hold. Never the set-user-ID, set-group-ID and sticky bits.
pub const MODE_BITS: u32 = 0o777;

/// Bytes of body that we send at once.
pub const MAX_BODY: usize = 256 << 10;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Store this file; body: its content or the beginning of it.
    Put(Put),
    /// More of the content: the body.
    Data,
    /// That was all of the content.
    End(End),
    /// The rest of the content will not come.
    Abort(Abort),
    /// How much is there of a file that was interrupted?
    Part(PartOf),
    /// Make a folder.
    Directory(Directory),
    /// Send this file.
    Get(Get),
    /// What is in this folder?
    List(List),
    /// An upload as the tutorials make it: a header without `type`; body: the whole content.
    #[serde(skip)]
    Plain(Plain),
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// It is on disk under its name.
    Stored(Stored),
    /// What is there of a file that was interrupted.
    Part(Part),
    /// A file; body: the beginning of the content.
    File(Content),
    /// More of the content: the body.
    Data,
    /// That was all of the content.
    End(End),
    /// The rest of the content will not come, and why.
    Abort(Abort),
    /// One file or folder.
    Entry(Entry),
    /// There are no more of them.
    ListEnd(ListEnd),
    /// It was not done.
    Error(Refusal),
}

/// Store this file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Where.
    pub file_name: String,
    /// The body is only the beginning; `data` and `end` follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// Goes on behind this many bytes of the part that is there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Take the place of a file that is there already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overwrite: bool,
    /// Permission bits; without it 0666 less the server's umask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// When it was changed last, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime_ns: Option<i64>,
    /// What `end` will bring, so that it can be computed meanwhile; with `more`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Algorithm>,
    /// Of the whole file; without `more`.
    #[serde(flatten)]
    pub sum: Sum,
}

/// That was all of the content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Of the whole file.
    #[serde(flatten)]
    pub sum: Sum,
}

/// The rest of the content will not come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// Why, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How much is there of a file that was interrupted?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Of which.
    pub file_name: String,
    /// Which digest of it.
    #[serde(default)]
    pub digest: Algorithm,
}

/// Make a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Where.
    pub file_name: String,
    /// Permission bits; without it 0777 less the server's umask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// When it was changed last, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime_ns: Option<i64>,
}

/// Send this file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Which.
    pub file_name: String,
    /// Which digest `end` shall have.
    #[serde(default)]
    pub digest: Algorithm,
    /// Leave out so many bytes, if they are those of `sum`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// The digest of the first `offset` bytes.
    #[serde(flatten)]
    pub sum: Sum,
}

/// What is in this folder?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Which; the root's name is empty. A file's is answered with that file alone.
    pub file_name: String,
    /// Also what is in the folders in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recursive: bool,
}

/// An upload as the tutorials make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain {
    /// Any path of any system; only its last part counts.
    pub file_name: String,
    /// Bytes of content.
    pub file_size: u64,
    /// Take the place of a file that is there already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overwrite: bool,
    /// Of the content.
    #[serde(flatten)]
    pub sum: Sum,
}

/// It is on disk under its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Which.
    pub file_name: String,
    /// Of the whole file.
    pub bytes: u64,
    /// Of the whole file.
    #[serde(flatten)]
    pub sum: Sum,
}

/// What is there of a file that was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Of which.
    pub file_name: String,
    /// So much; 0: nothing.
    pub bytes: u64,
    /// Of these bytes.
    #[serde(flatten)]
    pub sum: Sum,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Which.
    pub file_name: String,
    /// Of the whole file.
    pub bytes: u64,
    /// So many of them are left out, because they are there already.
    pub offset: u64,
    /// Permission bits.
    pub mode: u32,
    /// When it was changed last, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// `data` and `end` follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// Of the whole file; without `more`.
    #[serde(flatten)]
    pub sum: Sum,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File,
    /// A folder.
    Directory,
}

/// One file or folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its whole name, from the root on.
    pub file_name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its length; 0 for a folder.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// When it was changed last, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// There are no more entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEnd {
    /// How many there were.
    pub entries: u64,
    /// How many were left out: symbolic links, devices and the like, names that are not UTF-8, and
    /// folders that may not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// It was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub message: String,
    /// What it is about, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// What the server's kernel said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

/// Why something was not done, for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// This peer may not do that.
    Denied,
    /// No frame, no JSON, a field that is missing or wrong, an unknown type.
    BadRequest,
    /// Nobody may do that here.
    NotAllowed,
    /// Too much is under way already.
    Busy,
    /// A name that leaves the root, or that is not allowed.
    BadName,
    /// There is none.
    NotFound,
    /// There is one already.
    Exists,
    /// It is something else.
    NotAFile,
    /// The bytes are not those that were announced.
    Digest,
    /// The file changed while it was sent.
    Changed,
    /// The sender gave up; what came stays for another attempt.
    Aborted,
    /// The disk is full.
    NoSpace,
    /// Another error of the disk.
    Io,
    /// The server ends.
    Ending,
    /// A code of a later version.
    #[default]
    #[serde(other)]
    Other,
}

/// A digest as a header has it: a field that is called like its algorithm, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct Sum(pub Option<Digest>);

/// The fields that a [`Sum`] is written as.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
}

impl TryFrom<Named> for Sum {
    type Error = BadDigest;

    fn try_from(named: Named) -> Result<Self, BadDigest> {
        let of = |algorithm, text: Option<String>| text.map(|text| (algorithm, text));
        let mut given = [
            of(Algorithm::Blake3, named.blake3),
            of(Algorithm::Sha256, named.sha256),
            of(Algorithm::Md5, named.md5),
        ]
        .into_iter()
        .flatten();
        let first = given.next();
        if given.next().is_some() {
            return Err(BadDigest::Several);
        }
        let read = |(algorithm, text): (_, String)| Digest::from_hex(algorithm, &text);
        first.map(read).transpose().map(Self)
    }
}

impl From<Sum> for Named {
    fn from(sum: Sum) -> Self {
        let mut named = Self::default();
        if let Some(digest) = sum.0 {
            let field = match digest.algorithm() {
                Algorithm::Blake3 => &mut named.blake3,
                Algorithm::Sha256 => &mut named.sha256,
                Algorithm::Md5 => &mut named.md5,
                Algorithm::None => return named,
            };
            *field = Some(digest.to_string());
        }
        named
    }
}

impl Request {
    /// Reads a request; a header without `type` is a plain upload.
    ///
    /// # Errors
    /// What is no request, in words for people.
    pub fn read(header: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Probe {
            #[serde(rename = "type")]
            kind: Option<IgnoredAny>,
        }
        // serde would take an array of the fields as well.
        if !header.trim_ascii_start().starts_with(b"{") {
            return Err(de::Error::custom("a header is one JSON object"));
        }
        let probe: Probe = serde_json::from_slice(header)?;
        if probe.kind.is_some() {
            serde_json::from_slice(header)
        } else {
            serde_json::from_slice(header).map(Self::Plain)
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Request {
        Request::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn requests_are_read_as_the_page_writes_them() {
        assert_eq!(
            read(
                r#"{"type":"put","file_name":"a/b","size":5,"md5":"5D41402abc4b2a76b9719d911017c592"}"#
            ),
            Request::Put(Put {
                file_name: "a/b".into(),
                sum: sum(),
                ..Put::default()
            })
        );
        let plain = read(
            r#"{"file_name":"C:/a.jpg","file_size":5,"md5":"5d41402abc4b2a76b9719d911017c592","x":[1]}"#,
        );
        assert_eq!(
            plain,
            Request::Plain(Plain {
                file_name: "C:/a.jpg".into(),
                file_size: 5,
                overwrite: false,
                sum: sum(),
            })
        );
        assert_eq!(read(r#"{"type":"data","size":9}"#), Request::Data);
        assert_eq!(
            read(r#"{"type":"list","file_name":""}"#),
            Request::List(List::default())
        );
    }

    fn sum() -> Sum {
        let digest = Digest::from_hex(Algorithm::Md5, "5d41402abc4b2a76b9719d911017c592");
        Sum(digest.ok())
    }

    #[test]
    fn what_is_no_request_is_refused_in_words() {
        let check = |text: &str, expected: &str| {
            let error = Request::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("hello", "one JSON object");
        check("[1,2]", "one JSON object");
        check("{1}", "key must be a string");
        check("{}", "missing field `file_name`");
        check(r#"{"type":"put"}"#, "missing field `file_name`");
        check(r#"{"type":"steal"}"#, "unknown variant `steal`");
        check(
            r#"{"type":"plain","file_name":"x","file_size":1}"#,
            "unknown variant",
        );
        check(r#"{"file_name":"x","file_size":-1}"#, "invalid value");
        check(r#"{"file_name":"x","file_size":1.5}"#, "invalid type");
        check(
            r#"{"file_name":"x","file_size":1,"md5":"00"}"#,
            "md5 is written in 32 hex digits",
        );
        check(
            r#"{"type":"get","file_name":"x","digest":"sha1"}"#,
            "unknown variant `sha1`",
        );
        check(
            r#"{"type":"get","file_name":"x","offset":-4}"#,
            "invalid value",
        );
        let both = format!(
            r#"{{"type":"end","blake3":"{0}","sha256":"{0}"}}"#,
            "0".repeat(64)
        );
        check(&both, "one digest is enough");
    }

    /// Both sides use the same types, so what one writes the other reads.
    #[test]
    fn what_is_written_is_read_back() {
        let requests = [
            Request::Put(Put {
                file_name: "a".into(),
                more: true,
                offset: 7,
                overwrite: true,
                mode: Some(0o640),
                mtime_ns: Some(-1),
                digest: Some(Algorithm::None),
                sum: Sum::default(),
            }),
            Request::Data,
            Request::End(End { sum: sum() }),
            Request::Abort(Abort::default()),
            Request::Part(PartOf::default()),
            Request::Directory(Directory::default()),
            Request::Get(Get {
                offset: 5,
                sum: sum(),
                ..Get::default()
            }),
            Request::List(List {
                recursive: true,
                ..List::default()
            }),
        ];
        for request in requests {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(read(&text), request, "{text}");
        }
        let answers = [
            Answer::Stored(Stored {
                sum: sum(),
                ..Stored::default()
            }),
            Answer::Part(Part::default()),
            Answer::File(Content::default()),
            Answer::End(End { sum: sum() }),
            Answer::Abort(Abort {
                code: Some(Code::Changed),
                message: Some("x".into()),
            }),
            Answer::Entry(Entry::default()),
            Answer::ListEnd(ListEnd::default()),
            Answer::Error(Refusal {
                code: Code::NoSpace,
                message: "x".into(),
                file_name: Some("y".into()),
                errno: Some(28),
            }),
        ];
        for answer in answers {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
        }
        let later = r#"{"type":"error","code":"of_tomorrow","message":""}"#;
        let Answer::Error(refusal) = serde_json::from_str(later).unwrap() else {
            panic!("an error is one");
        };
        assert_eq!(refusal.code, Code::Other);
    }
}
