//! Does what a peer asks for, one thing after the other. All that blocks happens here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use sockeye_trace::Kind;

use super::buffer::Buffer;
use super::desk::{Desk, Job, Reply};
use super::listing::Listing;
use super::note::{Note, Notes};
use super::sending::{Piece, Sending};
use crate::files::digest::{Algorithm, Digest};
use crate::files::error::FileError;
use crate::files::guard::{BadName, FileName};
use crate::files::message::{
    Answer, Code, Directory, End, Get, List, Part as PartAnswer, PartOf, Plain, Put, Refusal,
    Request, Sum,
};
use crate::files::part::{Attributes, Part};
use crate::files::root::Root;
use crate::files::store::{Batch, Committed, check_target};

/// Files that wait to become durable together: each one is an open descriptor.
pub(super) const MAX_BATCH: usize = 128;

/// Entries of a listing between two looks at the room for answers.
const A_FEW: usize = 64;

/// What one peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) store: bool,
}

/// Does what a peer asks for, and remembers what it is in the middle of.
#[derive(Debug)]
pub(super) struct Clerk {
    root: Root,
    rights: Rights,
    notes: Notes,
    batch: Batch,
    /// Of each file in the batch, in its order.
    begun: VecDeque<Instant>,
    receiving: Receiving,
    /// Bytes of body that still belong to the last request.
    body: u64,
    /// The part that the peer asked about last, kept for the `put` that follows.
    asked: Option<Part>,
    /// What is being sent, for as long as it takes.
    sending: Option<Sent>,
    /// Nothing follows any more.
    over: bool,
}

/// What happens to the content that comes.
#[derive(Debug)]
enum Receiving {
    /// None is expected.
    Nothing,
    /// It is stored.
    File(Box<Incoming>),
    /// It belongs to a file that was refused.
    Refused {
        /// It goes on until `end`.
        more: bool,
    },
}

#[derive(Debug)]
struct Incoming {
    part: Part,
    how: How,
    begun: Instant,
}

/// How a file was announced.
#[derive(Clone, Copy, Debug)]
struct How {
    attributes: Attributes,
    algorithm: Algorithm,
    sum: Sum,
    /// It goes on behind so many bytes of what is there.
    offset: u64,
    /// It goes on until `end`.
    more: bool,
    /// Its sender knows no way to go on with it later.
    plain: bool,
}

#[derive(Debug)]
enum Sent {
    File(Sending),
    List(Listing),
}

impl Clerk {
    pub(super) fn new(root: Root, rights: Rights, notes: Notes) -> Self {
        Self {
            root,
            rights,
            notes,
            batch: Batch::default(),
            begun: VecDeque::new(),
            receiving: Receiving::Nothing,
            body: 0,
            asked: None,
            sending: None,
            over: false,
        }
    }

    /// Works until there is nothing to do, or no room for what that would answer.
    pub(super) fn work(&mut self, desk: &Desk) {
        while desk.has_room() && !self.over {
            if let Some(sent) = self.sending.take() {
                self.go_on(desk, sent);
                continue;
            }
            let Some(job) = desk.take() else { break };
            match job {
                Job::Request(request, size, _room) => self.on_request(desk, request, size),
                Job::Body(buffer) => self.on_body(desk, buffer),
                Job::Last(refusal) => self.on_last(desk, refusal),
            }
            if self.batch.len() >= MAX_BATCH {
                self.commit(desk);
            }
        }
        self.commit(desk);
        desk.goes_on(self.sending.is_some());
    }

    fn on_request(&mut self, desk: &Desk, request: Request, size: u64) {
        desk.answers_are_optional(matches!(request, Request::Plain(_)));
        self.body = size;
        let expects = |receiving: &Receiving| match receiving {
            Receiving::File(incoming) => incoming.how.more,
            Receiving::Refused { more } => *more,
            Receiving::Nothing => false,
        };
        match (request, expects(&self.receiving)) {
            (Request::Data, true) => {}
            (Request::End(end), true) => self.on_end(desk, &end),
            (Request::Abort(_), true) => {
                if let Some((file_name, kept)) = self.interrupt() {
                    let refusal = Refusal {
                        code: Code::Aborted,
                        message: format!("the sender gave up; {kept} bytes are kept"),
                        file_name: Some(file_name),
                        errno: None,
                    };
                    self.answer(desk, Answer::Error(refusal));
                }
            }
            (Request::Data | Request::End(_) | Request::Abort(_), false) => {
                self.give_up(desk, "no file is being sent that this could belong to");
            }
            (_, true) => self.give_up(desk, "the file before is not at its end or aborted"),
            (Request::Put(put), false) => self.on_put(desk, &put),
            (Request::Plain(plain), false) => self.on_plain(desk, &plain, size),
            (Request::Part(asked), false) => self.on_part(desk, &asked),
            (Request::Directory(directory), false) => self.on_directory(desk, &directory),
            (Request::Get(get), false) => self.on_get(desk, &get),
            (Request::List(list), false) => self.on_list(desk, &list),
        }
        self.after_body(desk);
    }

