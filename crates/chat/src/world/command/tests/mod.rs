//! What is said, what is answered, what others hear.

mod history;
mod login;
mod modes;
mod names;
mod people;
mod rooms;
mod ruling;
mod talk;
mod watching;
mod way_in;
