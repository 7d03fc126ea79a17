//! The socket table, over sock_diag(7).