    fn on_body(&mut self, desk: &Desk, buffer: Buffer) {
        self.body -= buffer.bytes().len() as u64;
        let written = match &mut self.receiving {
            Receiving::File(incoming) => incoming.part.write(buffer.bytes()),
            _ => Ok(()),
        };
        desk.buffers.give(buffer);
        if let Err(error) = written {
            self.fail(desk, &error);
        }
        self.after_body(desk);
    }

    /// The disk does not take what comes: throws away what came, and passes over the rest.
    fn fail(&mut self, desk: &Desk, error: &FileError) {
        if let Receiving::File(incoming) =
            std::mem::replace(&mut self.receiving, Receiving::Nothing)
        {
            let more = incoming.how.more;
            self.receiving = Receiving::Refused { more };
            let name = incoming.part.name().to_string();
            incoming.part.throw_away();
            self.refuse(desk, &name, error);
        }
    }

    /// A file that came in one piece is complete at the end of its body.
    fn after_body(&mut self, desk: &Desk) {
        if self.body > 0 {
            return;
        }
        match &self.receiving {
            Receiving::File(incoming) if !incoming.how.more => {
                let sum = incoming.how.sum;
                self.complete(desk, sum);
            }
            Receiving::Refused { more: false } => self.receiving = Receiving::Nothing,
            _ => {}
        }
    }

    fn on_put(&mut self, desk: &Desk, put: &Put) {
        let announced = put.sum.0.as_ref().map(Digest::algorithm);
        let how = How {
            attributes: Attributes {
                mode: put.mode,
                mtime_ns: put.mtime_ns,
                overwrite: put.overwrite,
            },
            algorithm: announced.or(put.digest).unwrap_or_default(),
            sum: put.sum,
            offset: put.offset,
            more: put.more,
            plain: false,
        };
        let name = put.file_name.parse::<FileName>();
        self.receive(desk, name, &put.file_name, how);
    }

    fn on_plain(&mut self, desk: &Desk, plain: &Plain, size: u64) {
        if plain.file_size != size {
            return self.give_up(desk, "file_size is not the length of the body");
        }
        let announced = plain.sum.0.as_ref().map(Digest::algorithm);
        let how = How {
            attributes: Attributes {
                overwrite: plain.overwrite,
                ..Attributes::default()
            },
            algorithm: announced.unwrap_or_default(),
            sum: plain.sum,
            offset: 0,
            more: false,
            plain: true,
        };
        let name = FileName::last_of(&plain.file_name);
        self.receive(desk, name, &plain.file_name, how);
    }

    /// Begins to receive a file, or refuses it.
    fn receive(&mut self, desk: &Desk, name: Result<FileName, BadName>, asked: &str, how: How) {
        let begun = name
            .map_err(FileError::from)
            .and_then(|name| self.begin(&name, &how));
        self.receiving = match begun {
            Ok(part) => Receiving::File(Box::new(Incoming {
                part,
                how,
                begun: Instant::now(),
            })),
            Err(error) => {
                self.refuse(desk, asked, &error);
                Receiving::Refused { more: how.more }
            }
        };
    }

    fn begin(&mut self, name: &FileName, how: &How) -> Result<Part, FileError> {
        if !self.rights.store {
            return Err(FileError::ReadOnly);
        }
        let mut part = self.asked.take_if(|part| part.name() == name);
        let folder = self.batch.folder_of(&self.root, name)?;
        check_target(&folder, name, how.attributes.overwrite)?;
        if part.is_none() && how.offset > 0 {
            part = Part::find(&folder, name, how.algorithm)?;
        }
        match part {
            Some(mut part) => part.resume(how.offset, how.algorithm).map(|()| part),
            None if how.offset > 0 => Err(FileError::NoPart { offset: how.offset }),
            None => Part::begin(&folder, name, how.algorithm, &how.attributes),
        }
    }

