//! Whether what must be seen was seen: a pure function of what a run told.

use sockeye_trace::{Finding, Kind, Timeline};

use super::note::Note;
use super::scenario::{Expect, Run, Scenario, Test, Value};
use super::sight::Sight;
use super::value::Subject;

/// One expectation, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<'s> {
    /// What must be seen.
    pub expect: &'s Expect,
    /// What was asked of it in this run.
    pub test: &'s Test,
    /// What was seen, where something was.
    pub seen: Option<Value>,
    /// Whether it holds.
    pub holds: Holds,
}

/// Whether an expectation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It could not be looked at.
    NotSeen(Unseen),
}

/// Why an expectation could not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The run was on the loopback device, which has no wire and no counters of its own.
    Loopback,
    /// The run ended before it.
    NotReached,
}

/// What a run told of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Where it ran: `namespaces` or `loopback`.
    pub place: String,
    /// Why not in namespaces, where it is so.
    pub why: String,
    /// The step that could not be done, from 0, and why.
    pub stuck: Option<(usize, String)>,
    /// All notes, in their order.
    pub notes: Vec<Note>,
}

impl Told {
    /// What the notes of a session say.
    pub fn of(session: &sockeye_trace::Session) -> Self {
        let mut told = Self::default();
        for (_, fact) in session
            .facts()
            .filter(|(_, fact)| fact.kind() == Kind::Note)
        {
            // What is no note of ours was written by a later version.
            let Ok(note) = serde_json::from_str::<Note>(fact.text) else {
                continue;
            };
            match &note {
                Note::Begin { place, why, .. } => {
                    (told.place, told.why) = (place.clone(), why.clone());
                }
                Note::Stuck { index, why } if told.stuck.is_none() => {
                    told.stuck = Some((*index, why.clone()));
                }
                _ => {}
            }
            told.notes.push(note);
        }
        told
    }

    /// Whether it ran on the loopback device.
    pub fn is_loopback(&self) -> bool {
        self.place == "loopback"
    }
}

/// Looks at what must be seen in this run of the scenario, in the order of the file.
pub fn check<'s>(
    scenario: &'s Scenario,
    run: Run,
    timeline: &Timeline<'_>,
    findings: &[Finding],
) -> Vec<Checked<'s>> {
    let told = Told::of(timeline.session);
    let sight = Sight::new(timeline, findings, &told);
    let mut checked = vec![];
    for expect in &scenario.expects {
        let own = match run {
            Run::Plain => &expect.plain,
            Run::Cure => &expect.cure,
        };
        for test in [&expect.both, own].into_iter().flatten() {
            let (seen, holds) = judge(&sight, &told, &expect.value, test);
            checked.push(Checked {
                expect,
                test,
                seen,
                holds,
            });
        }
    }
    checked
}

/// What a run shows of one subject; none where there was nothing to look at.
pub fn see(subject: &Subject, timeline: &Timeline<'_>, findings: &[Finding]) -> Option<Value> {
    let told = Told::of(timeline.session);
    if told.is_loopback() && subject.what.needs_wire() {
        return None;
    }
    Sight::new(timeline, findings, &told).of(subject)
}

fn judge(sight: &Sight<'_>, told: &Told, value: &str, test: &Test) -> (Option<Value>, Holds) {
    let Ok(subject) = value.parse::<Subject>() else {
        // Reading the file forbids it.
        return (None, Holds::No);
    };
    if told.is_loopback() && subject.what.needs_wire() {
        return (None, Holds::NotSeen(Unseen::Loopback));
    }
    let seen = sight.of(&subject);
    let holds = match &seen {
        Some(seen) if test.holds(seen) => Holds::Yes,
        None if told.stuck.is_some() => Holds::NotSeen(Unseen::NotReached),
        None if told.is_loopback() => Holds::NotSeen(Unseen::Loopback),
        _ => Holds::No,
    };
    (seen, holds)
}

impl Test {
    /// Whether a value answers all that is asked.
    pub fn holds(&self, seen: &Value) -> bool {
        let at_least = |least: &i64| matches!(seen, Value::Number(number) if number >= least);
        let at_most = |most: &i64| matches!(seen, Value::Number(number) if number <= most);
        self.is.as_ref().is_none_or(|is| seen == is)
            && self.not.as_ref().is_none_or(|not| seen != not)
            && self.min.as_ref().is_none_or(at_least)
            && self.max.as_ref().is_none_or(at_most)
            && self.has.as_ref().is_none_or(|inner| has(seen, inner))
            && self.lacks.as_ref().is_none_or(|inner| !has(seen, inner))
    }
}

