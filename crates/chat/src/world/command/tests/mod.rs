//! What is said, what is answered, what others hear.

mod login;
mod names;
mod way_in;
