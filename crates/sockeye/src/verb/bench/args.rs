//! The command line of `bench`, and the plan that it means.

use std::time::Duration;

use clap::{Args, ValueEnum};
use sockeye_frame::{ByteSize, Framing};
use sockeye_net::Endpoint;

use super::chat::{AROUND_TEXT, Chat, Dialect};
use super::dial::Dialler;
use super::message::{HEADER, Messages};
use super::plan::{Job, Plan};
use super::round::Side;
use super::server::Server;
use crate::context::Context;
use crate::exit::usage;
use crate::values::Wait;

/// Load a server and measure its latency; every byte that comes back is checked
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// The server: tcp://HOST:PORT, udp://HOST:PORT, unix:PATH, unix-dgram:PATH, unix-seqpacket:PATH
    endpoint: Endpoint,
    /// Connections at the same time
    #[arg(short, long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Bytes of a message [default: 64; 256KiB with --one-way]
    #[arg(short, long, value_name = "SIZE")]
    size: Option<ByteSize>,
    /// Messages that a connection may have outstanding [default: 1; 64 with --chat]
    #[arg(short, long, value_name = "N")]
    depth: Option<u64>,
    /// Messages a second over all connections, at equal distances; latency counts from when a message was due (without it: as fast as answers come)
    #[arg(short, long, value_name = "N")]
    rate: Option<u64>,
    /// How long to measure
    #[arg(short = 't', long, value_name = "TIME", default_value = "5s")]
    duration: Wait,
    /// How long to run before measuring
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    warmup: Wait,
    /// How long an answer may take [default: 2s; 200ms for datagrams, which then count as lost]
    #[arg(long, value_name = "TIME")]
    timeout: Option<Wait>,
    /// Threads that make the load
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// How a byte stream is cut into messages [default: raw, or the endpoint's frame=]
    #[arg(long, value_name = "FRAMING")]
    frame: Option<Framing>,
    /// Count what comes back without looking at it
    #[arg(long)]
    no_verify: bool,
    /// Send several datagrams as one that the kernel cuts (UDP)
    #[arg(long)]
    gso: bool,

    /// A connection for each message: connect, message, answer, close
    #[arg(long, group = "job", help_heading = "What to measure")]
    connect: bool,
    /// Bytes one way: up to a server that discards, or down from one that writes without end
    #[arg(
        long,
        group = "job",
        value_name = "WAY",
        help_heading = "What to measure"
    )]
    one_way: Option<Way>,
    /// The first connection speaks, all the others hear it: for a hub
    #[arg(long, group = "job", help_heading = "What to measure")]
    fan_out: bool,
    /// One member of a room speaks, all the others hear it: for IRC, or what else is named
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "irc",
        conflicts_with_all = ["connect", "one_way", "fan_out", "frame"],
        help_heading = "What to measure"
    )]
    chat: Option<Dialect>,
    /// How the other server is spoken to [default: as the first]
    #[arg(
        long,
        value_name = "WHAT",
        requires_all = ["chat", "against"],
        help_heading = "What to measure"
    )]
    against_chat: Option<Dialect>,
    /// Every second member connects here: a server that shares rooms with the first
    #[arg(
        long,
        value_name = "ENDPOINT",
        requires = "chat",
        conflicts_with = "against",
        help_heading = "What to measure"
    )]
    also: Option<Endpoint>,
    /// Lines that the speaker writes at once [default: 16]
    #[arg(
        long,
        value_name = "N",
        requires = "chat",
        help_heading = "What to measure"
    )]
    batch: Option<u64>,
    /// Members besides that never read: what they cost the others
    #[arg(
        long,
        value_name = "N",
        requires = "chat",
        help_heading = "What to measure"
    )]
    stuck: Option<usize>,
    /// Connections that say one message each (with --chat: come into a room) and stay: what they cost in memory
    #[arg(
        long,
        group = "job",
        value_name = "N",
        help_heading = "What to measure"
    )]
    idle: Option<usize>,
    /// Measure this server in turn with the first and compare them pair by pair
    #[arg(
        long,
        value_name = "ENDPOINT",
        help_heading = "What to measure",
        conflicts_with = "idle"
    )]
    against: Option<Endpoint>,
    /// How often [default: 1; 5 with --against]
    #[arg(long, value_name = "N", help_heading = "What to measure")]
    rounds: Option<usize>,
    /// The server's processes, whose processor time and memory are told [default: who holds the port]
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        help_heading = "What to measure"
    )]
    pid: Vec<u32>,
    /// The same for the other server
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        requires = "against",
        help_heading = "What to measure"
    )]
    against_pid: Vec<u32>,

    /// One JSON object a line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    Up,
    Down,
}

