//! `sockeye lab run`: the reader's own two programs, on the two hosts.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use clap::Args;
use sockeye_frame::{ByteSize, Framing};
use sockeye_net::CommandLine;
use sockeye_observe::lab::{Note, Plan as LabPlan, Setting};
use sockeye_observe::watch::Options;
use sockeye_trace::{Call, ConnId, Head, Kind, Process, Session, Side};

use super::plan::Plan;
use super::wire::WireFlags;
use super::worker::WORD;
use crate::catalogue::lab as say;
use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::recording::{Planned, SERVER};
use crate::values::Wait;
use crate::verb::watch::{Face, Sight, head};

/// Run a server and a client of your own on two hosts, and draw what they write, what the wire carries and what they read
#[derive(Args, Debug)]
pub(crate) struct RunPrograms {
    /// The server's command line, split as a shell would and run without one; its host is 10.0.0.2, with the name server
    #[arg(long, value_name = "COMMAND", help_heading = PROGRAMS)]
    server: CommandLine,
    /// The client's; it is started when the server listens, on 10.0.0.1, with the name client
    #[arg(long, value_name = "COMMAND", help_heading = PROGRAMS)]
    client: CommandLine,
    /// Bytes that are kept of each call and packet
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256B",
        help_heading = PROGRAMS
    )]
    bytes: ByteSize,
    /// How the programs cut their byte streams into messages
    #[arg(long, value_name = "FRAMING", help_heading = PROGRAMS)]
    frame: Option<Framing>,

    #[command(flatten)]
    wire: WireFlags,

    /// End the programs after this long (exit code 4)
    #[arg(long, value_name = "TIME", help_heading = "What ends when")]
    timeout: Option<Wait>,
    /// End with the status of the client
    #[arg(long, help_heading = "What ends when")]
    exit_status: bool,

    #[command(flatten)]
    sight: Sight,
}

const PROGRAMS: &str = "What to run";

impl RunPrograms {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let plan = self.plan()?;
        let face = Face {
            context,
            sight: &self.sight,
            programs: &plan.programs,
            timeout: self.timeout,
            exit_status: self.exit_status,
            advice,
        };
        face.record(WORD, &plan, plan.stdin).await
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        if self.bytes.0 > Options::PAYLOAD_MAX as u64 {
            return Err(usage!(
                "--bytes {}: no more than {} are kept of a call",
                self.bytes,
                ByteSize(Options::PAYLOAD_MAX as u64)
            ));
        }
        Ok(Plan {
            head: Head {
                payload_cap: self.bytes.0,
                frame: self
                    .frame
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                ..head("lab")
            },
            lab: LabPlan {
                payload_cap: self.bytes.0 as usize,
                ..LabPlan::programs(self.wire.apply(&Setting::default()))
            },
            programs: vec![
                Planned::of(SERVER, &self.server),
                Planned::of("client", &self.client),
            ],
            stdin: !self.sight.is_drawn(),
        })
    }
}

/// Where it ran, if that is not where it should; and the mistake that everybody makes once: on two hosts,
/// nobody is at 127.0.0.1 but oneself.
fn advice(context: &Context, session: &Session) {
    let (lang, ui) = (context.lang(), &context.ui);
    if let Some(why) = on_loopback(session) {
        ui.say(&say::PROGRAMS_ON_LOOPBACK.fill(lang, &[("why", &why)]));
    } else if let Some(address) = refused_at_home(session) {
        ui.say(&say::REFUSED_AT_HOME.fill(lang, &[("address", &address)]));
    }
}

/// Why the programs ran on the loopback device, if they did.
fn on_loopback(session: &Session) -> Option<String> {
    let facts = session.facts().map(|(_, fact)| fact);
    let notes = facts.filter(|fact| fact.kind() == Kind::Note);
    let mut notes = notes.filter_map(|fact| serde_json::from_str(fact.text).ok());
    notes.find_map(|note| match note {
        Note::Begin { place, why, .. } if place != "namespaces" => Some(why),
        _ => None,
    })
}

/// The loopback address where the client found nobody.
fn refused_at_home(session: &Session) -> Option<SocketAddr> {
    let (mut clients, mut owners) = (HashSet::new(), HashMap::new());
    let mut refused: Vec<(ConnId, SocketAddr)> = vec![];
    for (_, fact) in session.facts() {
        let conn = fact.event.conn();
        match (fact.kind(), fact.call()) {
            (Kind::Process, _) => {
                let client = fact.describes::<Process>().filter(|it| it.role != SERVER);
                clients.extend(client.map(|it| it.pid));
            }
            (Kind::Side, _) => {
                owners.extend(fact.describes::<Side>().map(|side| (conn, side.pid)));
            }
            // Who does not wait for it learns of the refusal later, and from something else.
            (Kind::Called, Call::Connect)
                if [libc::ECONNREFUSED, libc::EINPROGRESS].contains(&-fact.event.result) =>
            {
                let home = fact.text.parse().ok();
                let home = home.filter(|address: &SocketAddr| address.ip().is_loopback());
                refused.extend(home.map(|address| (conn, address)));
            }
            (Kind::Read | Kind::Write, _) if fact.event.result > 0 => {
                refused.retain(|(of, _)| *of != conn);
            }
            _ => {}
        }
    }
    let ours = |(conn, _): &&(ConnId, SocketAddr)| {
        owners.get(conn).is_some_and(|pid| clients.contains(pid))
    };
    refused.iter().find(ours).map(|(_, address)| *address)
}

#[cfg(test)]
mod tests {
    use sockeye_trace::{Event, Fact, Time};

    use super::*;

    fn told(kind: Kind, call: Call, result: i32, text: &str) -> Session {
        let mut session = Session::default();
        let mut tell = |event: Event, text: &str| {
            let mut fact = Fact::new(event);
            fact.text = text;
            session.push(&fact);
        };
        let at = Time::default();
        let nobody = ConnId::default();
        for (pid, role) in [(4, "server"), (5, "client")] {
            let process = Process {
                pid,
                role: role.into(),
                ..Process::default()
            };
            let text = serde_json::to_string(&process).unwrap();
            tell(Event::new(Kind::Process, nobody, at), &text);
        }
        for (id, pid) in [(1, 4), (2, 5)] {
            let side = Side {
                id,
                pid,
                ..Side::default()
            };
            let text = serde_json::to_string(&side).unwrap();
            tell(Event::new(Kind::Side, side.conn(), at), &text);
        }
        let connected = Event::new(Kind::Called, ConnId::new(2), at).with_call(Call::Connect);
        tell(connected.with_result(result), text);
        let next = Event::new(kind, ConnId::new(2), at).with_call(call);
        tell(next.with_result(5), "");
        session
    }

    #[test]
    fn only_a_client_that_finds_nobody_at_its_own_host_is_told() {
        let check = |session: &Session, expected: Option<&str>| {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(refused_at_home(session), expected);
        };
        let (called, close) = (Kind::Called, Call::Close);
        let refused = -libc::ECONNREFUSED;
        let home = "127.0.0.1:9000";
        check(&told(called, close, refused, home), Some(home));
        let begun = -libc::EINPROGRESS;
        check(&told(called, close, begun, home), Some(home));
        check(&told(Kind::Write, Call::Sendto, begun, home), None);
        check(&told(called, close, 0, home), None);
        check(&told(called, close, refused, "10.0.0.2:9000"), None);
        check(
            &told(called, close, refused, "[::1]:9000"),
            Some("[::1]:9000"),
        );
    }
}
