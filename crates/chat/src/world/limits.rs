//! How much of everything there may be. What clients are told of it stands in ISUPPORT.

use std::time::Duration;

/// Drafts of one member that wait to be kept. Above it he is not read from until they are.
pub const DRAFTS_PER_MEMBER: u32 = 512;

/// Bytes of a topic. With the longest prefix and name it fits into a line.
pub const TOPIC_BYTES: usize = 300;

/// Bytes of the reason of a KICK, a PART or a QUIT.
pub const REASON_BYTES: usize = 200;

/// Bytes of why somebody is away.
pub const AWAY_BYTES: usize = 200;

/// Bytes of a user name.
pub const USER_BYTES: usize = 18;

/// Bytes of a real name.
pub const REAL_NAME_BYTES: usize = 120;

/// Bytes of a key (`+k`).
pub const KEY_BYTES: usize = 32;

/// Modes with a parameter that one MODE changes.
pub const MODES_PER_LINE: usize = 6;

/// Bans of a room.
pub const BANS_PER_ROOM: usize = 100;

/// Bytes of the mask of a ban.
pub const BAN_BYTES: usize = 160;

/// Invitations of a room that nobody has followed yet; above it the oldest is forgotten.
pub const INVITED_PER_ROOM: usize = 100;

/// Members that a room may be limited to (`+l`).
pub const MEMBERS_PER_ROOM: usize = 1_000_000;

/// Rooms of a server, with those that are kept and empty.
pub const ROOMS: usize = 100_000;

/// Rooms that one account may have made. Others it makes are nobody's.
pub const ROOMS_PER_FOUNDER: usize = 200;

/// Rooms that LIST tells at once: more would not find room in what may wait for a member.
pub const LIST_ROOMS: usize = 2000;

/// Targets of one PRIVMSG, NOTICE or TAGMSG.
pub const TARGETS_PER_LINE: usize = 8;

/// Messages that CHATHISTORY gives at once.
pub const HISTORY_LINES: usize = 200;

/// Targets that CHATHISTORY TARGETS tells at once: a line each, without a text.
pub const HISTORY_TARGETS: usize = 1000;

/// Nicks that a member watches (MONITOR).
pub const WATCHED_PER_MEMBER: usize = 128;

/// Members who have gone, of whom WHOWAS still tells.
pub const GONE_MEMBERS: usize = 500;

/// Accounts that there may be before nobody can make another.
pub const ACCOUNTS: usize = 100_000;

/// Bytes of a password at least, when an account is made.
pub const PASSWORD_LEAST_BYTES: usize = 8;

/// Bytes of a password at most: what fits into a line.
pub const PASSWORD_BYTES: usize = 300;

/// Logins that may fail before a connection is closed.
pub const LOGIN_TRIES: u8 = 5;

/// How long somebody may take to say who he is.
pub const REGISTRATION_TIME: Duration = Duration::from_secs(30);

/// How long somebody may be silent before he is asked whether he is there.
pub const PING_AFTER: Duration = Duration::from_mins(2);

/// How long his answer may take.
pub const PONG_WITHIN: Duration = Duration::from_mins(2);
