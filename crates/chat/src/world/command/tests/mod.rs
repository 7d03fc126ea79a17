//! What is said, what is answered, what others hear.

mod login;
mod modes;
mod names;
mod rooms;
mod ruling;
mod talk;
mod way_in;
