//! What an expectation looks at, as text: `to-server.reads`, `flow2.to-client.wire.sum`.

use std::fmt;
use std::str::FromStr;

use super::scenario::Value;
use super::script::Host;

/// What is looked at, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which flow, from 1.
    pub flow: usize,
    /// What.
    pub what: What,
    /// Which number or item of a list; none: all of it.
    pub part: Option<Part>,
}

/// What there is to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something of one way: the server's or the client's.
    Way(Host, OfWay),
    /// The packets of both ways.
    Packets,
    /// What the calls of a step came to.
    Step(String, OfStep),
    /// What a step that looked at a host's sockets saw.
    Look(String, OfLook),
    /// By how much a counter of a host grew.
    Counter(Host, String),
    /// The names of what was found.
    Findings,
    /// How many flows there were.
    Flows,
}

/// Declares names of what can be asked, with what is seen there; the lists of docs/lab.md are tested
/// against them.
macro_rules! names {
    ($(#[$doc:meta])* $of:ident: $($(#[$about:meta])* $variant:ident = $name:literal, $shape:ident;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $of {
            $($(#[$about])* $variant,)*
        }

        impl $of {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What is seen there.
            pub const fn shape(self) -> Shape {
                match self {
                    $(Self::$variant => Shape::$shape,)*
                }
            }

            fn named(name: &str) -> Result<Self, String> {
                let mut all = Self::ALL.iter();
                all.find(|one| one.name() == name).copied().ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|one| one.name()).collect();
                    format!("`{name}` is none of {}", known.join(", "))
                })
            }
        }
    };
}

names! {
    /// Something of one way of a flow.
    OfWay:
    /// Bytes of each call that wrote some; of datagrams, of each that sent one.
    Writes = "writes", Numbers;
    /// Bytes of each call that took some; of datagrams, of each that took one.
    Reads = "reads", Numbers;
    /// Bytes of each segment that carries some, of each datagram or fragment.
    Wire = "wire", Numbers;
    /// The flags of each packet, or what else it is.
    Packets = "packets", Texts;
    /// How many segments, SYNs and FINs were sent again.
    Retransmissions = "retransmissions", Number;
    /// How many packets are fragments.
    Fragments = "fragments", Number;
    /// How many packets the wire dropped.
    Dropped = "dropped", Number;
    /// What the wire did to packets, and by which rule.
    Verdicts = "verdicts", Texts;
    /// The window that each packet announces, in bytes.
    Windows = "windows", Numbers;
    /// The maximum segment size that the SYN announces; 0 without one.
    Mss = "mss", Number;
}

names! {
    /// What the calls of a step came to.
    OfStep:
    /// The first call's result.
    Result = "result", Number;
    /// The first call's errno, by name, or empty.
    Errno = "errno", Text;
    /// What came with the first call.
    Data = "data", Text;
    /// The first call's name.
    Call = "call", Text;
    /// Each call's result.
    Results = "results", Numbers;
    /// Each call's errno.
    Errnos = "errnos", Texts;
    /// What came with each call.
    Datas = "datas", Texts;
    /// Each call's name.
    Calls = "calls", Texts;
}

names! {
    /// What a look at a host's sockets saw.
    OfLook:
    /// How many sockets there are.
    Count = "count", Number;
    /// Their states, as ss(8) writes them.
    States = "states", Texts;
    /// Their ports.
    Ports = "ports", Numbers;
    /// Their peers' ports.
    Peers = "peers", Numbers;
    /// Bytes that wait to be read; of listeners, connections that wait to be accepted.
    Unread = "unread", Numbers;
    /// Bytes that are not acknowledged; of listeners, the backlog.
    Unacked = "unacked", Numbers;
    /// The timers that run.
    Timers = "timers", Texts;
    /// When those expire, in milliseconds.
    TimerMs = "timer_ms", Numbers;
    /// 1 for sockets that no program holds any more.
    Orphans = "orphans", Numbers;
}

names! {
    /// Which number or item of a list.
    Part:
    /// How many items it has.
    Count = "count", Number;
    /// Its numbers added up.
    Sum = "sum", Number;
    /// The smallest of its numbers.
    Min = "min", Number;
    /// The largest of its numbers.
    Max = "max", Number;
    /// Its first item.
    First = "first", Text;
    /// Its last item.
    Last = "last", Text;
}

