//! What a connection waits for beside its peer.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Phase, Reason, Stream, StreamDriver};
use crate::server::timer::after;

/// What a connection waits for beside its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Pause,
    Frame,
    Idle,
    Linger,
}

impl<S: Stream> StreamDriver<S> {
    /// Waits for the nearest limit, if there is one.
    pub(super) fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<Limit> {
        let Some((deadline, limit)) = self.next_limit() else {
            self.timer.clear();
            return Poll::Pending;
        };
        self.timer.poll(cx, deadline).map(|()| limit)
    }

    #[inline]
    fn next_limit(&mut self) -> Option<(Instant, Limit)> {
        // As nearly always.
        if self.rest.is_empty()
            && self.last_used.is_none()
            && self.pause.is_none()
            && matches!(self.phase, Phase::Open)
        {
            return None;
        }
        self.nearest_limit()
    }

    fn nearest_limit(&mut self) -> Option<(Instant, Limit)> {
        if let Phase::Lingering { until, .. } = self.phase {
            return Some((until, Limit::Linger));
        }
        let limits = [
            self.pause
                .as_ref()
                .map(|pause| (pause.until(), Limit::Pause))
                .filter(|(until, _)| self.may_read() && *until > Instant::now()),
            self.frame_limit().map(|deadline| (deadline, Limit::Frame)),
            self.idle_limit
                .zip(self.last_used)
                .map(|(limit, last_used)| (after(last_used, limit), Limit::Idle)),
        ];
        limits
            .into_iter()
            .flatten()
            .min_by_key(|(deadline, _)| *deadline)
    }

    /// Whether reading waits for nothing but the peer.
    fn may_read(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.pending.is_empty()
    }

    /// Until when the frame that was begun has to be complete. Time in which we make the peer wait
    /// does not count.
    fn frame_limit(&mut self) -> Option<Instant> {
        if self.rest.is_empty() || !self.may_read() || self.pause.is_some() {
            self.frame = None;
            return None;
        }
        let at = self.dialogue.offset();
        let deadline = match self.frame {
            Some((begun_at, deadline)) if begun_at == at => deadline,
            _ => after(Instant::now(), self.options.frame_timeout),
        };
        self.frame = Some((at, deadline));
        Some(deadline)
    }

    /// What a limit that was reached comes to; `None` if the connection goes on.
    pub(super) fn on_limit(&self, limit: Limit) -> Option<Reason> {
        match limit {
            Limit::Pause => None,
            // Why it is closed was said before.
            Limit::Linger => Some(Reason::Service),
            Limit::Frame => Some(Reason::SlowFrame(self.options.frame_timeout)),
            Limit::Idle if self.write_done && !self.link.has_end() => Some(Reason::Peer),
            Limit::Idle => self.idle_limit.map(Reason::Idle),
        }
    }
}
