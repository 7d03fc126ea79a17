//! The socket calls of programs that know nothing of it, through ptrace(2).
