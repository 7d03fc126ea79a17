//! What the world answers to one member: gathered in a turn, sent at its end.

use std::collections::hash_map::Entry;

use super::member::Labelled;
use super::{Answer, MemberId, Pending, World};
use crate::irc::{Caps, Line};

/// Bytes of what a member has said that an error repeats.
const REPEATED_BYTES: usize = 200;

impl World {
    /// Writes a line to a member of this server; to anybody else nothing. It leaves when the turn ends.
    pub(crate) fn write(&mut self, to: MemberId, write: impl FnOnce(Line<'_>)) {
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        if local.reply.is_empty() {
            self.dirty.push(to);
        }
        write(Line::new(&mut local.reply).cut_to_fit());
    }

    /// Writes a line of this server: `:server COMMAND …`.
    pub(crate) fn serve(&mut self, to: MemberId, command: &str, write: impl FnOnce(Line<'_>)) {
        let settings = self.settings.clone();
        self.write(to, |line| {
            write(line.source(&settings.server_name).command(command));
        });
    }

    /// Writes a numeric: `:server 001 nick …`.
    pub(crate) fn numeric(&mut self, to: MemberId, number: &str, write: impl FnOnce(Line<'_>)) {
        let Some(member) = self.members.get(&to) else {
            return;
        };
        let nick = member.nick().to_owned();
        self.serve(to, number, |line| write(line.param(&nick)));
    }

    /// Writes a numeric with one parameter and a text, as most errors are. What a member has said is
    /// repeated as far as it fits into a line.
    pub(crate) fn refuse(&mut self, to: MemberId, number: &str, what: &str, why: &str) {
        let what = repeated(what);
        self.numeric(to, number, |line| line.param(what).end_with(why));
    }

    /// Writes lines to a member as one with his capabilities reads them.
    pub(crate) fn write_for(&mut self, to: MemberId, write: impl FnOnce(Caps, &mut Vec<u8>)) {
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        let was_empty = local.reply.is_empty();
        write(local.outbox.caps(), &mut local.reply);
        if was_empty && !local.reply.is_empty() {
            self.dirty.push(to);
        }
    }

    /// Begins the answer to a command that was labelled.
    pub(crate) fn begin_answer(&mut self, to: MemberId, label: &str) {
        if let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) {
            local.labelled = Some(Box::new(Labelled {
                label: label.into(),
                start: local.reply.len(),
                later: None,
            }));
        }
    }

    /// Ends the answer: what was written since is labelled, as one line, as a batch, or as nothing
    /// (<https://ircv3.net/specs/extensions/labeled-response>). If the command has drafted something
    /// that is not settled, or the rest `comes_later`, so does all of the answer.
    pub(crate) fn end_answer(&mut self, to: MemberId, comes_later: bool) {
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        let Some(labelled) = local.labelled.take() else {
            return;
        };
        let lines = local.reply.split_off(labelled.start);
        match labelled.later {
            Some(answer) => {
                if let Some(answer) = self.answers.get_mut(&answer) {
                    answer.lines.extend_from_slice(&lines);
                }
            }
            None if lines.is_empty() && comes_later => {}
            None => self.write_answer(to, &labelled.label, &lines),
        }
    }

    /// The answer that a draft of this member belongs to: that of the labelled command in hand.
    pub(super) fn answer_later(&mut self, by: MemberId) -> Option<u64> {
        let local = self.members.get_mut(&by)?.local_mut()?;
        let labelled = local.labelled.as_mut()?;
        let counter = &mut self.counter;
        let number = *labelled.later.get_or_insert_with(|| {
            *counter += 1;
            *counter
        });
        let answer = self.answers.entry(number).or_insert_with(|| Answer {
            label: labelled.label.clone(),
            waits_for: 0,
            lines: vec![],
        });
        answer.waits_for += 1;
        Some(number)
    }

    /// Tells what has become of a draft; what its author is told is part of the answer to the
    /// command that drafted it, and leaves when all its drafts are settled.
    pub(super) fn answering(&mut self, draft: Pending, tell: impl FnOnce(&mut Self)) {
        let Pending { by, answer, .. } = draft;
        let Some(number) = answer else {
            return tell(self);
        };
        if let (Some(answer), Some(local)) = (
            self.answers.get(&number),
            self.members.get_mut(&by).and_then(|m| m.local_mut()),
        ) {
            local.labelled = Some(Box::new(Labelled {
                label: answer.label.clone(),
                start: local.reply.len(),
                later: Some(number),
            }));
        }
        tell(self);
        self.end_answer(by, false);
        if let Entry::Occupied(mut answer) = self.answers.entry(number) {
            answer.get_mut().waits_for -= 1;
            if answer.get().waits_for == 0 {
                let Answer { label, lines, .. } = answer.remove();
                self.write_answer(by, &label, &lines);
            }
        }
    }

    /// Writes the lines of an answer under their label.
    fn write_answer(&mut self, to: MemberId, label: &str, lines: &[u8]) {
        let server = self.settings.clone();
        self.counter += 1;
        let reference = format!("l{:x}", self.counter);
        self.write_for(to, |_, out| {
            label_lines(&server.server_name, label, &reference, lines, out);
        });
    }

    /// Sends what a member was answered in this turn, ahead of what others are told too.
    pub(crate) fn send_reply(&mut self, to: MemberId) {
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        let mut reply = std::mem::take(&mut local.reply);
        // The answer to a labelled command leaves when it is whole.
        if let Some(labelled) = &mut local.labelled {
            local.reply = reply.split_off(labelled.start);
            labelled.start = 0;
        }
        if !reply.is_empty() {
            local.outbox.send_own(&reply);
        }
    }

    pub(super) fn send_replies(&mut self) {
        for to in std::mem::take(&mut self.dirty) {
            let local = self.members.get(&to).and_then(|member| member.local());
            if local.is_some_and(|local| local.labelled.is_some()) {
                // Its answer is labelled when all of it is there.
                self.dirty.push(to);
            } else {
                self.send_reply(to);
            }
        }
    }
}

/// As much of what a member has said as fits into a line that repeats it.
pub(crate) fn repeated(what: &str) -> &str {
    &what[..what.floor_char_boundary(REPEATED_BYTES)]
}

/// Puts a label on the lines of an answer: on the only one, on a batch of them, or on the word that
/// there is none.
fn label_lines(server: &str, label: &str, reference: &str, lines: &[u8], out: &mut Vec<u8>) {
    let each = || lines.split_inclusive(|byte| *byte == b'\n');
    match each().count() {
        0 => Line::new(out)
            .tag("label", label)
            .source(server)
            .command("ACK")
            .end(),
        1 => add_tag(lines, "label", label, out),
        _ if is_batch(lines) => add_tag(lines, "label", label, out),
        _ => {
            Line::new(out)
                .tag("label", label)
                .source(server)
                .command("BATCH")
                .param(&format!("+{reference}"))
                .param("labeled-response")
                .end();
            for line in each() {
                if has_tag(line, b"batch") {
                    out.extend_from_slice(line);
                } else {
                    add_tag(line, "batch", reference, out);
                }
            }
            Line::new(out)
                .source(server)
                .command("BATCH")
                .param(&format!("-{reference}"))
                .end();
        }
    }
}

/// Appends a line with one more tag.
pub(crate) fn add_tag(line: &[u8], key: &str, value: &str, out: &mut Vec<u8>) {
    let value = crate::irc::escape(value);
    out.extend_from_slice(format!("@{key}={value}").as_bytes());
    if let Some(tagged) = line.strip_prefix(b"@") {
        out.push(b';');
        out.extend_from_slice(tagged);
    } else {
        out.push(b' ');
        out.extend_from_slice(line);
    }
}

/// Whether lines of ours are one batch: its first line stands for all of it.
fn is_batch(lines: &[u8]) -> bool {
    let mut each = lines.split_inclusive(|byte| *byte == b'\n');
    let (Some(first), Some(last)) = (each.next(), each.next_back()) else {
        return false;
    };
    // ":server BATCH +reference kind" and ":server BATCH -reference".
    let reference = |line: &'_ [u8], sign: &[u8]| {
        let words: Vec<_> = line
            .trim_ascii_end()
            .splitn(4, |byte| *byte == b' ')
            .collect();
        match words[..] {
            [_, b"BATCH", reference, ..] => reference.strip_prefix(sign).map(<[u8]>::to_vec),
            _ => None,
        }
    };
    let begins = reference(first, b"+");
    begins.is_some() && begins == reference(last, b"-")
}

/// Whether a line of ours has this tag already: whoever is in a batch stays in it.
fn has_tag(line: &[u8], key: &[u8]) -> bool {
    let tags = line
        .strip_prefix(b"@")
        .and_then(|rest| rest.split(|b| *b == b' ').next());
    tags.is_some_and(|tags| {
        tags.split(|b| *b == b';')
            .any(|tag| tag.split(|b| *b == b'=').next() == Some(key))
    })
}
