//! What the command prints, on our standard output and standard error.
//!
//! One thread writes both, so that they keep their order on a terminal, and so that a reader of
//! ours that is slow holds up the command and not us: signals are still heard.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use encoding_rs::{Decoder, Encoding};
use indicatif::ProgressBar;
use rustix::event::{PollFd, PollFlags, poll};
use sockeye_net::Errno;
use sockeye_service::exec::Output;
use tokio::sync::{mpsc, oneshot};

use crate::exit::unwritten;
use crate::ui::Flow;

/// What one buffer holds: a body as the wire carries it.
pub(super) const CHUNK: usize = 256 * 1024;
/// Buffers on their way: one is filled while another is written.
const BUFFERS: usize = 2;

/// How bytes become what is written.
#[derive(Debug)]
pub(super) enum Style {
    /// As they came.
    Exact,
    /// A terminal of the command's own: every character that steers it, in our encoding.
    Decoded(Box<Decoder>),
    /// As text for a terminal that the command must not steer.
    Text(Box<Flow>),
}

impl Style {
    /// Text of another encoding for a terminal that obeys the command.
    pub(super) fn decoded(encoding: &'static Encoding) -> Self {
        Self::Decoded(Box::new(encoding.new_decoder_without_bom_handling()))
    }

    /// Text that cannot steer our terminal, unless `ansi`.
    pub(super) fn text(encoding: &'static Encoding, ansi: bool) -> Self {
        Self::Text(Box::new(Flow::new(encoding, ansi)))
    }
}

/// Bytes of one of the two streams.
struct Piece {
    stream: Output,
    bytes: Vec<u8>,
    len: usize,
}

/// Hands pieces to the thread that writes them.
#[derive(Debug)]
pub(super) struct Outputs {
    to: mpsc::Sender<Piece>,
    free: mpsc::Receiver<Vec<u8>>,
    /// Comes when everything is written: how many bytes did not decode.
    done: oneshot::Receiver<usize>,
    failed: Arc<Mutex<Option<(Output, Errno)>>>,
}

impl Outputs {
    /// Starts the thread.
    pub(super) fn start(stdout: Style, stderr: Style, progress: ProgressBar) -> io::Result<Self> {
        let (to, pieces) = mpsc::channel(BUFFERS);
        let (give_back, free) = mpsc::channel(BUFFERS);
        let (tell, done) = oneshot::channel();
        let failed = Arc::new(Mutex::new(None));
        for _ in 0..BUFFERS {
            let given = give_back.try_send(vec![0; CHUNK]);
            given.expect("there is room for every buffer");
        }
        let mut writer = Writer {
            stdout,
            stderr,
            progress,
            failed: Arc::clone(&failed),
        };
        thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                if let Some(undecodable) = writer.run(pieces, &give_back) {
                    let _ = tell.send(undecodable);
                }
            })?;
        Ok(Self {
            to,
            free,
            done,
            failed,
        })
    }

    /// A buffer to fill, once there is one. Giving up the wait loses nothing.
    pub(super) async fn buffer(&mut self) -> anyhow::Result<Vec<u8>> {
        let buffer = self.free.recv().await;
        buffer.ok_or_else(|| self.failure())
    }

    /// Gives the first `len` bytes of a buffer to be written, or the buffer back.
    pub(super) fn put(&self, stream: Output, bytes: Vec<u8>, len: usize) -> anyhow::Result<()> {
        let piece = Piece { stream, bytes, len };
        // As many pieces fit as there are buffers.
        self.to.try_send(piece).map_err(|_| self.failure())
    }

    /// Waits until everything is written; says how many bytes did not decode.
    pub(super) async fn finish(self) -> anyhow::Result<usize> {
        let Self {
            to, done, failed, ..
        } = self;
        drop(to);
        done.await.map_err(|_| failure(&failed))
    }

    fn failure(&self) -> anyhow::Error {
        failure(&self.failed)
    }
}

fn failure(failed: &Mutex<Option<(Output, Errno)>>) -> anyhow::Error {
    let failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
    match *failed {
        Some((Output::Stdout, why)) => unwritten("to standard output", why),
        Some((Output::Stderr, why)) => unwritten("to standard error", why),
        None => unwritten("what the command printed", Errno::new(libc::EIO)),
    }
}

/// The thread's side.
struct Writer {
    stdout: Style,
    stderr: Style,
    /// A line below what is printed; hidden where there is none.
    progress: ProgressBar,
    failed: Arc<Mutex<Option<(Output, Errno)>>>,
}

impl Writer {
    /// Writes all pieces; how many bytes did not decode, unless writing failed.
    fn run(
        &mut self,
        mut pieces: mpsc::Receiver<Piece>,
        give_back: &mpsc::Sender<Vec<u8>>,
    ) -> Option<usize> {
        while let Some(Piece { stream, bytes, len }) = pieces.blocking_recv() {
            self.write(stream, &bytes[..len], false)?;
            // Nobody wants it back at the end.
            let _ = give_back.try_send(bytes);
        }
        self.write(Output::Stdout, &[], true)?;
        self.write(Output::Stderr, &[], true)?;
        let undecodable = |style: &Style| match style {
            Style::Text(flow) => flow.undecodable,
            Style::Exact | Style::Decoded(_) => 0,
        };
        Some(undecodable(&self.stdout) + undecodable(&self.stderr))
    }

    fn write(&mut self, stream: Output, bytes: &[u8], last: bool) -> Option<()> {
        let progress = self.progress.clone();
        progress.suspend(|| self.write_now(stream, bytes, last))
    }

    fn write_now(&mut self, stream: Output, bytes: &[u8], last: bool) -> Option<()> {
        let (style, fd) = match stream {
            Output::Stdout => (&mut self.stdout, rustix::stdio::stdout()),
            Output::Stderr => (&mut self.stderr, rustix::stdio::stderr()),
        };
        let written = match style {
            Style::Exact => write_all(fd, bytes),
            Style::Decoded(decoder) => write_all(fd, decode(decoder, bytes, last).as_bytes()),
            Style::Text(flow) => {
                let mut text = flow.text(bytes);
                if last {
                    text += &flow.finish();
                }
                write_all(fd, text.as_bytes())
            }
        };
        let error = match written {
            Ok(()) => return Some(()),
            Err(error) => error.into(),
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((stream, error));
        None
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool) -> String {
    let room = decoder.max_utf8_buffer_length(bytes.len());
    let mut text = String::with_capacity(room.unwrap_or(bytes.len() * 3 + 16));
    let _ = decoder.decode_to_string(bytes, &mut text, last);
    text
}

/// Writes everything, however long that takes. What is open there is shared with other programs,
/// and one of them may have made it non-blocking.
fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut writable = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                match poll(&mut writable, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
