//! The verb against sockets of its own.
