//! Sessions as files and pipes: docs/trace-format.md.

use std::io::{self, Read, Write};

use thiserror::Error;

use super::{Fact, Head, Session, TcpState};
use crate::Event;

/// The first eight bytes of a session.
const MAGIC: [u8; 8] = *b"sockeye\x01";
/// Bytes of a fact ahead of its text and data.
const FIXED: usize = 56;
/// A head longer than this is not one of ours.
const HEAD_LIMIT: u32 = 1 << 20;
/// Text or data of one fact longer than this is not ours: packets and payload copies are capped at
/// far less.
const PART_LIMIT: u32 = 1 << 24;

/// Why a file is no session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read the session")]
    Io(#[from] io::Error),
    /// The first bytes are not those of a session.
    #[error("not a sockeye session (it begins with {0:02x?})")]
    NotOurs(Vec<u8>),
    /// A session of another version.
    #[error("the session has version {0}, this program reads version 1")]
    Version(u8),
    /// The head makes no sense.
    #[error("the session's head is damaged: {0}")]
    Head(String),
    /// A fact makes no sense.
    #[error("the session is damaged at byte {at}: {what}")]
    Fact {
        /// Where in the file the fact begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What is wrong with JSON. It repeats what stands there, which may be made to steer a terminal.
fn one_line(error: &serde_json::Error) -> String {
    crate::finding::words::line(&error.to_string())
}

/// Writes a session, fact by fact, in any order: readers sort. What was flushed stays readable
/// however the writer ends.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        let json = serde_json::to_vec(head)?;
        let length = u32::try_from(json.len())
            .ok()
            .filter(|length| *length <= HEAD_LIMIT)
            .ok_or_else(|| io::Error::other("the session's head is too long"))?;
        out.write_all(&MAGIC)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&json)?;
        Ok(Self { out })
    }

    /// Writes one fact.
    pub fn write(&mut self, fact: &Fact<'_>) -> io::Result<()> {
        let (text, data) = (cap(fact.text.as_bytes()), cap(fact.data));
        let mut event = fact.event;
        event.payload = data.len() as u32;
        let mut fixed = [0; FIXED];
        let words = event.to_words();
        for (place, word) in fixed.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        fixed[40..44].copy_from_slice(&fact.thread.to_le_bytes());
        fixed[44..48].copy_from_slice(&fact.flags.to_le_bytes());
        fixed[48..52].copy_from_slice(&(text.len() as u32).to_le_bytes());
        fixed[52] = fact.state as u8;
        self.out.write_all(&fixed)?;
        self.out.write_all(text)?;
        self.out.write_all(data)
    }

    /// Makes what was written visible to readers.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn cap(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(PART_LIMIT as usize)]
}

/// Reads a session, fact by fact, in the order in which they were written.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    head: Head,
    at: u64,
    cut: bool,
    bytes: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the head.
    pub fn new(mut input: R) -> Result<Self, FileError> {
        let mut magic = [0; 8];
        let got = read_full(&mut input, &mut magic)?;
        if magic[..got] != MAGIC {
            return Err(match magic {
                [b's', b'o', b'c', b'k', b'e', b'y', b'e', version] if got == 8 => {
                    FileError::Version(version)
                }
                _ => FileError::NotOurs(magic[..got].to_vec()),
            });
        }
        let mut length = [0; 4];
        let short = |_| FileError::Head("it is cut short".into());
        input.read_exact(&mut length).map_err(short)?;
        let length = u32::from_le_bytes(length);
        if length > HEAD_LIMIT {
            return Err(FileError::Head(format!("it announces {length} bytes")));
        }
        let mut json = vec![0; length as usize];
        input.read_exact(&mut json).map_err(short)?;
        let head =
            serde_json::from_slice(&json).map_err(|error| FileError::Head(one_line(&error)))?;
        Ok(Self {
            input,
            head,
            at: 12 + u64::from(length),
            cut: false,
            bytes: Vec::new(),
        })
    }

    /// Who recorded the session.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the session ended in the middle of a fact.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next fact; none at the end.
    pub fn next_fact(&mut self) -> Result<Option<Fact<'_>>, FileError> {
        let mut fixed = [0; FIXED];
        let got = read_full(&mut self.input, &mut fixed)?;
        if got < FIXED {
            self.cut |= got > 0;
            return Ok(None);
        }
        let damaged = |what| FileError::Fact { at: self.at, what };
        let word = |index: usize| {
            u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| fixed[index * 8 + byte]))
        };
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| fixed[at + byte]));
        let event = Event::checked([0, 1, 2, 3, 4].map(word))
            .ok_or_else(|| damaged("its kind is unknown"))?;
        let (text, data) = (number(48), event.payload);
        if text > PART_LIMIT || data > PART_LIMIT {
            return Err(damaged("it is longer than any fact"));
        }
        let whole = text as usize + data as usize;
        self.bytes.clear();
        // Not sized by what the file announces: a short file that lies costs what it holds.
        let got = (&mut self.input)
            .take(whole as u64)
            .read_to_end(&mut self.bytes)?;
        if got < whole {
            self.cut = true;
            return Ok(None);
        }
        let (text, data) = self.bytes.split_at(text as usize);
        let text = std::str::from_utf8(text).map_err(|_| damaged("its text is not UTF-8"))?;
        self.at += (FIXED + whole) as u64;
        Ok(Some(Fact {
            event,
            thread: number(40),
            flags: number(44),
            state: TcpState::of_number(fixed[52]),
            text,
            data,
        }))
    }

    /// Reads all that is left, and puts it in order.
    pub fn into_session(mut self) -> Result<Session, FileError> {
        let mut session = Session::new(self.head.clone());
        while let Some(fact) = self.next_fact()? {
            session.push(&fact);
        }
        session.cut = self.cut;
        session.sort();
        Ok(session)
    }
}

