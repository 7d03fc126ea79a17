//! The program that runs on a host of the lab: it is told [`Action`]s on its standard input and does
//! each with the system calls that a textbook's program would make, no more and no fewer.
//!
//! - **Input**: lines of JSON. The first is a [`Places`], then an [`Order`] a line.
//! - **Output**: lines of JSON, [`Answer`]s. Pipes, so that nothing of this shows in the lanes.
//! - **End**: with its input, at once, or with [`Action::Exit`]; either way the kernel closes its sockets.
//!
//! A call that fails is a value ([`Done::errno`]) and no failure of the actor; only what is no call at
//! all (a socket that nobody made, a flag that nobody knows) is refused, in words.

mod blocked;
mod end;
mod flags;
mod held;
mod message;
mod option;
mod recv;
mod send;
mod table;

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::script::{Action, Host};
use super::{Done, Wait};
use table::Table;

/// As many calls may a step make; a script that wants more is mistaken.
const CALLS: usize = 20_000;

/// The longest line that an order may be.
const LINE: usize = 1 << 20;

/// Who is who: the actor's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The client's address.
    pub client: Ipv4Addr,
    /// The server's address.
    pub server: Ipv4Addr,
    /// Which of the two this actor is on.
    pub own: Host,
}

impl Places {
    /// The address of a host.
    pub fn of(&self, host: Host) -> Ipv4Addr {
        match host {
            Host::Client => self.client,
            Host::Server => self.server,
        }
    }
}

/// What the actor is told to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its answers carry the same number.
    pub id: u64,
    /// In a thread of its own: [`Outcome::Begun`] comes once its call waits, or it has ended.
    #[serde(default)]
    pub background: bool,
    /// What.
    pub action: Action,
}

/// What the actor says of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The order's number.
    pub id: u64,
    /// What of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How far an order has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Of the background: its call waits for something now.
    Begun,
    /// All its calls have been made.
    Done(Vec<Done>),
    /// It is nothing that can be done: why.
    Cannot(String),
}

/// The main function of an actor: speaks over the standard streams until its input ends.
pub fn actor() -> ExitCode {
    match converse(io::stdin(), io::stdout(), || std::process::exit(0)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockeye: actor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where answers go: whole lines, from any thread.
type Voice<W> = Arc<Mutex<W>>;

/// Takes orders from `input` until it ends, or until one says that the program does; then calls `exit`,
/// which need not return, however long an order may still take.
pub(super) fn converse(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    exit: impl Fn() + Send + Clone + 'static,
) -> io::Result<()> {
    let mut lines = BufReader::new(input);
    let places: Places = match line(&mut lines)? {
        Some(first) => read(&first)?,
        None => return Ok(()),
    };
    let voice: Voice<_> = Arc::new(Mutex::new(output));
    let table = Arc::new(Table::new(places));
    let (orders, queue) = mpsc::channel::<io::Result<Order>>();
    let at_end = exit.clone();
    thread::spawn(move || {
        while let Some(order) = line(&mut lines).transpose() {
            let order = order.and_then(|text| read(&text));
            let is_last = order.is_err();
            if orders.send(order).is_err() || is_last {
                return;
            }
        }
        at_end();
    });
    for order in queue {
        let order = order?;
        if order.action == (Action::Exit {}) {
            exit();
            return Ok(());
        }
        obey(order, &table, &voice)?;
    }
    Ok(())
}

fn line(input: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = vec![];
    let limit = LINE as u64;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == LINE {
        return Err(io::Error::other(format!(
            "an order of more than {LINE} bytes"
        )));
    }
    Ok(Some(line))
}

fn read<T: for<'a> Deserialize<'a>>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(io::Error::from)
}

fn obey<W: Write + Send + 'static>(
    order: Order,
    table: &Arc<Table>,
    voice: &Voice<W>,
) -> io::Result<()> {
    let Order {
        id,
        background,
        action,
    } = order;
    if !background {
        return say(voice, id, perform(table, &action));
    }
    let (table, ours) = (Arc::clone(table), Arc::clone(voice));
    blocked::start(move || {
        // Whoever gave the order has gone where this fails, and the other thread learns of it too.
        let _ = say(&ours, id, perform(&table, &action));
    });
    say(voice, id, Outcome::Begun)
}

fn say(voice: &Mutex<impl Write>, id: u64, outcome: Outcome) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Answer { id, outcome })?;
    line.push(b'\n');
    let mut voice = lock(voice);
    voice.write_all(&line)?;
    voice.flush()
}

/// What a thread left behind that panicked is whole: nothing here is changed in steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn perform(table: &Table, action: &Action) -> Outcome {
    match act(table, action) {
        Ok(done) => Outcome::Done(done),
        Err(Cannot(why)) => Outcome::Cannot(why),
    }
}

/// Why something cannot be done at all, in one line.
#[derive(Debug, PartialEq, Eq)]
struct Cannot(String);

impl<T: Into<String>> From<T> for Cannot {
    fn from(why: T) -> Self {
        Self(why.into())
    }
}

/// What the calls of one step came to; none where it is for others to do.
type Deeds = Result<Vec<Done>, Cannot>;

fn act(table: &Table, action: &Action) -> Deeds {
    match action {
        Action::Socket {
            socket,
            kind,
            port,
            options,
        } => table.socket(socket, *kind, *port, options),
        Action::Listen {
            socket,
            port,
            backlog,
            options,
        } => table.listen(socket, *port, *backlog, options),
        Action::Connect {
            socket,
            kind,
            port,
            to,
            options,
            times,
            timeout_ms,
        } => {
            let goal = table::Goal {
                kind: *kind,
                to: table.address(to, *port)?,
                options,
                timeout: timeout_ms.map(Duration::from_millis),
            };
            table.connect(socket, &goal, *times)
        }
        Action::Accept {
            listener,
            socket,
            times,
        } => table.accept(listener, socket, *times),
        Action::Send { socket, .. }
        | Action::Sendall { socket, .. }
        | Action::SendMessages { socket, .. } => send::send(&*table.held(socket)?, action),
        Action::Sendto { socket, .. } => send::sendto(table, socket, action),
        Action::Recv { socket, .. }
        | Action::Recvfrom { socket, .. }
        | Action::Readline { socket, .. }
        | Action::RecvMessages { socket, .. } => recv::recv(&*table.held(socket)?, action),
        Action::Set { socket, options } => option::set_all(&*table.held(socket)?, options),
        Action::Get { socket, option } => option::get(&*table.held(socket)?, option),
        Action::Blocking { socket, on } => Ok(vec![table.held(socket)?.set_blocking(*on)]),
        Action::Timeout { socket, ms } => {
            let limit = Duration::from_millis(*ms);
            Ok(vec![table.held(socket)?.set_timeout(limit)])
        }
        Action::Shutdown { socket, how } => end::shutdown(&*table.held(socket)?, how),
        Action::Close { socket } => Ok(vec![end::close(&*table.held(socket)?)]),
        Action::Pause(ms) => {
            thread::sleep(Duration::from_millis(*ms));
            Ok(vec![])
        }
        Action::Exit {} => Err("a program that ends does not end in the background".into()),
        Action::Look {} | Action::Wait(Wait { .. }) | Action::Sysctl { .. } => {
            Err("is asked of the host, not of its program".into())
        }
    }
}

#[cfg(test)]
mod tests;
