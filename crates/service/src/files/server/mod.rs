//! The server's half: stores, sends and lists files below a folder (docs/wire.md).
//!
//! A connection has three actors. The inlet reads frames and leaves jobs on the desk; the clerk does
//! them one after the other on a thread that may block, and leaves answers there; the outlet writes
//! those. What lies on the desk is bounded, so that a file of any size needs the same memory and a
//! peer that is faster than the disk, or slower than we are, waits or is waited for.

mod buffer;
mod clerk;
mod desk;
mod inlet;
mod listing;
mod note;
mod outlet;
mod sending;
#[cfg(test)]
mod tests;

use std::io;

use sockeye_net::{Errno, Link};

use clerk::{Clerk, Rights};
use desk::{Desk, Job};
use inlet::{Ended, Limits};
use note::Notes;

use super::message::{Answer, Code, Refusal};
use super::root::Root;
use crate::server::{LINGER_BYTES, LINGER_TIMEOUT};
use crate::{
    Access, BoxFuture, Conversation, Denied, Grant, LinkReader, LinkWriter, Outcome, Session,
    WireError, WireWriter, as_stream,
};

/// Serves the files below a folder.
#[derive(Clone, Debug)]
pub struct Files {
    root: Root,
    access: Access,
    read_only: bool,
}

impl Files {
    /// Serves what lies below this folder to whoever may store and read.
    pub fn new(root: Root, access: Access) -> Self {
        Self {
            root,
            access,
            read_only: false,
        }
    }

    /// Lets nobody store.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }
}

impl Conversation for Files {
    fn hold(&self, link: Link, session: Session) -> BoxFuture<Outcome> {
        Box::pin(hold(self.clone(), link, session))
    }
}

async fn hold(files: Files, link: Link, session: Session) -> Outcome {
    let (mut read, mut write) = match as_stream(link) {
        Ok(halves) => halves,
        Err(error) => return Outcome::new(error.to_string()),
    };
    let over = session.over();
    let held = async {
        match session.admit(&files.access) {
            Ok(grant) => converse(&mut read, &mut write, files, &session, grant).await,
            Err(denied) => turn_away(&mut read, &mut write, &denied).await,
        }
    };
    let told = tokio::select! {
        told = held => told,
        () = over => Told { reason: "the server ended before all was sent".into(), ..Told::default() },
    };
    Outcome {
        read_bytes: read.read_bytes(),
        written_bytes: write.written_bytes(),
        read_messages: told.requests,
        written_messages: told.answers,
        reason: told.reason.into(),
    }
}

/// What a conversation came to.
#[derive(Debug, Default)]
struct Told {
    requests: u64,
    answers: u64,
    reason: String,
}

/// Tells a peer that it may not.
async fn turn_away(read: &mut LinkReader, write: &mut LinkWriter, denied: &Denied) -> Told {
    let refusal = Answer::Error(Refusal {
        code: Code::Denied,
        message: denied.to_string(),
        ..Refusal::default()
    });
    let mut writer = WireWriter::new(write);
    let told = async {
        writer.send(&refusal, &[]).await?;
        writer.shutdown().await
    };
    // It may be gone, or never read: then there is nobody to tell.
    let answers = match tokio::time::timeout(LINGER_TIMEOUT, told).await {
        Ok(Ok(())) => 1,
        _ => 0,
    };
    inlet::linger(read, LINGER_TIMEOUT, LINGER_BYTES).await;
    Told {
        answers,
        reason: format!("denied: {denied}"),
        requests: 0,
    }
}

async fn converse(
    read: &mut LinkReader,
    write: &mut LinkWriter,
    files: Files,
    session: &Session,
    grant: Grant,
) -> Told {
    let rights = Rights {
        store: !files.read_only && !grant.reads_only,
    };
    let notes = Notes {
        recorder: session.recorder.clone(),
        conn: session.conn,
        who: grant.who.clone(),
    };
    let limits = Limits {
        frame: session.options.frame_timeout,
        idle: session.options.idle_timeout,
    };
    let desk = Desk::new(Clerk::new(files.root, rights, notes));
    let (mut requests, mut answers) = (0, 0);
    let reading = async {
        let draining = session.draining();
        let ended = inlet::read(read, &desk, limits, draining, grant, &mut requests).await;
        desk.ask(Job::Last(ended.refusal()));
        ended
    };
    let writing = async {
        let written = outlet::write(write, &desk, limits.frame, &mut answers).await;
        if written.is_err() {
            desk.nobody_reads();
            desk.completed().await;
        }
        written
    };
    let (ended, written) = tokio::join!(reading, writing);
    if !matches!(ended, Ended::Peer) && written.is_ok() {
        inlet::linger(read, LINGER_TIMEOUT, LINGER_BYTES).await;
    }
    Told {
        requests,
        answers,
        reason: reason(&ended, written.err().as_ref()),
    }
}

/// Why a connection broke, in the words of every service.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "reset by the peer".to_owned(),
        io::ErrorKind::BrokenPipe => "the peer closed while it was being answered".to_owned(),
        _ if error.raw_os_error().is_some() => Errno::of(error).to_string(),
        _ => error.to_string(),
    }
}

fn reason(ended: &Ended, written: Option<&io::Error>) -> String {
    match (ended, written) {
        (Ended::Peer | Ended::Wire(WireError::Io(_)), Some(error))
        | (Ended::Wire(WireError::Io(error)), None) => in_words(error),
        _ => ended.to_string(),
    }
}
