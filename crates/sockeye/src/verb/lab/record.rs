//! One run of a scenario, from beginning to end.

use std::fs::File;
use std::time::Duration;

use sockeye_observe::lab::{Plan as LabPlan, Run};
use sockeye_trace::{Head, Session};
use tokio::sync::mpsc::channel;
use tokio::time::timeout;

use super::plan::Plan;
use super::worker::WORD;
use crate::context::host_name;
use crate::recording::{News, Recording};

/// News that wait at most.
const NEWS: usize = 256;
/// The lab ends itself after ten seconds. One that has not is ended by us.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a scenario in a lab and gives back all that was seen of it. `saved` gets it too, as it comes.
///
/// Several may run at once; dropping the future ends its lab.
///
/// # Errors
/// Why there can be no lab here, or why it broke. That a step could not be done is no error: it is a
/// [`Note::Stuck`](sockeye_observe::lab::Note::Stuck) of the session.
pub(crate) async fn record(plan: &LabPlan, saved: Option<File>) -> anyhow::Result<Session> {
    let plan = Plan {
        head: head(plan),
        lab: plan.clone(),
        programs: vec![],
        stdin: false,
    };
    let (sender, mut news) = channel(NEWS);
    let recording = Recording::start(WORD, &plan, vec![], saved, sender)?;
    let mut session = Session::default();
    let over = async {
        while let Some(next) = news.recv().await {
            if let News::Ended(ending) = next {
                return ending.check();
            }
            recording.take(&mut session, |_| ());
        }
        Ok(())
    };
    match timeout(PATIENCE, over).await {
        Ok(told) => told?,
        Err(_) => anyhow::bail!("the lab did not end within {PATIENCE:?}"),
    }
    recording.take(&mut session, |_| ());
    Ok(session)
}

/// What a session of this run says of itself: the command that does it again.
fn head(plan: &LabPlan) -> Head {
    let name = plan.scenario.as_ref().map(|scenario| scenario.name.clone());
    let mut command = vec!["sockeye".to_owned(), "lab".to_owned()];
    command.extend(name);
    if plan.run == Run::Cure {
        command.push("--cure".into());
    }
    Head {
        verb: "lab".into(),
        command,
        host: host_name(),
        payload_cap: plan.payload_cap as u64,
        ..Head::default()
    }
}
