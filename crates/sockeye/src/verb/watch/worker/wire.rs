//! The wire's own thread: takes packets from the ring, and makes visible what both threads told.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sockeye_observe::capture::{Capture, CaptureError, Options};
use sockeye_trace::{Gap, Head, WireSource};

use crate::recording::Facts;
use crate::verb::watch::plan::Plan;

/// How long a fact may wait before it is visible.
const LIVE: Duration = Duration::from_millis(20);
/// After the last program's end the kernel still says goodbye: packets are waited for that long at most.
const LAST_PACKETS: Duration = Duration::from_millis(250);
/// A wire that is silent for so long has nothing more to say.
const SILENCE: Duration = Duration::from_millis(40);
/// What is kept of a packet beside a call's worth of payload: headers with all their options.
const HEADERS: u32 = 192;

/// Opens the capture, and says in the head where the wire lane will come from.
pub(super) fn open(plan: &Plan, head: &mut Head) -> anyhow::Result<Option<Capture>> {
    let own = plan.isolate.then(|| "lo".to_owned());
    let options = Options {
        interface: plan.interface.clone().or(own),
        snap: u32::try_from(plan.payload_cap)
            .unwrap_or(u32::MAX)
            .saturating_add(HEADERS),
        ..Options::default()
    };
    match Capture::open(&options) {
        Ok(capture) => {
            head.wire = WireSource::Captured;
            Ok(Some(capture))
        }
        // Who names an interface wants to see that one.
        Err(why) if plan.interface.is_some() && !matches!(why, CaptureError::NotPermitted(_)) => {
            Err(crate::exit::usage!("{why}"))
        }
        Err(why) => {
            head.wire = WireSource::Inferred;
            head.wire_note = why.to_string();
            Ok(None)
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Wire {
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Wire {
    /// Starts it; `each_round` is called about every [`LIVE`].
    pub(super) fn start<W: Write + Send + 'static>(
        capture: Option<Capture>,
        facts: Arc<Facts<W>>,
        mut each_round: impl FnMut() + Send + 'static,
    ) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let mut capture = capture;
            while !told.load(Ordering::SeqCst) {
                match &mut capture {
                    Some(capture) => round(capture, &facts),
                    None => thread::park_timeout(LIVE),
                }
                facts.flush();
                each_round();
            }
            if let Some(capture) = &mut capture {
                last_words(capture, &facts);
            }
            facts.flush();
        });
        Self { done, thread }
    }

    /// Takes what is still on its way, and ends it.
    pub(super) fn finish(self) {
        self.done.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        // A panic there has been printed, and what it wrote stands.
        let _ = self.thread.join();
    }
}

fn round<W: Write>(capture: &mut Capture, facts: &Facts<W>) {
    let heard = capture.wait(LIVE);
    let taken = capture.drain(|fact| facts.tell_packet(fact));
    if heard.is_err() || taken.is_err() {
        // The interface is down, or the ring broke: what comes is not seen, and nothing else suffers.
        thread::park_timeout(LIVE);
    }
}

fn last_words<W: Write>(capture: &mut Capture, facts: &Facts<W>) {
    let until = Instant::now() + LAST_PACKETS;
    while Instant::now() < until && matches!(capture.wait(SILENCE), Ok(true)) {
        if capture.drain(|fact| facts.tell_packet(fact)).is_err() {
            break;
        }
    }
    let finished = capture.finish(|fact| facts.tell_packet(fact));
    let statistics = capture.statistics();
    if statistics.dropped > 0 {
        facts.tell_gap(&Gap {
            what: "lost-packets".into(),
            count: statistics.dropped,
            ..Gap::default()
        });
    }
    if let Err(why) = finished {
        facts.tell_gap(&Gap {
            what: "lost-packets".into(),
            detail: why.to_string(),
            ..Gap::default()
        });
    }
}
