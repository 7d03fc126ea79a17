//! What is kept of rooms and accounts, as a [`World`](crate::world::World) begins with it.

use super::ModeChange;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The last place that it knows of.
    pub last_seq: u64,
    /// Rooms that outlive their members.
    pub rooms: Vec<KeptRoom>,
    /// Accounts with a password; those of keys stand in `authorized`.
    pub accounts: Vec<KeptAccount>,
}

/// A room that outlives its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptRoom {
    /// Its name as it was first written.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub since_ms: u64,
    /// The account that made it, which may always rule it.
    pub founder: Option<String>,
    /// What it is about.
    pub topic: Option<KeptTopic>,
    /// The last change of each mode that was ever changed, and of each entry of those that are
    /// lists; but for bans.
    pub modes: Vec<ModeChange>,
    /// Who may not come in.
    pub bans: Vec<KeptBan>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptTopic {
    /// What it says.
    pub text: String,
    /// Who said so: `nick!user@host`.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub set_ms: u64,
}

/// A ban.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptBan {
    /// Whom it keeps out.
    pub mask: String,
    /// Who said so: `nick!user@host`.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub set_ms: u64,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAccount {
    /// Its name as it was first written.
    pub name: String,
    /// The password's hash as argon2 writes it (PHC string).
    pub password: String,
    /// When it was made, in milliseconds since 1970.
    pub since_ms: u64,
}
