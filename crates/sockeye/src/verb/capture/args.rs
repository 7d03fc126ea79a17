//! The command line of `capture`, and what it means.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sockeye_frame::{ByteSize, Framing};
use sockeye_observe::capture::{self, Filter, FilterError, Test};

use crate::exit::usage;
use crate::values::{Charset, Count, Wait};

/// Show the packets of an interface as a table, as layers or as streams; write and read capture files
#[derive(Args, Debug)]
pub(crate) struct Capture {
    /// The interface, such as lo [default: every interface]
    #[arg(short, long, value_name = "NAME", conflicts_with = "read")]
    pub(super) interface: Option<String>,
    /// Read packets from a file (pcapng, pcap or a session) instead, - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) read: Option<PathBuf>,

    /// A port, or a range: 5000, 20-25, src:5000, dst:5000, not:22; several: any of them
    #[arg(long, value_name = "PORT", value_parser = Ports::from_str, help_heading = "Which packets")]
    port: Vec<Ports>,
    /// An address, or a network: 10.0.0.1, fd00::/8, src:10.0.0.1, not:10.0.0.0/8; several: any of them
    #[arg(long, value_name = "ADDRESS", value_parser = Hosts::from_str, help_heading = "Which packets")]
    host: Vec<Hosts>,
    /// A protocol: tcp, udp, icmp, icmpv6, igmp, sctp, arp, ip, ip6, a number, not:udp; several: any of them
    #[arg(long, value_name = "NAME", value_parser = Protocols::from_str, help_heading = "Which packets")]
    protocol: Vec<Protocols>,
    /// End after so many packets
    #[arg(short, long, value_name = "N", help_heading = "Which packets")]
    pub(super) count: Option<Count>,
    /// End after this time
    #[arg(
        short = 't',
        long,
        value_name = "TIME",
        conflicts_with = "read",
        help_heading = "Which packets"
    )]
    pub(super) duration: Option<Wait>,

    /// How flags are written
    #[arg(
        long,
        value_name = "NOTATION",
        default_value = "position",
        help_heading = "What to see"
    )]
    pub(super) flags: Flags,
    /// What the times are
    #[arg(
        long,
        value_name = "KIND",
        default_value = "start",
        help_heading = "What to see"
    )]
    pub(super) time: Times,
    /// Count padding to 64 bytes and the check sum in frame lengths; both are computed
    #[arg(long, help_heading = "What to see")]
    pub(super) fcs: bool,
    /// Show segments that the kernel has not cut yet as they are, not as the pieces that they stand for
    #[arg(long, help_heading = "What to see")]
    pub(super) whole: bool,
    /// Show the layers of each packet with their bytes
    #[arg(long, help_heading = "What to see")]
    pub(super) layers: bool,
    /// Show the bytes of each packet
    #[arg(short = 'x', long, help_heading = "What to see")]
    pub(super) hex: bool,
    /// Follow what TCP connections and UDP sockets say to each other, instead of packets
    #[arg(long, conflicts_with_all = ["layers", "hex", "fcs", "whole"], help_heading = "What to see")]
    pub(super) streams: bool,
    /// How a byte stream is cut into messages, with --streams
    #[arg(
        long,
        value_name = "FRAMING",
        requires = "streams",
        help_heading = "What to see"
    )]
    pub(super) frame: Option<Framing>,
    /// How the bytes of streams are text
    #[arg(
        long,
        value_name = "NAME",
        default_value = "utf-8",
        help_heading = "What to see"
    )]
    pub(super) encoding: Charset,
    /// Write JSON Lines (docs/events.md)
    #[arg(long, help_heading = "What to see")]
    pub(super) json: bool,

    /// Write a capture file (pcapng), - for standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Files")]
    pub(super) write: Option<PathBuf>,
    /// Write a session, for sockeye show
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(super) session: Option<PathBuf>,
    /// Show packets although they are written to a file
    #[arg(long, help_heading = "Files")]
    pub(super) print: bool,

    /// Bytes to keep of each packet [default: all; 256 where only the table is wanted]
    #[arg(
        short,
        long,
        value_name = "SIZE",
        conflicts_with = "read",
        help_heading = "Limits"
    )]
    snap: Option<ByteSize>,
    /// Memory for packets that wait to be read
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "32MiB",
        conflicts_with = "read",
        help_heading = "Limits"
    )]
    ring: ByteSize,
    /// How long a packet may wait [default: 200ms into a file, else 20ms]
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with = "read",
        help_heading = "Limits"
    )]
    delay: Option<Wait>,
}

/// How flags are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Flags {
    /// .A..S. – each at its place: URG ACK PSH RST SYN FIN
    Position,
    /// [S.] – as tcpdump writes them
    Tcpdump,
}

/// What the times are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Times {
    /// Seconds since the first packet
    Start,
    /// Time of day
    Clock,
    /// Seconds since the packet before
    Delta,
}

/// The value of a flag that is a test of the filter.
macro_rules! test_value {
    ($name:ident, $parse:path) => {
        #[derive(Clone, Debug)]
        struct $name(Test);

        impl FromStr for $name {
            type Err = FilterError;

            fn from_str(text: &str) -> Result<Self, FilterError> {
                $parse(text).map(Self)
            }
        }
    };
}
test_value!(Ports, Test::parse_port);
test_value!(Hosts, Test::parse_host);
test_value!(Protocols, Test::parse_protocol);

/// Enough for every header that a row tells of: Ethernet, IPv6 with extensions, TCP with options, and
/// the packet that an error of ICMP quotes.
const SNAP_OF_TABLE: u32 = 256;
/// Livelier than the eye.
const DELAY_OF_TEXT: Duration = Duration::from_millis(20);
/// Fewer wake-ups while a file is written.
const DELAY_OF_FILE: Duration = Duration::from_millis(200);

impl Capture {
    /// Whether a person, or a program that reads text, sees the packets.
    pub(super) fn shows(&self) -> bool {
        self.print || (self.write.is_none() && self.session.is_none()) || self.json
    }

    /// Whether standard output carries the capture file.
    pub(super) fn writes_to_stdout(&self) -> bool {
        self.write
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }

    /// What does not go together although each flag is right.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.writes_to_stdout() && self.shows() {
            let other = if self.json { "--json" } else { "--print" };
            return Err(usage!("--write - and {other} both want standard output"));
        }
        if self.ring.0 > capture::Capture::RING_LIMIT as u64 {
            let limit = ByteSize(capture::Capture::RING_LIMIT as u64);
            return Err(usage!("--ring may be {limit} at most, not {}", self.ring));
        }
        Ok(())
    }

    pub(super) fn filter(&self) -> Filter {
        Filter::everything()
            .and(self.protocol.iter().map(|one| one.0.clone()))
            .and(self.host.iter().map(|one| one.0.clone()))
            .and(self.port.iter().map(|one| one.0.clone()))
    }

    pub(super) fn options(&self) -> capture::Options {
        let table_only = self.write.is_none()
            && self.session.is_none()
            && !(self.layers || self.hex || self.streams || self.json);
        let snap = match self.snap {
            Some(size) => u32::try_from(size.0).unwrap_or(u32::MAX),
            None if table_only => SNAP_OF_TABLE,
            None => 0,
        };
        let delay = match self.delay {
            Some(Wait(delay)) => delay,
            None if self.shows() || self.writes_to_stdout() => DELAY_OF_TEXT,
            None => DELAY_OF_FILE,
        };
        capture::Options {
            interface: self.interface.clone(),
            filter: self.filter(),
            snap,
            ring_bytes: self.ring.0 as usize,
            delay,
        }
    }
}