    fn on_end(&mut self, desk: &Desk, end: &End) {
        match &self.receiving {
            Receiving::File(_) => self.complete(desk, end.sum),
            _ => self.receiving = Receiving::Nothing,
        }
    }

    /// All of a file came.
    fn complete(&mut self, desk: &Desk, sum: Sum) {
        let receiving = std::mem::replace(&mut self.receiving, Receiving::Nothing);
        let Receiving::File(incoming) = receiving else {
            return;
        };
        let name = incoming.part.name().to_string();
        match incoming.part.complete(sum.0, &incoming.how.attributes) {
            Ok(complete) => {
                self.batch.push(complete);
                self.begun.push_back(incoming.begun);
            }
            Err(error) => self.refuse(desk, &name, &error),
        }
    }

    /// The rest of a file will not come: keeps what did for a sender that can go on with it.
    fn interrupt(&mut self) -> Option<(String, u64)> {
        let receiving = std::mem::replace(&mut self.receiving, Receiving::Nothing);
        let Receiving::File(incoming) = receiving else {
            return None;
        };
        let Incoming { part, how, begun } = *incoming;
        let name = part.name().to_string();
        let bytes = if how.plain { 0 } else { part.bytes() };
        if how.plain {
            part.throw_away();
        } else {
            part.keep();
        }
        self.notes.tell(
            Kind::FileInterrupted,
            Note {
                file_name: &name,
                bytes: Some(bytes),
                took_ms: Some(took_ms(begun)),
                ..Note::default()
            },
        );
        Some((name, bytes))
    }

    fn on_part(&mut self, desk: &Desk, asked: &PartOf) {
        self.asked = None;
        match self.find(asked) {
            Ok(found) => {
                let found = found.filter(|part| part.bytes() > 0);
                let answer = PartAnswer {
                    file_name: asked.file_name.clone(),
                    bytes: found.as_ref().map_or(0, Part::bytes),
                    sum: Sum(found.as_ref().and_then(Part::digest)),
                };
                self.asked = found;
                self.answer(desk, Answer::Part(answer));
            }
            Err(error) => self.refuse(desk, &asked.file_name, &error),
        }
    }

