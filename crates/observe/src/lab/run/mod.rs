//! A lab from beginning to end: hosts and wire, the programs on them, and what is told of it all.
//!
//! - **Order:** [`Place::prepare`] while the process has one thread, then [`Lab::build`], then either
//!   [`Lab::play`] (a script, done by actors) or programs of somebody's own, each started in
//!   [`Lab::network`], then [`Lab::finish`].
//! - **Ends:** all of it with the process, its namespaces with the last process in them.

mod loopback;
mod names;
mod play;
mod surroundings;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use sockeye_trace::{ConnId, Event, Fact, Kind, Time};

use super::{
    Action, CLIENT, Host, HostNetwork, HostSetting, LabError, Link, Note, Plan, Run, SERVER,
    Scenario, Setting, Statistics, Wire, WireOptions,
};
use crate::namespace::{Isolation, NamespaceError, enter};
use loopback::Loopback;

pub use play::Played;

/// Where a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In namespaces of its own.
    Namespaces,
    /// On the loopback device of this machine, since namespaces are barred: nobody sees its packets,
    /// nothing can happen to them, and its kernel is everybody's.
    Loopback(NamespaceError),
}

impl Place {
    /// Moves this process, which has one thread, into namespaces of its own. In them both hosts have a
    /// name, `client` and `server`, for programs that ask `/etc/hosts`.
    ///
    /// Where namespaces are barred nothing has happened.
    ///
    /// # Errors
    /// What failed after a trial had succeeded. The process may be in part of the room: it should end.
    pub fn prepare() -> Result<Self, NamespaceError> {
        let room = Isolation {
            // Of the wire's own loopback device, which nobody uses.
            mtu: None,
            ..Isolation::default()
        };
        let room = match room.fitting() {
            Ok(room) => room,
            Err(why) => return Ok(Self::Loopback(why)),
        };
        enter(&room)?;
        // Where mounts are barred too, programs are still told the addresses in their environment.
        let _ = names::give(CLIENT, SERVER);
        Ok(Self::Namespaces)
    }

    /// Whether a plan can be carried out here, else what it needs, as the end of a sentence.
    ///
    /// # Errors
    /// What the loopback device of a machine cannot do, or what is not a lab's to change there. A setting
    /// with `loopback = true` runs there without all that.
    pub fn allows(&self, plan: &Plan) -> Result<(), &'static str> {
        let setting = &plan.setting;
        match (self, setting.loopback) {
            (Self::Namespaces, _) => return Ok(()),
            (Self::Loopback(_), Some(false)) => return Err("two hosts and a wire"),
            (Self::Loopback(_), _) => {}
        }
        if let Some(what) = plan
            .scenario
            .as_ref()
            .and_then(|it| steps_need(it, plan.run))
        {
            return Err(what);
        }
        if setting.loopback == Some(true) {
            return Ok(());
        }
        if setting.faults.iter().flatten().next().is_some() {
            return Err("a wire with faults");
        }
        if setting.mtu.is_some() {
            return Err("links with an MTU of their own");
        }
        let hosts = [&setting.client, &setting.server];
        if hosts.iter().any(|host| !host.sysctl.is_empty()) {
            return Err("hosts with settings of their own");
        }
        Ok(())
    }
}

/// What steps cannot do without.
fn steps_need(scenario: &Scenario, run: Run) -> Option<&'static str> {
    let steps = scenario.steps.iter();
    let steps = steps.filter(|step| step.only.is_none_or(|only| only == run));
    let actions = steps
        .flat_map(|step| [&step.client, &step.server])
        .flatten();
    let needs = |action: &Action| match action {
        Action::Sysctl { .. } => Some("hosts with settings of their own"),
        Action::Wait(wait) if wait.counter.is_some() => Some("hosts with counters of their own"),
        _ => None,
    };
    actions.into_iter().find_map(needs)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Loopback(_) => "loopback",
        })
    }
}

/// Two hosts and what joins them.
#[derive(Debug)]
pub struct Lab {
    place: Place,
    joined: Joined,
}

