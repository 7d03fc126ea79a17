//! The chat service: IRC as today's clients speak it, rooms, accounts, history, several servers as
//! one, and guests who know nothing of all that.
//!
//! ```text
//!  member's task ── line ──▶ World (one lock) ── Draft ──▶ Log: SQLite here, or a stream of NATS
//!       ▲                       ▲      │                     │
//!       │                       └──────┼──── Entry, in order ┘   what is kept is heard only then
//!       └──────── Outbox ◀─────────────┘
//! ```
//!
//! The [`World`](world::World) knows who is here and what may be said; it opens no socket, waits for
//! nothing and reads no clock. What has to outlive it goes through a [`Log`](log::Log), which gives
//! every entry its place in one order for everybody; only then the world tells it to its members.

pub mod accounts;
pub mod cluster;
pub mod guests;
pub mod history;
pub mod irc;
pub mod log;
pub mod outbox;
pub mod service;
pub mod world;