    fn find(&self, asked: &PartOf) -> Result<Option<Part>, FileError> {
        if !self.rights.store {
            return Err(FileError::ReadOnly);
        }
        let name: FileName = asked.file_name.parse()?;
        let (folder, _) = name.split().ok_or(FileError::NotAFile)?;
        match self.root.open_folder(&folder) {
            Ok(folder) => Part::find(&Arc::new(folder), &name, asked.digest),
            Err(FileError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn on_directory(&mut self, desk: &Desk, directory: &Directory) {
        let attributes = Attributes {
            mode: directory.mode,
            mtime_ns: directory.mtime_ns,
            overwrite: false,
        };
        match self.make(&directory.file_name, attributes) {
            Ok(()) => self.begun.push_back(Instant::now()),
            Err(error) => self.refuse(desk, &directory.file_name, &error),
        }
    }

    fn make(&mut self, name: &str, attributes: Attributes) -> Result<(), FileError> {
        if !self.rights.store {
            return Err(FileError::ReadOnly);
        }
        let name: FileName = name.parse()?;
        self.batch.make_folder(&self.root, &name, attributes)
    }

    fn on_get(&mut self, desk: &Desk, get: &Get) {
        // What was stored before can be asked for.
        self.commit(desk);
        let name = get.file_name.parse().map_err(FileError::from);
        match name.and_then(|name| Sending::begin(&self.root, name, get)) {
            Ok(sending) => self.sending = Some(Sent::File(sending)),
            Err(error) => self.refuse(desk, &get.file_name, &error),
        }
    }

    fn on_list(&mut self, desk: &Desk, list: &List) {
        self.commit(desk);
        let name = FileName::or_root(&list.file_name).map_err(FileError::from);
        match name.and_then(|name| Listing::begin(&self.root, name, list.recursive)) {
            Ok(listing) => self.sending = Some(Sent::List(listing)),
            Err(error) => self.refuse(desk, &list.file_name, &error),
        }
    }

    /// Sends a little more of what was asked for, if somebody is there to take it.
    fn go_on(&mut self, desk: &Desk, sent: Sent) {
        match sent {
            _ if !desk.is_read() => {}
            Sent::File(sending) => self.send(desk, sending),
            Sent::List(listing) => self.list(desk, listing),
        }
    }

    fn send(&mut self, desk: &Desk, mut sending: Sending) {
        match sending.next(&desk.buffers) {
            Ok(Piece::More(reply)) => {
                desk.reply(reply);
                self.sending = Some(Sent::File(sending));
            }
            Ok(Piece::Last(reply)) => {
                desk.reply(reply);
                self.notes.tell(
                    Kind::FileSent,
                    Note {
                        file_name: sending.name.as_str(),
                        bytes: Some(sending.bytes()),
                        offset: Some(sending.offset).filter(|offset| *offset > 0),
                        digest: told_digest(sending.sum()),
                        took_ms: Some(took_ms(sending.begun)),
                        ..Note::default()
                    },
                );
            }
            Ok(Piece::Broken(reply, error)) => {
                desk.reply(reply);
                self.note_refusal(&error.refusal(sending.name.as_str()));
            }
            Err(error) => self.refuse(desk, sending.name.as_str(), &error),
        }
    }

    fn list(&mut self, desk: &Desk, mut listing: Listing) {
        let reply = |answer| Reply { answer, body: None };
        for _ in 0..A_FEW {
            match listing.next() {
                Ok(entry) => desk.reply(reply(Answer::Entry(entry))),
                Err(end) => return desk.reply(reply(Answer::ListEnd(end))),
            }
        }
        self.sending = Some(Sent::List(listing));
    }

    /// Makes what is complete durable, and says so.
    fn commit(&mut self, desk: &Desk) {
        if self.batch.is_empty() {
            return;
        }
        let Self {
            batch,
            begun,
            notes,
            ..
        } = self;
        batch.commit(|committed: Committed| {
            let took_ms = begun.pop_front().map(took_ms);
            let answer = match committed {
                Ok(stored) => {
                    notes.tell(
                        Kind::FileStored,
                        Note {
                            file_name: &stored.file_name,
                            bytes: Some(stored.bytes),
                            digest: told_digest(stored.sum),
                            took_ms,
                            ..Note::default()
                        },
                    );
                    Answer::Stored(stored)
                }
                Err((name, error)) => {
                    let refusal = error.refusal(name.as_str());
                    note_refusal(notes, &refusal);
                    Answer::Error(refusal)
                }
            };
            desk.reply(Reply { answer, body: None });
        });
    }

    /// Gives an answer, after all those that are older.
    fn answer(&mut self, desk: &Desk, answer: Answer) {
        self.commit(desk);
        desk.reply(Reply { answer, body: None });
    }

    fn refuse(&mut self, desk: &Desk, name: &str, error: &FileError) {
        let refusal = error.refusal(name);
        self.note_refusal(&refusal);
        self.answer(desk, Answer::Error(refusal));
    }

    fn note_refusal(&self, refusal: &Refusal) {
        note_refusal(&self.notes, refusal);
    }

    /// What the peer does is no conversation: this is the end of it.
    fn give_up(&mut self, desk: &Desk, why: &str) {
        self.on_last(desk, Some(bad_request(why)));
    }

    fn on_last(&mut self, desk: &Desk, refusal: Option<Refusal>) {
        self.interrupt();
        self.asked = None;
        self.commit(desk);
        if let Some(refusal) = refusal {
            self.answer(desk, Answer::Error(refusal));
        }
        self.over = true;
        desk.complete();
    }
}

/// What is no request.
pub(super) fn bad_request(why: impl Into<String>) -> Refusal {
    Refusal {
        code: Code::BadRequest,
        message: why.into(),
        ..Refusal::default()
    }
}

fn note_refusal(notes: &Notes, refusal: &Refusal) {
    notes.tell(
        Kind::FileRefused,
        Note {
            file_name: refusal.file_name.as_deref().unwrap_or_default(),
            code: Some(refusal.code),
            error: Some(&refusal.message),
            ..Note::default()
        },
    );
}

fn told_digest(sum: Sum) -> Option<String> {
    sum.0
        .map(|digest| format!("{}:{digest}", digest.algorithm()))
}

fn took_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
