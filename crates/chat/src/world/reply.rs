//! What the world answers to one member: gathered in a turn, sent at its end.

use super::{MemberId, World};
use crate::irc::Line;

impl World {
    /// Writes a line to a member of this server; to anybody else nothing. It leaves when the turn ends.
    pub(crate) fn write(&mut self, to: MemberId, write: impl FnOnce(Line<'_>)) {
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        if local.reply.is_empty() {
            self.dirty.push(to);
        }
        write(Line::new(&mut local.reply));
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

    /// Writes a numeric with one parameter and a text, as most errors are.
    pub(crate) fn refuse(&mut self, to: MemberId, number: &str, what: &str, why: &str) {
        self.numeric(to, number, |line| line.param(what).end_with(why));
    }

    /// Begins the answer to a command that was labelled.
    pub(crate) fn begin_answer(&mut self, to: MemberId, label: &str) {
        if let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) {
            local.labelled = Some((label.into(), local.reply.len()));
        }
    }

    /// Ends the answer: what was written since is labelled, as one line, as a batch, or as nothing
    /// (<https://ircv3.net/specs/extensions/labeled-response>). An answer that comes later is
    /// labelled when it comes.
    pub(crate) fn end_answer(&mut self, to: MemberId, comes_later: bool) {
        let server = self.settings.server_name.clone();
        self.counter += 1;
        let reference = format!("l{:x}", self.counter);
        let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut()) else {
            return;
        };
        let Some((label, start)) = local.labelled.take() else {
            return;
        };
        let answer = local.reply.split_off(start);
        let out = &mut local.reply;
        match answer.split_inclusive(|byte| *byte == b'\n').count() {
            0 if comes_later => {}
            0 => Line::new(out)
                .tag("label", &label)
                .source(&server)
                .command("ACK")
                .end(),
            1 => add_tag(&answer, "label", &label, out),
            _ => {
                Line::new(out)
                    .tag("label", &label)
                    .source(&server)
                    .command("BATCH")
                    .param(&format!("+{reference}"))
                    .param("labeled-response")
                    .end();
                for line in answer.split_inclusive(|byte| *byte == b'\n') {
                    if has_tag(line, b"batch") {
                        out.extend_from_slice(line);
                    } else {
                        add_tag(line, "batch", &reference, out);
                    }
                }
                Line::new(out)
                    .source(&server)
                    .command("BATCH")
                    .param(&format!("-{reference}"))
                    .end();
            }
        }
        if !local.reply.is_empty() && !self.dirty.contains(&to) {
            self.dirty.push(to);
        }
    }

    /// Sends what a member was answered in this turn, ahead of what others are told too.
    pub(crate) fn send_reply(&mut self, to: MemberId) {
        if let Some(local) = self.members.get_mut(&to).and_then(|m| m.local_mut())
            && !local.reply.is_empty()
        {
            let reply = std::mem::take(&mut local.reply);
            local.outbox.send_own(&reply);
        }
    }

    pub(super) fn send_replies(&mut self) {
        for to in std::mem::take(&mut self.dirty) {
            self.send_reply(to);
        }
    }

    /// The label of the command in hand, taken so that the answer can come later.
    pub(crate) fn take_label(&mut self, of: MemberId) -> Option<String> {
        let local = self.members.get_mut(&of)?.local_mut()?;
        local.labelled.take().map(|(label, _)| label.into())
    }
}

/// Appends a line with one more tag.
fn add_tag(line: &[u8], key: &str, value: &str, out: &mut Vec<u8>) {
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
