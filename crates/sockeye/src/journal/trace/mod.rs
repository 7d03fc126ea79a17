//! `--trace FILE`: what our own sockets do, written as a session while it happens.

mod facts;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::Args;
use sockeye_frame::ByteSize;
use sockeye_net::Errno;
use sockeye_observe::capture::{Capture, Options};
use sockeye_trace::{
    ConnId, Event, Fact, Gap, Head, Kind, Process, Recorder, Time, WireSource, Writer,
};

use crate::context::host_name;
use crate::exit::usage;
use crate::ours::Ours;
use facts::{Facts, Told};

/// What is kept of a packet beside a call's worth of payload: headers with all their options.
const HEADERS: u32 = 192;
/// Bytes that are gathered before they are written.
const BUFFER: usize = 64 << 10;
/// What is kept of a call unless `--trace-bytes` says otherwise.
const PAYLOAD: ByteSize = ByteSize(256);

/// The flags of every verb that can write a session.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TraceFlags {
    /// Write a session for `show`: every read and write, and the packets where that is permitted
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    trace: Option<PathBuf>,
    /// How much of each read and write is kept in it [default: 256]
    #[arg(
        long,
        value_name = "SIZE",
        requires = "trace",
        help_heading = "What to see"
    )]
    trace_bytes: Option<ByteSize>,
}

impl TraceFlags {
    /// Whether a session is to be written.
    pub(crate) fn is_asked(&self) -> bool {
        self.trace.is_some()
    }

    /// What was asked for, if anything was.
    pub(crate) fn plan(&self, verb: &'static str, frame: Option<String>) -> Option<Plan> {
        let kept = self.trace_bytes.unwrap_or(PAYLOAD);
        self.trace.clone().map(|path| Plan {
            path,
            verb,
            frame: frame.unwrap_or_default(),
            payload_cap: usize::try_from(kept.0).unwrap_or(usize::MAX).min(LIMIT),
        })
    }
}

/// More of one call is not kept: a ring has 4 MiB for all of a thread's payloads.
const LIMIT: usize = 1 << 20;

/// A session that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    path: PathBuf,
    verb: &'static str,
    /// The framing that was asked for, as its text.
    frame: String,
    pub(super) payload_cap: usize,
}

/// A session that is being written.
pub(super) struct TraceFile {
    path: PathBuf,
    payload_cap: usize,
    writer: Writer<BufWriter<File>>,
    facts: Facts,
    wire: Option<Wire>,
}

/// Packets of our own connections.
struct Wire {
    capture: Capture,
    ours: Ours,
}

impl TraceFile {
    /// Begins the file. Where packets cannot be captured, its head says why.
    pub(super) fn open(plan: Plan, recorder: &Recorder) -> anyhow::Result<Self> {
        let failed = |error: io::Error| unwritten(&plan.path, &error);
        let file = File::create(&plan.path).map_err(failed)?;
        let command: Vec<String> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let mut head = Head {
            verb: plan.verb.into(),
            command: command.clone(),
            host: host_name(),
            started_ns: recorder.now().as_nanos(),
            payload_cap: plan.payload_cap as u64,
            frame: plan.frame,
            ..Head::default()
        };
        let wire = open_wire(plan.payload_cap, &mut head);
        let mut file = Self {
            writer: Writer::new(BufWriter::with_capacity(BUFFER, file), &head).map_err(failed)?,
            path: plan.path,
            payload_cap: plan.payload_cap,
            facts: Facts::default(),
            wire,
        };
        let us = Process {
            pid: std::process::id(),
            name: "sockeye".into(),
            command,
            ..Process::default()
        };
        let written = file.describe(Kind::Process, ConnId::default(), recorder.now(), &us);
        written
            .and_then(|()| file.writer.flush())
            .map_err(|error| unwritten(&file.path, &error))?;
        Ok(file)
    }

    /// Writes what has happened since the last time, and makes it visible: whatever becomes of us,
    /// it can be read.
    pub(super) fn turn(
        &mut self,
        events: &[(Event, Vec<u8>)],
        now: Time,
        lost: u64,
        over: bool,
    ) -> anyhow::Result<()> {
        self.write(events, now, lost, over)
            .map_err(|error| unwritten(&self.path, &error))
    }