/// What kind of value a subject has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list of numbers.
    Numbers,
    /// A list of texts.
    Texts,
}

impl Subject {
    /// What kind of value it has.
    pub fn shape(&self) -> Shape {
        let whole = self.what.shape();
        match (self.part, whole) {
            (None, _) => whole,
            (Some(Part::First | Part::Last), Shape::Texts) => Shape::Text,
            (Some(_), _) => Shape::Number,
        }
    }
}

impl What {
    fn shape(&self) -> Shape {
        match self {
            Self::Way(_, of) => of.shape(),
            Self::Step(_, of) => of.shape(),
            Self::Look(_, of) => of.shape(),
            Self::Packets | Self::Findings => Shape::Texts,
            Self::Counter(..) | Self::Flows => Shape::Number,
        }
    }

    /// Whether it is seen in one flow, and not of all that ran.
    const fn is_of_a_flow(&self) -> bool {
        matches!(self, Self::Way(..) | Self::Packets)
    }

    /// Whether a wire of our own is needed to see it.
    pub const fn needs_wire(&self) -> bool {
        match self {
            Self::Way(_, OfWay::Writes | OfWay::Reads)
            | Self::Step(..)
            | Self::Look(..)
            | Self::Flows => false,
            Self::Way(..) | Self::Packets | Self::Counter(..) | Self::Findings => true,
        }
    }
}

impl Shape {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Numbers => "a list of numbers",
            Self::Texts => "a list of texts",
        }
    }
}

/// What a subject may begin with.
const ROOTS: &str = "to-server, to-client, packets, step, look, client, server, findings, flows, or flow1, flow2 … in front of the first three";

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (flow, rest) = flow_of(text)?;
        let (root, rest) = rest.split_once('.').unwrap_or((rest, ""));
        let (what, rest) = match root {
            "to-server" | "to-client" => {
                let (name, rest) = next(rest, "what of that way")?;
                let host = if root == "to-server" {
                    Host::Server
                } else {
                    Host::Client
                };
                (What::Way(host, OfWay::named(name)?), rest)
            }
            "packets" => (What::Packets, rest),
            "findings" => (What::Findings, rest),
            "flows" => (What::Flows, rest),
            "step" => {
                let (name, rest) = next(rest, "the step's name")?;
                let (of, rest) = next(rest, "what of the step")?;
                (What::Step(name.into(), OfStep::named(of)?), rest)
            }
            "look" => {
                let (name, rest) = next(rest, "the step's name")?;
                let (of, rest) = next(rest, "what of the sockets")?;
                (What::Look(name.into(), OfLook::named(of)?), rest)
            }
            "client" | "server" => {
                let host = if root == "client" {
                    Host::Client
                } else {
                    Host::Server
                };
                let counter = rest.strip_prefix("counter.").unwrap_or_default();
                if counter.split('.').count() != 2 || counter.split('.').any(str::is_empty) {
                    return Err(format!(
                        "`{text}`: of a host there are its counters: {root}.counter.TcpExt.ListenOverflows"
                    ));
                }
                (What::Counter(host, counter.into()), "")
            }
            other => return Err(format!("`{other}` is nothing to look at: {ROOTS}")),
        };
        if flow.is_some() && !what.is_of_a_flow() {
            return Err(format!("`{root}` is not of one flow"));
        }
        let part = part(rest, what.shape())?;
        let flow = flow.unwrap_or(1);
        Ok(Self { flow, what, part })
    }
}

/// The number of the flow in front, and the rest.
fn flow_of(text: &str) -> Result<(Option<usize>, &str), String> {
    let Some((flow, rest)) = text.split_once('.') else {
        return Ok((None, text));
    };
    let Some(number) = flow.strip_prefix("flow") else {
        return Ok((None, text));
    };
    match number.parse() {
        Ok(number @ 1..) => Ok((Some(number), rest)),
        _ => Err(format!("`{flow}`: flows are counted from flow1")),
    }
}

/// The next name up to a dot, and what follows that.
fn next<'t>(rest: &'t str, what: &str) -> Result<(&'t str, &'t str), String> {
    let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
    if name.is_empty() {
        return Err(format!("{what} is missing"));
    }
    Ok((name, rest))
}

