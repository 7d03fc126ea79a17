//! What somebody is told who has just come in.

use super::caps::fill;
use crate::irc::{Line, MAX_PARAMS, NICK_BYTES, ROOM_BYTES, numeric};
use crate::world::limits::{
    AWAY_BYTES, BANS_PER_ROOM, HISTORY_LINES, KEY_BYTES, MODES_PER_LINE, REAL_NAME_BYTES,
    REASON_BYTES, TARGETS_PER_LINE, TOPIC_BYTES, USER_BYTES, WATCHED_PER_MEMBER,
};
use crate::world::{MemberId, World};

/// What runs here.
pub(super) const VERSION: &str = concat!("sockeye-", env!("CARGO_PKG_VERSION"));

/// Modes of people, modes of rooms, modes of rooms with a parameter.
const USER_MODES: &str = "io";
const ROOM_MODES: &str = "biklmnotv";
const ROOM_MODES_WITH_PARAM: &str = "bklov";

/// Bytes of one line's tokens: what is left beside the server's name and the nick.
const TOKENS_BYTES: usize = 350;

impl World {
    pub(super) fn welcome(&mut self, id: MemberId) {
        let Some(source) = self
            .members
            .get(&id)
            .map(|member| member.source.to_string())
        else {
            return;
        };
        let settings = self.settings.clone();
        let server = &settings.server_name;
        self.numeric(id, numeric::RPL_WELCOME, |line| {
            line.end_with(&format!("Welcome to {}, {source}", settings.network));
        });
        self.numeric(id, numeric::RPL_YOURHOST, |line| {
            line.end_with(&format!("Your host is {server}, running {VERSION}"));
        });
        let began = crate::irc::time_text(self.began_ms);
        self.numeric(id, numeric::RPL_CREATED, |line| {
            line.end_with(&format!("This server was started {began}"));
        });
        self.numeric(id, numeric::RPL_MYINFO, |line| {
            let line = line.param(server).param(VERSION).param(USER_MODES);
            line.param(ROOM_MODES).param(ROOM_MODES_WITH_PARAM).end();
        });
        self.tell_support(id);
        self.tell_counts(id);
        self.tell_motd(id);
    }

    /// What clients may rely on: <https://modern.ircdocs.horse/#rplisupport-parameters>.
    pub(super) fn tell_support(&mut self, to: MemberId) {
        // The nick before the tokens and the text behind them are parameters too.
        for tokens in self.support().chunks(MAX_PARAMS - 2) {
            for tokens in fill(tokens.iter().cloned(), TOKENS_BYTES) {
                self.numeric(to, numeric::RPL_ISUPPORT, |line| {
                    let line = tokens.split(' ').fold(line, Line::param);
                    line.end_with("are supported by this server");
                });
            }
        }
    }

    fn support(&self) -> Vec<String> {
        let rooms = self.settings.rooms_per_member;
        let network = self.settings.network.replace(' ', "\\x20");
        let mut tokens = vec![
            format!("AWAYLEN={AWAY_BYTES}"),
            "CASEMAPPING=ascii".into(),
            format!("CHANLIMIT=#:{rooms}"),
            "CHANMODES=b,k,l,imnt".into(),
            format!("CHANNELLEN={ROOM_BYTES}"),
            "CHANTYPES=#".into(),
            "ELIST=MNU".into(),
            format!("KEYLEN={KEY_BYTES}"),
            format!("KICKLEN={REASON_BYTES}"),
            format!("LINELEN={}", crate::irc::LINE_BYTES),
            format!("MAXLIST=b:{BANS_PER_ROOM}"),
            format!("MAXTARGETS={TARGETS_PER_LINE}"),
            format!("MODES={MODES_PER_LINE}"),
            format!("MONITOR={WATCHED_PER_MEMBER}"),
            format!("NAMELEN={REAL_NAME_BYTES}"),
            format!("NETWORK={network}"),
            format!("NICKLEN={NICK_BYTES}"),
            "PREFIX=(ov)@+".into(),
            "SAFELIST".into(),
            format!(
                "TARGMAX=PRIVMSG:{TARGETS_PER_LINE},NOTICE:{TARGETS_PER_LINE},TAGMSG:{TARGETS_PER_LINE},JOIN:,PART:,KICK:,LIST:,NAMES:,WHOIS:1,WHOWAS:1"
            ),
            format!("TOPICLEN={TOPIC_BYTES}"),
            format!("USERLEN={USER_BYTES}"),
            "UTF8ONLY".into(),
            "WHOX".into(),
        ];
        if self.keeps() {
            tokens.push(format!("CHATHISTORY={HISTORY_LINES}"));
            tokens.push("MSGREFTYPES=msgid,timestamp".into());
        }
        tokens
    }
}