/// Reads until the buffer is full or the input ends: how much it was.
pub(crate) fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

impl Session {
    /// Writes all of it.
    pub fn save<W: Write>(&self, out: W) -> io::Result<W> {
        let mut writer = Writer::new(out, &self.head)?;
        for (_, fact) in self.facts() {
            writer.write(&fact)?;
        }
        writer.flush()?;
        Ok(writer.into_inner())
    }

    /// Reads a session.
    pub fn load(input: impl Read) -> Result<Self, FileError> {
        Reader::new(input)?.into_session()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, ConnId, Kind, Time};
    use proptest::prelude::*;

    fn sample(facts: &[(u64, String, Vec<u8>)]) -> Session {
        let mut session = Session::new(Head {
            verb: "watch".into(),
            command: vec!["sockeye".into(), "监听".into()],
            ..Head::default()
        });
        for (time, text, data) in facts {
            let event = Event::new(Kind::Write, ConnId::new(3), Time::from_nanos(*time))
                .with_call(Call::Sendto);
            session.push(&Fact {
                thread: 7,
                flags: 9,
                state: TcpState::CloseWait,
                text,
                data,
                ..Fact::new(event)
            });
        }
        session.sort();
        session
    }

    proptest! {
        #[test]
        fn sessions_read_back_byte_for_byte(
            facts in prop::collection::vec((0u64..50, ".{0,9}", prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        ) {
            let session = sample(&facts);
            let saved = session.save(vec![])?;
            let loaded = Session::load(&saved[..]).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(!loaded.is_cut());
            prop_assert!(loaded.facts().eq(session.facts()));
            prop_assert_eq!(loaded.save(vec![])?, saved);
        }

        #[test]
        fn a_session_that_was_cut_keeps_what_is_whole(
            facts in prop::collection::vec((0u64..50, ".{0,9}", prop::collection::vec(any::<u8>(), 0..40)), 1..9),
            lost in 1usize..50,
        ) {
            let saved = sample(&facts).save(vec![])?;
            let last = FIXED + facts.iter().map(|(_, text, data)| text.len() + data.len()).min().unwrap_or(0);
            let lost = lost.min(last - 1);
            let loaded = Session::load(&saved[..saved.len() - lost]);
            let loaded = loaded.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert!(loaded.is_cut());
            prop_assert_eq!(loaded.len(), facts.len() - 1);
        }

        #[test]
        fn damage_is_an_error_or_a_session_and_never_a_panic(
            at in 0usize..400, byte: u8,
        ) {
            let facts = [(1, "bind".to_owned(), vec![1, 2, 3]), (2, String::new(), vec![0; 90])];
            let mut saved = sample(&facts).save(vec![])?;
            let at = at % saved.len();
            saved[at] = byte;
            if let Ok(session) = Session::load(&saved[..]) {
                prop_assert!(session.len() <= 2);
            }
        }
    }

    #[test]
    fn what_is_no_session_is_told_apart() {
        let error = |bytes: &[u8]| Session::load(bytes).unwrap_err().to_string();
        assert_eq!(
            error(b"\x0a\x0d\x0d\x0a"),
            "not a sockeye session (it begins with [0a, 0d, 0d, 0a])"
        );
        assert_eq!(
            error(b"sockeye\x02...."),
            "the session has version 2, this program reads version 1"
        );
        let head = br#"{"wire":"captured\n\u001b[2J"}"#;
        let mut saved = b"sockeye\x01".to_vec();
        saved.extend((head.len() as u32).to_le_bytes());
        saved.extend(head);
        let told = error(&saved);
        assert!(told.contains("unknown variant `captured??[2J`"), "{told}");
        assert_eq!(
            error(b"sockeye\x01\xff\xff\xff\xff"),
            "the session's head is damaged: it announces 4294967295 bytes"
        );
    }
}