/// What was asked for, checked.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) plan: Plan,
    /// The server, and the one that it is compared with.
    pub(super) sides: Vec<Side>,
    pub(super) rounds: usize,
}

/// The largest message: more would only measure memory.
const LARGEST: u64 = 16 << 20;
/// The largest datagram over IPv4: 65,535 less both headers (RFC 768, RFC 791).
const LARGEST_DATAGRAM: u64 = 65_507;
/// The deepest window: each connection remembers when its messages left.
const DEEPEST: u64 = 65_536;
/// The highest rate: ten nanoseconds a message, less than it takes to make one.
const FASTEST: u64 = 100_000_000;
/// Descriptors that we need beside the connections.
const OWN_FDS: usize = 64;
/// Lines of a room that may be on their way, and how many of them are written at once.
const DEFAULT_WINDOW: u64 = 64;
const DEFAULT_BATCH: u64 = 16;
/// What a line of a room may have: the numbers of a message fit into the shortest, and servers take the
/// longest with whatever they put ahead of it (RFC 2812, section 2.3).
const LINE_BYTES: std::ops::RangeInclusive<u64> = (AROUND_TEXT + HEADER) as u64..=400;
const DEFAULT_SIZE: ByteSize = ByteSize(64);
/// What one write of a bulk transfer takes best.
const DEFAULT_BULK: ByteSize = ByteSize(256 << 10);
/// The longest run: a day is enough, and times in nanoseconds stay far from their end.
const LONGEST: Duration = Duration::from_hours(24);

impl Bench {
    /// Checks the command line.
    pub(super) async fn task(&self, context: &Context) -> anyhow::Result<Task> {
        let mut sides = vec![self.side(context, &self.endpoint, &self.pid).await?];
        if let Some(also) = &self.also {
            sides[0].also = Some(Dialler::new(&context.net, also.clone()).await?);
        }
        if let Some(other) = &self.against {
            let mut other = self.side(context, other, &self.against_pid).await?;
            other.dialect = self.against_chat.unwrap_or(other.dialect);
            sides.push(other);
        }
        let plan = self.plan(&sides)?;
        for side in &sides {
            check(&plan, side)?;
        }
        let rounds = self
            .rounds
            .unwrap_or(if self.against.is_some() { 5 } else { 1 });
        if rounds == 0 {
            return Err(usage!("--rounds 0 measures nothing"));
        }
        Ok(Task {
            plan,
            sides,
            rounds,
        })
    }

    fn job(&self) -> Job {
        if self.chat.is_some() && self.idle.is_none() {
            return Job::Chat;
        }
        match (self.connect, self.one_way, self.fan_out, self.idle) {
            (true, ..) => Job::Reconnect,
            (_, Some(Way::Up), ..) => Job::Up,
            (_, Some(Way::Down), ..) => Job::Down,
            (_, _, true, _) => Job::FanOut,
            (.., Some(_)) => Job::Idle,
            _ => Job::RoundTrip,
        }
    }

    async fn side(
        &self,
        context: &Context,
        endpoint: &Endpoint,
        pids: &[u32],
    ) -> anyhow::Result<Side> {
        let dialler = Dialler::new(&context.net, endpoint.clone()).await?;
        let framing = match self.frame.as_ref().or(endpoint.settings.framing()) {
            Some(framing) => framing.clone(),
            None => "raw".parse()?,
        };
        let server = if pids.is_empty() {
            Server::holding(&dialler)
        } else {
            Server::of(pids.to_vec())
        };
        Ok(Side {
            dialler,
            framing,
            dialect: self.chat.unwrap_or(Dialect::Irc),
            also: None,
            server,
        })
    }

