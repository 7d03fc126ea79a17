//! Ends a conversation early: after a farewell, or after so many answers.

use std::sync::Arc;

use sockeye_frame::DecodeError;
use sockeye_trace::Time;

use crate::{Mailbox, Out, Responder};

/// A responder that stops before the peer does.
pub(crate) struct Bounded {
    inner: Box<dyn Responder>,
    /// As a whole message this is answered with itself and ends the conversation.
    quit_on: Option<Arc<[u8]>>,
    /// Messages that may still be answered.
    answers_left: Option<u64>,
    /// Whether the streamed body in hand is being answered.
    answers_body: bool,
}

impl Bounded {
    /// Puts the bounds around `inner`, if there are any.
    pub(crate) fn around(
        inner: Box<dyn Responder>,
        (quit_on, answers_left): (Option<Arc<[u8]>>, Option<u64>),
    ) -> Box<dyn Responder> {
        if quit_on.is_none() && answers_left.is_none() {
            return inner;
        }
        Box::new(Self {
            inner,
            quit_on,
            answers_left,
            answers_body: false,
        })
    }

    /// Whether `message` is the farewell. A person's netcat sends the end of the line with it where
    /// no framing takes it off.
    fn is_farewell(&self, message: &[u8]) -> bool {
        let Some(quit_on) = &self.quit_on else {
            return false;
        };
        let line = message.strip_suffix(b"\n").unwrap_or(message);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        message == &**quit_on || line == &**quit_on
    }

    /// Notes that a message was dealt with, and closes if it was answered and the last one to be.
    fn count(&mut self, answered: bool, out: &mut Out<'_>) {
        if let Some(left) = &mut self.answers_left
            && answered
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                out.close();
            }
        }
    }
}

impl Responder for Bounded {
    fn on_open(&mut self, now: Time, out: &mut Out<'_>) {
        self.inner.on_open(now, out);
    }

    fn on_message(&mut self, now: Time, message: &[u8], out: &mut Out<'_>) {
        if self.is_farewell(message) {
            out.forward();
            return out.close();
        }
        let before = out.messages();
        self.inner.on_message(now, message, out);
        let answered = out.messages() > before;
        self.count(answered, out);
    }

    fn on_head(&mut self, now: Time, header: &[u8], body: u64, out: &mut Out<'_>) {
        let before = out.messages();
        self.inner.on_head(now, header, body, out);
        self.answers_body = out.messages() > before;
    }

    fn on_body(&mut self, now: Time, chunk: &[u8], left: u64, out: &mut Out<'_>) {
        self.inner.on_body(now, chunk, left, out);
        if left == 0 {
            self.count(self.answers_body, out);
        }
    }

    fn on_bad_frame(&mut self, now: Time, error: &DecodeError, out: &mut Out<'_>) {
        self.inner.on_bad_frame(now, error, out);
    }

    fn on_drained(&mut self, now: Time, out: &mut Out<'_>) {
        self.inner.on_drained(now, out);
    }

    fn on_half_close(&mut self, now: Time, out: &mut Out<'_>) {
        self.inner.on_half_close(now, out);
    }

    fn on_broken(&mut self, reason: &str) {
        self.inner.on_broken(reason);
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        self.inner.mailbox()
    }

    fn needs_time(&self) -> bool {
        self.inner.needs_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Discard, Stage, Upper};
    use crate::{Arrival, Peer, Responders as _};

    fn upper(quit_on: Option<&str>, answers_left: Option<u64>) -> Box<dyn Responder> {
        let peer = Peer {
            name: &"test",
            arrival: Arrival::Chunks,
            framing: None,
        };
        let quit_on = quit_on.map(|text| text.as_bytes().into());
        Bounded::around(Upper::default().open(&peer), (quit_on, answers_left))
    }

    /// Feeds messages until the conversation closes; returns what was sent.
    fn check(mut bounded: Box<dyn Responder>, messages: &[&str], want: &str, closed: bool) {
        let mut stage = Stage::raw();
        for message in messages {
            let message = message.as_bytes();
            bounded.on_message(Time::default(), message, &mut stage.out(message));
        }
        assert_eq!(
            (stage.sent().escape_ascii().to_string(), stage.is_closed()),
            (want.into(), closed)
        );
    }

    #[test]
    fn the_farewell_is_answered_with_itself() {
        let bounded = || upper(Some("exit"), None);
        check(bounded(), &["hi", "exit", "more"], "HIexit", true);
        check(bounded(), &["hi", "exit\\n"], "HIEXIT\\\\N", false);
        check(
            bounded(),
            &["exit now", "no exit", "Exit"],
            "EXIT NOWNO EXITEXIT",
            false,
        );
        for end in ["\n", "\r\n"] {
            let text = format!("exit{end}");
            check(
                bounded(),
                &[&text],
                &text.escape_default().to_string(),
                true,
            );
        }
    }

    #[test]
    fn only_what_is_answered_counts() {
        check(upper(None, Some(1)), &["a", "b"], "A", true);
        check(upper(None, Some(2)), &["a", "b", "c"], "AB", true);
        check(upper(None, Some(2)), &["a"], "A", false);
        let silent = Bounded::around(Box::new(Discard), (None, Some(1)));
        check(silent, &["a", "b"], "", false);
    }
}