fn part(name: &str, whole: Shape) -> Result<Option<Part>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    let part = Part::named(name)?;
    match (whole, part) {
        (Shape::Number | Shape::Text, _) => {
            Err(format!("`{name}` is of lists, this is {}", whole.name()))
        }
        (Shape::Texts, Part::Sum | Part::Min | Part::Max) => {
            Err(format!("`{name}` is of numbers, this is {}", whole.name()))
        }
        _ => Ok(Some(part)),
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |host: &Host| match host {
            Host::Client => "client",
            Host::Server => "server",
        };
        if self.flow > 1 {
            write!(f, "flow{}.", self.flow)?;
        }
        match &self.what {
            What::Way(to, of) => write!(f, "to-{}.{}", host(to), of.name())?,
            What::Packets => f.write_str("packets")?,
            What::Step(name, of) => write!(f, "step.{name}.{}", of.name())?,
            What::Look(name, of) => write!(f, "look.{name}.{}", of.name())?,
            What::Counter(of, name) => write!(f, "{}.counter.{name}", host(of))?,
            What::Findings => f.write_str("findings")?,
            What::Flows => f.write_str("flows")?,
        }
        match self.part {
            Some(part) => write!(f, ".{}", part.name()),
            None => Ok(()),
        }
    }
}

/// Items that a shown list has at most, after equal ones were put together.
const SHOWN_ITEMS: usize = 12;

/// As in a scenario's file, but that equal neighbours stand once (`1448 × 3`) and long lists are cut.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                let runs: Vec<&[Self]> = items.chunk_by(|a, b| a == b).collect();
                f.write_str("[")?;
                for (place, run) in runs.iter().enumerate().take(SHOWN_ITEMS) {
                    let comma = if place == 0 { "" } else { ", " };
                    match run {
                        [one] => write!(f, "{comma}{one}")?,
                        [one, _] => write!(f, "{comma}{one}, {one}")?,
                        run => write!(f, "{comma}{} × {}", run[0], run.len())?,
                    }
                }
                let hidden: usize = runs.iter().skip(SHOWN_ITEMS).map(|run| run.len()).sum();
                if hidden > 0 {
                    write!(f, ", … {hidden}")?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_printed() {
        for text in [
            "to-server.writes",
            "to-client.wire.sum",
            "flow2.to-server.windows.min",
            "packets",
            "flow3.packets.first",
            "step.read.datas",
            "step.read.errno",
            "look.later.states.count",
            "look.later.count",
            "server.counter.TcpExt.ListenOverflows",
            "findings",
            "flows",
        ] {
            let subject: Subject = text.parse().unwrap();
            assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn shapes_follow_the_part() {
        let check = |text: &str, shape| {
            assert_eq!(text.parse::<Subject>().unwrap().shape(), shape, "{text}");
        };
        check("to-server.reads", Shape::Numbers);
        check("to-server.reads.first", Shape::Number);
        check("packets.last", Shape::Text);
        check("packets.count", Shape::Number);
        check("to-server.mss", Shape::Number);
        check("step.x.errno", Shape::Text);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        let check = |text: &str, expected: &str| {
            let why = text.parse::<Subject>().unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        };
        check("", "to-server");
        check("to-sever.reads", "`to-sever` is nothing to look at");
        check("to-server", "what of that way is missing");
        check("to-server.read", "none of writes, reads");
        check("to-server.mss.count", "is of lists, this is a number");
        check("packets.sum", "is of numbers, this is a list of texts");
        check("packets.median", "none of count, sum");
        check("flow0.packets", "counted from flow1");
        check("flow2.findings", "not of one flow");
        check("step.read", "what of the step is missing");
        check("client.TcpExt.X", "client.counter.TcpExt");
        check("client.counter.X", "client.counter.TcpExt");
    }

    #[test]
    fn equal_neighbours_are_shown_once() {
        let list =
            |numbers: &[i64]| Value::List(numbers.iter().copied().map(Value::Number).collect());
        assert_eq!(list(&[5, 4, 1]).to_string(), "[5, 4, 1]");
        assert_eq!(list(&[5, 5]).to_string(), "[5, 5]");
        assert_eq!(list(&[1448, 1448, 1448, 7]).to_string(), "[1448 × 3, 7]");
        let many: Vec<i64> = (0..20).collect();
        assert!(list(&many).to_string().ends_with(" 11, … 8]"));
        assert_eq!(Value::Text("a\"\n".into()).to_string(), "\"a\\\"\\n\"");
    }
}
