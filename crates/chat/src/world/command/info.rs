//! What the server tells of itself.

use super::welcome::VERSION;
use super::{Call, Then};
use crate::irc::numeric;
use crate::world::{MemberId, World};

/// What INFO tells.
const INFO: &[&str] = &[
    "sockeye chat: rooms, accounts and history for clients of IRC",
    "Names and messages are UTF-8; what is said in rooms is kept, if this server keeps it.",
];

/// What HELP tells.
const HELP: &[&str] = &[
    "Rooms: JOIN #room, PART #room, TOPIC #room :text, NAMES, LIST, INVITE, KICK, MODE",
    "People: PRIVMSG name :text, WHO, WHOIS, WHOWAS, ISON, USERHOST, MONITOR, AWAY :why",
    "You: NICK name, SETNAME :name, MODE name +i, REGISTER * * password, QUIT :why",
    "Server: MOTD, LUSERS, VERSION, TIME, INFO, OPER",
];

impl World {
    pub(super) fn on_motd(&mut self, call: Call<'_>) -> Then {
        self.tell_motd(call.by);
        Then::Go
    }

    pub(super) fn tell_motd(&mut self, to: MemberId) {
        let settings = self.settings.clone();
        if settings.motd.is_empty() {
            self.numeric(to, numeric::ERR_NOMOTD, |line| {
                line.end_with("There is no message of the day");
            });
            return;
        }
        self.numeric(to, numeric::RPL_MOTDSTART, |line| {
            line.end_with(&format!("- {} message of the day -", settings.server_name));
        });
        for text in settings.motd.lines() {
            let text = &text[..text.floor_char_boundary(MOTD_BYTES)];
            self.numeric(to, numeric::RPL_MOTD, |line| {
                line.end_with(&format!("- {text}"));
            });
        }
        self.numeric(to, numeric::RPL_ENDOFMOTD, |line| {
            line.end_with("End of /MOTD command");
        });
    }

    pub(super) fn on_lusers(&mut self, call: Call<'_>) -> Then {
        self.tell_counts(call.by);
        Then::Go
    }

    /// How many are here.
    pub(super) fn tell_counts(&mut self, to: MemberId) {
        let all = self.nicks.len();
        let (servers, afar) = self.abroad.counts();
        let here = all.saturating_sub(afar);
        let unknown = self.members.len().saturating_sub(all);
        let (rooms, most) = (self.rooms.len(), self.most_members);
        self.numeric(to, numeric::RPL_LUSERCLIENT, |line| {
            line.end_with(&format!(
                "There are {all} users and 0 invisible on {} servers",
                1 + servers
            ));
        });
        if unknown > 0 {
            self.refuse(
                to,
                numeric::RPL_LUSERUNKNOWN,
                &unknown.to_string(),
                "unknown connections",
            );
        }
        if rooms > 0 {
            self.refuse(
                to,
                numeric::RPL_LUSERCHANNELS,
                &rooms.to_string(),
                "channels formed",
            );
        }
        self.numeric(to, numeric::RPL_LUSERME, |line| {
            line.end_with(&format!("I have {here} clients and {servers} servers"));
        });
        for (number, now, which) in [
            (numeric::RPL_LOCALUSERS, here, "local"),
            (numeric::RPL_GLOBALUSERS, all, "global"),
        ] {
            let most = most.max(now);
            self.numeric(to, number, |line| {
                let line = line.param(&now.to_string()).param(&most.to_string());
                line.end_with(&format!("Current {which} users {now}, max {most}"));
            });
        }
    }

    pub(super) fn on_version(&mut self, call: Call<'_>) -> Then {
        let settings = self.settings.clone();
        self.numeric(call.by, numeric::RPL_VERSION, |line| {
            line.param(VERSION)
                .param(&settings.server_name)
                .end_with("");
        });
        self.tell_support(call.by);
        Then::Go
    }

    pub(super) fn on_time(&mut self, call: Call<'_>) -> Then {
        let settings = self.settings.clone();
        let now = crate::irc::time_text(self.now_ms);
        self.refuse(call.by, numeric::RPL_TIME, &settings.server_name, &now);
        Then::Go
    }

    pub(super) fn on_info(&mut self, call: Call<'_>) -> Then {
        let began = format!(
            "Running {VERSION} since {}",
            crate::irc::time_text(self.began_ms)
        );
        for text in INFO.iter().copied().chain([&*began]) {
            self.numeric(call.by, numeric::RPL_INFO, |line| line.end_with(text));
        }
        self.numeric(call.by, numeric::RPL_ENDOFINFO, |line| {
            line.end_with("End of /INFO list");
        });
        Then::Go
    }

    pub(super) fn on_help(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        if let Some(subject) = call.param(0) {
            self.refuse(
                by,
                numeric::ERR_HELPNOTFOUND,
                subject,
                "There is only HELP without a subject",
            );
            return Then::Go;
        }
        self.refuse(by, numeric::RPL_HELPSTART, "*", "Commands of this server");
        for text in HELP {
            self.refuse(by, numeric::RPL_HELPTXT, "*", text);
        }
        self.refuse(
            by,
            numeric::RPL_ENDOFHELP,
            "*",
            "A client has words of its own for them",
        );
        Then::Go
    }
}

/// Bytes of a line of the message of the day that fit beside everything else.
const MOTD_BYTES: usize = 380;
