//! One run against one server: sockets, threads, the clock, and a look at the server on both ends.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sockeye_frame::Framing;

use super::chat::{self, Dialect, Room};
use super::dial::Dialler;
use super::error::BenchError;
use super::plan::{Job, Load, Plan, Span};
use super::server::{Server, Usage};
use super::tally::Tally;
use super::{fanout, oneway, packet, reconnect, stream};

/// How often the progress is told.
const TELL: Duration = Duration::from_millis(250);

/// A server and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) dialler: Dialler,
    pub(super) framing: Framing,
    /// How its members of a room speak.
    pub(super) dialect: Dialect,
    /// Another server of the same rooms, to which every second member goes.
    pub(super) also: Option<Dialler>,
    pub(super) server: Server,
}

impl Side {
    /// The way of connection `conn`: the first one speaks, and at the first server.
    pub(super) fn dialler_of(&self, conn: usize) -> &Dialler {
        let also = self.also.as_ref().filter(|_| conn % 2 == 1);
        also.unwrap_or(&self.dialler)
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) tally: Tally,
    /// How long the measured span was, in nanoseconds.
    pub(super) span_ns: u64,
    /// What the server used in that span, and held at its end.
    pub(super) usage: Option<Usage>,
    /// Time in that span that our own threads were ready to run and had no processor: what other
    /// programs took from the load.
    pub(super) starved_ns: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) warming_up: bool,
    pub(super) elapsed: Duration,
    pub(super) total: Duration,
    /// Messages a second, or bytes one way, since the last time.
    pub(super) rate: f64,
}

/// Runs `plan` once; `stop` ends it early, with what was counted until then.
pub(super) fn run(
    plan: &Plan,
    side: &Side,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Progress),
) -> Result<Round, BenchError> {
    let room = plan.chat.as_ref().map(|_| Room::new(side.dialect));
    let mut sockets = match &room {
        Some(room) => vec![members(plan, side, room, stop)?],
        None => open(plan, side)?,
    };
    let done = AtomicU64::new(0);
    let span = Span::starting_now(plan);
    let load = Load {
        plan,
        span,
        stop,
        done: &done,
    };
    let (load, mut tally, mut watched) = (&load, Tally::default(), Watched::default());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let mine = sockets
                    .get_mut(thread)
                    .map(std::mem::take)
                    .unwrap_or_default();
                let room = room.as_ref();
                scope.spawn(move || {
                    // Timers as exact as the kernel has them; without that each is up to 50 µs late.
                    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
                    let result = thread_of(load, side, room, thread, mine);
                    if result.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    result
                })
            })
            .collect();
        watched = watch(
            load,
            &side.server,
            &mut || {
                threads
                    .iter()
                    .all(std::thread::ScopedJoinHandle::is_finished)
            },
            tell,
        );
        for thread in threads {
            tally.add(
                &thread
                    .join()
                    .expect("a thread of the load does not panic")?,
            );
        }
        Ok::<(), BenchError>(())
    })?;
    Ok(Round {
        tally,
        span_ns: span.until - span.from,
        usage: watched.usage,
        starved_ns: watched.starved_ns,
    })
}

fn thread_of(
    load: &Load<'_>,
    side: &Side,
    room: Option<&Room>,
    thread: usize,
    sockets: Vec<(u32, OwnedFd)>,
) -> Result<Tally, BenchError> {
    if let (Some(chat), Some(room)) = (&load.plan.chat, room) {
        return chat::run(load, chat, room, sockets);
    }
    match load.plan.job {
        Job::Up | Job::Down => oneway::run(load, &side.framing, sockets),
        Job::FanOut => fanout::run(load, &side.framing, sockets),
        Job::Reconnect => {
            let Plan {
                connections,
                threads,
                ..
            } = *load.plan;
            let slots = (thread..connections).step_by(threads).count();
            reconnect::run(load, &side.framing, &side.dialler, thread, slots)
        }
        Job::RoundTrip if side.dialler.is_messages() => packet::run(load, sockets),
        Job::RoundTrip => stream::run(load, &side.framing, sockets),
        Job::Chat => unreachable!("its plan says what room it is for"),
        Job::Idle => unreachable!("idle connections are opened and held elsewhere"),
    }
}