#[derive(Debug)]
enum Joined {
    Wire {
        hosts: Box<[HostNetwork; 2]>,
        wire: Wire,
    },
    Loopback(Loopback),
}

/// The same, with what makes a script's packets the same each time, unless it says otherwise: on a busy
/// machine answers come late, and the kernel takes that for the loss of a flight's last segment, which it
/// then sends again (tail loss probe, RFC 8985).
fn steady(setting: &Setting) -> Setting {
    let no_probes = HostSetting {
        sysctl: [("net.ipv4.tcp_early_retrans".into(), "0".into())].into(),
    };
    let steady = Setting {
        client: no_probes.clone(),
        server: no_probes,
        ..Setting::default()
    };
    steady.with(setting)
}

impl Lab {
    /// Makes hosts and wire; packets pass, and are told, from now on. On the loopback device nothing
    /// is made.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn build<T>(place: Place, plan: &Plan, tell_packets: T) -> Result<Self, LabError>
    where
        T: FnMut(&mut dyn Iterator<Item = Fact<'_>>) + Send + 'static,
    {
        if place != Place::Namespaces {
            let joined = Joined::Loopback(Loopback::new());
            return Ok(Self { place, joined });
        }
        let Link {
            client,
            server,
            ends,
        } = match plan.scenario {
            Some(_) => Link::build(&steady(&plan.setting))?,
            None => Link::build(&plan.setting)?,
        };
        let options = WireOptions {
            rules: plan.setting.faults.clone().unwrap_or_default(),
            seed: plan.setting.seed.unwrap_or(SEED),
            snap: u32::try_from(plan.payload_cap)
                .unwrap_or(u32::MAX)
                .saturating_add(HEADERS),
        };
        let wire = Wire::start(ends, options, tell_packets)?;
        let hosts = Box::new([client, server]);
        let joined = Joined::Wire { hosts, wire };
        Ok(Self { place, joined })
    }

    /// What a session says of this lab first.
    pub fn begin(&self, plan: &Plan) -> Note {
        let why = match &self.place {
            Place::Namespaces => String::new(),
            Place::Loopback(why) => why.to_string(),
        };
        let scenario = plan.scenario.as_ref();
        Note::Begin {
            scenario: scenario.map(|it| it.name.clone()).unwrap_or_default(),
            cured: plan.run == Run::Cure,
            place: self.place.to_string(),
            why,
        }
    }

    /// The address of a host.
    pub fn address(&self, host: Host) -> Ipv4Addr {
        match (&self.joined, host) {
            (Joined::Wire { .. }, Host::Client) => CLIENT,
            (Joined::Wire { .. }, Host::Server) => SERVER,
            (Joined::Loopback(loopback), host) => loopback.address(host),
        }
    }

    /// The network of a host's programs; none: ours.
    pub fn network(&self, host: Host) -> io::Result<Option<OwnedFd>> {
        match &self.joined {
            Joined::Wire { hosts, .. } => {
                let [client, server] = &**hosts;
                let of = match host {
                    Host::Client => client,
                    Host::Server => server,
                };
                of.network().try_clone_to_owned().map(Some)
            }
            Joined::Loopback(_) => Ok(None),
        }
    }

    /// What programs find in their environment: the addresses of both hosts.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let named = |name: &str, host| (name.into(), self.address(host).to_string().into());
        vec![
            named("SOCKEYE_CLIENT", Host::Client),
            named("SOCKEYE_SERVER", Host::Server),
        ]
    }

    /// What the hosts' kernels have counted so far, the client's first; none on the loopback device,
    /// where it is everybody's.
    pub fn counters(&self) -> Result<Option<[Counted; 2]>, LabError> {
        match &self.joined {
            Joined::Wire { hosts, .. } => {
                let [client, server] = &**hosts;
                Ok(Some([client.counters()?, server.counters()?]))
            }
            Joined::Loopback(_) => Ok(None),
        }
    }

    /// How many packets have come to the wire.
    fn packets(&self) -> u64 {
        match &self.joined {
            Joined::Wire { wire, .. } => wire.passed().count(None, ""),
            Joined::Loopback(_) => 0,
        }
    }

