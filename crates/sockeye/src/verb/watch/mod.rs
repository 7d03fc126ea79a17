//! `sockeye watch`: three lanes of programs that know nothing of it.
//!
//! This process draws. Another one, started from the same program, traces ([`worker`]): what it sees
//! comes through a pipe, as the facts of a session (`crate::recording`).

mod args;
mod ending;
mod face;
mod live;
mod plan;
mod screen;
mod seen;
mod sight;
pub(crate) mod worker;

pub(crate) use args::{Watch, head};
pub(crate) use face::Face;
pub(crate) use sight::Sight;

use crate::context::Context;
use crate::exit::Exit;

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let plan = self.plan(self.sight.is_drawn())?;
        let face = Face {
            context,
            sight: &self.sight,
            programs: &plan.programs,
            timeout: self.timeout,
            exit_status: self.exit_status,
            advice: |_, _| (),
        };
        face.record(worker::WORD, &plan, plan.stdin).await
    }
}
