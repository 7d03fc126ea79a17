//! Options of endpoints: one table says their names, types, where they fit and when they are
//! set; [`Settings`] are the options of one endpoint with their values.

mod access;
mod address;
mod apply;
mod duration;
mod error;
mod registry;
mod secure;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use address::{BindAddress, Group, Proxy, ProxyKind};
pub use apply::ReadBack;
pub use duration::{parse_duration, show_duration};
pub use error::OptionError;
pub use registry::{Moment, Moments, OptionKey, Schemes, Spec};
pub use secure::Authorities;
pub use settings::{Setting, Settings};
pub use table::OPTIONS;
pub use value::{Kind, Value};
