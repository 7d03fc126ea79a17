//! MODE of somebody: only his own, and only `i` and `-o`.

use super::{Call, Then};
use crate::irc::{Folded, numeric};
use crate::world::World;

impl World {
    pub(super) fn on_user_mode(&mut self, call: Call<'_>) -> Then {
        let (by, nick) = (call.by, call.message.params()[0]);
        let other = self.nicks.get(&Folded::new(nick)).copied();
        if other.is_none() {
            self.refuse(by, numeric::ERR_NOSUCHNICK, nick, "No such nick/channel");
            return Then::Go;
        }
        if other != Some(by) {
            self.numeric(by, numeric::ERR_USERSDONTMATCH, |line| {
                line.end_with("Cannot change mode for other users");
            });
            return Then::Go;
        }
        match call.param(1) {
            None => self.tell_user_modes(call),
            Some(letters) => self.change_user_modes(call, letters),
        }
        Then::Go
    }

    fn tell_user_modes(&mut self, call: Call<'_>) {
        let Some(member) = self.members.get(&call.by) else {
            return;
        };
        let mut letters = String::from("+");
        for (is_set, letter) in [(member.is_invisible, 'i'), (member.is_oper, 'o')] {
            if is_set {
                letters.push(letter);
            }
        }
        self.numeric(call.by, numeric::RPL_UMODEIS, |line| {
            line.param(&letters).end();
        });
    }

    fn change_user_modes(&mut self, call: Call<'_>, letters: &str) {
        let (mut set, mut unknown) = (true, false);
        let mut done = String::new();
        let Some(member) = self.members.get_mut(&call.by) else {
            return;
        };
        for letter in letters.chars() {
            let flag = match letter {
                '+' | '-' => {
                    set = letter == '+';
                    continue;
                }
                'i' => &mut member.is_invisible,
                'o' => &mut member.is_oper,
                _ => {
                    unknown = true;
                    continue;
                }
            };
            // Ruling over the server is given by OPER, never by oneself.
            if !(letter == 'o' && set) && std::mem::replace(flag, set) != set {
                done.push(if set { '+' } else { '-' });
                done.push(letter);
            }
        }
        let source = member.source.clone();
        if unknown {
            self.numeric(call.by, numeric::ERR_UMODEUNKNOWNFLAG, |line| {
                line.end_with("Unknown MODE flag");
            });
        }
        if !done.is_empty() {
            self.write(call.by, |line| {
                line.source(&source.to_string())
                    .command("MODE")
                    .param(&source.nick)
                    .param(&done)
                    .end();
            });
        }
    }
}