/// Whether a text is part of another, an item in a list, or several items in it in this order.
fn has(seen: &Value, inner: &Value) -> bool {
    match (seen, inner) {
        (Value::Text(seen), Value::Text(inner)) => seen.contains(&**inner),
        (Value::List(items), Value::List(wanted)) => {
            let mut items = items.iter();
            wanted.iter().all(|one| items.any(|item| item == one))
        }
        (Value::List(items), one) => items.contains(one),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sockeye_trace::packet::TcpFlags;
    use sockeye_trace::sample::{CLIENT, SERVER, Script};
    use sockeye_trace::{ConnId, Event, Fact, Session, finding};

    use super::super::note::{Done, Seen};
    use super::super::script::Host;
    use super::*;

    fn note(script: &mut Script, note: &Note) {
        let text = serde_json::to_string(note).unwrap();
        let event = Event::new(Kind::Note, ConnId::default(), script.now());
        script.push(&Fact {
            text: &text,
            ..Fact::new(event)
        });
    }

    fn begin(place: &str) -> Note {
        Note::Begin {
            scenario: "x".into(),
            cured: false,
            place: place.into(),
            why: String::new(),
        }
    }

    /// Two writes, one segment that is sent twice, a peek and a read; a look, a step, a counter.
    fn sticky(place: &str) -> Session {
        let mut script = Script::new();
        note(&mut script, &begin(place));
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello ");
        script.write(tcp, CLIENT, b"world");
        script.segment(tcp, CLIENT, 0..11);
        script.segment(tcp, CLIENT, 0..11);
        script.window(tcp, SERVER, 0);
        script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
        script.read(tcp, SERVER, 1024, 11);
        let done = |data: &str, errno: &str| Done {
            call: "recv".into(),
            result: data.len() as i64,
            errno: errno.into(),
            data: data.into(),
        };
        let step = Note::Step {
            index: 3,
            name: "read".into(),
            done: vec![done("hello world", ""), done("", "EAGAIN")],
        };
        note(&mut script, &step);
        let seen = |state: &str, port| Seen {
            state: state.into(),
            port,
            orphan: port == 0,
            ..Seen::default()
        };
        let look = Note::Look {
            name: "later".into(),
            host: Host::Server,
            sockets: vec![seen("LISTEN", 9000), seen("CLOSE-WAIT", 0)],
        };
        note(&mut script, &look);
        let grown = BTreeMap::from([("TcpExt.ListenOverflows".to_owned(), 3)]);
        let host = Host::Server;
        note(&mut script, &Note::Counters { host, grown });
        script.close(tcp, CLIENT);
        script.session()
    }

    /// A scenario that expects this of the plain run.
    fn scenario(expects: &[(&str, &str)]) -> Scenario {
        let text = "text = { en = \"a\", zh = \"b\" }";
        let [title, about, says] = ["title", "about", "says"].map(|key| text.replace("text", key));
        let mut file = format!("name = \"x\"\ngroup = \"calls\"\n{title}\n{about}\n");
        file += &["[cure]", &title, &about, "[cure.lab]", "mtu = 1400\n"].join("\n");
        file += "[[step]]\nserver = { recv = {} }\nas = \"read\"\n";
        file += "[[step]]\nserver = { look = {} }\nas = \"later\"\n";
        for (value, test) in expects {
            let lines = [
                "[[expect]]",
                &format!("value = {value:?}"),
                &format!("plain = {test}"),
                &says,
                "",
            ];
            file += &lines.join("\n");
        }
        Scenario::parse(&file, "x.toml").unwrap()
    }

    fn held(session: &Session, expects: &[(&str, &str)]) -> Vec<(Option<String>, Holds)> {
        let timeline = Timeline::build(session);
        let findings = finding::find(&timeline);
        let scenario = scenario(expects);
        let checked = check(&scenario, Run::Plain, &timeline, &findings);
        checked
            .into_iter()
            .map(|checked| (checked.seen.map(|seen| seen.to_string()), checked.holds))
            .collect()
    }

    #[track_caller]
    fn all_hold(session: &Session, expects: &[(&str, &str)]) {
        for ((seen, holds), expect) in held(session, expects).into_iter().zip(expects) {
            assert_eq!(holds, Holds::Yes, "{expect:?}: {seen:?}");
        }
    }

    #[test]
    fn a_stream_is_seen_in_all_its_lanes() {
        all_hold(
            &sticky("namespaces"),
            &[
                ("to-server.writes", "{ is = [6, 5] }"),
                ("to-server.wire", "{ is = [11, 11] }"),
                ("to-server.wire.sum", "{ min = 22, max = 22 }"),
                ("to-server.reads", "{ is = [11] }"),
                ("to-client.writes", "{ is = [] }"),
                (
                    "to-server.packets",
                    "{ is = [\"S\", \"A\", \"PA\", \"PA\", \"FA\"] }",
                ),
                (
                    "packets",
                    "{ has = [\"> S\", \"< SA\", \"> PA\"], lacks = \"< R\" }",
                ),
                ("packets", "{ lacks = [\"< SA\", \"> S\"] }"),
                ("packets.first", "{ is = \"> S\", has = \"S\" }"),
                ("to-server.retransmissions", "{ is = 1 }"),
                ("to-client.retransmissions", "{ is = 0 }"),
                ("to-server.dropped", "{ is = 0 }"),
                ("to-client.windows.last", "{ is = 0 }"),
                ("to-client.windows.max", "{ is = 512 }"),
                ("to-server.windows.max", "{ is = 65536 }"),
                ("to-server.mss", "{ is = 1460 }"),
                ("findings", "{ has = \"coalesced\", not = [] }"),
                ("flows", "{ is = 1 }"),
            ],
        );
    }

    #[test]
    fn steps_looks_and_counters_are_seen() {
        all_hold(
            &sticky("namespaces"),
            &[
                ("step.read.data", "{ has = \"world\" }"),
                ("step.read.results", "{ is = [11, 0] }"),
                ("step.read.errnos", "{ is = [\"\", \"EAGAIN\"] }"),
                ("step.read.calls.count", "{ is = 2 }"),
                ("look.later.states", "{ has = \"CLOSE-WAIT\" }"),
                ("look.later.ports.first", "{ is = 9000 }"),
                ("look.later.orphans.sum", "{ is = 1 }"),
                ("look.later.count", "{ is = 2 }"),
                ("server.counter.TcpExt.ListenOverflows", "{ is = 3 }"),
                ("server.counter.TcpExt.ListenDrops", "{ is = 0 }"),
            ],
        );
    }

    #[test]
    fn what_is_not_there_does_not_hold() {
        let seen = held(
            &sticky("namespaces"),
            &[
                ("flow2.packets", "{ is = [] }"),
                ("client.counter.TcpExt.X", "{ is = 0 }"),
                ("to-server.wire", "{ is = [11] }"),
                ("to-client.reads.max", "{ is = 1 }"),
            ],
        );
        let wire = Some("[11, 11]".to_owned());
        let no = Holds::No;
        assert_eq!(seen, [(None, no), (None, no), (wire, no), (None, no)]);
    }

    #[test]
    fn the_loopback_has_no_wire_to_look_at() {
        let seen = held(
            &sticky("loopback"),
            &[
                ("to-server.writes", "{ is = [6, 5] }"),
                ("to-server.wire", "{ is = [11] }"),
                ("findings", "{ is = [] }"),
                ("step.read.result", "{ is = 12 }"),
            ],
        );
        let holds: Vec<_> = seen.into_iter().map(|(_, holds)| holds).collect();
        let unseen = Holds::NotSeen(Unseen::Loopback);
        assert_eq!(holds, [Holds::Yes, unseen, unseen, Holds::No]);
    }

    #[test]
    fn what_a_stuck_run_did_not_reach_is_told_apart() {
        let mut script = Script::new();
        note(&mut script, &begin("namespaces"));
        let why = "recv: nothing came within 8 s".to_owned();
        note(&mut script, &Note::Stuck { index: 2, why });
        let session = script.session();
        let told = Told::of(&session);
        assert_eq!(told.stuck.as_ref().map(|(index, _)| *index), Some(2));
        let seen = held(
            &session,
            &[
                ("step.read.data", "{ is = \"x\" }"),
                ("flows", "{ is = 1 }"),
            ],
        );
        assert_eq!(seen[0], (None, Holds::NotSeen(Unseen::NotReached)));
        assert_eq!(seen[1], (Some("0".into()), Holds::No));
    }

    #[test]
    fn datagrams_are_seen_with_their_ends() {
        let mut script = Script::new();
        note(&mut script, &begin("namespaces"));
        let udp = script.udp();
        script.write(udp, CLIENT, b"");
        script.datagram(udp, CLIENT, b"");
        script.receive(udp, SERVER, 10, b"");
        let large = vec![b'a'; 4000];
        script.write(udp, CLIENT, &large);
        script.datagram(udp, CLIENT, &large);
        script.receive(udp, SERVER, 1000, &large);
        all_hold(
            &script.session(),
            &[
                ("to-server.writes", "{ is = [0, 4000] }"),
                ("to-server.wire", "{ is = [0, 1472, 1480, 1048] }"),
                (
                    "to-server.packets",
                    "{ is = [\"udp\", \"frag\", \"frag\", \"frag\"] }",
                ),
                ("to-server.fragments", "{ is = 3 }"),
                ("to-server.reads", "{ is = [0, 1000] }"),
            ],
        );
    }
}
