//! Print: what peers send goes to one place outside.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use sockeye_net::Errno;
use sockeye_trace::Time;
use tokio::sync::watch;

use crate::mailbox::{MAILBOX_BYTES, Mailbox};
use crate::{Arrival, Out, Peer, Responder, Responders};

/// From so many bytes on that wait to be written, peers are not read from: the kernel's buffers
/// fill, and then the peers wait.
const HIGH: usize = 256 * 1024;

/// Writes what peers send to one place, such as our standard output.
///
/// Without a framing the bytes are written as they come; behind each frame and each datagram stands
/// the end of a line, unless the message brings one. While the place takes nothing, nothing is read
/// from the peers; of datagrams, which cannot wait, some are lost then and counted.
#[derive(Clone, Debug)]
pub struct Print {
    user: Arc<User>,
}

/// Whoever prints. When the last one has gone, the thread ends.
#[derive(Debug)]
struct User {
    sink: Arc<Sink>,
}

impl Drop for User {
    fn drop(&mut self) {
        self.sink.lock().done = true;
        self.sink.changed.notify_all();
    }
}

/// What waits to be written.
#[derive(Debug)]
struct Sink {
    state: Mutex<State>,
    changed: Condvar,
    /// Why the place takes nothing any more.
    closed: watch::Sender<Option<Errno>>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// The thread is writing what it took.
    writing: bool,
    /// The place takes nothing any more.
    closed: bool,
    /// Nobody prints any more.
    done: bool,
    /// Peers that are not read from until there is room.
    held: Vec<Arc<Mailbox>>,
}

