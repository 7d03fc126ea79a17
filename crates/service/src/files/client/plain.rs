//! An upload as the tutorials make it: a length, `{"file_name","file_size","md5"}`, the content; to
//! our server or to whoever wrote the other half of the tutorial.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use sockeye_net::{Errno, Link};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::{Failure, TransferError};
use super::progress::Progress;
use super::put::{spawn, while_moving};
use super::source::Facts;
use crate::files::message::{Answer, Code, MAX_BODY};
use crate::files::{Algorithm, FileName, Hasher};
use crate::link_stream::{LinkReader, LinkWriter, as_stream};
use crate::wire::{HEADER_LIMIT, write_header};

/// How long an answer is waited for. The receivers of the tutorials mostly send none.
pub const PLAIN_ANSWER: Duration = Duration::from_secs(2);

/// Bytes of an answer that is none of ours which are shown.
const SHOWN: usize = 4096;

/// Buffers between the disk and the socket.
const BUFFERS: usize = 4;

/// How one file is put.
#[derive(Clone, Debug)]
pub struct PlainOptions {
    /// What it is called there; any name, as receivers take the last part or all of it.
    pub name: FileName,
    /// By what it is checked: `md5` is what receivers know.
    pub digest: Algorithm,
    /// How long an answer is waited for.
    pub wait: Duration,
    /// How long nothing may move.
    pub patience: Duration,
}

/// What the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmed {
    /// It is stored under this name.
    Stored(String),
    /// Something that is no answer of ours: its first bytes.
    Answered(Vec<u8>),
    /// Nothing: it was sent, and that is all that is known.
    No,
}

#[derive(Serialize)]
struct Header<'a> {
    file_name: &'a str,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
}

/// Why a plain upload failed: the transfer as a whole, or the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlainError {
    /// The connection.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The file, or the receiver's word about it.
    #[error(transparent)]
    File(#[from] Failure),
}

/// Sends one file in the plain form and waits a little for an answer.
///
/// Reads the file twice: the digest goes ahead of the content.
///
/// # Errors
/// When the file cannot be read, changes meanwhile, or the connection fails; or the receiver says so.
pub async fn put_plain(
    link: Link,
    path: PathBuf,
    options: PlainOptions,
    progress: Arc<Progress>,
) -> Result<Confirmed, PlainError> {
    let (reader, writer) = as_stream(link).map_err(TransferError::Link)?;
    let (to_socket, pieces) = mpsc::channel(BUFFERS);
    let reads = Arc::new(AtomicBool::new(true));
    let (beat, hashing) = (progress.clone(), reads.clone());
    let name = options.name.clone();
    let algorithm = options.digest;
    spawn("read", move || {
        let sent = read(&path, &name, algorithm, &to_socket, &beat, &hashing);
        if let Err(failure) = sent {
            let _ = to_socket.blocking_send(Err(failure));
        }
    })?;
    let excused = || reads.load(Ordering::Relaxed);
    let work = async { Ok(exchange(reader, writer, pieces, &options, &progress).await) };
    while_moving(work, &progress, options.patience, excused).await?
}

