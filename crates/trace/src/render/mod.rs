//! Renderers: a timeline for people and for programs.

pub mod html;