/// Brings all members into a room, those who are stuck behind the others.
fn members(
    plan: &Plan,
    side: &Side,
    room: &Room,
    stop: &AtomicBool,
) -> Result<Vec<(u32, OwnedFd)>, BenchError> {
    let stuck = plan.chat.as_ref().map_or(0, |chat| chat.stuck);
    let count = plan.connections + stuck;
    let sockets = chat::enter(plan, side, count, |_| room, stop, &mut |_| {})?;
    Ok((0..).zip(sockets).collect())
}

/// Connects all that stay, dealt out to the threads in turn.
fn open(plan: &Plan, side: &Side) -> Result<Vec<Vec<(u32, OwnedFd)>>, BenchError> {
    let mut sockets: Vec<Vec<_>> = (0..plan.threads).map(|_| vec![]).collect();
    if plan.job == Job::Reconnect {
        return Ok(sockets);
    }
    for conn in 0..plan.connections {
        let socket = side
            .dialler
            .connect(conn, plan.timeout)
            .map_err(|error| BenchError::connect(side.dialler.endpoint(), error))?;
        sockets[conn % plan.threads].push((conn as u32, socket));
    }
    Ok(sockets)
}

/// What watching a run brought.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    usage: Option<Usage>,
    starved_ns: u64,
}

/// Server and client at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    server: Option<Usage>,
    client: Option<Usage>,
    at: u64,
}

impl Look {
    fn now(load: &Load<'_>, server: &Server) -> Self {
        Self {
            server: server.usage(),
            client: Server::of(vec![std::process::id()]).usage(),
            at: load.span.now(),
        }
    }

    /// What was used between two looks. Neither was exactly on time, so it is scaled to the span.
    fn until(self, later: Self, span_ns: u64) -> Watched {
        let scale = span_ns as f64 / (later.at - self.at).max(1) as f64;
        let scaled = |before: u64, after: u64| (after.saturating_sub(before) as f64 * scale) as u64;
        let between = |before: Usage, after: Usage| Usage {
            cpu_ns: scaled(before.cpu_ns, after.cpu_ns),
            starved_ns: scaled(before.starved_ns, after.starved_ns),
            // The connections may already be gone.
            rss_bytes: before.rss_bytes.max(after.rss_bytes),
            fds: before.fds.max(after.fds),
        };
        let used = |(before, after)| between(before, after);
        let client = self.client.zip(later.client).map(used);
        Watched {
            usage: self.server.zip(later.server).map(used),
            starved_ns: client.map_or(0, |client| client.starved_ns),
        }
    }
}

/// Follows a run: looks at both ends when the span begins and ends, and tells the progress.
fn watch(
    load: &Load<'_>,
    server: &Server,
    finished: &mut dyn FnMut() -> bool,
    tell: &mut dyn FnMut(Progress),
) -> Watched {
    let span = &load.span;
    let mut first = None;
    let (mut told_at, mut told) = (0, 0);
    loop {
        let now = span.now();
        if finished() || now >= span.until {
            break;
        }
        if now >= span.from && first.is_none() {
            first = Some(Look::now(load, server));
        }
        let done = load.done.load(Ordering::Relaxed);
        if told_at > 0 {
            let seconds = (now - told_at) as f64 / 1e9;
            tell(Progress {
                warming_up: now < span.from,
                elapsed: Duration::from_nanos(now),
                total: Duration::from_nanos(span.until),
                rate: (done - told) as f64 / seconds.max(1e-9),
            });
        }
        (told_at, told) = (now.max(1), done);
        let next = if now < span.from {
            span.from
        } else {
            span.until
        };
        std::thread::sleep(TELL.min(Duration::from_nanos(next - now)));
    }
    first.map_or_else(Watched::default, |first| {
        first.until(Look::now(load, server), span.until - span.from)
    })
}