/// The thread that reads: first for the digest, then to send.
fn read(
    path: &Path,
    name: &FileName,
    algorithm: Algorithm,
    to_socket: &mpsc::Sender<Result<Vec<u8>, Failure>>,
    progress: &Progress,
    hashing: &AtomicBool,
) -> Result<(), Failure> {
    let failed = |why: io::Error| Failure::Read(Errno::of(&why));
    let file = File::open(path).map_err(failed)?;
    let then = Facts::of(&file.metadata().map_err(failed)?);
    progress.expect(then.bytes);
    progress.settle();
    progress.begin(name.as_str());
    let mut hasher = Hasher::new(algorithm);
    hasher.update_from(&file, then.bytes).map_err(failed)?;
    let hex = |of| {
        (algorithm == of)
            .then(|| hasher.digest().map(|sum| sum.to_string()))
            .flatten()
    };
    let header = Header {
        file_name: name.as_str(),
        file_size: then.bytes,
        md5: hex(Algorithm::Md5),
        sha256: hex(Algorithm::Sha256),
        blake3: hex(Algorithm::Blake3),
    };
    let mut head = vec![];
    write_header(&mut head, &header, 0);
    hashing.store(false, Ordering::Relaxed);
    let mut at = 0;
    let mut next = head;
    loop {
        if to_socket.blocking_send(Ok(next)).is_err() {
            return Ok(());
        }
        if at == then.bytes {
            break;
        }
        let most = usize::try_from(then.bytes - at).map_or(MAX_BODY, |left| left.min(MAX_BODY));
        next = vec![0; most];
        let got = std::os::unix::fs::FileExt::read_at(&file, &mut next, at).map_err(failed)?;
        if got == 0 {
            return Err(Failure::Changed);
        }
        next.truncate(got);
        at += got as u64;
    }
    let now = Facts::of(&file.metadata().map_err(failed)?);
    if now.mtime_ns != then.mtime_ns && now.bytes <= then.bytes {
        return Err(Failure::Changed);
    }
    Ok(())
}

async fn exchange(
    mut reader: LinkReader,
    mut writer: LinkWriter,
    mut pieces: mpsc::Receiver<Result<Vec<u8>, Failure>>,
    options: &PlainOptions,
    progress: &Progress,
) -> Result<Confirmed, PlainError> {
    let mut is_header = true;
    while let Some(piece) = pieces.recv().await {
        let piece = piece?;
        if let Err(why) = writer.write_all(&piece).await {
            // It may have said why before it went.
            return match answer(&mut reader, options).await {
                Ok(Confirmed::No) | Err(PlainError::Transfer(_)) => {
                    Err(TransferError::Link(why).into())
                }
                said => said,
            };
        }
        progress.wrote(piece.len());
        if !std::mem::take(&mut is_header) {
            progress.carry(piece.len() as u64);
        }
    }
    // The digest that went ahead tells whoever reads to the end that this was all; others count.
    writer.flush().await.map_err(TransferError::Link)?;
    let closed = writer.shutdown().await;
    let said = answer(&mut reader, options).await?;
    if let (Confirmed::No, Err(why)) = (&said, closed) {
        return Err(TransferError::Link(why).into());
    }
    progress.complete();
    Ok(said)
}

/// What the receiver says in the time that it has for that.
async fn answer(reader: &mut LinkReader, options: &PlainOptions) -> Result<Confirmed, PlainError> {
    let mut got = vec![];
    let ended = timeout(options.wait, read_answer(reader, &mut got)).await;
    if let Some(answer) = whole(&got) {
        return match answer {
            Answer::Stored(stored) => Ok(Confirmed::Stored(stored.file_name)),
            Answer::Error(refusal) if refusal.code == Code::Denied => {
                Err(super::put::refused(&refusal).into())
            }
            Answer::Error(refusal) => Err(Failure::Refused {
                code: refusal.code,
                message: refusal.message,
            }
            .into()),
            other => Err(TransferError::Unasked(format!("{other:?}")).into()),
        };
    }
    match ended {
        _ if !got.is_empty() => {
            got.truncate(SHOWN);
            Ok(Confirmed::Answered(got))
        }
        // It closed with our bytes unread: whether it had read them all is not known, but likely not.
        Ok(Err(why)) => Err(TransferError::Link(why).into()),
        Ok(Ok(())) | Err(_) => Ok(Confirmed::No),
    }
}

async fn read_answer(reader: &mut (impl AsyncRead + Unpin), got: &mut Vec<u8>) -> io::Result<()> {
    let mut buf = [0; 4096];
    while got.len() < HEADER_LIMIT && whole(got).is_none() {
        match reader.read(&mut buf).await? {
            0 => break,
            more => got.extend_from_slice(&buf[..more]),
        }
    }
    Ok(())
}

/// The answer in these bytes, if they begin with one.
fn whole(got: &[u8]) -> Option<Answer> {
    let (length, rest) = got.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    serde_json::from_slice(rest.get(..length)?).ok()
}
