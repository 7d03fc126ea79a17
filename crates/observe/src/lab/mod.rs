//! The lab: two hosts of one's own, joined by a wire that is this program, and a script of what their
//! programs do.
//!
//! A [`Scenario`] is a file: what the hosts and the wire are like ([`Setting`]), what happens
//! ([`Step`]s), what must be seen ([`Expect`]), and why, in two languages. It runs twice: plain, and
//! with its cure. What a run tells beside its calls and packets are [`Note`]s.

mod actor;
pub mod builtin;
mod check;
mod director;
mod error;
#[cfg(test)]
mod guide;
mod host;
mod link;
mod note;
mod parse;
mod plan;
mod run;
mod scenario;
mod script;
mod sight;
mod value;
mod wire;

pub use actor::{Answer, Order, Outcome, Places, actor};
pub use check::{Checked, Holds, Told, Unseen, check, see};
pub use director::{Cable, Director, Kernel, Pipes, Stage, Stuck, WAIT};
pub use error::LabError;
pub use host::HostNetwork;
pub use link::{CLIENT, Link, NOBODY, SERVER};
pub use note::{Done, Note, Seen};
pub use parse::{FILE_LIMIT, PAUSE_LIMIT_MS, SEND_LIMIT, STEP_LIMIT, ScenarioError};
pub use plan::Plan;
pub use run::{Counted, Lab, Place, Played, grown, tell_note};
pub use scenario::{
    Cure, Expect, Group, HostSetting, Run, Scenario, Setting, Step, Test, Text, Value,
};
pub use script::{Action, Data, Host, Kind, Options, Wait, WireAction};
pub use value::{OfLook, OfStep, OfWay, Part, Shape, Subject, What};
pub use wire::{
    CLIENT_END, Ends, Options as WireOptions, Passed, Port, ROUTER, SERVER_END, Statistics, Wire,
};

#[cfg(test)]
mod tests;