    fn plan(&self, sides: &[Side]) -> anyhow::Result<Plan> {
        let job = self.job();
        let datagrams = sides.iter().any(|side| side.dialler.is_messages());
        let bulk = matches!(job, Job::Up | Job::Down);
        let size = self
            .size
            .unwrap_or(if bulk { DEFAULT_BULK } else { DEFAULT_SIZE });
        let timeout = self
            .timeout
            .unwrap_or(Wait(Duration::from_millis(if datagrams {
                200
            } else {
                2000
            })));
        let connections = self.idle.unwrap_or(self.connections);
        let stuck = self.stuck.unwrap_or(0);
        let limit = raise_descriptor_limit();
        if !(1..=LARGEST).contains(&size.0) {
            return Err(usage!(
                "--size {size} is not between 1 and {} bytes",
                LARGEST
            ));
        }
        let depth = self.depth.unwrap_or(if self.chat.is_some() {
            DEFAULT_WINDOW
        } else {
            1
        });
        let chat = self.chat(size, depth)?;
        if connections == 0 || depth == 0 || self.rate == Some(0) || self.threads == 0 {
            return Err(usage!(
                "--connections, --depth, --rate and --threads begin at 1"
            ));
        }
        if depth > DEEPEST || self.rate > Some(FASTEST) {
            return Err(usage!(
                "--depth ends at {DEEPEST} and --rate at {FASTEST}: no socket holds or carries more"
            ));
        }
        if connections.saturating_add(stuck + OWN_FDS) > limit {
            return Err(usage!(
                "{connections} connections need {} descriptors, this process may have {limit} (see `ulimit -Hn`)",
                connections.saturating_add(stuck + OWN_FDS)
            ));
        }
        if matches!(job, Job::FanOut | Job::Chat) && connections < 2 {
            return Err(usage!(
                "--fan-out and --chat need one connection that speaks and one that listens"
            ));
        }
        if self.rate.is_some() && !matches!(job, Job::RoundTrip | Job::Chat) {
            return Err(usage!(
                "--rate is for messages that come back, or are heard, on connections that stay"
            ));
        }
        if self.duration.0.is_zero() || self.duration.0 > LONGEST || self.warmup.0 > LONGEST {
            return Err(usage!("--duration lies between 1ns and {LONGEST:?}"));
        }
        let text_bytes = chat.as_ref().map_or(0, |_| AROUND_TEXT);
        let text_bytes = size.0 as usize - text_bytes;
        let threads = if matches!(job, Job::FanOut | Job::Chat) {
            1
        } else {
            self.threads.min(connections)
        };
        Ok(Plan {
            job,
            connections,
            depth,
            messages: Messages::new(text_bytes),
            chat,
            rate: self.rate,
            duration: self.duration.0,
            warmup: self.warmup.0,
            timeout: timeout.0,
            threads,
            verify: !self.no_verify,
            gso: self.gso,
        })
    }
}

impl Bench {
    /// What stands on the command line about a room.
    fn chat(&self, size: ByteSize, depth: u64) -> anyhow::Result<Option<Chat>> {
        if self.chat.is_none() {
            return Ok(None);
        }
        if !LINE_BYTES.contains(&size.0) {
            let (least, most) = (LINE_BYTES.start(), LINE_BYTES.end());
            return Err(usage!(
                "--size {size}: a line of --chat has between {least} and {most} bytes"
            ));
        }
        let batch = self.batch.unwrap_or(DEFAULT_BATCH.min(depth));
        if batch == 0 || batch > depth {
            return Err(usage!(
                "--batch {batch} is not between 1 and --depth, which is {depth}"
            ));
        }
        Ok(Some(Chat {
            batch,
            stuck: self.stuck.unwrap_or(0),
            line_bytes: size.0 as usize,
        }))
    }
}

/// Checks that the plan fits the endpoint.
fn check(plan: &Plan, side: &Side) -> anyhow::Result<()> {
    let endpoint = side.dialler.endpoint();
    let size = plan.messages.size();
    if plan.gso && !(side.dialler.is_udp() && plan.job == Job::RoundTrip) {
        return Err(usage!("--gso is for UDP, {endpoint} is not"));
    }
    if !side.dialler.is_messages() {
        let mut message = vec![];
        plan.messages.append(0, 0, 0, &mut message);
        let framed = side.framing.encode(&message, &mut vec![]);
        return framed.map_err(|refused| {
            usage!(
                "--frame {} cannot carry a message of {size} bytes: {refused}",
                side.framing
            )
        });
    }
    if !side.framing.is_raw() {
        return Err(usage!(
            "--frame is for byte streams; {endpoint} carries messages"
        ));
    }
    if plan.job != Job::RoundTrip {
        return Err(usage!(
            "{endpoint} carries messages: only round trips can be measured there"
        ));
    }
    if side.dialler.is_udp() && size as u64 > LARGEST_DATAGRAM {
        return Err(usage!(
            "--size {size} is more than a datagram holds ({LARGEST_DATAGRAM})"
        ));
    }
    Ok(())
}

/// Raises the number of descriptors we may have to what the system permits, and returns it.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    current.map_or(usize::MAX, |current| {
        usize::try_from(current).unwrap_or(usize::MAX)
    })
}