impl Print {
    /// Writes to `place`, by a thread of its own: a terminal or a pipe that takes nothing must not
    /// stop anybody who could go on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn to(place: impl Write + Send + 'static) -> std::io::Result<Self> {
        let sink = Arc::new(Sink {
            state: Mutex::default(),
            changed: Condvar::new(),
            closed: watch::Sender::new(None),
        });
        let writes = Arc::clone(&sink);
        thread::Builder::new()
            .name("print".to_owned())
            .spawn(move || writes.run(place))?;
        Ok(Self {
            user: Arc::new(User { sink }),
        })
    }

    /// Waits until the place takes nothing any more and says why: `EPIPE` when the reader of our
    /// output has gone.
    pub async fn closed(&self) -> Errno {
        let mut closed = self.user.sink.closed.subscribe();
        let why = closed.wait_for(Option::is_some).await.map(|why| *why);
        why.ok()
            .flatten()
            .expect("the sender lives as long as we do, and a reason was waited for")
    }

    /// Why the place takes nothing any more, if it does not.
    pub fn failure(&self) -> Option<Errno> {
        *self.user.sink.closed.borrow()
    }

    /// Waits until all that was printed so far has been written, or the place takes nothing.
    pub fn flush(&self) {
        let sink = &self.user.sink;
        let mut state = sink.lock();
        while (state.writing || !state.bytes.is_empty()) && !state.closed {
            state = sink
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Sink {
    fn run(&self, mut place: impl Write) {
        let mut bytes = vec![];
        loop {
            let mut state = self.lock();
            state.writing = false;
            self.changed.notify_all();
            while state.bytes.is_empty() && !state.done {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.bytes.is_empty() {
                return;
            }
            std::mem::swap(&mut bytes, &mut state.bytes);
            state.writing = true;
            let held = std::mem::take(&mut state.held);
            drop(state);
            for peer in held {
                peer.release();
            }
            if let Err(error) = place.write_all(&bytes).and_then(|()| place.flush()) {
                return self.close(Errno::of(&error));
            }
            bytes.clear();
        }
    }

    fn close(&self, why: Errno) {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = vec![];
        let held = std::mem::take(&mut state.held);
        drop(state);
        self.changed.notify_all();
        self.closed.send_replace(Some(why));
        for peer in held {
            peer.release();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Responders for Print {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let mailbox = Mailbox::new(peer.framing.cloned());
        Box::new(Printer {
            user: Arc::clone(&self.user),
            mailbox,
            arrival: peer.arrival,
        })
    }
}

struct Printer {
    user: Arc<User>,
    mailbox: Arc<Mailbox>,
    arrival: Arrival,
}

impl Printer {
    fn print(&self, bytes: &[u8], ends_line: bool, out: &mut Out<'_>) {
        let sink = &self.user.sink;
        let mut state = sink.lock();
        if state.closed {
            return out.refuse("nobody reads what is printed");
        }
        if self.arrival == Arrival::Datagrams && state.bytes.len() + bytes.len() > MAILBOX_BYTES {
            return self.mailbox.count_lost();
        }
        state.bytes.extend_from_slice(bytes);
        if ends_line && !bytes.ends_with(b"\n") {
            state.bytes.push(b'\n');
        }
        if state.bytes.len() >= HIGH
            && self.arrival != Arrival::Datagrams
            && !self.mailbox.is_held()
        {
            self.mailbox.hold();
            state.held.push(Arc::clone(&self.mailbox));
        }
        sink.changed.notify_all();
    }
}

impl Responder for Printer {
    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        self.print(message, self.arrival != Arrival::Chunks, out);
    }

    fn on_head(&mut self, _now: Time, header: &[u8], _body: u64, out: &mut Out<'_>) {
        self.print(header, false, out);
    }

    fn on_body(&mut self, _now: Time, chunk: &[u8], left: u64, out: &mut Out<'_>) {
        self.print(chunk, left == 0, out);
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(Arc::clone(&self.mailbox))
    }

    fn on_half_close(&mut self, _now: Time, out: &mut Out<'_>) {
        self.mailbox.finish();
        out.close();
    }

    fn needs_time(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::reply::Stage;

    /// A place whose every write waits for the test.
    struct Gate {
        wrote: mpsc::Sender<Vec<u8>>,
        go_on: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.wrote
                .send(bytes.to_vec())
                .map_err(std::io::Error::other)?;
            self.go_on.recv().map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Print, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let ((wrote, written), (go, go_on)) = (mpsc::channel(), mpsc::channel());
        (Print::to(Gate { wrote, go_on }).unwrap(), written, go)
    }

    fn printer(print: &Print, arrival: Arrival) -> Box<dyn Responder> {
        print.open(&Peer {
            name: &"test",
            arrival,
            framing: None,
        })
    }

    fn say(printer: &mut dyn Responder, message: &[u8]) -> Stage {
        let mut stage = Stage::raw();
        printer.on_message(Time::default(), message, &mut stage.out(message));
        stage
    }

    #[test]
    fn chunks_are_printed_as_they_are_and_messages_a_line_each() {
        let (print, written, go) = gate();
        let check = |arrival, message: &[u8], want: &[u8]| {
            say(&mut *printer(&print, arrival), message);
            assert_eq!(written.recv().unwrap(), want);
            go.send(()).unwrap();
            print.flush();
        };
        check(Arrival::Chunks, b"half a li", b"half a li");
        check(Arrival::Frames, b"whole", b"whole\n");
        check(Arrival::Datagrams, b"with end\n", b"with end\n");
        check(Arrival::Datagrams, b"", b"\n");
    }

    #[test]
    fn peers_wait_while_nothing_is_taken_and_datagrams_are_lost() {
        let (print, written, go) = gate();
        let mut stream = printer(&print, Arrival::Chunks);
        let mut datagrams = printer(&print, Arrival::Datagrams);
        say(&mut *stream, b"first");
        assert_eq!(written.recv().unwrap(), b"first");
        let mailbox = stream.mailbox().unwrap();
        say(&mut *stream, &vec![b'x'; HIGH]);
        assert!(mailbox.is_held());
        while !datagrams.mailbox().unwrap().has_mail() {
            say(&mut *datagrams, &vec![b'y'; 60_000]);
        }
        go.send(()).unwrap();
        let second = written.recv().unwrap();
        assert!(second.len() <= MAILBOX_BYTES + 1 && second.starts_with(b"xxx"));
        assert!(!mailbox.is_held(), "there is room again");
        go.send(()).unwrap();
        print.flush();
    }

    #[tokio::test]
    async fn a_place_that_is_gone_refuses_everybody() {
        let (print, written, go) = gate();
        let mut stream = printer(&print, Arrival::Chunks);
        say(&mut *stream, b"first");
        drop((written, go));
        print.closed().await;
        assert!(say(&mut *stream, b"second").is_closed());
        print.flush();
    }
}
