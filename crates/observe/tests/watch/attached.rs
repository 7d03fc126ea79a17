//! Programs that ran before they were watched, and run on after it.