    /// Takes the wire away; what came to it until now is told first.
    pub fn finish(self) -> Result<Statistics, LabError> {
        match self.joined {
            Joined::Wire { wire, .. } => wire.finish(),
            Joined::Loopback(_) => Ok(Statistics::default()),
        }
    }
}

/// What a kernel has counted, by the names of nstat(8) with their group.
pub type Counted = std::collections::BTreeMap<String, i64>;

/// How counters have grown since: those that did.
pub fn grown(before: &Counted, now: &Counted) -> Counted {
    let since = |(name, count): (&String, &i64)| {
        let more = count - before.get(name).copied().unwrap_or(0);
        (more != 0).then(|| (name.clone(), more))
    };
    now.iter().filter_map(since).collect()
}

/// Tells a note, as of now.
pub fn tell_note(note: &Note, tell: &mut dyn FnMut(&Fact<'_>)) {
    // Notes have text keys and whole numbers, so JSON takes them.
    let text = serde_json::to_string(note).unwrap_or_default();
    let mut fact = Fact::new(Event::new(Kind::Note, ConnId::default(), now()));
    fact.text = &text;
    tell(&fact);
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::default() + since.unwrap_or_default()
}

/// The seed of a wire's chance, unless said.
const SEED: u64 = 1;
/// What is kept of a packet beside a call's worth of payload: headers with all their options.
const HEADERS: u32 = 192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Stage;

    fn plan(lab: &str, step: &str) -> Plan {
        let text = format!(
            "name = 'x'\ngroup = 'calls'\ntitle = {{ en = 'x', zh = 'x' }}\n\
             about = {{ en = 'x', zh = 'x' }}\nlab = {{ {lab} }}\n\
             [cure]\ntitle = {{ en = 'x', zh = 'x' }}\nabout = {{ en = 'x', zh = 'x' }}\n\
             [[step]]\n{step}\n[[expect]]\nvalue = 'flows'\nboth = {{ is = 1 }}\n\
             says = {{ en = 'x', zh = 'x' }}\n"
        );
        let scenario: Scenario = toml::from_str(&text).unwrap();
        Plan::of(&scenario, Run::Plain)
    }

    #[test]
    fn what_loopback_cannot_do_is_named_and_namespaces_can_do_all() {
        let barred = Place::Loopback(NamespaceError {
            stage: Stage::Unshare,
            errno: libc::EPERM,
        });
        let check = |lab: &str, step: &str, expected: Result<(), &str>| {
            let plan = plan(lab, step);
            assert_eq!(barred.allows(&plan), expected, "{lab} {step}");
            assert_eq!(Place::Namespaces.allows(&plan), Ok(()));
        };
        let nothing = "client = { look = {} }";
        check("", nothing, Ok(()));
        check("loopback = false", nothing, Err("two hosts and a wire"));
        let delay = "faults = ['delay:20ms']";
        check(delay, nothing, Err("a wire with faults"));
        check(&format!("{delay}, loopback = true"), nothing, Ok(()));
        check("mtu = 600", nothing, Err("links with an MTU of their own"));
        let own = Err("hosts with settings of their own");
        check(
            "client.sysctl = { 'net.ipv4.tcp_sack' = '0' }",
            nothing,
            own,
        );
        let set = "server = { sysctl = { name = 'net.ipv4.tcp_sack', value = '0' } }";
        check("loopback = true", set, own);
        let counted = "client = { wait = { counter = 'Tcp.RetransSegs' } }";
        let counters = Err("hosts with counters of their own");
        check("", counted, counters);
        check("", &format!("{counted}\nonly = 'cure'"), Ok(()));
    }

    #[test]
    fn only_counters_that_grew_are_told() {
        let counted = |pairs: &[(&str, i64)]| -> Counted {
            let pairs = pairs.iter();
            pairs
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        let before = counted(&[("a", 1), ("b", 2)]);
        let after = counted(&[("a", 1), ("b", 5), ("c", 2)]);
        assert_eq!(grown(&before, &after), counted(&[("b", 3), ("c", 2)]));
    }
}
