//! Waiting for what hosts and wire come to.

use std::time::Instant;

use super::look::{listed, name, seen};
use super::{Cable, Director, PACE, Stuck};
use crate::lab::{Done, Host, Note, Seen, Wait};

impl<T: FnMut(Note)> Director<'_, T> {
    /// Looks again and again until all of it holds.
    pub(super) fn wait(
        &mut self,
        index: usize,
        host: Host,
        wait: &Wait,
    ) -> Result<Vec<Done>, Stuck> {
        let end = self.end();
        loop {
            let missing = self
                .missing(host, wait)
                .map_err(|why| Stuck { index, why })?;
            let Some(missing) = missing else {
                return Ok(vec![waited()]);
            };
            if Instant::now() >= end {
                let why = format!("the {} waits for {missing}", name(host));
                return Err(Stuck { index, why });
            }
            self.hear(PACE)?;
        }
    }

    /// What does not hold yet, and what is there instead.
    fn missing(&self, host: Host, wait: &Wait) -> Result<Option<String>, String> {
        if let Some(step) = &wait.step
            && self.cast.is_pending(step)
        {
            return Ok(Some(format!(
                "step `{step}`, which has not ended; {}",
                self.there(host)
            )));
        }
        if let Some(counter) = &wait.counter {
            let wanted = wait.min.unwrap_or(1);
            let grown = self.grown(host)?.get(counter).copied().unwrap_or(0);
            if grown < wanted {
                return Ok(Some(format!(
                    "{counter} to grow by {wanted}; it has grown by {grown}"
                )));
            }
        }
        if !of_sockets(wait) {
            return Ok(None);
        }
        let sockets = seen(&self.kernel(host).sockets()?);
        Ok(unmet(wait, &sockets).map(|wanted| format!("{wanted}; {}", listed(&sockets))))
    }

    /// Waits until so many packets have come to the wire.
    pub(super) fn passed(
        &mut self,
        index: usize,
        cable: &dyn Cable,
        packets: u64,
        to: Option<Host>,
        flags: Option<&str>,
    ) -> Result<Vec<Done>, Stuck> {
        let end = self.end();
        loop {
            let came = cable.passed(to, flags);
            if came >= packets {
                return Ok(vec![waited()]);
            }
            if Instant::now() >= end {
                let kind = flags.map_or(String::new(), |flags| format!(" `{flags}`"));
                let way = to.map_or(String::new(), |to| format!(" to the {}", name(to)));
                let why = format!("the wire waits for {packets} packets{kind}{way}; {came} came");
                return Err(Stuck { index, why });
            }
            self.hear(PACE)?;
        }
    }
}

fn waited() -> Done {
    Done {
        call: "wait".to_owned(),
        ..Done::default()
    }
}

/// Whether it asks for anything of sockets.
fn of_sockets(wait: &Wait) -> bool {
    let Wait {
        state,
        count,
        unread,
        unacked,
        acked,
        ..
    } = wait;
    state.is_some() || count.is_some() || unread.is_some() || unacked.is_some() || *acked
}

/// What of it does not hold among these sockets.
fn unmet(wait: &Wait, sockets: &[Seen]) -> Option<String> {
    let of_state = |seen: &&Seen| wait.state.as_ref().is_none_or(|state| *state == seen.state);
    if wait.state.is_some() || wait.count.is_some() {
        let (count, wanted) = (
            sockets.iter().filter(of_state).count(),
            wait.count.unwrap_or(1),
        );
        if !reached(count as u64, wanted) {
            let state = wait.state.as_deref().unwrap_or("any state");
            return Some(format!("{wanted} sockets in {state}"));
        }
    }
    let connections = || sockets.iter().filter(|seen| seen.state != "LISTEN");
    if let Some(wanted) = wait.unread
        && !reached(
            connections().map(|seen| u64::from(seen.unread)).sum(),
            wanted,
        )
    {
        return Some(format!("{wanted} unread bytes"));
    }
    let unacked: u64 = connections()
        .filter(|seen| seen.kind == "tcp")
        .map(|seen| u64::from(seen.unacked))
        .sum();
    if let Some(wanted) = wait.unacked
        && !reached(unacked, wanted)
    {
        return Some(format!("{wanted} unacknowledged bytes"));
    }
    (wait.acked && unacked > 0).then(|| "everything to be acknowledged".to_owned())
}

/// At least so many; none means none.
fn reached(there: u64, wanted: u64) -> bool {
    if wanted == 0 {
        there == 0
    } else {
        there >= wanted
    }
}
