//! Watches what the plan says until all of it has ended or somebody orders the end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use sockeye_observe::watch::{Options, Tracer, Uring};
use sockeye_trace::Fact;

use super::wire::{self, Wire};
use crate::ours::Ours;
use crate::recording::{Facts, GRACE, Patience, conduct, now, programs, unwatched};
use crate::verb::watch::plan::Plan;

/// Watches what the plan says.
pub(super) fn run(plan: &Plan, streams: Vec<OwnedFd>, orders: UnixStream) -> anyhow::Result<()> {
    let mut programs = programs(&plan.programs, plan.stdin, streams)?.into_iter();
    let mut head = plan.head.clone();
    head.started_ns = now().as_nanos();
    let capture = wire::open(plan, &mut head)?;
    let options = Options {
        payload_cap: plan.payload_cap,
        uring: if plan.uring {
            Uring::Follow
        } else {
            Uring::Refuse
        },
        gauges: true,
        infer_wire: capture.is_none(),
    };
    let mut tracer = Tracer::new(options)?;
    let ours = (!plan.isolate).then(Ours::default);
    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let facts = Arc::new(Facts::new(out, &head, ours)?);
    let patience = Arc::new(Patience::new(Arc::clone(&facts), tracer.waker(), orders));
    let each_round = {
        let patience = Arc::clone(&patience);
        move || patience.look()
    };
    let wire = Wire::start(capture, Arc::clone(&facts), each_round);
    let mut sink = |fact: &Fact<'_>| facts.tell(fact);
    let attached = plan
        .attach
        .iter()
        .try_for_each(|pid| tracer.attach(*pid, &mut sink).map_err(unwatched));
    let is_attached = !plan.attach.is_empty();
    let outcome = attached.and_then(|()| {
        conduct(
            &mut tracer,
            &mut programs,
            is_attached,
            &mut sink,
            &patience,
        )
    });
    patience.leave_alone();
    // Whatever went wrong, what was seen until then is told.
    tracer.finish(GRACE, &mut sink);
    wire.finish();
    outcome
}