    fn write(
        &mut self,
        events: &[(Event, Vec<u8>)],
        now: Time,
        lost: u64,
        over: bool,
    ) -> io::Result<()> {
        self.write_events(events)?;
        self.write_packets(over)?;
        if lost > 0 {
            self.gap("lost-events", lost, now)?;
        }
        if over && let Some(wire) = &mut self.wire {
            let dropped = wire.capture.statistics().dropped;
            if dropped > 0 {
                self.gap("lost-packets", dropped, now)?;
            }
        }
        self.writer.flush()
    }

    fn write_events(&mut self, events: &[(Event, Vec<u8>)]) -> io::Result<()> {
        let mut result = Ok(());
        let (writer, wire, cap) = (&mut self.writer, &mut self.wire, self.payload_cap);
        self.facts.take(events, &mut |told| {
            if result.is_err() {
                return;
            }
            result = match told {
                Told::Fact(fact) => writer.write(&Fact {
                    data: &fact.data[..fact.data.len().min(cap)],
                    ..*fact
                }),
                Told::Side(side, time) => {
                    let described = describe(writer, Kind::Side, side.conn(), time, side);
                    let mut packets = Ok(());
                    if let Some(wire) = wire {
                        wire.ours.learn(side, |fact| {
                            if packets.is_ok() {
                                packets = writer.write(fact);
                            }
                        });
                    }
                    described.and(packets)
                }
            };
        });
        result
    }

    fn write_packets(&mut self, over: bool) -> io::Result<()> {
        let Some(Wire { capture, ours }) = &mut self.wire else {
            return Ok(());
        };
        let mut result = Ok(());
        let writer = &mut self.writer;
        let each = |fact: &Fact<'_>| {
            if result.is_ok() && ours.takes(fact) {
                result = writer.write(fact);
            }
        };
        let drained = if over {
            capture.finish(each)
        } else {
            capture.drain(each)
        };
        result?;
        if let Err(error) = drained {
            // The interfaces are gone: what our sockets did is told on.
            self.wire = None;
            let gap = Gap {
                what: "lost-packets".into(),
                detail: error.to_string(),
                ..Gap::default()
            };
            self.describe(Kind::Gap, ConnId::default(), Time::default(), &gap)?;
        }
        Ok(())
    }

    fn gap(&mut self, what: &str, count: u64, time: Time) -> io::Result<()> {
        let gap = Gap {
            what: what.into(),
            count,
            ..Gap::default()
        };
        self.describe(Kind::Gap, ConnId::default(), time, &gap)
    }

    fn describe(
        &mut self,
        kind: Kind,
        conn: ConnId,
        time: Time,
        about: &impl serde::Serialize,
    ) -> io::Result<()> {
        describe(&mut self.writer, kind, conn, time, about)
    }
}

fn describe(
    writer: &mut Writer<BufWriter<File>>,
    kind: Kind,
    conn: ConnId,
    time: Time,
    about: &impl serde::Serialize,
) -> io::Result<()> {
    let text = serde_json::to_string(about)?;
    writer.write(&Fact {
        text: &text,
        ..Fact::new(Event::new(kind, conn, time))
    })
}

fn open_wire(payload_cap: usize, head: &mut Head) -> Option<Wire> {
    let snap = u32::try_from(payload_cap).unwrap_or(u32::MAX);
    let options = Options {
        snap: snap.saturating_add(HEADERS),
        ..Options::default()
    };
    match Capture::open(&options) {
        Ok(capture) => {
            head.wire = WireSource::Captured;
            Some(Wire {
                capture,
                ours: Ours::default(),
            })
        }
        Err(why) => {
            head.wire_note = why.to_string();
            None
        }
    }
}

/// This machine's name, as hostname(1) prints it (proc(5)).
fn unwritten(path: &Path, error: &io::Error) -> anyhow::Error {
    usage!("--trace {}: {}", path.display(), Errno::of(error))
}
